//! The claims of an ID token, in Firebase's order. Must not know: how a token is encoded or signed.

use super::LIFETIME;
use super::refresh::SecondFactor;
use crate::Millis;
use crate::account::{ANONYMOUS, Account, PASSWORD};
use crate::errors::Error;
use crate::store::Scope;
use serde_json::{Map, Value, json};

/// Names that custom claims may not bear, in the order in which they are looked for.
const RESERVED: [&str; 16] = [
    "iss",
    "aud",
    "sub",
    "iat",
    "exp",
    "nbf",
    "jti",
    "nonce",
    "azp",
    "acr",
    "amr",
    "cnf",
    "auth_time",
    "firebase",
    "at_hash",
    "c_hash",
];
/// Custom claims as text may have so many UTF-16 units.
const LONGEST_CUSTOM_CLAIMS: usize = 1000;

/// The `iss` of the project's ID tokens.
pub(crate) fn issuer(project: &str) -> String {
    format!("https://securetoken.google.com/{project}")
}

/// The `iss` of the project's session cookies.
pub(crate) fn cookie_issuer(project: &str) -> String {
    format!("https://session.firebase.google.com/{project}")
}

/// The claims of a token issued at `now` to `account`, who signed in with `provider`. `extra` are the claims of a
/// custom token or a session.
pub fn of(
    account: &Account,
    scope: &Scope,
    provider: &str,
    extra: &Map<String, Value>,
    now: Millis,
) -> Map<String, Value> {
    let mut claims = Map::new();
    let mut set = |name: &str, value: Option<Value>| match value {
        // A name that is there already keeps its place.
        Some(value) => drop(claims.insert(name.to_owned(), value)),
        None => drop(claims.shift_remove(name)),
    };
    let text = |text: &Option<String>| text.clone().map(Value::from);
    set("name", text(&account.display_name));
    set("picture", text(&account.photo_url));
    let custom = account.custom_attributes.as_deref().and_then(|text| serde_json::from_str(text).ok());
    for (name, value) in custom.into_iter().flat_map(|custom: Map<String, Value>| custom) {
        set(&name, Some(value));
    }
    for (name, value) in extra {
        set(name, Some(value.clone()));
    }
    set("email", text(&account.email));
    set("email_verified", account.email_verified.map(Value::from));
    set("phone_number", text(&account.phone_number));
    set("provider_id", (provider == ANONYMOUS).then(|| provider.into()));
    set("auth_time", Some(account.auth_time().into()));
    set("user_id", Some(account.local_id.clone().into()));
    let mut firebase = json!({"identities": identities(account), "sign_in_provider": provider});
    if let (Some(tenant), Some(firebase)) = (&scope.tenant, firebase.as_object_mut()) {
        firebase.insert("tenant".to_owned(), tenant.clone().into());
    }
    set("firebase", Some(firebase));
    let issued = now / 1000;
    set("iat", Some(issued.into()));
    set("exp", Some((issued + LIFETIME).into()));
    set("aud", Some(scope.project.clone().into()));
    set("iss", Some(issuer(&scope.project).into()));
    set("sub", Some(account.local_id.clone().into()));
    claims
}

/// Says which second factor was shown.
pub fn add_second_factor(claims: &mut Map<String, Value>, factor: Option<&SecondFactor>) {
    if let (Some(factor), Some(Value::Object(firebase))) = (factor, claims.get_mut("firebase")) {
        firebase.insert("second_factor_identifier".to_owned(), factor.identifier.clone().into());
        firebase.insert("sign_in_second_factor".to_owned(), factor.provider.clone().into());
    }
}

/// The email, and who the account is at each provider. The password provider's id is the email, which is there.
fn identities(account: &Account) -> Map<String, Value> {
    let mut identities = Map::new();
    if let Some(email) = &account.email {
        identities.insert("email".to_owned(), json!([email]));
    }
    for info in account.providers().iter().filter(|info| info.provider_id != PASSWORD) {
        if let Value::Array(ids) = identities.entry(info.provider_id.clone()).or_insert_with(|| json!([])) {
            ids.push(info.raw_id.clone().into());
        }
    }
    identities
}

/// Checks custom claims that came as text.
///
/// # Errors
/// They are too long, no JSON object, or bear a reserved name.
pub fn check_custom(text: &str) -> Result<(), Error> {
    if text.encode_utf16().count() > LONGEST_CUSTOM_CLAIMS {
        return Err(Error::ClaimsTooLarge);
    }
    check_names(&serde_json::from_str(text).map_err(|_| Error::InvalidClaims)?)
}

/// Checks custom claims that came as an object.
///
/// # Errors
/// One bears a reserved name.
pub fn check_names(claims: &Map<String, Value>) -> Result<(), Error> {
    match RESERVED.iter().find(|name| claims.contains_key(**name)) {
        Some(name) => Err(Error::ForbiddenClaim(name)),
        None => Ok(()),
    }
}

/// The claims of an ID token that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdTokenClaims(Map<String, Value>);

impl IdTokenClaims {
    /// `None` if the object `firebase`, which every ID token has, is missing.
    pub(crate) fn new(claims: Map<String, Value>) -> Option<Self> {
        claims.get("firebase").is_some_and(Value::is_object).then_some(Self(claims))
    }

    /// All of them.
    pub fn into_claims(self) -> Map<String, Value> {
        self.0
    }

    /// The account's id.
    pub fn user_id(&self) -> Option<&str> {
        self.0.get("user_id")?.as_str()
    }

    /// When the token was issued, in seconds.
    pub fn issued_at(&self) -> Option<i64> {
        self.0.get("iat")?.as_i64()
    }

    /// How the user signed in.
    pub fn sign_in_provider(&self) -> Option<&str> {
        self.0.get("firebase")?.get("sign_in_provider")?.as_str()
    }

    /// The tenant the account belongs to.
    pub fn tenant(&self) -> Option<&str> {
        self.0.get("firebase")?.get("tenant")?.as_str().filter(|tenant| !tenant.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::Tokens;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    const NOW: Millis = 1_893_456_000_999;

    fn check(account: &Account, tenant: Option<&str>, provider: &str, extra: Value, expected: &str) {
        let scope = Scope { project: "demo".to_owned(), tenant: tenant.map(str::to_owned) };
        let extra = extra.as_object().cloned().unwrap_or_default();
        let token = Tokens::Unsigned.encode(&of(account, &scope, provider, &extra, NOW)).unwrap();
        let parts: Vec<_> = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
        let parts: Vec<_> = parts.iter().map(|part| std::str::from_utf8(part).unwrap()).collect();
        assert_eq!(parts, [r#"{"alg":"none","typ":"JWT"}"#, expected, ""]);
    }

    #[test]
    fn an_anonymous_accounts_claims() {
        let account =
            Account { local_id: "u".to_owned(), last_login_at: Some("1893455999000".to_owned()), ..Account::default() };
        check(
            &account,
            None,
            "anonymous",
            json!({}),
            concat!(
                r#"{"provider_id":"anonymous","auth_time":1893455999,"user_id":"u","#,
                r#""firebase":{"identities":{},"sign_in_provider":"anonymous"},"iat":1893456000,"exp":1893459600,"#,
                r#""aud":"demo","iss":"https://securetoken.google.com/demo","sub":"u"}"#
            ),
        );
    }

    #[test]
    fn every_claim_has_its_place_and_its_precedence() {
        let mut account = Account {
            local_id: "u".to_owned(),
            email: Some("a@b".to_owned()),
            email_verified: Some(false),
            display_name: Some("N".to_owned()),
            photo_url: Some("P".to_owned()),
            phone_number: Some("+1".to_owned()),
            last_login_at: Some("1893455999000".to_owned()),
            custom_attributes: Some(r#"{"user_id":"forged","role":"a","name":"C","email":"x@y"}"#.to_owned()),
            ..Account::default()
        };
        account.email_link_signin = Some(true);
        account.mirror_providers();
        check(
            &account,
            Some("t"),
            "phone",
            json!({"role": "b", "level": 3}),
            concat!(
                r#"{"name":"C","picture":"P","user_id":"u","role":"b","email":"a@b","level":3,"#,
                r#""email_verified":false,"phone_number":"+1","auth_time":1893455999,"#,
                r#""firebase":{"identities":{"email":["a@b"],"phone":["+1"]},"sign_in_provider":"phone","#,
                r#""tenant":"t"},"iat":1893456000,"exp":1893459600,"#,
                r#""aud":"demo","iss":"https://securetoken.google.com/demo","sub":"u"}"#
            ),
        );
    }

    #[test]
    fn custom_claims_are_checked() {
        for (text, expected) in [
            ("{}".to_owned(), Ok(())),
            (r#"{"a":1}"#.to_owned(), Ok(())),
            (format!(r#"{{"a":"{}"}}"#, "é".repeat(992)), Ok(())),
            (format!(r#"{{"a":"{}"}}"#, "é".repeat(993)), Err(Error::ClaimsTooLarge)),
            ("[]".to_owned(), Err(Error::InvalidClaims)),
            ("{".to_owned(), Err(Error::InvalidClaims)),
            (r#"{"sub":"x","aud":"y"}"#.to_owned(), Err(Error::ForbiddenClaim("aud"))),
        ] {
            assert_eq!(check_custom(&text), expected, "{text}");
        }
    }
}
