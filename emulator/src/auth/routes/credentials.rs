//! Who is asking Auth: an admin, or a client with an API key. Must not know: what is asked.

use super::table::Auth;
use crate::auth::errors::Refusal;
use crate::auth::service::AuthService;
use crate::server::credentials::bearer;
use http::request::Parts;

/// Access tokens of Google's service accounts begin like this; an emulator takes any for an admin's.
const SERVICE_ACCOUNT: &str = "ya29.";

/// Whether an admin asks. In an emulator everyone who says so is one; elsewhere who has an access token.
pub(super) fn check(auth: Auth, head: &Parts, service: &AuthService) -> Result<bool, Refusal> {
    let bearer = match auth {
        Auth::Anyone | Auth::Open => return Ok(false),
        Auth::AdminOrKey => bearer(&head.headers),
        Auth::Key => None,
    };
    if let Some(token) = bearer {
        let is_admin = if service.is_emulator() {
            token.eq_ignore_ascii_case("owner") || token.starts_with(SERVICE_ACCOUNT)
        } else {
            service.admin_until(token).is_ok()
        };
        return if is_admin { Ok(true) } else { Err(Refusal::InvalidCredentials) };
    }
    if has_key(head) { Ok(false) } else { Err(Refusal::MissingKey) }
}

/// Any key will do; it stands for the server's project.
fn has_key(head: &Parts) -> bool {
    let in_query = super::input::pairs(head.uri.query().unwrap_or_default());
    head.headers.get("x-goog-api-key").is_some_and(|key| !key.is_empty())
        || in_query.iter().any(|(name, value)| name == "key" && !value.is_empty())
}
