//! The services by name: the keys of firebase.json, the labels people read, the ports they expect.

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
}

impl Service {
    /// All of them, in the order they are listed to people.
    pub const ALL: [Self; 5] = [Self::Auth, Self::Functions, Self::Database, Self::PushStream, Self::Hub];

    /// The key in firebase.json's `emulators`, in `--only` and in the ports file.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Functions => "functions",
            Self::Database => "database",
            Self::PushStream => "pushStream",
            Self::Hub => "hub",
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
#[error("there is no service {0:?}; there are auth, functions, database, pushStream and hub")]
pub struct UnknownService(String);

impl FromStr for Service {
    type Err = UnknownService;

    fn from_str(text: &str) -> Result<Self, UnknownService> {
        Self::ALL.into_iter().find(|service| service.key() == text).ok_or_else(|| UnknownService(text.to_owned()))
    }
}
