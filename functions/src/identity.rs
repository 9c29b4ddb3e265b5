//! Who calls a service: what a forwarding-auth proxy says, or a Firebase ID token.

use crate::ports::{Accounts, NoUser, User};
use crate::service::Call;
use http::HeaderName;
use http::header::AUTHORIZATION;
use serde::Deserialize;

/// The proxy's header: `{"userid":"…","clientid":"…"}`.
const CLAIM: HeaderName = HeaderName::from_static("x-user-claim");
/// The query's parameter with an ID token, for clients that can send no headers.
const TOKEN: &str = "token";

/// Somebody, on one of his devices.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Claim {
    /// The user.
    #[serde(rename = "userid")]
    pub user: String,
    /// The device; empty if the caller does not say.
    #[serde(rename = "clientid", default)]
    pub client: String,
}

/// The caller's claim, if the call may make one. An unreadable one is none; so is one without a user.
pub fn claim(call: &Call) -> Option<Claim> {
    let text = call.request.header(&CLAIM).filter(|_| call.trusted)?;
    serde_json::from_str(text).ok().filter(|claim: &Claim| !claim.user.is_empty())
}

/// The ID token of a call: `Authorization: Bearer …`, else `?token=…`.
pub fn id_token(call: &Call) -> Option<String> {
    let bearer = call.request.header(&AUTHORIZATION).and_then(|header| {
        let (scheme, token) = header.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.to_owned())
    });
    bearer.or_else(|| call.request.query(TOKEN))
}

/// The signed-in caller.
///
/// # Errors
/// There is no token, or it is refused.
pub async fn user(call: &Call, accounts: &dyn Accounts) -> Result<User, NoUser> {
    let token = id_token(call).ok_or(NoUser::Refused)?;
    accounts.verify(&token).await
}
