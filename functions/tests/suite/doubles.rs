//! A house for the functions that is held in memory: every port, and a way to call.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use hearth_functions::config::Config;
use hearth_functions::ports::{
    Accounts, ChannelInfo, Clock, Database, DatabaseError, Entropy, Millis, NoUser, NotPublished, Platform, Publisher,
    Transaction, TransactionBody, User,
};
use hearth_functions::registry::{HttpsHandler, Registry, registry};
use hearth_functions::request::{HttpRequest, Unread};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Map, Value};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// When the clock stands still.
pub(crate) const START: Millis = 1_893_456_000_000;
pub(crate) const MINUTE: Millis = 60_000;
pub(crate) const SECRET: &str = "the secret of the tests";
/// A valid update, and what is published of it.
pub(crate) const UPDATE: &str =
    r#"{"timestamp":1600000000000,"uri":"spotify:track:x","position":1234.5,"playing":true}"#;

/// Everything the functions need, and what tests want to look at.
#[derive(Default)]
pub(crate) struct House {
    pub(crate) now: AtomicU64,
    pub(crate) tree: Mutex<Value>,
    /// The database refuses every transaction.
    pub(crate) database_fails: AtomicBool,
    /// Transactions that ran.
    pub(crate) transactions: AtomicUsize,
    /// Bytes that come before any others.
    pub(crate) next_bytes: Mutex<VecDeque<u8>>,
    pub(crate) drawn: AtomicU64,
    pub(crate) accounts_fail: AtomicBool,
    /// Anonymous accounts: when each was last seen.
    pub(crate) anonymous: Mutex<Vec<Millis>>,
    /// The largest batch that was asked for.
    pub(crate) largest_batch: AtomicUsize,
    pub(crate) publisher_fails: AtomicBool,
    /// Channel and message of everything published.
    pub(crate) published: Mutex<Vec<(String, String)>>,
}

impl Clock for House {
    fn now(&self) -> Millis {
        self.now.load(Ordering::SeqCst)
    }
}

impl Entropy for House {
    fn fill(&self, bytes: &mut [u8]) {
        let mut forced = self.next_bytes.lock().unwrap();
        bytes.fill_with(|| {
            forced.pop_front().unwrap_or_else(|| {
                // A generator of 64-bit state: good enough to draw codes from.
                let state = self.drawn.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
                ((state ^ (state >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 56) as u8
            })
        });
    }
}

struct Open {
    now: Millis,
    root: Value,
}

impl Transaction for Open {
    fn now(&self) -> Millis {
        self.now
    }

    fn get(&self, path: &str) -> Value {
        get(&self.root, path)
    }

    fn set(&mut self, path: &str, value: Value) -> Result<(), DatabaseError> {
        if path.split('/').any(|key| key.is_empty() || key.contains(['.', '#', '$', '[', ']'])) {
            return Err(DatabaseError(format!("bad path {path}")));
        }
        put(&mut self.root, &path.split('/').collect::<Vec<_>>(), value);
        Ok(())
    }

    fn children(&self, path: &str, after: Option<&str>, limit: usize) -> Vec<(String, Value)> {
        let Value::Object(children) = get(&self.root, path) else { return Vec::new() };
        let mut children: Vec<_> = children.into_iter().collect();
        children.sort_by(|(one, _), (other, _)| one.cmp(other));
        children.into_iter().filter(|(key, _)| after.is_none_or(|after| key.as_str() > after)).take(limit).collect()
    }
}

fn get(root: &Value, path: &str) -> Value {
    path.split('/').try_fold(root, |node, key| node.get(key)).cloned().unwrap_or_default()
}

fn put(node: &mut Value, path: &[&str], value: Value) {
    let Some((key, rest)) = path.split_first() else {
        *node = value;
        return;
    };
    if !node.is_object() {
        *node = Value::Object(Map::new());
    }
    put(&mut node[*key], rest, value);
    if node[*key].is_null() {
        node.as_object_mut().unwrap().remove(*key);
    }
    if node.as_object().unwrap().is_empty() {
        *node = Value::Null;
    }
}

impl Database for House {
    fn run(&self, body: TransactionBody) -> BoxFuture<'_, Result<(), DatabaseError>> {
        Box::pin(async move {
            if self.database_fails.load(Ordering::SeqCst) {
                return Err(DatabaseError("the disk is full".to_owned()));
            }
            let mut tree = self.tree.lock().unwrap();
            let mut open = Open { now: self.now(), root: tree.clone() };
            body(&mut open)?;
            self.transactions.fetch_add(1, Ordering::SeqCst);
            *tree = open.root;
            Ok(())
        })
    }
}

impl Accounts for House {
    fn verify<'a>(&'a self, id_token: &'a str) -> BoxFuture<'a, Result<User, NoUser>> {
        Box::pin(async move {
            if self.accounts_fail.load(Ordering::SeqCst) {
                return Err(NoUser::Unavailable("closed".to_owned()));
            }
            // Blanks are forgiven here, so that the functions have to see to them.
            let uid = id_token.trim().strip_prefix("token-of-").ok_or(NoUser::Refused)?;
            Ok(User { uid: uid.to_owned(), claims: Arc::default() })
        })
    }

    fn delete_anonymous(&self, before: Millis, limit: usize) -> BoxFuture<'_, Result<usize, String>> {
        Box::pin(async move {
            self.largest_batch.fetch_max(limit, Ordering::SeqCst);
            if self.accounts_fail.load(Ordering::SeqCst) {
                return Err("closed".to_owned());
            }
            let mut deleted = 0;
            self.anonymous.lock().unwrap().retain(|seen| {
                let gone = *seen < before && deleted < limit;
                deleted += usize::from(gone);
                !gone
            });
            Ok(deleted)
        })
    }
}

impl Publisher for House {
    fn publish<'a>(&'a self, channel: &'a str, message: Bytes) -> BoxFuture<'a, Result<ChannelInfo, NotPublished>> {
        Box::pin(async move {
            if self.publisher_fails.load(Ordering::SeqCst) {
                return Err(NotPublished("no route".to_owned()));
            }
            let mut published = self.published.lock().unwrap();
            published.push((channel.to_owned(), String::from_utf8(message.to_vec()).unwrap()));
            Ok(ChannelInfo {
                channel: channel.to_owned(),
                published_messages: published.len() as u64,
                stored_messages: 1,
                subscribers: 7,
            })
        })
    }
}

/// The house with its functions.
pub(crate) struct Suite {
    pub(crate) house: Arc<House>,
    pub(crate) registry: Registry,
}

/// Everything enforced.
pub(crate) fn strict() -> Suite {
    with(|_| {})
}

/// As under the emulator: auth and limit skipped.
pub(crate) fn lenient() -> Suite {
    with(|config| {
        config.skip_auth = true;
        config.skip_rate_limit = true;
    })
}

pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Suite {
    let mut config = Config { jwt_secret: SECRET.to_owned(), ..Config::default() };
    change(&mut config);
    let house = House { now: AtomicU64::new(START), ..House::default() };
    Suite { house: Arc::new(house), registry: registry(config) }
}

impl Suite {
    pub(crate) fn platform(&self) -> Platform {
        Platform {
            clock: self.house.clone(),
            entropy: self.house.clone(),
            database: self.house.clone(),
            accounts: self.house.clone(),
            publisher: self.house.clone(),
        }
    }

    pub(crate) fn at(&self, now: Millis) {
        self.house.now.store(now, Ordering::SeqCst);
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        get(&self.house.tree.lock().unwrap(), path)
    }

    pub(crate) fn set(&self, path: &str, value: Value) {
        put(&mut self.house.tree.lock().unwrap(), &path.split('/').collect::<Vec<_>>(), value);
    }

    pub(crate) fn published(&self) -> Vec<(String, String)> {
        self.house.published.lock().unwrap().clone()
    }

    pub(crate) fn handler(&self, name: &str) -> HttpsHandler {
        let mut functions = self.registry.https.iter();
        functions.find(|function| function.names().any(|other| other == name)).unwrap().handler.clone()
    }

    pub(crate) async fn call(&self, name: &str, call: Call) -> Answer {
        Answer::of(&self.handler(name)(call.0, self.platform()).await)
    }

    pub(crate) async fn run(&self, name: &str) -> Result<(), String> {
        let mut functions = self.registry.scheduled.iter();
        (functions.find(|function| function.name == name).unwrap().handler)(self.platform()).await
    }
}

/// A request in the making.
#[derive(Clone)]
pub(crate) struct Call(pub(crate) HttpRequest);

pub(crate) fn call(method: Method) -> Call {
    Call(HttpRequest { method, uri: "/".parse().unwrap(), headers: HeaderMap::new(), body: Ok(Bytes::new()) })
}

/// A POST of a signed-in user.
pub(crate) fn post() -> Call {
    call(Method::POST).user("ann")
}

impl Call {
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.0.headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        self
    }

    pub(crate) fn without(mut self, name: &'static str) -> Self {
        self.0.headers.remove(name);
        self
    }

    pub(crate) fn user(self, uid: &str) -> Self {
        self.header("authorization", &format!("Bearer token-of-{uid}"))
    }

    pub(crate) fn body(mut self, body: &str) -> Self {
        self.0.body = Ok(Bytes::copy_from_slice(body.as_bytes()));
        self
    }

    pub(crate) fn json(self, body: &str) -> Self {
        self.header("content-type", "application/json").body(body)
    }

    pub(crate) fn unread(mut self, why: Unread) -> Self {
        self.0.body = Err(why);
        self
    }

    pub(crate) fn uri(mut self, uri: &str) -> Self {
        self.0.uri = uri.parse().unwrap();
        self
    }
}

/// What came back. Every answer's common headers have been checked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) retry_after: Option<u64>,
}

impl Answer {
    fn of(reply: &http::Response<Bytes>) -> Self {
        let header = |name: &str| reply.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!(header("access-control-allow-origin"), Some("*"));
        assert_eq!(header("access-control-allow-headers"), Some("Content-Type, Authorization, X-Session-Token"));
        assert_eq!(header("access-control-max-age"), Some("7200"));
        assert_eq!(header("access-control-expose-headers"), Some("Retry-After"));
        let body = String::from_utf8(reply.body().to_vec()).unwrap();
        let kind = if body.starts_with('{') { "application/json; charset=utf-8" } else { "text/plain; charset=utf-8" };
        assert_eq!(header("content-type"), Some(kind));
        let retry_after = header("retry-after").map(|seconds| seconds.parse().unwrap());
        assert_eq!(reply.headers().len(), if retry_after.is_some() { 6 } else { 5 }, "{:?}", reply.headers());
        Self { status: reply.status().as_u16(), body, retry_after }
    }

    pub(crate) fn is(&self, status: u16, body: &str) -> &Self {
        assert_eq!((self.status, self.body.as_str()), (status, body));
        self
    }

    /// The JSON of a 201.
    pub(crate) fn granted(&self) -> Value {
        assert_eq!(self.status, 201, "{}", self.body);
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A text member of a JSON object.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

/// The claims of a JWT, unverified.
pub(crate) fn claims(token: &str) -> String {
    let middle = token.split('.').nth(1).unwrap();
    let mut bits = middle.bytes().flat_map(|byte| {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let value = alphabet.iter().position(|symbol| *symbol == byte).unwrap();
        (0..6).rev().map(move |bit| (value >> bit) & 1)
    });
    let bytes = (0..middle.len() * 6 / 8).map(|_| bits.by_ref().take(8).fold(0, |byte, bit| byte << 1 | bit as u8));
    String::from_utf8(bytes.collect()).unwrap()
}
