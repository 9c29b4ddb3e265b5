//! The resolved settings. Emulator and self-host mode are two presets of this one struct.

use super::auth_triggers::TriggerSettings;
use super::delivery::DeliverySettings;
use super::rules_files::RulesSource;
use super::service::Service;
use crate::clock::Millis;
use crate::server::client_address::TrustedProxies;
use crate::storage::Durability;
use hearth_auth::operations::guard::Limits;
use hearth_auth::passkey::RelyingParty;
use hearth_database::Ruleset;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Everything the process has been told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which preset the rest was derived from.
    pub mode: Mode,
    /// The project's id.
    pub project: String,
    /// Where data lies; `None` keeps nothing.
    pub data: Option<PathBuf>,
    /// When a commit counts.
    pub durability: Durability,
    /// Which services run, and where.
    pub services: BTreeMap<Service, Endpoint>,
    /// What every HTTP surface does.
    pub server: ServerSettings,
    /// What Auth does.
    pub auth: AuthSettings,
    /// What the Realtime Database does.
    pub database: DatabaseSettings,
    /// The files that its rules are from.
    pub rules_files: Vec<RulesSource>,
    /// What the functions do.
    pub functions: FunctionsSettings,
    /// What the push stream does.
    pub push_stream: PushStreamSettings,
    /// What the services on the platform are told.
    pub hosted: BTreeMap<Service, HostedSettings>,
    /// Which clock everything follows.
    pub clock: ClockSettings,
    /// Makes ids, codes and push ids repeatable.
    pub seed: Option<u64>,
    /// The folder of an export that takes the place of what is kept (emulator mode only).
    pub import: Option<PathBuf>,
    /// Take sockets and channels over from the server that works on the same data, if one does.
    pub take_over: bool,
}

/// The two presets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// For a developer's machine and CI, on loopback.
    Emulator,
    /// For users in earnest.
    SelfHost,
}

/// Where a service listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Host name or address.
    pub host: String,
    /// Port; 0 means any free one.
    pub port: u16,
}

/// Settings of every HTTP surface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerSettings {
    /// Proxies whose `X-Forwarded-For` says where a request comes from.
    pub trusted_proxies: TrustedProxies,
}

/// Settings of Auth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthSettings {
    /// Whoever says so is an admin, users are taken at their word, and there are endpoints for tests (emulator mode
    /// only).
    pub emulator: bool,
    /// ID tokens carry no signature, and unsigned ones are accepted (emulator mode only, unless `--signed-tokens`).
    pub unsigned_tokens: bool,
    /// How often something may be tried (emulator mode: as often as anybody likes).
    pub limits: Limits,
    /// Scheme and host of links in emails, unless emulated. An emulator's lead to where the client has found it.
    pub public_url: Option<String>,
    /// How emails and text messages leave; an emulator tells its developer instead.
    pub delivery: DeliverySettings,
    /// Who is told of users that come and go, besides the functions of this house.
    pub triggers: TriggerSettings,
    /// For whom passkeys are, unless admins settle otherwise. An emulator's are for this machine.
    pub passkeys: Option<RelyingParty>,
}

impl AuthSettings {
    /// Emulator mode's.
    pub fn emulator() -> Self {
        Self {
            emulator: true,
            unsigned_tokens: true,
            limits: Limits::NONE,
            public_url: None,
            delivery: DeliverySettings::default(),
            triggers: TriggerSettings::default(),
            passkeys: None,
        }
    }

    /// A server's, as long as nothing is configured.
    pub fn self_host() -> Self {
        Self { emulator: false, unsigned_tokens: false, limits: Limits::default(), ..Self::emulator() }
    }
}

/// Settings of the Realtime Database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseSettings {
    /// The rules of databases by name, the default one's under none.
    pub rules: BTreeMap<Option<String>, Ruleset>,
    /// In all others everyone may read and write everything (emulator mode only); otherwise only admins may.
    pub open: bool,
    /// A database that is named for the first time is created.
    pub create_on_first_use: bool,
    /// Denials are explained in the log, in answers and to admins who ask, with the data and tokens they depend on, and
    /// it is counted what rules come to (emulator mode only).
    pub explain_denials: bool,
}

/// Settings of the functions.
#[derive(Clone, Debug)]
pub struct FunctionsSettings {
    /// Serve requests without an ID token (emulator mode's default).
    pub skip_auth: bool,
    /// Do not count calls (emulator mode's default).
    pub skip_rate_limit: bool,
    /// Log updates instead of publishing them.
    pub log_pubsub: bool,
    /// Signs session tokens. `None`, in emulator mode only, means that one is generated at start.
    pub jwt_secret: Option<String>,
    /// Another pubsub server; without it updates go to the suite's own push stream.
    pub pubsub_url: Option<String>,
    /// What that server wants as `Authorization`.
    pub pubsub_secret: String,
    /// How long a function may take.
    pub time_limit: Duration,
    /// Whether functions are also served at `/{name}`, not only at `/{project}/{region}/{name}`.
    pub short_paths: bool,
    /// Whether anyone may run a background function by POST (emulator mode only).
    pub open_triggers: bool,
    /// App Engine or cron schedule of the session purge.
    pub purge_sessions: String,
    /// App Engine or cron schedule of the anonymous accounts' purge.
    pub purge_accounts: String,
    /// Anonymous accounts not seen for so many days are purged.
    pub anonymous_days: u32,
}

/// Settings of the push stream.
#[derive(Clone, Debug)]
pub struct PushStreamSettings {
    /// Publishers send it as their `Authorization`; the empty one leaves publishing open (emulator mode only).
    pub secret: String,
    /// Signs tickets; may be missing.
    pub ticket_secret: Option<String>,
    /// Places where anyone may publish are refused unless they say so in so many words (the self-host preset).
    pub locked: bool,
    /// firebase.json's `pushStream`; without it Pogify's profile holds.
    pub declared: Option<serde_json::Value>,
    /// Where the files are that it names.
    pub folder: PathBuf,
}

/// Settings of a service on the platform.
#[derive(Clone, Default)]
pub struct HostedSettings {
    /// Its section of firebase.json.
    pub config: serde_json::Map<String, serde_json::Value>,
    /// The environment's `HEARTH_{SERVICE}_{NAME}` by `NAME`.
    pub secrets: BTreeMap<String, String>,
}

impl fmt::Debug for HostedSettings {
    /// Everything but the secrets.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("HostedSettings").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Which clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockSettings {
    /// The machine's.
    System,
    /// One that stands at `start` until it is moved.
    Manual {
        /// Where it starts.
        start: Millis,
    },
}
