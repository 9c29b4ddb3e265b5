//! The services by name: the keys of firebase.json, the labels people read, the ports they expect.

use hearth_functions::service::Kind;
use std::fmt;
use std::str::FromStr;

/// A service of the suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Firebase Auth.
    Auth,
    /// Cloud Functions.
    Functions,
    /// Realtime Database.
    Database,
    /// Push stream.
    PushStream,
    /// The hub, where tools find the others.
    Hub,
    /// Who was last seen when.
    Presence,
    /// WebRTC signalling.
    Signal,
    /// WebSockets with routes and queues.
    Gateway,
    /// Chat.
    Chat,
}

impl Service {
    /// All of them, in the order they are listed to people.
    pub const ALL: [Self; 9] = [
        Self::Auth,
        Self::Functions,
        Self::Database,
        Self::PushStream,
        Self::Hub,
        Self::Presence,
        Self::Signal,
        Self::Gateway,
        Self::Chat,
    ];

    /// The key in firebase.json's `emulators`, in `--only` and in the ports file.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Functions => "functions",
            Self::Database => "database",
            Self::PushStream => "pushStream",
            Self::Hub => "hub",
            Self::Presence => "presence",
            Self::Signal => "signal",
            Self::Gateway => "gateway",
            Self::Chat => "chat",
        }
    }

    /// The name in tables and messages.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Auth => "Authentication",
            Self::Functions => "Functions",
            Self::Database => "Database",
            Self::PushStream => "Push Stream",
            Self::Hub => "Hub",
            Self::Presence => "Presence",
            Self::Signal => "Signal",
            Self::Gateway => "Gateway",
            Self::Chat => "Chat",
        }
    }

    /// The port that clients try first; the official emulators', where they have the service.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Auth => 9099,
            Self::Functions => 5001,
            Self::Database => 9000,
            Self::PushStream => 9080,
            Self::Hub => 4400,
            Self::Presence => 9181,
            Self::Signal => 9182,
            Self::Gateway => 9183,
            Self::Chat => 9184,
        }
    }
}

impl Service {
    /// Which of the services on the platform it is, if it is one: they run only where firebase.json has their key.
    pub const fn hosted(self) -> Option<Kind> {
        match self {
            Self::Auth | Self::Functions | Self::Database | Self::PushStream | Self::Hub => None,
            Self::Presence => Some(Kind::Presence),
            Self::Signal => Some(Kind::Signal),
            Self::Gateway => Some(Kind::Gateway),
            Self::Chat => Some(Kind::Chat),
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.key())
    }
}

/// A word that names no service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no service {0:?}; there are auth, functions, database, pushStream, hub, presence, signal, gateway and chat"
)]
pub struct UnknownService(String);

impl FromStr for Service {
    type Err = UnknownService;

    fn from_str(text: &str) -> Result<Self, UnknownService> {
        Self::ALL.into_iter().find(|service| service.key() == text).ok_or_else(|| UnknownService(text.to_owned()))
    }
}
