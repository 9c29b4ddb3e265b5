//! Chat, over HTTP and WebSockets.

mod crash;
mod hostile;
mod messages;
mod others;
mod presence;
mod rows;
mod socket;
mod stub;
mod tokens;

use hearth::config::service::Service;
use hearth::config::settings::{Endpoint, HostedSettings, Mode};
use hearth_tests::client::Answer;
use hearth_tests::suite::Suite;
use serde_json::{Value, json};
use socket::Socket;
use std::collections::BTreeMap;

/// What the service of notifications says.
const SECRET: &str = "a secret for notifications";

/// A suite with chat.
struct House {
    suite: Suite,
}

impl House {
    async fn new() -> Self {
        Self::with(Mode::Emulator, json!({})).await
    }

    /// With this section of firebase.json.
    async fn with(mode: Mode, config: Value) -> Self {
        let suite = Suite::start_with(mode, |settings| {
            let secrets = BTreeMap::from([("NOTIFICATION_AUTH".to_owned(), SECRET.to_owned())]);
            let config = config.as_object().unwrap().clone();
            settings.hosted.insert(Service::Chat, HostedSettings { config, secrets });
            settings.services.insert(Service::Chat, Endpoint { host: "127.0.0.1".to_owned(), port: 0 });
        });
        Self { suite: suite.await }
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.suite.ask(Service::Chat, method, path, headers, body).await
    }

    /// A request of somebody who is known by his `Authorization` header.
    async fn get(&self, path: &str, authorization: &str) -> Answer {
        self.ask("GET", path, &[("authorization", authorization)], "").await
    }

    /// Signs somebody in with claims; his `Authorization` header.
    async fn sign_in(&self, uid: &str, claims: Value) -> String {
        let token = json!({"uid": uid, "claims": claims}).to_string();
        let body = json!({"token": token, "returnSecureToken": true}).to_string();
        let path = "/identitytoolkit.googleapis.com/v1/accounts:signInWithCustomToken?key=k";
        let headers = [("content-type", "application/json")];
        let answer = self.suite.ask(Service::Auth, "POST", path, &headers, &body).await;
        let answer = answer.json();
        format!("Bearer {}", answer["idToken"].as_str().unwrap_or_else(|| panic!("{answer}")))
    }

    /// Signs somebody in who has this name and group.
    async fn person(&self, name: &str, group: &str) -> String {
        self.sign_in(&format!("uid-of-{name}"), json!({"username": name, "user_group": group})).await
    }

    /// A token for a WebSocket.
    async fn token(&self, authorization: &str) -> String {
        let answer = self.get("/ws_token", authorization).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["result"]["token"].as_str().unwrap().to_owned()
    }

    /// Opens a WebSocket with a token.
    async fn try_open(&self, token: &str) -> Result<Socket, String> {
        Socket::open(self.suite.address(Service::Chat), token).await
    }

    /// Opens a WebSocket.
    async fn open(&self, authorization: &str) -> Socket {
        let token = self.token(authorization).await;
        self.try_open(&token).await.unwrap()
    }

    /// Signs somebody in and opens a WebSocket.
    async fn join(&self, name: &str, group: &str) -> Socket {
        self.open(&self.person(name, group).await).await
    }

    /// What the service's database holds, as an admin sees it.
    async fn kept(&self, path: &str) -> Value {
        let owner = [("authorization", "Bearer owner")];
        let path = format!("/{path}.json?ns=chat");
        self.suite.ask(Service::Database, "GET", &path, &owner, "").await.json()
    }

    async fn stop(self) {
        self.suite.stop().await;
    }
}
