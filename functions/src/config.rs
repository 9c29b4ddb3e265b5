//! What the functions are told by the runtime configuration.

use std::fmt;

/// Settings of the functions.
#[derive(Clone, PartialEq, Eq)]
pub struct Config {
    /// Signs session tokens (`jwt.secret`).
    pub jwt_secret: String,
    /// Serve requests without an ID token. A valid one is still read.
    pub skip_auth: bool,
    /// Do not count calls.
    pub skip_rate_limit: bool,
    /// Anonymous accounts not seen for so many days are purged.
    pub anonymous_days: u32,
    /// When stale sessions are purged: App Engine or cron syntax.
    pub purge_sessions: String,
    /// When anonymous accounts are purged: App Engine or cron syntax.
    pub purge_accounts: String,
    /// The time zone of the two schedules, by its IANA name.
    pub time_zone: String,
}

impl Default for Config {
    /// Full enforcement and the default schedules; the secret is empty and has to be given.
    fn default() -> Self {
        Self {
            jwt_secret: String::new(),
            skip_auth: false,
            skip_rate_limit: false,
            anonymous_days: 30,
            purge_sessions: "every 3 hours".to_owned(),
            purge_accounts: "every 24 hours".to_owned(),
            time_zone: "UTC".to_owned(),
        }
    }
}

impl fmt::Debug for Config {
    /// Everything but the secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Config")
            .field("skip_auth", &self.skip_auth)
            .field("skip_rate_limit", &self.skip_rate_limit)
            .field("anonymous_days", &self.anonymous_days)
            .field("purge_sessions", &self.purge_sessions)
            .field("purge_accounts", &self.purge_accounts)
            .field("time_zone", &self.time_zone)
            .finish_non_exhaustive()
    }
}
