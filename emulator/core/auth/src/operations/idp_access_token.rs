//! Whose an access token is, for providers that have no ID tokens: they are asked. Must not know: what becomes of an
//! account by it.
//!
//! A token that a client brings may have been given to another app, whose owner then would be that app's user here. So
//! the provider is asked first whether it is this app's: GitHub by its `applications/{client_id}/token`, Facebook by its
//! `debug_token`.

use super::Call;
use super::idp::{Assertion, Credential};
use super::providers::{Kind, Place, Provider};
use crate::errors::Error;
use crate::inquiry::{Body, Inquired, Inquiry, basic, bearer};
use crate::uri::form;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value, json};
use sha2::Sha256;

/// The longest token, in bytes.
const LONGEST: usize = 4096;
/// What Facebook is asked of a user.
const FACEBOOK_FIELDS: &str = "id,name,first_name,last_name,email,picture";

/// What the provider says of the user whose token it is. `is_ours` says that the token has just been given to this app,
/// so that nobody has to be asked.
///
/// # Errors
/// The provider does not answer, or the token is another app's or nobody's.
pub(super) fn assertion(
    call: &Call<'_>,
    provider: &Provider,
    token: &str,
    is_ours: bool,
    credential: Credential,
) -> Result<Assertion, Error> {
    if token.len() > LONGEST || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(refused("The access token is malformed."));
    }
    let credential = Credential { is_the_users: true, ..credential };
    match &provider.kind {
        Kind::Github(place) => github(call, provider, place, token, is_ours, credential),
        Kind::Facebook(place) => facebook(call, provider, place, token, credential),
        Kind::OpenId(_) => Err(refused("The ID token is missing.")),
    }
}

fn github(
    call: &Call<'_>,
    provider: &Provider,
    place: &Place,
    token: &str,
    is_ours: bool,
    credential: Credential,
) -> Result<Assertion, Error> {
    let outcomes = call.passwords.outcomes;
    if !is_ours {
        let check = Inquiry {
            url: format!("{}/applications/{}/token", place.api, provider.client_id),
            authorization: Some(basic(&provider.client_id, provider.secret()?)),
            body: Some(Body::Json(json!({"access_token": token}).to_string())),
            ticket: None,
        };
        let [checked] = outcomes.inquire([check])?;
        let app = believed(&checked)?;
        if app.pointer("/app/client_id").and_then(Value::as_str) != Some(&provider.client_id) {
            return Err(refused(ANOTHER_APP));
        }
    }
    let ask = |path: &str| Inquiry::get(format!("{}/{path}", place.api), Some(bearer(token)));
    let [user, emails] = outcomes.inquire([ask("user"), ask("user/emails")])?;
    let user = believed(&user)?;
    let id = user.get("id").and_then(Value::as_u64).ok_or(Error::ProviderSilent)?;
    let mut claims =
        claims(id.to_string(), &user, [("name", "name"), ("picture", "avatar_url"), ("screen_name", "login")]);
    // Who has not been asked for the emails shows at most one, of which nothing is known.
    let verified = emails.success().and_then(|emails| verified_email(&emails));
    let email = verified.clone().or_else(|| user.get("email")?.as_str().map(str::to_owned));
    claims.extend(email.map(|email| ("email".to_owned(), email.into())));
    claims.insert("email_verified".to_owned(), verified.is_some().into());
    Ok(Assertion::verified(&provider.id, &claims, credential)?.with_profile("http://github.com/", &user))
}

/// The primary one of GitHub's list, if it is verified.
fn verified_email(emails: &Value) -> Option<String> {
    let is = |email: &&Value, what: &str| email.get(what) == Some(&Value::Bool(true));
    let primary = emails.as_array()?.iter().find(|email| is(email, "primary") && is(email, "verified"))?;
    primary.get("email")?.as_str().map(str::to_owned)
}

fn facebook(
    call: &Call<'_>,
    provider: &Provider,
    place: &Place,
    token: &str,
    credential: Credential,
) -> Result<Assertion, Error> {
    let (outcomes, secret) = (call.passwords.outcomes, provider.secret()?);
    let ask = |path: &str, fields: &[(&str, &str)]| {
        let fields: Vec<_> = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Inquiry::get(format!("{}/{path}?{}", place.api, form(&fields)), None)
    };
    // A code's token is asked about as well: by this it is known whose it is.
    let app_token = format!("{}|{secret}", provider.client_id);
    let [checked] = outcomes.inquire([ask("debug_token", &[("input_token", token), ("access_token", &app_token)])])?;
    let checked = believed(&checked)?;
    let text = |name: &str| checked.pointer(&format!("/data/{name}")).and_then(Value::as_str);
    if text("app_id") != Some(&provider.client_id) {
        return Err(refused(ANOTHER_APP));
    }
    let is_valid = checked.pointer("/data/is_valid") == Some(&Value::Bool(true)) && text("type") == Some("USER");
    let owner = text("user_id").filter(|_| is_valid).ok_or_else(|| refused(NOBODYS))?;
    let fields = [("fields", FACEBOOK_FIELDS), ("access_token", token), ("appsecret_proof", &proof(secret, token))];
    let [user] = outcomes.inquire([ask("me", &fields)])?;
    let user = believed(&user)?;
    if user.get("id").and_then(Value::as_str) != Some(owner) {
        return Err(refused(NOBODYS));
    }
    let mut claims =
        claims(owner.to_owned(), &user, [("name", "name"), ("email", "email"), ("given_name", "first_name")]);
    claims.extend(user.pointer("/picture/data/url").map(|url| ("picture".to_owned(), url.clone())));
    // It does not say whether an email has been verified.
    claims.insert("email_verified".to_owned(), false.into());
    Ok(Assertion::verified(&provider.id, &claims, credential)?.with_profile("http://facebook.com/", &user))
}

/// What shows Facebook that whoever uses a token has the app's secret, too.
fn proof(secret: &str, token: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(token.as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn claims<const N: usize>(id: String, user: &Value, names: [(&str, &str); N]) -> Map<String, Value> {
    let known = names.into_iter().filter_map(|(claim, name)| {
        user.get(name).filter(|value| value.is_string()).map(|value| (claim.to_owned(), value.clone()))
    });
    std::iter::once(("sub".to_owned(), Value::String(id))).chain(known).collect()
}

/// What a provider says that knows the token; these are its words for one that it does not know.
fn believed(inquired: &Inquired) -> Result<Value, Error> {
    match inquired {
        Inquired::Answered { status: 400 | 401 | 404 | 422, .. } => Err(refused(NOBODYS)),
        Inquired::Answered { .. } | Inquired::Silent | Inquired::TicketUsed => {
            inquired.success().filter(Value::is_object).ok_or(Error::ProviderSilent)
        }
    }
}

const ANOTHER_APP: &str = "The access token has been given to another app.";
const NOBODYS: &str = "The provider does not know the access token.";

fn refused(why: &str) -> Error {
    Error::InvalidIdpResponse(format!(" : {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_email_is_verified_and_the_primary_one() {
        for (emails, expected) in [
            (json!([{"email": "a@b", "primary": true, "verified": true}]), Some("a@b")),
            (json!([{"email": "a@b", "primary": true, "verified": false}, {"email": "c@d", "verified": true}]), None),
            (json!([{"email": "a@b", "primary": true, "verified": "true"}]), None),
            (json!([]), None),
            (json!({"message": "Not Found"}), None),
        ] {
            assert_eq!(verified_email(&emails).as_deref(), expected, "{emails}");
        }
    }
}
