//! On whose behalf the database is used, and what rules see of them.
//!
//! Must not know: how a caller has proved who it is.

use serde_json::{Map, Value};
use std::sync::Arc;

/// On whose behalf the database is used. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Bypasses every rule: functions, the server itself, and who holds its credentials.
    Admin,
    /// Is subject to the rules, signed in or not.
    Client(Option<Arc<Auth>>),
}

impl Caller {
    /// A client that is not signed in.
    pub const ANYONE: Self = Self::Client(None);

    /// A client of which the rules see `auth`.
    pub fn client(auth: Auth) -> Self {
        Self::Client(Some(Arc::new(auth)))
    }
}

/// What the rules see as `auth`: `uid`, `provider`, `token`
/// (firebase.google.com/docs/reference/security/database#auth).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth(Map<String, Value>);

impl Auth {
    /// Of a user by the claims of their ID token.
    pub fn of_token(uid: &str, claims: &Map<String, Value>) -> Self {
        let provider = claims.get("firebase").and_then(|firebase| firebase.get("sign_in_provider"));
        let members = [
            ("uid", Value::from(uid)),
            ("provider", provider.cloned().unwrap_or_default()),
            ("token", Value::Object(claims.clone())),
        ];
        Self(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// As an admin has given it in place of its own (`auth_variable_override`).
    pub fn given(members: Map<String, Value>) -> Self {
        Self(members)
    }

    /// Its members.
    pub fn members(&self) -> &Map<String, Value> {
        &self.0
    }
}
