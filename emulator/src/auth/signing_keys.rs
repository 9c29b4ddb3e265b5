//! The keys that sign tokens: made when they are wanted, kept in the accounts' file, changed in time. Must not know:
//! tokens.

use super::rsa::{self, Pair};
use super::service::OpenError;
use crate::clock::Millis;
use hearth_auth::errors::StoreError;
use hearth_auth::store::{KeptKey, Store};
use hearth_auth::token::rotation::{Plan, plan};
use hearth_auth::token::{Key, KeyRing, Keys, Purpose, Tokens};
use std::sync::Arc;

/// The keys at one time, and what has to be written for it.
pub(super) struct Turn {
    /// The policy with these keys.
    pub(super) tokens: Arc<Tokens>,
    /// When to turn again.
    pub(super) next: Millis,
    made: Vec<KeptKey>,
    forgotten: Vec<String>,
}

impl Turn {
    /// Keeps what has to be kept of it.
    pub(super) fn write(&self, store: &mut dyn Store) -> Result<(), StoreError> {
        self.forgotten.iter().try_for_each(|id| store.forget_signing_key(id))?;
        self.made.iter().try_for_each(|key| store.keep_signing_key(key))
    }
}

/// The keys of the store; those that are missing are made and kept.
pub(super) fn load(store: &mut dyn Store, now: Millis) -> Result<Turn, OpenError> {
    let kept = store.signing_keys()?;
    let of = |purpose: Purpose| -> Result<Vec<_>, _> {
        kept.iter().filter(|kept| kept.purpose == purpose.name()).map(used).collect()
    };
    let turn = turn(of(Purpose::IdToken)?, of(Purpose::SessionCookie)?, now)?;
    turn.write(store)?;
    Ok(turn)
}

/// What becomes of these keys at `now`; `None` if nothing is signed.
pub(super) fn next(tokens: &Tokens, now: Millis) -> Option<Result<Turn, OpenError>> {
    match tokens {
        Tokens::Unsigned => None,
        Tokens::Signed(keys) => Some(turn(keys.id_tokens.keys().to_vec(), keys.session_cookies.keys().to_vec(), now)),
    }
}

/// A key takes a tenth of a second to be made: both purposes' at once.
fn turn(id_tokens: Vec<Arc<Key>>, session_cookies: Vec<Arc<Key>>, now: Millis) -> Result<Turn, OpenError> {
    let (id_tokens, session_cookies) = std::thread::scope(|scope| {
        let other = scope.spawn(move || ring(Purpose::SessionCookie, session_cookies, now));
        (ring(Purpose::IdToken, id_tokens, now), other.join().unwrap_or(Err(OpenError::NoKey)))
    });
    let (id_tokens, session_cookies) = (id_tokens?, session_cookies?);
    Ok(Turn {
        next: id_tokens.next.min(session_cookies.next),
        made: id_tokens.made.into_iter().chain(session_cookies.made).collect(),
        forgotten: [id_tokens.forgotten, session_cookies.forgotten].concat(),
        tokens: Arc::new(Tokens::Signed(Keys { id_tokens: id_tokens.ring, session_cookies: session_cookies.ring })),
    })
}

/// [`Turn`] of one purpose.
struct Part {
    ring: KeyRing,
    next: Millis,
    made: Option<KeptKey>,
    forgotten: Vec<String>,
}

fn ring(purpose: Purpose, mut keys: Vec<Arc<Key>>, now: Millis) -> Result<Part, OpenError> {
    let created = |keys: &[Arc<Key>]| keys.iter().map(|key| key.created_at()).collect::<Vec<_>>();
    let mut made = None;
    // A key that has signed nothing need not be replaced, however long it has lain there.
    let idle = keys.last().is_some_and(|newest| !newest.has_signed());
    if plan(purpose, &created(&keys), now).wants_new && !idle {
        let pkcs8 = rsa::generate().ok_or(OpenError::NoKey)?;
        let private = rsa::pkcs1(&pkcs8).ok_or(OpenError::NoKey)?.to_vec();
        let id = Pair::read(&private).ok_or(OpenError::NoKey)?.id();
        let kept = KeptKey { id, purpose: purpose.name().to_owned(), created_at: now, private };
        keys.push(read(&kept)?);
        made = Some(kept);
    }
    let Plan { dead, next, .. } = plan(purpose, &created(&keys), now);
    let forgotten = dead.iter().filter_map(|place| keys.get(*place)).map(|key| key.verifying().id().to_owned());
    let forgotten: Vec<String> = forgotten.collect();
    keys.retain(|key| !forgotten.iter().any(|id| id == key.verifying().id()));
    let Plan { signing, .. } = plan(purpose, &created(&keys), now);
    Ok(Part { ring: KeyRing::new(keys, signing), next, made, forgotten })
}

/// A key of an earlier run, which will have signed something.
fn used(kept: &KeptKey) -> Result<Arc<Key>, OpenError> {
    read(kept).inspect(|key| key.mark_signed())
}

fn read(kept: &KeptKey) -> Result<Arc<Key>, OpenError> {
    let pair = Pair::read(&kept.private).ok_or(OpenError::UnreadableKey)?;
    let verifying = pair.verifying().map_err(|_| OpenError::UnreadableKey)?;
    Ok(Arc::new(Key::new(verifying, kept.created_at, Box::new(pair))))
}
