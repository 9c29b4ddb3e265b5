//! Who is told of what has become durable: receivers of users that come and go, and those who hold something open on behalf
//! of a token's user. Must not know: how anybody is told.

use super::{Asked, AuthService, ServiceError};
use crate::auth::events::{Named, OWN_FUNCTIONS, Receiver, Teller};
use crate::auth::store::Change;
use crate::server::revocation::{Revocation, Revocations};
use hearth_auth::event::UserEvent;
use hearth_auth::store::Scope;
use std::sync::{Arc, OnceLock};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Who is told of what has become durable.
#[derive(Default)]
pub(super) struct Told {
    project: String,
    /// Of users that come and go.
    receivers: OnceLock<(Vec<Named>, Vec<String>)>,
    /// Of tokens that are taken back.
    revocations: OnceLock<Arc<Revocations>>,
}

impl Told {
    /// Nobody yet. `project` is the one whose users hold something open.
    pub(super) fn new(project: &str) -> Self {
        Self { project: project.to_owned(), ..Self::default() }
    }

    /// Their names; none as long as it is not known.
    pub(super) fn names(&self) -> &[String] {
        self.receivers.get().map_or(&[], |(_, names)| names)
    }

    /// Something has become durable: these changes, and events perhaps.
    pub(super) fn hear(&self, changes: &[Change]) {
        if let Some(revocations) = self.revocations.get() {
            for change in changes.iter().filter(|change| change.scope.project == self.project) {
                revocations.tell(&revocation(change));
            }
        }
        for receiver in self.receivers.get().into_iter().flat_map(|(receivers, _)| receivers) {
            receiver.news.notify_one();
        }
    }
}

/// Whose tokens a change ends, if they have any.
fn revocation(change: &Change) -> Revocation {
    let before = change.standing.filter(|standing| !standing.disabled).map(|standing| standing.valid_since);
    Revocation {
        tenant: change.scope.tenant.clone(),
        uid: change.local_id.clone(),
        // One that is neither gone nor disabled has a time, or nothing would be said of it.
        before: before.map(Option::unwrap_or_default),
    }
}

impl AuthService {
    /// From here on tells receivers of users that come and go: those that are configured, and `functions`, if there are
    /// any that wait for it. Events of an earlier process that are not delivered are told first; those for nobody any more
    /// are dropped. To be called once, before anything is served; the work is done in `tasks`, until `stop`.
    ///
    /// # Errors
    /// The store failed, or the service is closed.
    pub async fn tell_of_users(
        self: &Arc<Self>,
        functions: Option<Arc<dyn Receiver>>,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<(), ServiceError> {
        let mut receivers = self.house.remote.clone();
        receivers.extend(functions.map(|functions| Named::new(OWN_FUNCTIONS, functions)));
        let names: Vec<String> = receivers.iter().map(|receiver| receiver.name.clone()).collect();
        let known = names.clone();
        let asked = Asked::itself(Scope::project(&self.house.project));
        let dropped = self.write(asked, move |store, _| Ok(store.delete_events_for_others(&known)?)).await?;
        if dropped > 0 {
            tracing::warn!(events = dropped, "events of users are dropped: whom they waited for is told no more");
        }
        // Whoever calls it twice finds the first ones at work.
        if self.house.told.receivers.set((receivers.clone(), names)).is_ok() {
            for receiver in receivers {
                let teller = Teller::new(Arc::clone(self), receiver, self.house.clock.clone());
                tasks.spawn(teller.run(stop.clone()));
            }
        }
        Ok(())
    }

    /// From here on `revocations` is told of tokens that are taken back, as soon as that is durable: the account is
    /// disabled or gone, or its tokens of before are revoked. To be called once.
    pub fn tell_of_revocations(&self, revocations: Arc<Revocations>) {
        // Whoever calls it twice finds the first ones told.
        let _ = self.house.told.revocations.set(revocations);
    }

    /// Events that wait for a receiver, as [`Accounts::events`](hearth_auth::store::Accounts::events) has them.
    pub(in crate::auth) async fn waiting_events(
        &self,
        receiver: &str,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, UserEvent)>, ServiceError> {
        let receiver = receiver.to_owned();
        let asked = Asked::itself(Scope::project(&self.house.project));
        self.read(asked, move |store, _| Ok(store.events(&receiver, after, limit)?)).await
    }

    /// Forgets events that are delivered or given up.
    pub(in crate::auth) async fn forget_events(&self, numbers: Arc<Vec<u64>>) -> Result<(), ServiceError> {
        let asked = Asked::itself(Scope::project(&self.house.project));
        self.write(asked, move |store, _| Ok(numbers.iter().try_for_each(|number| store.delete_event(*number))?)).await
    }
}
