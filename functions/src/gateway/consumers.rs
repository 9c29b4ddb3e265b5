//! The consumers of the gateway's own queues.
//!
//! `NotifyUser` `{"userId", "data"}`: one message in NotifyConnection for each of the user's connections.
//! `NotifyConnection` `{"connectionId", "data"}`: a text to the connection, if there is one.
//! `DeleteConnection` `{"connectionId"}`: the text `$disconnect`, and then the end; an error if there is no connection.

use super::records::{self, DELETE_CONNECTION};
use super::{Gateway, NOTIFY_CONNECTION, NOTIFY_USER, Unposted};
use crate::queues::{Consumer, NewMessage, Received};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use std::sync::{Arc, Weak};

/// So many of a user's connections are notified together.
const PAGE: usize = 100;
/// What a client is told before its connection is closed.
const GOODBYE: &str = "$disconnect";
/// RFC 6455's code for a proper end.
const NORMAL: u16 = 1000;

/// Which queue.
#[derive(Clone, Copy)]
enum Own {
    NotifyUser,
    NotifyConnection,
    DeleteConnection,
}

struct Handler {
    gateway: Weak<Gateway>,
    own: Own,
}

/// Has the gateway handle the messages of its queues.
pub(super) fn register(gateway: &Arc<Gateway>) {
    for (queue, own) in [
        (NOTIFY_USER, Own::NotifyUser),
        (NOTIFY_CONNECTION, Own::NotifyConnection),
        (DELETE_CONNECTION, Own::DeleteConnection),
    ] {
        gateway.queues.consume(queue, Arc::new(Handler { gateway: Arc::downgrade(gateway), own }));
    }
}

impl Consumer for Handler {
    fn consume(self: Arc<Self>, message: Received) -> BoxFuture<'static, Result<(), String>> {
        Box::pin(async move {
            let gateway = self.gateway.upgrade().ok_or("the gateway is gone")?;
            let body: Value = serde_json::from_str(&message.body).unwrap_or_default();
            let text = |key: &str| body.get(key).and_then(Value::as_str);
            match self.own {
                Own::NotifyUser => match (text("userId"), text("data")) {
                    (Some(user), Some(data)) => gateway.notify_user(user, data).await,
                    (None, _) | (_, None) => refuse(NOTIFY_USER, &message),
                },
                Own::NotifyConnection => match (text("connectionId"), text("data")) {
                    (Some(id), Some(data)) => {
                        if let Err(error) = gateway.post(None, id, Bytes::copy_from_slice(data.as_bytes())) {
                            tracing::debug!(connection = id, ?error, "a notification has nobody to go to");
                        }
                        Ok(())
                    }
                    (None, _) | (_, None) => refuse(NOTIFY_CONNECTION, &message),
                },
                Own::DeleteConnection => {
                    let id = text("connectionId").ok_or("it has no connectionId")?;
                    gateway.disconnect(None, id, Some(GOODBYE)).await.map_err(|_| format!("{id} is gone"))
                }
            }
        })
    }
}

/// A message that will never be understood, in a queue without dead letters, is not tried again.
fn refuse(queue: &str, message: &Received) -> Result<(), String> {
    tracing::error!(queue, id = %message.id, "the message is not understood, and dropped");
    Ok(())
}

impl Gateway {
    /// One message for each of a user's connections.
    async fn notify_user(&self, user: &str, data: &str) -> Result<(), String> {
        let mut after = None::<String>;
        loop {
            let (of, from) = (user.to_owned(), after.take());
            let page = self
                .platform
                .database
                .transact(move |transaction| Ok(records::of_user(transaction, &of, from.as_deref(), PAGE)));
            let page = page.await.map_err(|error| error.to_string())?;
            let message = |id: &String| NewMessage::text(json!({"connectionId": id, "data": data}).to_string());
            let messages: Vec<_> = page.iter().map(message).collect();
            if !messages.is_empty() {
                let outcomes = self.queues.send(NOTIFY_CONNECTION, messages).await;
                let outcomes = outcomes.map_err(|refusal| refusal.to_string())?;
                for outcome in outcomes {
                    outcome.map_err(|refusal| refusal.to_string())?;
                }
            }
            match page.into_iter().nth(PAGE - 1) {
                Some(last) => after = Some(last),
                None => return Ok(()),
            }
        }
    }

    /// Ends a connection from this side, with a last text or without.
    pub(super) async fn disconnect(
        self: &Arc<Self>,
        stage: Option<&str>,
        id: &str,
        text: Option<&'static str>,
    ) -> Result<(), Unposted> {
        let connection = self.connections.find(stage, id).ok_or(Unposted::Gone)?;
        if let Some(text) = text {
            let sent = connection.send(Bytes::from_static(text.as_bytes()), self.now());
            sent.map_err(|_| Unposted::Gone)?;
        }
        connection.outlet.close(NORMAL, "Connection Closed Normally");
        self.end(&connection).await;
        Ok(())
    }
}
