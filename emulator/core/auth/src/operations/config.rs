//! What a project tells its clients, and the settings that the emulator's own API changes.

use super::{Answer, Call, PROJECT_NUMBER, bulk::Nothing, mask, password_policy, policy};
use crate::errors::Error;
use crate::schema::{Kind, Schema};
use crate::settings::{BlockingFunctions, MFA_CONFIG, MfaConfig, PASSWORD_POLICY_CONFIG, PasswordPolicyConfig};
use crate::store::{Accounts, Store};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A project's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Config {
    /// How users sign in.
    pub sign_in: SignIn,
    /// Functions that are asked beforehand.
    pub blocking_functions: BlockingFunctions,
    /// What is said of emails.
    pub email_privacy_config: EmailPrivacyConfig,
    /// Hosts to which links in emails may lead on, beside this machine.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authorized_domains: Vec<String>,
    /// Second factors; all of them, unless it is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mfa: Option<MfaConfig>,
    /// What passwords must be like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_policy_config: Option<PasswordPolicyConfig>,
}

impl Config {
    /// Hosts to which links in emails may lead on.
    pub fn domains(&self) -> Vec<String> {
        std::iter::once("localhost".to_owned()).chain(self.authorized_domains.iter().cloned()).collect()
    }
}

/// How users sign in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SignIn {
    /// Providers may bring the same email to several accounts.
    pub allow_duplicate_emails: bool,
}

/// What is said of emails.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EmailPrivacyConfig {
    /// Nobody can find out whether an email has an account. Unless it is said, a server keeps that to itself; an
    /// emulator's users want to see what they did wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_improved_email_privacy: Option<bool>,
}

impl EmailPrivacyConfig {
    /// Whether it is kept.
    pub fn is_on(&self, emulator: bool) -> bool {
        self.enable_improved_email_privacy.unwrap_or(!emulator)
    }
}

/// The shape of a change.
pub const SCHEMA: Schema = &[
    ("signIn", Kind::Object(&[("allowDuplicateEmails", Kind::Flag)])),
    ("emailPrivacyConfig", Kind::Object(&[("enableImprovedEmailPrivacy", Kind::Flag)])),
];

/// The shape of an admin's change.
pub const ADMIN_SCHEMA: Schema = &[
    ("authorizedDomains", Kind::List(&Kind::Text)),
    (
        "blockingFunctions",
        Kind::Object(&[
            (
                "forwardInboundCredentials",
                Kind::Object(&[("accessToken", Kind::Flag), ("idToken", Kind::Flag), ("refreshToken", Kind::Flag)]),
            ),
            ("triggers", Kind::Object(&[])),
        ]),
    ),
    ("emailPrivacyConfig", Kind::Object(&[("enableImprovedEmailPrivacy", Kind::Flag)])),
    ("mfa", MFA_CONFIG),
    ("passwordPolicyConfig", PASSWORD_POLICY_CONFIG),
    ("signIn", Kind::Object(&[("allowDuplicateEmails", Kind::Flag)])),
    ("updateMask", Kind::Text),
];

/// Events before which functions are asked.
const BLOCKING_EVENTS: [&str; 2] = ["beforeCreate", "beforeSignIn"];

/// A change: beside what it names, what is absent stays.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Change {
    sign_in: SignInChange,
    email_privacy_config: EmailPrivacyChange,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SignInChange {
    allow_duplicate_emails: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct EmailPrivacyChange {
    enable_improved_email_privacy: Option<bool>,
}

/// `GET I1/projects`: what clients ask before they sign in.
///
/// # Errors
/// A tenant has none of it.
pub fn projects(store: &(impl Accounts + ?Sized), call: &Call<'_>, _: Nothing) -> Result<Answer, Error> {
    if call.scope.tenant.is_some() {
        return Err(Error::UnsupportedTenantOperation);
    }
    let domains = store.config(&call.scope.project)?.domains();
    Ok(Answer::default().with("projectId", PROJECT_NUMBER).with("authorizedDomains", domains))
}

/// The settings, for admins.
///
/// # Errors
/// A tenant has none of them, or the caller is no admin.
pub fn get_all(store: &(impl Accounts + ?Sized), call: &Call<'_>, _: Nothing) -> Result<Answer, Error> {
    only_project_admins(call)?;
    Ok(whole(call, store.config(&call.scope.project)?))
}

/// Changes what `updateMask` names; without one, everything, and what the request does not say is put back.
///
/// # Errors
/// A tenant has none of them, the caller is no admin, or a blocking function cannot be had.
pub fn update_all(store: &mut dyn Store, call: &Call<'_>, mut request: Value) -> Result<Answer, Error> {
    only_project_admins(call)?;
    let wanted = request.as_object_mut().and_then(|fields| fields.shift_remove("updateMask"));
    let triggers = request.pointer("/blockingFunctions/triggers").and_then(Value::as_object);
    for (event, trigger) in triggers.into_iter().flatten() {
        if !BLOCKING_EVENTS.contains(&event.as_str()) {
            return Err(Error::InvalidBlockingFunction("Event type is invalid."));
        }
        let uri = trigger.get("functionUri").and_then(Value::as_str).unwrap_or_default();
        if !is_absolute_uri(uri) {
            return Err(Error::InvalidBlockingFunction("Expected an absolute URI with valid scheme and host."));
        }
    }
    let config = match wanted.as_ref().and_then(Value::as_str).filter(|mask| !mask.is_empty()) {
        None => typed(request)?,
        Some(mask) => {
            let mut settings = super::json(&store.config(&call.scope.project)?);
            mask::apply(mask, &mut settings, &request);
            typed(settings)?
        }
    };
    password_policy::check_config(config.password_policy_config.as_ref())?;
    store.set_config(&call.scope.project, &config)?;
    Ok(whole(call, config))
}

fn only_project_admins(call: &Call<'_>) -> Result<(), Error> {
    if call.scope.tenant.is_some() {
        return Err(Error::UnsupportedTenantOperation);
    }
    if call.privileged { Ok(()) } else { Err(Error::InsufficientPermission) }
}

/// Scheme and host are all that is asked for.
fn is_absolute_uri(text: &str) -> bool {
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    host.is_some_and(|rest| rest.chars().next().is_some_and(|first| first.is_ascii_alphanumeric() || first == '['))
}

fn typed(value: Value) -> Result<Config, Error> {
    serde_json::from_value(value).map_err(|error| Error::InvalidPayload(error.to_string()))
}

fn whole(call: &Call<'_>, config: Config) -> Answer {
    // The emulator's has no name; Admin SDKs do without only there.
    let name = (!call.emulator).then(|| format!("projects/{}/config", call.scope.project));
    let body = super::json(&settled(call, config)).as_object().cloned().unwrap_or_default();
    Answer { body, ..Answer::default() }.with_some("name", name)
}

/// The settings as they hold.
fn settled(call: &Call<'_>, mut config: Config) -> Config {
    let privacy = &mut config.email_privacy_config;
    privacy.enable_improved_email_privacy = Some(privacy.is_on(call.emulator));
    config
}

/// The settings that the emulator's own API knows.
///
/// # Errors
/// The store failed.
pub fn get(store: &(impl Accounts + ?Sized), call: &Call<'_>, _: Nothing) -> Result<Answer, Error> {
    Ok(answer(call, store.config(&call.scope.project)?))
}

/// Changes the settings. A change that names none of them puts all of them back, as the official emulator has it.
///
/// # Errors
/// The store failed.
pub fn update(store: &mut dyn Store, call: &Call<'_>, change: Change) -> Result<Answer, Error> {
    let duplicates = change.sign_in.allow_duplicate_emails;
    let privacy = change.email_privacy_config.enable_improved_email_privacy;
    let mut config = match (duplicates, privacy) {
        (None, None) => Config::default(),
        (Some(_), _) | (_, Some(_)) => store.config(&call.scope.project)?,
    };
    let sign_in = &mut config.sign_in;
    sign_in.allow_duplicate_emails = duplicates.unwrap_or(sign_in.allow_duplicate_emails);
    let private = &mut config.email_privacy_config.enable_improved_email_privacy;
    *private = privacy.or(*private);
    store.set_config(&call.scope.project, &config)?;
    Ok(answer(call, config))
}

fn answer(call: &Call<'_>, config: Config) -> Answer {
    let config = settled(call, config);
    Answer::default()
        .with("signIn", super::json(&config.sign_in))
        .with("emailPrivacyConfig", super::json(&config.email_privacy_config))
}

/// What apps show a service that tells people from machines; nobody here asks one, and the values say so.
///
/// # Errors
/// The store failed.
pub fn recaptcha_params(store: &(impl Accounts + ?Sized), call: &Call<'_>, _: Nothing) -> Result<Answer, Error> {
    policy::of(store, call)?;
    Ok(Answer::kind("identitytoolkit#GetRecaptchaParamResponse")
        .with(
            "recaptchaStoken",
            "This-is-a-fake-token__Dont-send-this-to-the-Recaptcha-service__The-Auth-Emulator-does-not-support-\
             Recaptcha",
        )
        .with("recaptchaSiteKey", "Fake-key__Do-not-send-this-to-Recaptcha_"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::House;
    use super::*;
    use serde_json::json;

    fn check(house: &mut House, change: Value, duplicates: bool, privacy: bool) {
        let expected = json!({
            "signIn": {"allowDuplicateEmails": duplicates},
            "emailPrivacyConfig": {"enableImprovedEmailPrivacy": privacy},
        });
        let answer = house.call(true, update, change.clone()).unwrap();
        assert_eq!(Value::Object(answer.body), expected, "{change}");
        let answer = house.call(true, |store, call, body| get(store, call, body), json!({})).unwrap();
        assert_eq!(Value::Object(answer.body), expected, "{change}");
    }

    #[test]
    fn what_a_change_does_not_name_stays() {
        let mut house = House::new();
        check(&mut house, json!({}), false, false);
        check(&mut house, json!({"signIn": {"allowDuplicateEmails": true}}), true, false);
        check(
            &mut house,
            json!({"emailPrivacyConfig": {"enableImprovedEmailPrivacy": true}, "signIn": {}}),
            true,
            true,
        );
        check(&mut house, json!({"signIn": {"allowDuplicateEmails": false}}), false, true);
    }

    #[test]
    fn a_change_that_names_nothing_puts_everything_back() {
        let mut house = House::new();
        let all = json!({
            "signIn": {"allowDuplicateEmails": true}, "emailPrivacyConfig": {"enableImprovedEmailPrivacy": true},
        });
        for nothing in [json!({}), json!({"signIn": {}}), json!({"signIn": {}, "emailPrivacyConfig": {}})] {
            check(&mut house, all.clone(), true, true);
            check(&mut house, nothing, false, false);
        }
    }

    #[test]
    fn an_admin_changes_what_a_mask_names_or_everything() {
        let mut house = House::new();
        let forward = json!({"forwardInboundCredentials": {"idToken": true}});
        let change =
            |house: &mut House, body: Value| house.call(true, update_all, body).map(|got| Value::Object(got.body));
        let expected = json!({
            "signIn": {"allowDuplicateEmails": true}, "blockingFunctions": forward,
            "emailPrivacyConfig": {"enableImprovedEmailPrivacy": false},
        });
        let body = json!({
            "updateMask": "signIn.allowDuplicateEmails,blockingFunctions.forwardInboundCredentials.idToken,displayName",
            "signIn": {"allowDuplicateEmails": true}, "blockingFunctions": forward,
        });
        assert_eq!(change(&mut house, body), Ok(expected.clone()));
        let got = house.call(true, |store, call, body| get_all(store, call, body), json!({})).unwrap();
        assert_eq!(Value::Object(got.body), expected);
        let bare = change(&mut house, json!({})).unwrap();
        assert_eq!((&bare["blockingFunctions"], &bare["signIn"]["allowDuplicateEmails"]), (&json!({}), &json!(false)));
        for (triggers, expected) in [
            (json!({"beforeCreate": {"functionUri": "http://localhost"}}), None),
            (json!({"other": {"functionUri": "http://localhost"}}), Some("Event type is invalid.")),
            (
                json!({"beforeSignIn": {"functionUri": "invalidUri"}}),
                Some("Expected an absolute URI with valid scheme and host."),
            ),
            (json!({"beforeSignIn": {}}), Some("Expected an absolute URI with valid scheme and host.")),
        ] {
            let result = change(&mut house, json!({"blockingFunctions": {"triggers": triggers}}));
            assert_eq!(result.err(), expected.map(Error::InvalidBlockingFunction), "{triggers}");
        }
        assert_eq!(house.call(false, update_all, json!({})), Err(Error::InsufficientPermission));
    }

    #[test]
    fn a_tenant_has_no_project() {
        let mut house = House::new();
        let run = |house: &mut House| house.call(false, |store, call, body| projects(store, call, body), json!({}));
        let body = run(&mut house).unwrap().body;
        assert_eq!(Value::Object(body), json!({"projectId": "12345", "authorizedDomains": ["localhost"]}));
        house.scope.tenant = Some("t".to_owned());
        assert_eq!(run(&mut house), Err(Error::UnsupportedTenantOperation));
    }
}
