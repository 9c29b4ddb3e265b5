//! The sessions' functions through the whole house: every row of their tables, with auth and the rate limit on.

mod limits;
mod purge;
mod push_update;
mod refresh_token;
mod start_session;

use hearth_tests::suite::Suite;
use serde_json::Value;

/// A valid update.
const UPDATE: &str = r#"{"timestamp":1767225600000,"uri":"spotify:track:x","position":1.5,"playing":true}"#;
const JSON: (&str, &str) = ("content-type", "application/json");

/// One minute, in the clock's unit.
const MINUTE: u64 = 60_000;

/// A host with a session.
struct Host {
    /// Its `Authorization`.
    id: String,
    /// Its `X-Session-Token`.
    token: String,
    /// Its session's code.
    session: String,
    /// What a refresh may show.
    refresh_token: String,
}

impl Host {
    /// Signs up and starts a session.
    async fn start(suite: &Suite) -> Self {
        let (_, id) = suite.sign_up().await;
        let answer = suite.call("POST", "startSession", &[("authorization", &id)], "").await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        Self::from_answer(id, &answer.json())
    }

    fn from_answer(id: String, answer: &Value) -> Self {
        let text = |key: &str| answer[key].as_str().unwrap().to_owned();
        Self { id, token: text("token"), session: text("session"), refresh_token: text("refreshToken") }
    }

    /// Both credentials.
    fn headers(&self) -> [(&str, &str); 2] {
        [("authorization", &self.id), ("x-session-token", &self.token)]
    }

    /// Both credentials and a JSON body's type.
    fn json_headers(&self) -> [(&str, &str); 3] {
        [("authorization", &self.id), ("x-session-token", &self.token), JSON]
    }
}
