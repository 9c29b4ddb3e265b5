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

/// The query's parameters with the device, where no claim says it.
const DEVICE: [&str; 2] = ["client", "device"];
/// The longest name of a user or a device, in bytes; escaped it still is a key of the database.
const LONGEST_NAME: usize = 256;

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

/// Whoever calls, and how he is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub claim: Claim,
    /// Whether a proxy answers for all of the claim. Otherwise an ID token says who the user is, and the device is
    /// what the caller calls it.
    pub vouched: bool,
}

/// Why nobody is known to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// Neither a claim that may be made nor an ID token.
    Missing,
    /// The claim is none: not one header of JSON, or without a name that [`is_name`].
    Unreadable,
    /// The ID token is refused.
    Refused,
    /// The accounts cannot be asked now.
    Unavailable(String),
}

/// Whether `text` can name a user or a device: 1 to 256 bytes, no control characters.
pub fn is_name(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// Who calls: by the proxy's claim where that may be believed, else by an ID token. With a token the user is the
/// account's id, and the device is the query's `client` or `device`, if any.
///
/// # Errors
/// See [`Unknown`].
pub async fn caller(call: &Call, accounts: &dyn Accounts) -> Result<Caller, Unknown> {
    let named = |claim: &Claim| is_name(&claim.user) && (claim.client.is_empty() || is_name(&claim.client));
    let mut claims = call.request.headers.get_all(CLAIM).iter().filter(|_| call.trusted);
    if let Some(header) = claims.next() {
        // A second one is not the proxy's, or the first is not.
        let alone = claims.next().is_none();
        let text = header.as_bytes();
        // A list would do for the derived reader.
        let object = text.trim_ascii_start().first() == Some(&b'{');
        let claim = serde_json::from_slice(text).ok().filter(|claim| alone && object && named(claim));
        return claim.map(|claim| Caller { claim, vouched: true }).ok_or(Unknown::Unreadable);
    }
    let token = id_token(call).filter(|token| !token.is_empty()).ok_or(Unknown::Missing)?;
    let user = accounts.verify(&token).await.map_err(|error| match error {
        NoUser::Refused => Unknown::Refused,
        NoUser::Unavailable(reason) => Unknown::Unavailable(reason),
    })?;
    let client = DEVICE.into_iter().find_map(|name| call.request.query(name)).unwrap_or_default();
    let claim = Claim { user: user.uid, client };
    if named(&claim) { Ok(Caller { claim, vouched: false }) } else { Err(Unknown::Unreadable) }
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
