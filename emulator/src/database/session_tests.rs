//! Sessions against a database whose disk can be held.

use super::outbox::Closing;
use super::service::DatabaseService;
use super::sessions::{Attachment, Sessions};
use super::{Databases, sign_in};
use crate::clock::{Agenda, Clock, Entropy};
use crate::config::settings::DatabaseSettings;
use crate::server::credentials::{Credentials, IdToken, IdTokens, TokenRefused};
use crate::storage::Storage;
use futures_util::future::BoxFuture;
use hearth_database::wire::{Credential, Kind, Status};
use hearth_database::{
    Batch, Caller, Change, Command, Engine, Get, Journal, JournalError, Limit, Loaded, Location, Order, Path, Query,
    Ruleset, Write, json,
};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, mpsc};
use tokio_util::sync::CancellationToken;

/// A disk that commits when it is told to.
struct Held(mpsc::Receiver<()>);

impl Journal for Held {
    fn load(&mut self) -> Result<Loaded, JournalError> {
        Ok(Loaded::default())
    }

    fn commit(&mut self, _: Batch<'_>) -> Result<(), JournalError> {
        let _ = self.0.recv();
        Ok(())
    }
}

/// Knows one user, who has until 2000 seconds after the epoch.
struct Tokens;

impl IdTokens for Tokens {
    fn verify<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<IdToken, TokenRefused>> {
        Box::pin(async move {
            let claims = Arc::new([("exp".to_owned(), 2000.into())].into_iter().collect());
            match token {
                "ada" => Ok(IdToken { uid: "ada".to_owned(), claims }),
                "late" => Err(TokenRefused::Expired),
                _ => Err(TokenRefused::Malformed),
            }
        })
    }

    fn made_up<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<IdToken, TokenRefused>> {
        Box::pin(async move {
            let claims = Arc::new([("exp".to_owned(), 1.into())].into_iter().collect());
            match token {
                "late" => Ok(IdToken { uid: "late".to_owned(), claims }),
                _ => Err(TokenRefused::Account),
            }
        })
    }
}

fn sessions(agenda: &Agenda) -> Arc<Sessions> {
    let settings =
        DatabaseSettings { rules: BTreeMap::new(), open: true, create_on_first_use: true, explain_denials: true };
    let clock = agenda.clock().clone();
    let databases = Databases::open(Storage::memory(), "demo", settings, clock, Entropy::seeded(1)).unwrap();
    let credentials = Credentials::new(Some(Arc::new(Tokens)), true);
    Sessions::new(databases, credentials, agenda, Entropy::seeded(2), CancellationToken::new())
}

fn held() -> (Arc<DatabaseService>, mpsc::Sender<()>) {
    let (release, gate) = mpsc::channel();
    let engine = Engine::open(Held(gate), Ruleset::Open).unwrap();
    let service = DatabaseService::start("held", engine, Clock::manual(5), Entropy::seeded(1)).unwrap();
    (Arc::new(service), release)
}

/// The next frame, or why there is none.
async fn next(attached: &Attachment) -> Result<String, Closing> {
    let outgoing = poll_fn(|context| attached.0.outbox().poll_take(context)).await?;
    let mut frames = Vec::new();
    attached.0.frames(outgoing, &mut frames).await;
    Ok(frames.iter().map(|frame| String::from_utf8_lossy(frame).into_owned()).collect())
}

async fn ask(attached: &Attachment, number: u32, action: &str, body: &str) {
    let frame = format!(r#"{{"t":"d","d":{{"r":{number},"a":"{action}","b":{body}}}}}"#);
    attached.0.receive(frame).await;
}

#[tokio::test]
async fn a_full_queue_answers_unavailable_and_what_it_took_is_done() {
    let sessions = sessions(&Agenda::new(Clock::manual(0)));
    let (database, release) = held();
    let attached = sessions.open(Arc::clone(&database), None).await.unwrap();
    // Answers are small, and nothing is acknowledged while the disk is held; so the first answer is the refusal.
    let mut number = 0;
    let refused = loop {
        number += 1;
        ask(&attached, number, "p", r#"{"p":"/a","d":1}"#).await;
        if let std::task::Poll::Ready(found) = futures_util::poll!(Box::pin(next(&attached))) {
            break found.unwrap();
        }
        assert!(number < 100_000);
    };
    let expect = format!(r#"{{"t":"d","d":{{"r":{number},"b":{{"s":"unavailable","d":"The service is unavailable"#);
    assert!(refused.starts_with(&expect), "{refused}");
    // From now on the disk does not wait.
    drop(release);
    assert_eq!(next(&attached).await.unwrap(), r#"{"t":"d","d":{"r":1,"b":{"s":"ok","d":""}}}"#);
    for expect in 2..number {
        assert!(next(&attached).await.unwrap().contains(&format!("\"r\":{expect},")));
    }
}

/// What takes all children of a long list is done before the writer comes to it.
#[tokio::test]
async fn a_query_that_needs_an_order_has_it_made_beside_the_writer() {
    let sessions = sessions(&Agenda::new(Clock::manual(0)));
    let (database, release) = held();
    let attached = sessions.open(Arc::clone(&database), None).await.unwrap();
    release.send(()).unwrap();
    let children: Vec<_> = (0..5000).map(|number| format!("\"k{number}\":{number}")).collect();
    ask(&attached, 1, "p", &format!(r#"{{"p":"/list","d":{{{}}}}}"#, children.join(","))).await;
    assert!(next(&attached).await.unwrap().contains(r#""s":"ok""#));
    let path = Path::parse("list").unwrap();
    let query = Query { order: Order::Priority, limit: Some(Limit::Last(1)), ..Query::default() };
    assert_eq!(database.snapshot().unprepared(&path, &query), 5000);
    // The disk holds the writer.
    ask(&attached, 2, "p", r#"{"p":"/a","d":1}"#).await;
    ask(&attached, 3, "g", r#"{"p":"/list","q":{"l":1,"vf":"r","i":".priority"}}"#).await;
    assert_eq!(database.snapshot().unprepared(&path, &query), 0);
    assert!(futures_util::poll!(Box::pin(next(&attached))).is_pending());
    drop(release);
    assert!(next(&attached).await.unwrap().contains("\"r\":2,"));
    assert!(next(&attached).await.unwrap().ends_with(r#""d":{"k999":999}}}}"#));
    // A write elsewhere leaves it as it is.
    assert_eq!(database.snapshot().unprepared(&path, &query), 0);
}

/// Strangers cost nobody the work of a query that they may not make.
#[tokio::test]
async fn nothing_is_put_in_order_for_who_may_not_read_it() {
    let children: Vec<_> = (0..5000).map(|number| format!("\"k{number}\":{number}")).collect();
    let tree = format!(r#"{{"list":{{{}}}}}"#, children.join(","));
    for (rules, is_prepared) in [(r#"{"rules":{}}"#, false), (r#"{"rules":{"list":{".read":true}}}"#, true)] {
        let rules = Ruleset::parse(rules).unwrap();
        let (release, gate) = mpsc::channel();
        let engine = Engine::open(Held(gate), rules).unwrap();
        let database = DatabaseService::start("judged", engine, Clock::manual(5), Entropy::seeded(1)).unwrap();
        drop(release);
        let change = Change::Set(json::parse(tree.as_bytes(), 0).unwrap());
        let location = Location::parse("").unwrap();
        database.write(Write { caller: Caller::Admin, location, if_match: None, change }).await.unwrap();
        let query = Query { order: Order::Priority, limit: Some(Limit::Last(1)), ..Query::default() };
        let get = Get { caller: Caller::ANYONE, path: Path::parse("list").unwrap(), query };
        assert_eq!(database.preparation(&Command::Get(get)).is_some(), is_prepared);
    }
}

#[tokio::test]
async fn a_credential_that_cannot_be_changed_now_closes_the_session() {
    let sessions = sessions(&Agenda::new(Clock::manual(0)));
    let (database, release) = held();
    let (attached, other) =
        (sessions.open(Arc::clone(&database), None).await.unwrap(), sessions.open(database, None).await.unwrap());
    let mut number = 0;
    while futures_util::poll!(Box::pin(next(&attached))).is_pending() {
        number += 1;
        ask(&attached, number, "p", r#"{"p":"/a","d":1}"#).await;
    }
    ask(&other, 1, "unauth", "{}").await;
    assert_eq!(next(&other).await, Err(Closing::Overloaded));
    drop(release);
}

#[tokio::test]
async fn a_credential_ends_with_its_time() {
    let agenda = Agenda::new(Clock::manual(1_000_000));
    let sessions = sessions(&agenda);
    let database = sessions.databases.find(None, &Caller::ANYONE).await.unwrap();
    let attached = sessions.open(database, None).await.unwrap();
    ask(&attached, 1, "auth", r#"{"cred":"ada"}"#).await;
    let signed_in = next(&attached).await.unwrap();
    assert!(signed_in.starts_with(r#"{"t":"d","d":{"r":1,"b":{"s":"ok","d":{"auth":{"uid":"ada","#), "{signed_in}");
    // A newer credential takes the older one's place.
    ask(&attached, 2, "gauth", r#"{"cred":"owner"}"#).await;
    assert_eq!(next(&attached).await.unwrap(), r#"{"t":"d","d":{"r":2,"b":{"s":"ok","d":{"auth":null}}}}"#);
    assert_eq!(agenda.set(3_000_000).await.unwrap().1, 0);
    agenda.set(1_000_000).await;
    ask(&attached, 3, "auth", r#"{"cred":"ada"}"#).await;
    next(&attached).await.unwrap();
    agenda.set(1_999_999).await;
    assert!(futures_util::poll!(Box::pin(next(&attached))).is_pending());
    assert_eq!(agenda.set(2_000_000).await.unwrap().1, 1);
    let expired = r#"{"t":"d","d":{"a":"ac","b":{"s":"expired_token","d":"Auth token is expired."}}}"#;
    assert_eq!(next(&attached).await.unwrap(), expired);
}

#[tokio::test]
async fn rules_decide_what_a_session_may() {
    let sessions = sessions(&Agenda::new(Clock::manual(1_000_000)));
    let database = sessions.databases.find(None, &Caller::ANYONE).await.unwrap();
    let rules = r#"{"rules": {"own": {"$uid": {".read": "auth.uid == $uid", ".write": "auth.uid == $uid",
        ".validate": "newData.val() != 'bad'"}}, "time": {".write": "newData.val() == now"}}}"#;
    database.ask(Command::Rules(Ruleset::parse(rules).unwrap())).await.unwrap();
    let attached = sessions.open(database, None).await.unwrap();
    let denied =
        |number| format!(r#"{{"t":"d","d":{{"r":{number},"b":{{"s":"permission_denied","d":"Permission denied"}}}}}}"#);
    let done = |number| format!(r#"{{"t":"d","d":{{"r":{number},"b":{{"s":"ok","d":""}}}}}}"#);
    let check = async |number, action, body, allowed| {
        ask(&attached, number, action, body).await;
        let expect = if allowed { done(number) } else { denied(number) };
        assert_eq!(next(&attached).await.unwrap(), expect, "{action} {body}");
    };
    check(1, "p", r#"{"p":"/own/ada","d":1}"#, false).await;
    ask(&attached, 2, "auth", r#"{"cred":"ada"}"#).await;
    assert!(next(&attached).await.unwrap().contains("\"r\":2,"));
    check(3, "p", r#"{"p":"/own/ada","d":1}"#, true).await;
    check(4, "p", r#"{"p":"/own/ada","d":"bad"}"#, false).await;
    check(5, "p", r#"{"p":"/own/eve","d":1}"#, false).await;
    check(6, "m", r#"{"p":"/own","d":{"ada":2,"eve":2}}"#, false).await;
    check(7, "p", r#"{"p":"/time","d":{".sv":"timestamp"}}"#, true).await;
    check(8, "p", r#"{"p":"/time","d":1}"#, false).await;
    check(9, "o", r#"{"p":"/own/eve","d":1}"#, false).await;
    check(10, "o", r#"{"p":"/own/ada","d":3}"#, true).await;
    check(11, "q", r#"{"p":"/own/eve","h":""}"#, false).await;
    ask(&attached, 12, "g", r#"{"p":"/own/eve","q":{}}"#).await;
    assert!(next(&attached).await.unwrap().contains("ermission denied"));
    // An admin that speaks for somebody.
    ask(&attached, 13, "gauth", r#"{"cred":"owner","authvar":{"uid":"eve"}}"#).await;
    assert!(next(&attached).await.unwrap().contains("\"r\":13,"));
    check(14, "p", r#"{"p":"/own/eve","d":1}"#, true).await;
    check(15, "p", r#"{"p":"/own/ada","d":1}"#, false).await;
}

/// Nobody's token is taken back here.
struct Nobody;

impl crate::server::revocation::Holder for Nobody {
    fn revoked(&self) {}
}

#[tokio::test]
async fn who_is_let_in_depends_on_the_mode() {
    let check = async |trusts, kind, token: &str, auth_override: Option<&str>, expect: Result<&str, Status>| {
        let credentials = Credentials::new(Some(Arc::new(Tokens)), trusts);
        let sign_in = sign_in::SignIn::new(credentials, Clock::manual(0));
        let auth_override = auth_override.map(str::to_owned);
        let credential = Credential { kind, token: token.to_owned(), auth_override };
        let found = sign_in.authenticate(&credential, std::sync::Weak::<Nobody>::new()).await;
        let found = found.map(|(found, _)| match &found.caller {
            Caller::Admin => "admin".to_owned(),
            Caller::Client(None) => found.auth,
            Caller::Client(Some(auth)) => {
                let seen = serde_json::to_string(auth.members()).unwrap();
                assert_eq!(seen, found.auth);
                seen
            }
        });
        let found = found.as_deref().map_err(|(status, _)| *status);
        assert_eq!(found, expect, "{trusts} {credential:?}");
    };
    const ADA: &str = r#"{"uid":"ada","provider":null,"token":{"exp":2000}}"#;
    let (id, access) = (Kind::IdToken, Kind::AccessToken);
    check(true, access, "owner", None, Ok("admin")).await;
    check(true, access, "ya29.x", None, Ok("admin")).await;
    check(true, id, "owner", None, Ok("admin")).await;
    check(true, access, "", None, Err(Status::InvalidToken)).await;
    check(true, access, "owner", Some("null"), Ok("null")).await;
    check(true, access, "owner", Some(r#"{"uid":"u"}"#), Ok(r#"{"uid":"u"}"#)).await;
    check(true, access, "owner", Some("5"), Err(Status::Failure)).await;
    check(true, id, "ada", None, Ok(ADA)).await;
    check(true, id, "ada", Some("null"), Err(Status::InvalidToken)).await;
    check(true, id, "late", None, Ok(r#"{"uid":"late","provider":null,"token":{"exp":1}}"#)).await;
    check(true, id, "x", None, Err(Status::InvalidToken)).await;
    check(false, access, "owner", None, Err(Status::InvalidToken)).await;
    check(false, id, "owner", None, Err(Status::InvalidToken)).await;
    check(false, id, "ada", None, Ok(ADA)).await;
    check(false, id, "late", None, Err(Status::ExpiredToken)).await;
}
