//! Sessions and streams end with the tokens that they are open on behalf of: when the account is disabled, deleted or has
//! taken its tokens back.

use crate::long_poll::Poller;
use hearth::config::service::Service;
use hearth::config::settings::{Mode, Settings};
use hearth_database::Ruleset;
use hearth_tests::events::EventStream;
use hearth_tests::suite::{PROJECT, Suite};
use hearth_tests::websocket::Client;
use serde_json::{Value, json};

const RULES: &str = r#"{"rules": {"own": {"$uid": {".read": "auth.uid === $uid", ".write": "auth.uid === $uid"}}}}"#;
const JSON: (&str, &str) = ("content-type", "application/json");
const OWNER: (&str, &str) = ("authorization", "Bearer owner");

fn with_rules(settings: &mut Settings) {
    settings.database.rules.insert(None, Ruleset::parse(RULES).unwrap());
}

/// A user, and all that is held open on their behalf.
struct Held<'s> {
    uid: String,
    token: String,
    socket: Client,
    stream: EventStream,
    poller: Poller<'s>,
}

impl<'s> Held<'s> {
    async fn open(suite: &'s Suite) -> Self {
        let (uid, header) = suite.sign_up().await;
        let token = header.trim_start_matches("Bearer ").to_owned();
        let database = suite.address(Service::Database);
        let (mut socket, _) = Client::greeted(database, "").await;
        assert_eq!(socket.ask("auth", json!({"cred": token})).await["s"], "ok");
        let path = format!("/own/{uid}.json?auth={token}");
        let mut stream = EventStream::open(database, &path, &[("accept", "text/event-stream")]).await;
        stream.until("event: put").await;
        let mut poller = Poller::start_in(suite, PROJECT).await;
        let auth = json!({"t": "d", "d": {"r": 1, "a": "auth", "b": {"cred": token}}}).to_string();
        poller.poll(&[auth]).await;
        while !poller.told.iter().any(|message| message["d"]["r"] == 1) {
            poller.poll(&[]).await;
        }
        let mut held = Self { uid, token, socket, stream, poller };
        assert_eq!(held.write().await, "ok");
        held
    }

    /// Writes what only the user may write.
    async fn write(&mut self) -> Value {
        self.socket.ask("p", json!({"p": format!("/own/{}/a", self.uid), "d": 1})).await["s"].take()
    }

    /// All of it is nobody's any more.
    async fn ends(mut self, what: &str) {
        let revoked = json!({"a": "ac", "b": {"s": "expired_token", "d": "Auth token is expired."}});
        assert_eq!(self.socket.message().await["d"], revoked, "{what}");
        assert_eq!(self.write().await, "permission_denied", "{what}");
        let last = "event: auth_revoked\ndata: \"credential is no longer valid\"\n\n";
        assert!(self.stream.end().await.ends_with(last), "{what}");
        while !self.poller.told.iter().any(|message| message["d"] == revoked) {
            self.poller.poll(&[]).await;
        }
        self.poller.leave().await;
    }
}

#[tokio::test]
async fn whoever_is_shut_out_loses_what_is_open() {
    let suite = Suite::start_with(Mode::Emulator, |settings| {
        settings.auth.unsigned_tokens = false;
        with_rules(settings);
    })
    .await;
    let accounts = format!("/identitytoolkit.googleapis.com/v1/projects/{PROJECT}/accounts");
    let mut bystander = Held::open(&suite).await;
    for what in ["disabled", "revoked", "deleted", "deleted in a batch", "a new password", "all at once"] {
        let held = Held::open(&suite).await;
        let uid = held.uid.as_str();
        let (method, path, body) = match what {
            "disabled" => ("POST", format!("{accounts}:update"), json!({"localId": uid, "disableUser": true})),
            "revoked" => {
                let after = (suite.now() / 1000 + 1).to_string();
                ("POST", format!("{accounts}:update"), json!({"localId": uid, "validSince": after}))
            }
            "deleted" => ("POST", format!("{accounts}:delete"), json!({"localId": uid})),
            "deleted in a batch" => {
                ("POST", format!("{accounts}:batchDelete"), json!({"localIds": [uid], "force": true}))
            }
            "a new password" => {
                suite.advance(2000).await;
                let email = json!({"localId": uid, "email": "a@b.c", "password": "a password"});
                ("POST", format!("{accounts}:update"), email)
            }
            _ => {
                assert_eq!(bystander.write().await, "ok", "it is none of the others' business");
                ("DELETE", format!("/emulator/v1/projects/{PROJECT}/accounts"), Value::Null)
            }
        };
        let answer = suite.ask(Service::Auth, method, &path, &[JSON, OWNER], &body.to_string()).await;
        assert_eq!(answer.status, 200, "{what}: {}", answer.text());
        held.ends(what).await;
    }
    bystander.ends("all at once").await;
    suite.stop().await;
}

#[tokio::test]
async fn who_leaves_a_server_is_gone_from_it() {
    let suite = Suite::start_with(Mode::SelfHost, with_rules).await;
    let held = Held::open(&suite).await;
    let path = "/identitytoolkit.googleapis.com/v1/accounts:delete?key=k";
    let body = json!({"idToken": held.token}).to_string();
    assert_eq!(suite.ask(Service::Auth, "POST", path, &[JSON], &body).await.status, 200);
    held.ends("deleted").await;
    suite.stop().await;
}

#[tokio::test]
async fn with_unsigned_tokens_sessions_go_on_as_in_the_original() {
    let suite = Suite::start_with(Mode::Emulator, with_rules).await;
    let mut held = Held::open(&suite).await;
    let path = format!("/identitytoolkit.googleapis.com/v1/projects/{PROJECT}/accounts:update");
    let body = json!({"localId": held.uid, "disableUser": true}).to_string();
    assert_eq!(suite.ask(Service::Auth, "POST", &path, &[JSON, OWNER], &body).await.status, 200);
    assert_eq!(held.write().await, "ok");
    suite.stop().await;
}
