//! Who comes back from an identity provider with a code: it is redeemed there, for the session that has begun here (RFC
//! 6749, section 4.1.3; RFC 7636; RFC 9207; OpenID Connect Core 1.0, section 3.1.3). Must not know: what becomes of an
//! account by it.
//!
//! A code counts only with the session's id, which the browser that began the sign-in has, and with the state that the
//! session has sealed in it: so nobody brings another's code, nor has another come in by his own. The code goes to the
//! provider that the session names and to no other.

use super::idp::{Assertion, Brought, Credential};
use super::providers::{Kind, OpenId, Provider, provider};
use super::{Call, idp_access_token, idp_token};
use crate::errand::KeysWanted;
use crate::errors::Error;
use crate::inquiry::{Inquired, Inquiry, Ticket, basic, bearer};
use crate::oidc::{Endpoints, is_hash_of};
use crate::sign_in_session::SignInSession;
use crate::store::Accounts;
use crate::uri::form;
use serde_json::{Map, Value};

/// The longest code, in bytes.
const LONGEST: usize = 4096;
/// The longest name, in bytes.
const LONGEST_NAME: usize = 256;
/// The longest word of a provider for why it refuses (RFC 6749, section 5.2).
const LONGEST_REASON: usize = 64;

/// What the provider says of the user who has come back.
///
/// # Errors
/// There is no such session, it is for another sign-in, or it is over; the provider refuses or does not answer.
pub(super) fn assertion(
    store: &(impl Accounts + ?Sized),
    call: &Call<'_>,
    brought: &Brought,
    session_id: Option<&str>,
) -> Result<Assertion, Error> {
    let id = session_id.ok_or_else(|| refused("A code counts only with the sessionId of accounts:createAuthUri."))?;
    let session = call.sessions.open(call.scope, id);
    let session = session.ok_or_else(|| refused("The sessionId is not of a sign-in that has begun here."))?;
    if session.until <= call.now {
        return Err(refused("The sign-in has taken too long."));
    }
    if brought.given("state") != Some(&session.state) {
        return Err(refused("The state is not the session's."));
    }
    if brought.given("providerId").is_some_and(|id| id != session.provider) {
        return Err(refused("The session is of a sign-in by another provider."));
    }
    let provider = provider(store, call, &session.provider)?;
    if provider.authority() != session.authority || provider.client_id != session.client {
        return Err(refused("The provider has been configured otherwise since the sign-in began."));
    }
    match &provider.kind {
        Kind::OpenId(open_id) => of_open_id(call, &provider, open_id, &session, brought),
        Kind::Github(place) => {
            let url = format!("{}/login/oauth/access_token", place.web);
            of_access_token(call, &provider, &session, brought, url)
        }
        Kind::Facebook(place) => {
            let url = format!("{}/oauth/access_token", place.api);
            of_access_token(call, &provider, &session, brought, url)
        }
    }
}

fn of_access_token(
    call: &Call<'_>,
    provider: &Provider,
    session: &SignInSession,
    brought: &Brought,
    url: String,
) -> Result<Assertion, Error> {
    let fields = [("client_secret", provider.secret()?)];
    let tokens = redeem(call, provider, session, code(brought)?, url, None, &fields)?;
    let token = tokens.access_token.clone().ok_or(Error::ProviderSilent)?;
    let credential =
        Credential { access_token: tokens.access_token, lasts: tokens.expires_in, ..Credential::default() };
    idp_access_token::assertion(call, provider, &token, true, credential)
}

fn of_open_id(
    call: &Call<'_>,
    provider: &Provider,
    open_id: &OpenId,
    session: &SignInSession,
    brought: &Brought,
) -> Result<Assertion, Error> {
    let wanted = KeysWanted { issuer: open_id.issuer.clone(), key_id: None };
    let published = call.passwords.outcomes.provider_keys(wanted)?;
    let endpoints = published.endpoints();
    check_issuer(endpoints, open_id, brought)?;
    let code = code(brought)?;
    let url = endpoints.token.clone().ok_or(Error::ProviderSilent)?;
    let secret = provider.client_secret.as_str();
    let tokens = if secret.is_empty() {
        redeem(call, provider, session, code, url, None, &[])?
    } else if endpoints.secret_in_body {
        redeem(call, provider, session, code, url, None, &[("client_secret", secret)])?
    } else {
        let [name, secret] = [provider.client_id.as_str(), secret].map(in_form);
        redeem(call, provider, session, code, url, Some(basic(&name, &secret)), &[])?
    };
    let access_token = tokens.access_token.as_deref();
    let mut claims = match &tokens.id_token {
        Some(id_token) => {
            let claims = idp_token::claims(call, open_id, id_token, Some(&session.nonce))?;
            let hash = claims.get("at_hash").and_then(Value::as_str);
            if hash.zip(access_token).is_some_and(|(hash, token)| !is_hash_of(hash, token)) {
                return Err(refused("The access token is not the ID token's."));
            }
            Some(claims)
        }
        // A provider that has been asked for `openid` gives one; those of the app's choice may be plain OAuth.
        None if provider.id.starts_with("oidc.") => None,
        None => return Err(refused("The provider has given no ID token.")),
    };
    let has_email = claims.as_ref().is_some_and(|claims| claims.contains_key("email"));
    if let (Some(url), Some(token), false) = (&endpoints.userinfo, access_token, has_email) {
        claims = Some(with_userinfo(call, claims, url, token)?);
    }
    let mut claims = claims.ok_or(Error::ProviderSilent)?;
    // Apple tells a name the first time only, and by the browser. It is no more than what the user wants to be called.
    if let (false, Some(name)) = (claims.contains_key("name"), brought.given("user").and_then(told_name)) {
        claims.insert("name".to_owned(), name.into());
    }
    // By it the client can show the ID token again, to link the account that has the email. It is worthless elsewhere.
    let nonce = tokens.id_token.is_some().then(|| session.nonce.clone());
    let Tokens { access_token, id_token, expires_in: lasts } = tokens;
    Assertion::verified(&provider.id, &claims, Credential { id_token, access_token, lasts, nonce, is_the_users: true })
}

/// Whoever comes back may say from whom. A provider that always does, and this time does not, is another one.
fn check_issuer(endpoints: &Endpoints, provider: &OpenId, brought: &Brought) -> Result<(), Error> {
    match brought.given("iss") {
        Some(issuer) if issuer == provider.issuer.as_str() => Ok(()),
        None if !endpoints.names_itself => Ok(()),
        Some(_) | None => Err(refused("The answer is another provider's.")),
    }
}

/// The code, or why there is none.
fn code(brought: &Brought) -> Result<&str, Error> {
    if let Some(error) = brought.given("error") {
        return Err(refused(&format!("The provider refuses: {}.", reason(error))));
    }
    let code = brought.given("code").filter(|code| code.len() <= LONGEST);
    code.ok_or_else(|| refused("The code is malformed."))
}

/// What the token endpoint gives.
struct Tokens {
    access_token: Option<String>,
    id_token: Option<String>,
    expires_in: Option<u64>,
}

fn redeem(
    call: &Call<'_>,
    provider: &Provider,
    session: &SignInSession,
    code: &str,
    url: String,
    authorization: Option<String>,
    more: &[(&str, &str)],
) -> Result<Tokens, Error> {
    let mut fields = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", session.redirect_uri.as_str()),
        ("client_id", provider.client_id.as_str()),
        ("code_verifier", session.verifier.as_str()),
    ];
    fields.extend(more);
    let ticket = Some(Ticket { id: session.state.clone(), until: session.until });
    let [inquired] =
        call.passwords.outcomes.inquire([Inquiry { authorization, ticket, ..Inquiry::form(url, &fields) }])?;
    if inquired == Inquired::TicketUsed {
        return Err(refused("The session has been used."));
    }
    let (status, answer) = inquired.object().ok_or(Error::ProviderSilent)?;
    let text = |name: &str| answer.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    match (status, text("error")) {
        (200, None) => {}
        // GitHub refuses with 200.
        (200 | 400 | 401 | 403, Some(error)) => {
            return Err(refused(&format!("The provider refuses the code: {}.", reason(error))));
        }
        // Facebook's errors are objects.
        (400, None) => return Err(refused("The provider refuses the code.")),
        (_, _) => return Err(Error::ProviderSilent),
    }
    // Some write a number as text.
    let seconds = answer.get("expires_in").and_then(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok()));
    let [access_token, id_token] = ["access_token", "id_token"].map(|name| text(name).map(str::to_owned));
    Ok(Tokens { access_token, id_token, expires_in: seconds })
}

/// What is known of the user besides. It has to be the same user's (section 5.3.2).
fn with_userinfo(
    call: &Call<'_>,
    claims: Option<Map<String, Value>>,
    url: &str,
    token: &str,
) -> Result<Map<String, Value>, Error> {
    let [inquired] = call.passwords.outcomes.inquire([Inquiry::get(url.to_owned(), Some(bearer(token)))])?;
    let Some(Value::Object(mut told)) = inquired.success() else { return Err(Error::ProviderSilent) };
    let Some(claims) = claims else { return Ok(told) };
    if told.get("sub") != claims.get("sub") {
        return Err(refused("The provider's userinfo is another user's."));
    }
    // What is signed counts.
    told.extend(claims);
    Ok(told)
}

/// The name in what Apple's form says of a user.
fn told_name(user: &str) -> Option<String> {
    let user: Value = serde_json::from_str(user).ok()?;
    let part = |name: &str| user.pointer(&format!("/name/{name}"))?.as_str();
    let name = [part("firstName"), part("lastName")].into_iter().flatten().collect::<Vec<_>>().join(" ");
    Some(name.trim().to_owned()).filter(|name| (1..=LONGEST_NAME).contains(&name.len()))
}

/// A name or a secret as in a form (RFC 6749, section 2.3.1).
pub(super) fn in_form(text: &str) -> String {
    form(&[(text.to_owned(), String::new())]).trim_end_matches('=').to_owned()
}

/// A provider's word for why, as far as it is one.
pub(super) fn reason(text: &str) -> &str {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if text.len() <= LONGEST_REASON && text.bytes().all(is_word) { text } else { "it does not say why" }
}

fn refused(why: &str) -> Error {
    Error::InvalidIdpResponse(format!(" : {why}"))
}
