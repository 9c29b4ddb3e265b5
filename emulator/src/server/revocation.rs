//! Whose tokens are taken back while something is held open on their behalf.
//!
//! Whoever keeps the accounts tells it, once it is durable, and waits for nobody; whoever holds a session or a stream open
//! hears it at once. Must not know: either of them, nor how tokens are made.

use serde_json::{Map, Value};
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Something that is held open on behalf of a token's user.
pub trait Holder: Send + Sync {
    /// The token is good no more.
    fn revoked(&self);
}

/// Whose tokens are taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The tenant; `None` for the project itself.
    pub tenant: Option<String>,
    /// The user; `None` for all of them.
    pub uid: Option<String>,
    /// Those issued before this, in seconds since the Unix epoch; `None` for all of them.
    pub before: Option<i64>,
}

/// Tenant and id of a user.
type User = (Option<String>, String);

/// All that is held open, by whose behalf it is.
#[derive(Default)]
pub struct Revocations {
    held: Mutex<Held>,
    /// Somebody is to be told.
    news: Notify,
}

#[derive(Default)]
struct Held {
    by_user: HashMap<User, Vec<Entry>>,
    next: u64,
    /// Those who are to be told: each once.
    meant: Vec<Weak<dyn Holder>>,
}

struct Entry {
    number: u64,
    issued: Option<i64>,
    revoked: Arc<AtomicBool>,
    holder: Weak<dyn Holder>,
}

impl Entry {
    fn is_meant(&self, before: Option<i64>) -> bool {
        before.is_none_or(|before| self.issued.is_none_or(|issued| issued < before))
    }
}

impl fmt::Debug for Revocations {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Revocations").field("users", &self.lock().by_user.len()).finish()
    }
}

impl Revocations {
    /// Has `holder` told when the token of `uid` with these claims is taken back, as long as the answer is kept.
    pub fn hold(self: &Arc<Self>, uid: &str, claims: &Map<String, Value>, holder: Weak<dyn Holder>) -> Hold {
        let tenant = claims.get("firebase").and_then(|firebase| firebase.get("tenant")).and_then(Value::as_str);
        let user = (tenant.map(str::to_owned), uid.to_owned());
        let revoked = Arc::new(AtomicBool::new(false));
        let mut held = self.lock();
        held.next += 1;
        let number = held.next;
        let issued = claims.get("iat").and_then(Value::as_i64);
        let entry = Entry { number, issued, revoked: Arc::clone(&revoked), holder };
        held.by_user.entry(user.clone()).or_default().push(entry);
        Hold { of: Arc::clone(self), user, number, revoked }
    }

    /// Has those told who are meant.
    pub fn tell(&self, revocation: &Revocation) {
        let Revocation { tenant, uid, before } = revocation;
        let mut held = self.lock();
        let Held { by_user, meant, .. } = &mut *held;
        let entries: Vec<&Entry> = match uid {
            Some(uid) => by_user.get(&(tenant.clone(), uid.clone())).into_iter().flatten().collect(),
            None => by_user.iter().filter(|((of, _), _)| of == tenant).flat_map(|(_, all)| all).collect(),
        };
        let entries = entries.into_iter().filter(|entry| entry.is_meant(*before));
        let entries = entries.filter(|entry| !entry.revoked.swap(true, Ordering::SeqCst));
        meant.extend(entries.map(|entry| entry.holder.clone()));
        let has_news = !meant.is_empty();
        drop(held);
        if has_news {
            self.news.notify_one();
        }
    }

    /// Passes on what is told, until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.news.notified() => self.pass_on(),
            }
        }
    }

    fn pass_on(&self) {
        let meant = std::mem::take(&mut self.lock().meant);
        meant.iter().filter_map(Weak::upgrade).for_each(|holder| holder.revoked());
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What somebody keeps who is to be told.
#[derive(Debug)]
pub struct Hold {
    of: Arc<Revocations>,
    user: User,
    number: u64,
    revoked: Arc<AtomicBool>,
}

impl Hold {
    /// Whether it has been told.
    pub fn is_revoked(&self) -> bool {
        self.revoked.load(Ordering::SeqCst)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut held = self.of.lock();
        if let Some(entries) = held.by_user.get_mut(&self.user) {
            entries.retain(|entry| entry.number != self.number);
            if entries.is_empty() {
                held.by_user.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::atomic::AtomicUsize;

    #[derive(Default)]
    struct Told(AtomicUsize);

    impl Holder for Told {
        fn revoked(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn check(tenant: Option<&str>, uid: Option<&str>, before: Option<i64>, expect: [bool; 4]) {
        let revocations = Arc::<Revocations>::default();
        // Of whom, and when issued.
        let tokens = [
            ("a", json!({"iat": 5})),
            ("a", json!({"iat": 6})),
            ("b", json!({})),
            (
                "a",
                json!({"iat": 5,
            "firebase": {"tenant": "t"}}),
            ),
        ];
        let held = tokens.map(|(uid, claims)| {
            let told = Arc::new(Told::default());
            let holder = Arc::downgrade(&told) as Weak<dyn Holder>;
            (revocations.hold(uid, claims.as_object().unwrap(), holder), told)
        });
        let [tenant, uid] = [tenant, uid].map(|text| text.map(str::to_owned));
        let revocation = Revocation { tenant, uid, before };
        revocations.tell(&revocation);
        revocations.tell(&revocation);
        revocations.pass_on();
        assert_eq!(held.each_ref().map(|(hold, _)| hold.is_revoked()), expect);
        assert_eq!(held.each_ref().map(|(_, told)| told.0.load(Ordering::SeqCst) == 1), expect);
        drop(held);
        assert!(revocations.lock().by_user.is_empty(), "nothing is left of those who let go");
    }

    #[test]
    fn those_who_are_meant_are_told() {
        check(None, Some("a"), None, [true, true, false, false]);
        check(None, Some("a"), Some(6), [true, false, false, false]);
        check(None, Some("a"), Some(5), [false, false, false, false]);
        check(None, Some("b"), Some(1), [false, false, true, false]);
        check(Some("t"), Some("a"), None, [false, false, false, true]);
        check(None, None, None, [true, true, true, false]);
        check(Some("t"), None, None, [false, false, false, true]);
        check(None, Some("nobody"), None, [false, false, false, false]);
    }
}
