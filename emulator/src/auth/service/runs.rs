//! How operations are run: through the writer, beside it, or right here; and again, once what they wanted done first is
//! done. Must not know: what an operation does.

use super::super::rerun::Rerun;
use super::super::writer::{Job, Message};
use super::{Asked, AuthService, ServiceError};
use hearth_auth::Error;
use hearth_auth::errand::{Errand, Outcome, Outcomes};
use hearth_auth::errors::StoreError;
use hearth_auth::operations::Call;
use hearth_auth::store::{Accounts, Store};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// An operation is run so often at most: each time it may want something else done first.
const MOST_RUNS: usize = 8;

/// An operation that may have to be run again.
struct Attempt<F> {
    asked: Asked,
    operation: F,
    rerun: Rerun,
}

impl AuthService {
    /// Runs an operation that writes, and answers once it is durable. What it wants done first is done beside the
    /// writer; then it is run again.
    pub(in crate::auth) async fn write<T, F>(&self, asked: Asked, operation: F) -> Result<T, ServiceError>
    where
        T: Send + 'static,
        F: Fn(&mut dyn Store, &Call<'_>) -> Result<T, Error> + Send + Sync + 'static,
    {
        let attempt = Arc::new(Attempt { asked, operation, rerun: Rerun::default() });
        for _ in 0..MOST_RUNS {
            match self.write_once(Arc::clone(&attempt)).await {
                Err(ServiceError::Refused(Error::Errands(errands))) => {
                    self.run_errands(errands, &attempt.rerun).await?
                }
                result => return result,
            }
        }
        Err(Error::Errands(Vec::new()).into())
    }

    async fn write_once<T, F>(&self, attempt: Arc<Attempt<F>>) -> Result<T, ServiceError>
    where
        T: Send + 'static,
        F: Fn(&mut dyn Store, &Call<'_>) -> Result<T, Error> + Send + Sync + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let house = Arc::clone(&self.house);
        let body = move |store: &mut dyn Store| {
            let tokens = house.tokens();
            attempt.rerun.run(&house.clock, &house.entropy, |now, entropy, outcomes| {
                (attempt.operation)(store, &house.call(&attempt.asked, &tokens, now, entropy, outcomes))
            })
        };
        let job = Task { body: Some(body), result: None, reply };
        self.inbox.try_send(Message::Run(Box::new(job))).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => ServiceError::Busy,
            mpsc::error::TrySendError::Closed(_) => ServiceError::Stopped,
        })?;
        Ok(answer.await.map_err(|_| ServiceError::Stopped)??)
    }

    /// Does what an operation cannot do by itself.
    async fn run_errands(&self, errands: Vec<Errand>, rerun: &Rerun) -> Result<(), ServiceError> {
        for errand in errands {
            let outcome = match &errand {
                Errand::Ask(question) => Outcome::Replied(self.functions.ask(question).await),
                Errand::ProviderKeys(wanted) => Outcome::ProviderKeys(self.provider_keys.get(wanted).await),
                Errand::Inquire(inquiry) => Outcome::Inquired(self.provider_inquiries.ask(inquiry).await),
                Errand::Hash(_) | Errand::Verify(..) => {
                    self.hashing.run(errand.clone(), self.house.hashing, self.house.entropy.clone()).await?
                }
            };
            rerun.learn(errand, outcome);
        }
        Ok(())
    }

    /// Runs an operation that reads a row or two: right here, for it takes no longer than to have it done elsewhere.
    pub(in crate::auth) fn glance<T>(
        &self,
        asked: &Asked,
        operation: impl FnOnce(&dyn Accounts, &Call<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let (tokens, outcomes) = (self.tokens(), Outcomes::default());
        self.look(|store, now| operation(store, &self.house.call(asked, &tokens, now, &self.house.entropy, &outcomes)))
    }

    /// Runs an operation that only reads, but may want something else done first.
    pub(in crate::auth) async fn inquire<T, F>(&self, asked: Asked, operation: F) -> Result<T, ServiceError>
    where
        T: Send + 'static,
        F: Fn(&dyn Accounts, &Call<'_>) -> Result<T, Error> + Send + Sync + 'static,
    {
        let attempt = Arc::new(Attempt { asked, operation, rerun: Rerun::default() });
        for _ in 0..MOST_RUNS {
            let (house, again) = (Arc::clone(&self.house), Arc::clone(&attempt));
            let read = move || {
                let tokens = house.tokens();
                again.rerun.run(&house.clock, &house.entropy, |now, entropy, outcomes| {
                    let call = house.call(&again.asked, &tokens, now, entropy, outcomes);
                    house.look(|store| (again.operation)(store, &call))
                })
            };
            match tokio::task::spawn_blocking(read).await.map_err(|_| ServiceError::Stopped)? {
                Err(Error::Errands(errands)) => self.run_errands(errands, &attempt.rerun).await?,
                result => return Ok(result?),
            }
        }
        Err(Error::Errands(Vec::new()).into())
    }

    /// Runs an operation that only reads, beside the writer.
    pub(in crate::auth) async fn read<T: Send + 'static>(
        &self,
        asked: Asked,
        operation: impl FnOnce(&dyn Accounts, &Call<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let house = Arc::clone(&self.house);
        let read = move || {
            let (tokens, now, outcomes) = (house.tokens(), house.clock.now(), Outcomes::default());
            house.look(|store| operation(store, &house.call(&asked, &tokens, now, &house.entropy, &outcomes)))
        };
        Ok(tokio::task::spawn_blocking(read).await.map_err(|_| ServiceError::Stopped)??)
    }
}

/// An operation on its way to the writer.
struct Task<F, T> {
    body: Option<F>,
    result: Option<Result<T, Error>>,
    reply: oneshot::Sender<Result<T, Error>>,
}

impl<F, T> Job for Task<F, T>
where
    F: FnOnce(&mut dyn Store) -> Result<T, Error> + Send,
    T: Send,
{
    fn run(&mut self, store: &mut dyn Store) -> bool {
        self.result = self.body.take().map(|body| body(store));
        match &self.result {
            Some(Ok(_)) => true,
            Some(Err(error)) => error.keeps_what_was_written(),
            None => false,
        }
    }

    fn reply(self: Box<Self>, outcome: Result<(), String>) {
        let result = match (self.result, outcome) {
            (Some(result), Ok(())) => result.map_err(Error::into_inner),
            // A refusal doesn't stand either: it may have been for what another operation wrote, which isn't kept.
            (_, Err(error)) => Err(StoreError(error).into()),
            (None, Ok(())) => Err(StoreError("the operation did not run".to_owned()).into()),
        };
        // Whoever asked may have gone.
        let _ = self.reply.send(result);
    }
}
