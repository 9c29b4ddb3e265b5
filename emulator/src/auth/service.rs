//! The accounts of a server: one queue for what writes, readers beside it, and the check of ID tokens.
//!
//! Stands between the routes and the store. Must not know: HTTP.

mod runs;
mod told;

use super::blocking_functions::BlockingFunctions;
use super::challenges;
use super::events::{self, Named};
use super::guard::{Guard, Taken};
use super::hashing_pool::HashingPool;
use super::migrations::MIGRATIONS;
use super::outbound::{CarrierError, Outbound};
use super::provider_client::ProviderClient;
use super::provider_inquiries::ProviderInquiries;
use super::provider_keys::ProviderKeyring;
use super::signing_keys;
use super::store::SqliteStore;
use super::verified::Verified;
use super::writer::{self, Message};
use crate::clock::{Clock, Entropy, Millis};
use crate::config::settings::AuthSettings;
use crate::server::credentials::{IdToken, IdTokens, TokenRefused};
use crate::storage::{Readers, Storage, StorageError};
use futures_util::future::BoxFuture;
use hearth_auth::Error;
use hearth_auth::errand::{Outcomes, Passwords};
use hearth_auth::errors::StoreError;
use hearth_auth::operations::bulk;
use hearth_auth::operations::guard::{self, Action};
use hearth_auth::operations::tenants::{self, Admission};
use hearth_auth::operations::{self, Answer, Call, Passkeys};
use hearth_auth::passkey::RelyingParty;
use hearth_auth::passkey::challenge::Challenges;
use hearth_auth::password::Hashing;
use hearth_auth::sign_in_session::SessionKey;
use hearth_auth::store::{Accounts, Scope, Standing};
use hearth_auth::token::{Purpose, Refused, Tokens};
use serde_json::{Map, Value};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};
use told::Told;

/// So many operations may wait for the writer. Their bodies are counted by `server::body`.
const LONGEST_QUEUE: usize = 4096;
/// About so much memory is spent on tokens that need not be verified again: some 8,000 of them.
const MOST_VERIFIED_BYTES: usize = 32 * 1024 * 1024;
/// So many accounts are purged in one step; others may write between two steps.
const PURGE_STEP: usize = 500;

impl hearth_auth::entropy::Entropy for Entropy {
    fn fill(&self, bytes: &mut [u8]) {
        Self::fill(self, bytes);
    }
}

/// Why Auth cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be opened.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The signing keys cannot be read or kept.
    #[error("the signing keys cannot be read or kept: {0}")]
    SigningKeys(#[from] StoreError),
    /// A signing key is there but is none.
    #[error("a signing key in the accounts' file is damaged")]
    UnreadableKey,
    /// No key can be made.
    #[error("no key can be made")]
    NoKey,
    /// The writer's thread cannot be started.
    #[error("the accounts' thread cannot be started: {0}")]
    Thread(std::io::Error),
    /// Emails or text messages cannot be sent as configured.
    #[error(transparent)]
    Carrier(#[from] CarrierError),
}

/// Why an operation has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// It was refused, or the store failed it.
    #[error(transparent)]
    Refused(#[from] Error),
    /// Too many operations wait.
    #[error("too many operations are waiting")]
    Busy,
    /// The service is closed.
    #[error("the server is stopping")]
    Stopped,
}

/// For whom, by whom and through which address an operation is asked for.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) scope: Scope,
    /// Whether an admin asks.
    pub(super) privileged: bool,
    /// Scheme and host, by which links lead back here.
    pub(super) origin: String,
}

impl Asked {
    /// What the server itself asks for.
    pub(super) fn itself(scope: Scope) -> Self {
        Self { scope, privileged: true, origin: String::new() }
    }
}

/// What every call needs, but for the time.
struct House {
    project: String,
    emulator: bool,
    /// Changed as a whole when keys do.
    tokens: RwLock<Arc<Tokens>>,
    hashing: Hashing,
    outbound: Outbound,
    guard: Guard,
    /// Where links lead to; `None` is where the client has found the server.
    public_url: Option<String>,
    /// Of passkeys.
    challenges: Challenges,
    /// For whom passkeys are, unless admins settle otherwise.
    relying_party: Option<RelyingParty>,
    /// Of this process: who is at an identity provider while it ends begins anew.
    sessions: SessionKey,
    /// Of keys that may have been forgotten since: by then their tokens are dead by their times.
    verified: Verified,
    /// Who is told of users that come and go, over HTTP.
    remote: Vec<Named>,
    /// Who is told of them in all, once it is known.
    told: Arc<Told>,
    clock: Clock,
    entropy: Entropy,
    readers: Readers,
}

/// The accounts of one server.
pub struct AuthService {
    house: Arc<House>,
    hashing: HashingPool,
    functions: BlockingFunctions,
    provider_keys: ProviderKeyring,
    provider_inquiries: ProviderInquiries,
    inbox: mpsc::Sender<Message>,
    /// When keys change.
    next_turn: AtomicU64,
    writer: Mutex<Option<(JoinHandle<()>, oneshot::Receiver<()>)>>,
}

impl fmt::Debug for AuthService {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AuthService").field("project", &self.house.project).finish_non_exhaustive()
    }
}

impl AuthService {
    /// Opens the file `auth` of `storage` and starts the writer. `project` is the one that API keys stand for.
    /// `entropy` is used for ids and tokens alone; the signing key is always drawn from the system.
    ///
    /// # Errors
    /// The file, the key or the thread is not to be had.
    pub fn open(
        storage: &Storage,
        project: &str,
        settings: AuthSettings,
        clock: Clock,
        entropy: Entropy,
    ) -> Result<Arc<Self>, OpenError> {
        let file = storage.open("auth", MIGRATIONS)?;
        let (tokens, next_turn) = if settings.unsigned_tokens {
            (Arc::new(Tokens::Unsigned), Millis::MAX)
        } else {
            let turn = signing_keys::load(&mut SqliteStore::on(&file.writer), clock.now())?;
            (turn.tokens, turn.next)
        };
        let challenges = match settings.emulator {
            true => challenges::unkept()?,
            false => challenges::load(&mut SqliteStore::on(&file.writer))?,
        };
        let (inbox, mut messages) = mpsc::channel(LONGEST_QUEUE);
        let (ended, end) = oneshot::channel();
        let connection = file.writer;
        let told = Arc::new(Told::new(project));
        let committed = Arc::clone(&told);
        let thread = std::thread::Builder::new().name("auth-writer".to_owned()).spawn(move || {
            let work = writer::run(&connection, &mut messages, |changes| committed.hear(changes));
            tracing::debug!(jobs = work.jobs, commits = work.commits, "accounts closed");
            drop(connection);
            // Nobody may be waiting.
            let _ = ended.send(());
        });
        let writer = Mutex::new(Some((thread.map_err(OpenError::Thread)?, end)));
        let hashing = HashingPool::start().map_err(OpenError::Thread)?;
        let verified = Verified::new(MOST_VERIFIED_BYTES);
        let client = ProviderClient::new();
        let provider_keys = ProviderKeyring::new(client.clone(), clock.clone());
        let provider_inquiries = ProviderInquiries::new(client, clock.clone());
        // Whatever the seed: nobody may guess it.
        let mut key = [0; 32];
        Entropy::from_system().map_err(|_| OpenError::NoKey)?.fill(&mut key);
        let outbound = match settings.emulator {
            true => Outbound::Log,
            false => Outbound::carried(&settings.delivery, project, clock.clone())?,
        };
        let remote = events::remote(&settings.triggers, project, &clock)?;
        let house = House {
            project: project.to_owned(),
            emulator: settings.emulator,
            tokens: RwLock::new(tokens),
            hashing: if settings.emulator { Hashing::Fake } else { Hashing::Argon2id },
            outbound,
            guard: Guard::new(settings.limits, &entropy),
            public_url: settings.public_url,
            challenges,
            relying_party: settings.passkeys,
            sessions: SessionKey::new(&key).map_err(|_| OpenError::NoKey)?,
            verified,
            remote,
            told,
            clock,
            entropy,
            readers: file.readers,
        };
        let next_turn = AtomicU64::new(next_turn);
        Ok(Arc::new(Self {
            house: Arc::new(house),
            hashing,
            functions: BlockingFunctions::default(),
            provider_keys,
            provider_inquiries,
            inbox,
            next_turn,
            writer,
        }))
    }

    /// Does what has been asked so far, then stops writing. Later operations answer [`ServiceError::Stopped`].
    pub async fn close(&self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((thread, end)) = writer else { return };
        // If it is gone already, so is the thread.
        let _ = self.inbox.send(Message::Stop).await;
        let _ = end.await;
        if thread.join().is_err() {
            tracing::error!("the accounts' thread ended by a panic");
        }
        self.house.outbound.close().await;
    }

    /// Deletes up to `limit` anonymous accounts of the project whose last sign-in, refresh and creation are before
    /// `before` (milliseconds), those not seen for longest first; answers how many. Others are never touched.
    ///
    /// # Errors
    /// The store failed, too many operations wait, or the service is closed. What was counted before stays deleted.
    pub async fn delete_anonymous(&self, before: Millis, limit: usize) -> Result<usize, ServiceError> {
        let mut deleted = 0;
        while deleted < limit {
            let step = PURGE_STEP.min(limit - deleted);
            let scope = Scope::project(&self.house.project);
            let gone = self
                .write(Asked::itself(scope), move |store, call| bulk::delete_anonymous(store, call, before, step))
                .await?;
            deleted += gone;
            if gone < step {
                break;
            }
        }
        Ok(deleted)
    }

    /// Lets a request go on, unless its tenant is not there or disabled. An emulator's tenants spring up by being named.
    pub(super) async fn admit(&self, scope: &Scope, privileged: bool, uses: bool) -> Result<(), ServiceError> {
        if scope.tenant.is_none() {
            return Ok(());
        }
        let emulator = self.house.emulator;
        match self.look(|store, _| tenants::admit(store, scope, emulator, privileged, uses))? {
            Admission::Known => Ok(()),
            Admission::SpringsUp => {
                self.write(Asked::itself(scope.clone()), |store, call| tenants::spring_up(store, call.scope)).await
            }
        }
    }

    /// A look at the store, and the time.
    pub(super) fn look<T>(&self, read: impl FnOnce(&dyn Accounts, Millis) -> Result<T, Error>) -> Result<T, Error> {
        self.house.look(|store| read(store, self.house.clock.now()))
    }

    /// The project that API keys stand for.
    pub(super) fn project(&self) -> &str {
        &self.house.project
    }

    /// Emulator mode: whoever says so is an admin.
    pub(super) fn is_emulator(&self) -> bool {
        self.house.emulator
    }

    /// Sends what operations want sent.
    pub(super) fn send(&self, messages: &[operations::Message]) {
        for message in messages {
            let mut id = [0; 16];
            if !self.house.emulator {
                self.house.entropy.fill(&mut id);
            }
            self.house.outbound.send(message, format!("{:032x}", u128::from_be_bytes(id)), self.house.clock.now());
        }
    }

    /// What users can be sent.
    pub fn delivers(&self) -> operations::Delivers {
        self.house.outbound.delivers()
    }

    /// Where links in emails lead to; `found_at` is where the client has found this server, which only an emulator
    /// believes.
    pub(super) fn origin(&self, found_at: impl FnOnce() -> String) -> String {
        match &self.house.public_url {
            Some(url) if !self.house.emulator => url.clone(),
            None if !self.house.emulator => "http://localhost".to_owned(),
            Some(_) | None => found_at(),
        }
    }

    /// Counts an attempt before it is looked at. `address` is where it comes from.
    ///
    /// # Errors
    /// There have been too many, or so much waits to be sent that no more is taken.
    pub(super) fn count(
        &self,
        asked: &Asked,
        action: Option<Action>,
        input: &Value,
        address: &[u8],
    ) -> Result<Option<Taken>, ServiceError> {
        let (Some(action), false) = (action, asked.privileged) else { return Ok(None) };
        if matches!(action, Action::SendEmail | Action::SendText) && !self.house.outbound.has_room() {
            return Err(ServiceError::Busy);
        }
        let Some(limits) = self.house.guard.limits() else { return Ok(None) };
        let charges = self.glance(asked, |store, call| guard::charges(store, call, limits, action, input, address))?;
        Ok(Some(self.house.guard.take(action, charges, self.house.clock.now())?))
    }

    /// Settles what an attempt has cost, now that it is known what came of it.
    pub(super) fn settle(
        &self,
        asked: &Asked,
        taken: &Taken,
        input: &Value,
        address: &[u8],
        result: &Result<Answer, ServiceError>,
    ) {
        let (guard, now) = (&self.house.guard, self.house.clock.now());
        let is_spent = match result {
            Ok(_) => guard::is_spent(taken.action, Ok(())),
            Err(ServiceError::Refused(error)) => guard::is_spent(taken.action, Err(error)),
            Err(ServiceError::Busy | ServiceError::Stopped) => false,
        };
        if !is_spent {
            guard.give_back(taken, now);
        }
        if let (Ok(answer), Some(limits)) = (result, guard.limits()) {
            guard.forgive(&guard::forgiven(&asked.scope, limits, input, answer, address), now);
        }
    }

    /// The policy for tokens, with the keys of this moment.
    pub(super) fn tokens(&self) -> Arc<Tokens> {
        self.house.tokens()
    }

    /// The token with these claims. A signature takes a millisecond, for which no connection has to wait.
    pub(super) async fn encode(&self, purpose: Purpose, claims: Map<String, Value>) -> Result<String, ServiceError> {
        let tokens = self.tokens();
        if tokens.are_unsigned() {
            return Ok(tokens.encode_for(purpose, &claims)?);
        }
        let sign = move || tokens.encode_for(purpose, &claims);
        Ok(tokio::task::spawn_blocking(sign).await.map_err(|_| ServiceError::Stopped)??)
    }

    /// When [`AuthService::turn_keys`] has something to do; never where nothing is signed.
    pub(super) fn next_turn(&self) -> Option<Millis> {
        Some(self.next_turn.load(Ordering::Relaxed)).filter(|next| *next != Millis::MAX)
    }

    /// Makes, changes and forgets signing keys, as the time wants it.
    pub(super) async fn turn_keys(&self, now: Millis) -> Result<(), ServiceError> {
        let tokens = self.tokens();
        let next = move || signing_keys::next(&tokens, now);
        let Some(turn) = tokio::task::spawn_blocking(next).await.map_err(|_| ServiceError::Stopped)? else {
            return Ok(());
        };
        let turn = Arc::new(turn.map_err(|error| Error::Signing(error.to_string()))?);
        let kept = Arc::clone(&turn);
        self.write(Asked::itself(Scope::project(&self.house.project)), move |store, _| Ok(kept.write(store)?)).await?;
        *self.house.tokens.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&turn.tokens);
        self.next_turn.store(turn.next, Ordering::Relaxed);
        Ok(())
    }

    /// After a turn that failed: when to try again.
    pub(super) fn put_turn_off(&self, until: Millis) {
        self.next_turn.store(until, Ordering::Relaxed);
    }
}

impl House {
    fn call<'a>(
        &'a self,
        asked: &'a Asked,
        tokens: &'a Tokens,
        now: Millis,
        entropy: &'a dyn hearth_auth::entropy::Entropy,
        outcomes: &'a Outcomes,
    ) -> Call<'a> {
        Call {
            scope: &asked.scope,
            privileged: asked.privileged,
            emulator: self.emulator,
            now,
            entropy,
            tokens,
            passwords: Passwords { hashing: self.hashing, outcomes },
            sessions: &self.sessions,
            origin: &asked.origin,
            delivers: self.outbound.delivers(),
            receivers: self.told.names(),
            passkeys: Passkeys { challenges: &self.challenges, relying_party: self.relying_party.as_ref() },
        }
    }

    fn tokens(&self) -> Arc<Tokens> {
        Arc::clone(&self.tokens.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn look<T>(&self, read: impl FnOnce(&dyn Accounts) -> Result<T, Error>) -> Result<T, Error> {
        let done = self.readers.with(|connection| Ok(read(&SqliteStore::on(connection))));
        done.unwrap_or_else(|error| Err(StoreError(error.to_string()).into()))
    }

    /// Only what cannot change is remembered of a token. Its times, and a row of SQLite for its account, are looked at
    /// each time; so it is right at once about every change.
    fn verify(&self, token: &str) -> Result<IdToken, TokenRefused> {
        let known = self.verified.get(token);
        let genuine = match &known {
            Some(genuine) => Arc::clone(genuine),
            None => Arc::new(self.tokens().authenticate(token, &self.project)?),
        };
        genuine.valid_at(self.clock.now())?;
        if known.is_none() {
            self.verified.keep(token, Arc::clone(&genuine));
        }
        let token = IdToken { uid: genuine.subject.clone(), claims: Arc::clone(&genuine.claims) };
        self.stands(&token).map(|()| token)
    }

    /// Whether the account of a genuine token lets it be.
    fn stands(&self, token: &IdToken) -> Result<(), TokenRefused> {
        let standing = self.standing(&token.uid, &token.claims)?.ok_or(TokenRefused::Account)?;
        let issued = token.claims.get("iat").and_then(Value::as_i64);
        let revoked = standing.valid_since.is_some_and(|since| issued.is_none_or(|issued| issued < since));
        if standing.disabled || revoked { Err(TokenRefused::Account) } else { Ok(()) }
    }

    fn made_up(&self, token: &str) -> Result<IdToken, TokenRefused> {
        let (uid, claims) = self.tokens().claimed(token)?;
        match self.standing(&uid, &claims)? {
            None => Ok(IdToken { uid, claims: Arc::new(claims) }),
            Some(_) => Err(TokenRefused::Account),
        }
    }

    /// How the account that claims are about stands, if there is one.
    fn standing(&self, uid: &str, claims: &Map<String, Value>) -> Result<Option<Standing>, TokenRefused> {
        let tenant = claims.get("firebase").and_then(|firebase| firebase.get("tenant")).and_then(Value::as_str);
        let scope = Scope { tenant: tenant.map(str::to_owned), ..Scope::project(&self.project) };
        self.look(|store| Ok(store.standing(&scope, uid)?)).map_err(|error| {
            tracing::error!(%error, "accounts cannot be read");
            TokenRefused::Unavailable
        })
    }
}

impl IdTokens for AuthService {
    fn verify<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<IdToken, TokenRefused>> {
        Box::pin(async { self.house.verify(token) })
    }

    fn stands(&self, token: &IdToken) -> Result<(), TokenRefused> {
        self.house.stands(token)
    }

    fn made_up<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<IdToken, TokenRefused>> {
        Box::pin(async { self.house.made_up(token) })
    }

    fn access_token<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Millis, TokenRefused>> {
        Box::pin(async { self.admin_until(token) })
    }
}

impl From<Refused> for TokenRefused {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Malformed => Self::Malformed,
            Refused::Signature => Self::Signature,
            Refused::Project => Self::Project,
            Refused::Expired => Self::Expired,
        }
    }
}
