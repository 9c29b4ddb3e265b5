//! What a client says on its connection, and its end.

use super::Gateway;
use super::connections::Connection;
use super::routes::{DEFAULT, Selected, select};
use crate::service::Session;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The route that is answered here.
const PING: &str = "ping";
/// So many characters of a name are repeated.
const LONGEST_NAME: usize = 256;

/// A client.
pub(super) struct ClientSession {
    gateway: Arc<Gateway>,
    connection: Arc<Connection>,
    /// Whether its end has been looked after.
    closed: AtomicBool,
}

impl ClientSession {
    pub(super) fn new(gateway: &Arc<Gateway>, connection: &Arc<Connection>) -> Self {
        Self { gateway: Arc::clone(gateway), connection: Arc::clone(connection), closed: AtomicBool::new(false) }
    }

    /// Finds the route of a message, and has it answered.
    async fn route(&self, text: String) -> Result<(), String> {
        let (gateway, connection) = (&self.gateway, &self.connection);
        let Selected { key, body } = select(&gateway.config.selection, &text);
        let routes = &gateway.config.routes;
        let own = key.as_deref().and_then(|key| routes.get_key_value(key));
        let is_ping = key.as_deref() == Some(PING);
        let configured = own.or_else(|| if is_ping { None } else { routes.get_key_value(DEFAULT) });
        let Some((key, route)) = configured else {
            let answer = if is_ping { pong(&body) } else { "not implemented".to_owned() };
            return gateway.notify(&connection.id, &answer).await.map_err(|refusal| refusal.to_string());
        };
        let user = json!({"principalId": connection.user});
        let mut event = gateway.event("MESSAGE", key, &connection.stage, &connection.id, user);
        if let Value::Object(event) = &mut event {
            event.insert("body".to_owned(), Value::from(text));
        }
        let (status, answer) =
            gateway.integrations.call(&route.integration, &event).await.map_err(|error| error.to_string())?;
        if !status.is_success() {
            return Err(format!("the route {key} was answered {status}"));
        }
        if route.reply && !answer.is_empty() {
            let text = String::from_utf8(answer.to_vec()).map_err(|error| error.to_string())?;
            // It is gone otherwise, which its session hears of.
            let _ = connection.send(Bytes::from(text), gateway.now());
        }
        Ok(())
    }
}

/// What a ping is answered.
fn pong(body: &Value) -> String {
    match body.get("name").and_then(Value::as_str).filter(|name| !name.is_empty()) {
        Some(name) => format!("pong, {}!", name.chars().take(LONGEST_NAME).collect::<String>()),
        None => "pong".to_owned(),
    }
}

impl Session for ClientSession {
    fn opened(self: Arc<Self>) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }

    fn message(self: Arc<Self>, text: String) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            self.connection.touch(self.gateway.now());
            if let Err(reason) = self.route(text).await {
                let id = &self.connection.id;
                tracing::warn!(connection = id, reason, "a message was not handled");
                let request = self.gateway.request_id();
                let error = json!({"message": "Internal server error", "connectionId": id, "requestId": request});
                let _ = self.connection.send(Bytes::from(error.to_string()), self.gateway.now());
            }
        })
    }

    fn alive(&self) {
        self.connection.touch(self.gateway.now());
    }

    fn closed(self: Arc<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            self.gateway.end(&self.connection).await;
            self.closed.store(true, Ordering::SeqCst);
        })
    }
}

impl Drop for ClientSession {
    fn drop(&mut self) {
        // A request that was given up before its connection was handed out has nobody who closes it.
        if !self.closed.load(Ordering::SeqCst) {
            let (gateway, connection) = (Arc::clone(&self.gateway), Arc::clone(&self.connection));
            self.gateway.tasks.spawn(Box::pin(async move { gateway.end(&connection).await }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ping_is_answered_by_name() {
        let check = |body: Value, expect: &str| assert_eq!(pong(&body), expect);
        check(json!({"action": "ping", "name": "Stepan"}), "pong, Stepan!");
        check(json!({"action": "ping"}), "pong");
        check(json!({"action": "ping", "name": ""}), "pong");
        check(json!({"action": "ping", "name": 7}), "pong");
        assert_eq!(pong(&json!({"name": "ž".repeat(300)})).chars().count(), 256 + 7);
    }
}
