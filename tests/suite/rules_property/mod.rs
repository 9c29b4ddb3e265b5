//! No sequence of allowed operations reads or writes what the rules, asked directly about a plain tree, deny: random
//! rules, trees and operations, over REST, event streams, WebSocket and long polling.
//!
//! `HEARTH_ROUNDS=1000 cargo test -p hearth-tests --test suite rules_property` runs as many, `HEARTH_SEED=7` the one of
//! that seed.

mod random;
mod reference;
mod visitor;

use hearth::config::service::Service;
use hearth_database::Ruleset;
use hearth_tests::client::Answer;
use hearth_tests::suite::Suite;
use random::Random;
use reference::{Reference, User, at, with};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use visitor::{Stream, Visitor, token, user};

const NAMES: [Option<&str>; 3] = [None, Some("ada"), Some("bob")];
const NAMESPACE: &str = "random";
const OWNER: (&str, &str) = ("authorization", "Bearer owner");
const OPERATIONS: u32 = 40;

/// Says which round failed.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the round of HEARTH_SEED={} failed", self.0);
        }
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[tokio::test]
async fn nobody_reads_or_writes_what_the_rules_deny() {
    if let Some(seed) = number("HEARTH_SEED") {
        return round(seed).await;
    }
    for seed in 0..number("HEARTH_ROUNDS").unwrap_or(25) {
        round(seed).await;
    }
}

async fn round(seed: u64) {
    let _seed = Seed(seed);
    let suite = Suite::start().await;
    let mut world = World {
        random: Random::new(seed),
        suite: &suite,
        reference: Reference { root: Value::Null, rules: Ruleset::Open, now: suite.now() },
        visitors: Vec::new(),
        streams: Vec::new(),
        sessions: 0,
    };
    let data = world.random.data(3);
    let data = world.reference.filled(&data);
    assert_eq!(world.admin("PUT", "/.json", &data.to_string()).await.status, 200);
    world.reference.root = with(&Value::Null, "", &data);
    world.new_rules().await;
    for polls in [false, false, true] {
        world.visitors.push(Visitor::come(&suite, NAMESPACE, polls).await);
    }
    for _ in 0..OPERATIONS {
        world.step().await;
        world.check().await;
    }
    for stream in std::mem::take(&mut world.streams) {
        stream.check().await;
    }
    drop(world);
    suite.stop().await;
}

struct World<'s> {
    random: Random,
    suite: &'s Suite,
    reference: Reference,
    visitors: Vec<Visitor<'s>>,
    streams: Vec<Stream>,
    sessions: u32,
}

impl World<'_> {
    async fn admin(&self, method: &str, path: &str, body: &str) -> Answer {
        let path = format!("{path}?ns={NAMESPACE}");
        self.suite.ask(Service::Database, method, &path, &[OWNER], body).await
    }

    async fn new_rules(&mut self) {
        let rules = self.random.rules().to_string();
        self.reference.rules = Ruleset::parse(&rules).unwrap_or_else(|errors| panic!("{errors:#}"));
        let answer = self.admin("PUT", "/.settings/rules.json", &rules).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        self.news();
    }

    /// Takes note of a change for all streams.
    fn news(&mut self) {
        for stream in &mut self.streams {
            let may_read = self.reference.may_read(&stream.user, &stream.place, None);
            stream.expect(&self.reference.root, may_read);
        }
    }

    async fn step(&mut self) {
        match self.random.below(20) {
            0..7 => self.request().await,
            7 => {
                if self.random.one_in(3) {
                    self.new_rules().await;
                }
            }
            8 => {
                let (user, place) = (user(self.random.pick(&NAMES)), self.random.path(3));
                let allowed = self.reference.may_read(&user, &place, None);
                let stream = Stream::open(self.suite, NAMESPACE, &user, &place).await;
                assert_eq!(stream.is_some(), allowed, "a stream of /{place} by {:?}", user.name);
                self.streams.extend(stream.map(|mut stream| {
                    stream.expect(&self.reference.root, true);
                    stream
                }));
            }
            9 => self.leave().await,
            _ => self.message().await,
        }
    }

    /// One request over REST, by somebody.
    async fn request(&mut self) {
        let (user, place) = (user(self.random.pick(&NAMES)), self.random.path(3));
        let auth = token(&user).map(|token| format!("&auth={token}")).unwrap_or_default();
        let path = format!("/{place}.json?ns={NAMESPACE}{auth}");
        let ask = async |method: &str, more: &str, headers: &[(&str, &str)], body: &Value| {
            let body = if body.is_null() && method == "GET" { String::new() } else { body.to_string() };
            self.suite.ask(Service::Database, method, &format!("{path}{more}"), headers, &body).await
        };
        let who = user.name;
        match self.random.below(6) {
            0 | 1 => {
                let first = [None, Some(1), Some(3)][self.random.below(3) as usize];
                let more = first.map(|count| format!("&orderBy=\"$key\"&limitToFirst={count}")).unwrap_or_default();
                let answer = ask("GET", &more.replace('"', "%22"), &[], &Value::Null).await;
                let allowed = self.reference.may_read(&user, &place, first);
                assert_eq!(answer.status == 200, allowed, "GET /{place} {first:?} by {who:?}: {}", answer.text());
                if allowed {
                    assert_eq!(answer.json(), self.reference.shown(&place, first), "GET /{place} {first:?}");
                } else {
                    assert_eq!((answer.status.as_u16(), answer.text()), (401, "{\"error\":\"Permission denied\"}"));
                }
            }
            2 => {
                // A condition that does not hold tells what is there, which takes the right to read it.
                let answer = ask("PUT", "", &[("if-match", "nothing")], &json!(1)).await;
                let allowed = self.reference.may_read(&user, &place, None);
                assert_eq!(answer.status.as_u16(), if allowed { 412 } else { 401 }, "PUT /{place} by {who:?}");
                if allowed {
                    assert_eq!(&answer.json(), at(&self.reference.root, &place));
                }
            }
            3 => {
                let values = self.parts();
                let parts: Vec<_> =
                    values.iter().map(|(key, value)| (format!("{place}/{key}"), value.clone())).collect();
                let answer = ask("PATCH", "", &[], &Value::Object(values.clone())).await;
                self.written(&user, &parts, answer.status == 200, &format!("PATCH /{place} {values:?} by {who:?}"));
            }
            4 => {
                let answer = ask("DELETE", "", &[], &Value::Null).await;
                let what = format!("DELETE /{place} by {who:?}");
                self.written(&user, &[(place, Value::Null)], answer.status == 200, &what);
            }
            _ => {
                let data = self.random.data(2);
                let answer = ask("PUT", "", &[], &data).await;
                let what = format!("PUT /{place} {data} by {who:?}");
                self.written(&user, &[(place, data)], answer.status == 200, &what);
            }
        }
    }

    /// What an update writes.
    fn parts(&mut self) -> Map<String, Value> {
        (0..1 + self.random.below(3)).map(|_| (self.random.key().to_owned(), self.random.data(1))).collect()
    }

    /// Takes note of a write that was answered.
    fn written(&mut self, user: &User, parts: &[(String, Value)], done: bool, what: &str) {
        let after = self.reference.written(user, parts);
        assert_eq!(done, after.is_some(), "{what} over {}", self.reference.root);
        if let Some(after) = after {
            self.reference.root = after;
            self.news();
        }
    }

    /// One message of a session.
    async fn message(&mut self) {
        let number = self.random.below(self.visitors.len() as u64) as usize;
        let mut visitor = self.visitors.swap_remove(number);
        let (place, caller) = (self.random.path(3), visitor.user.clone());
        let path = format!("/{place}");
        let who = caller.name;
        let covered = visitor.listens.clone();
        let is_ok = |answer: &Value| match answer["s"].as_str() {
            Some("ok") => true,
            Some("permission_denied") => false,
            other => panic!("{other:?}: {answer}"),
        };
        match self.random.below(10) {
            0 | 1 => {
                let allowed = self.reference.may_read(&caller, &place, None);
                let mut covered = covered;
                if allowed {
                    covered.insert(place.clone());
                }
                let answer = visitor.ask("q", json!({"p": path, "h": ""}), &covered).await;
                assert_eq!(is_ok(&answer), allowed, "a listen at {path} by {who:?}");
                if allowed {
                    visitor.listens.insert(place);
                }
            }
            2 => {
                visitor.listens.remove(&place);
                assert!(is_ok(&visitor.ask("n", json!({"p": path}), &covered).await));
            }
            3 => {
                let first = [None, Some(2)][self.random.below(2) as usize];
                let query = first.map_or(json!({}), |count| json!({"i": ".key", "l": count, "vf": "l"}));
                let answer = visitor.ask("g", json!({"p": path, "q": query}), &covered).await;
                let allowed = self.reference.may_read(&caller, &place, first);
                assert_eq!(is_ok(&answer), allowed, "a get of {path} {first:?} by {who:?}");
                if allowed {
                    assert_eq!(answer["d"], self.reference.shown(&place, first), "a get of {path} {first:?}");
                }
            }
            4 => {
                let values = self.parts();
                let parts: Vec<_> =
                    values.iter().map(|(key, value)| (format!("{place}/{key}"), value.clone())).collect();
                let covered = self.covered_after(&visitor, &parts);
                let answer = visitor.ask("m", json!({"p": path, "d": values}), &covered).await;
                self.written(&caller, &parts, is_ok(&answer), &format!("a merge at {path} {values:?} by {who:?}"));
            }
            5 => {
                // A condition that does not hold.
                let answer = visitor.ask("p", json!({"p": path, "d": 1, "h": "nothing"}), &covered).await;
                let allowed = self.reference.may_read(&caller, &place, None);
                let status = if allowed { "datastale" } else { "permission_denied" };
                assert_eq!(answer["s"], status, "a put at {path} by {who:?}");
            }
            6 => {
                let next = user(self.random.pick(&NAMES));
                let answer = match token(&next) {
                    Some(token) => visitor.ask("auth", json!({"cred": token}), &covered).await,
                    None => visitor.ask("unauth", json!({}), &covered).await,
                };
                assert!(is_ok(&answer));
                visitor.user = next;
            }
            7 => {
                let data = self.random.data(1);
                let allowed = self.reference.written(&caller, &[(place.clone(), data.clone())]).is_some();
                let answer = visitor.ask("o", json!({"p": path, "d": data}), &covered).await;
                assert_eq!(is_ok(&answer), allowed, "an intent at {path} {data} by {who:?}");
                if allowed {
                    // One takes the place of those at its own place and below; of those above it is a part.
                    let apart = |other: &str| {
                        let (other, place) = (format!("{other}/"), format!("{place}/"));
                        !other.starts_with(&place) && !place.starts_with(&other) && place != "/" && other != "/"
                    };
                    if visitor.intended.iter().all(|(_, other, _)| apart(other)) {
                        visitor.intended.push((caller, place, data));
                    } else {
                        assert!(is_ok(&visitor.ask("oc", json!({"p": "/"}), &covered).await));
                        visitor.intended.clear();
                    }
                }
            }
            _ => {
                let data = self.random.data(2);
                let parts = [(place, data.clone())];
                let covered = self.covered_after(&visitor, &parts);
                let answer = visitor.ask("p", json!({"p": path, "d": data}), &covered).await;
                self.written(&caller, &parts, is_ok(&answer), &format!("a put at {path} {data} by {who:?}"));
            }
        }
        self.visitors.push(visitor);
    }

    /// Where a visitor may hear of a write of its own: where it listens, if it may read there afterwards.
    fn covered_after(&self, visitor: &Visitor<'_>, parts: &[(String, Value)]) -> BTreeSet<String> {
        let Some(root) = self.reference.written(&visitor.user, parts) else { return visitor.listens.clone() };
        let after = Reference { root, rules: self.reference.rules.clone(), now: self.reference.now };
        visitor.listens.iter().filter(|place| after.may_read(&visitor.user, place, None)).cloned().collect()
    }

    /// A session ends, and another one comes.
    async fn leave(&mut self) {
        let number = self.random.below(self.visitors.len() as u64) as usize;
        let mut visitor = self.visitors.swap_remove(number);
        self.sessions += 1;
        let ended = format!("ended/s{}", self.sessions);
        let answer = visitor.ask("o", json!({"p": ended, "d": 1}), &visitor.listens.clone()).await;
        assert_eq!(answer["s"], "ok");
        let mut intended = std::mem::take(&mut visitor.intended);
        intended.push((visitor.user.clone(), ended.clone(), json!(1)));
        visitor.go().await;
        while self.admin("GET", &format!("/{ended}.json"), "").await.json().is_null() {}
        self.reference.root = self.reference.ended(intended);
        self.news();
        let polls = self.random.one_in(3);
        self.visitors.push(Visitor::come(self.suite, NAMESPACE, polls).await);
    }

    /// The tree is the reference's, and everyone knows of it what they listen to and may read.
    async fn check(&mut self) {
        let root = self.admin("GET", "/.json", "").await.json();
        assert_eq!(root, self.reference.root);
        for visitor in &mut self.visitors {
            self.reference.root = with(&self.reference.root, "ended/none", &json!(1));
            let may_read = |place: &&String| self.reference.may_read(&visitor.user, place, None);
            let readable: BTreeSet<_> = visitor.listens.iter().filter(may_read).cloned().collect();
            // Whatever it was to hear of other writes stands before the answer to its own.
            assert_eq!(visitor.ask("p", json!({"p": "/ended/none", "d": 1}), &readable).await["s"], "ok");
            assert_eq!(visitor.listens, readable, "listeners of {:?}", visitor.user.name);
            for place in &visitor.listens {
                assert_eq!(
                    at(&visitor.heard, place),
                    at(&self.reference.root, place),
                    "what {:?} heard of /{place}",
                    visitor.user.name
                );
            }
        }
        self.news();
    }
}
