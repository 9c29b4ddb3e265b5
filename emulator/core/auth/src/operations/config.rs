//! What a project tells its clients, and the settings that the emulator's own API changes.

use super::{Answer, Call, PROJECT_NUMBER, bulk::Nothing, policy};
use crate::errors::Error;
use crate::schema::{Kind, Schema};
use crate::store::{Accounts, Store};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A project's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Config {
    /// How users sign in.
    pub sign_in: SignIn,
    /// What is said of emails.
    pub email_privacy_config: EmailPrivacyConfig,
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
    /// Nobody can find out whether an email has an account.
    pub enable_improved_email_privacy: bool,
}

/// The shape of a change.
pub const SCHEMA: Schema = &[
    ("signIn", Kind::Object(&[("allowDuplicateEmails", Kind::Flag)])),
    ("emailPrivacyConfig", Kind::Object(&[("enableImprovedEmailPrivacy", Kind::Flag)])),
];

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
pub fn projects(_: &(impl Accounts + ?Sized), call: &Call<'_>, _: Nothing) -> Result<Answer, Error> {
    if call.scope.tenant.is_some() {
        return Err(Error::UnsupportedTenantOperation);
    }
    Ok(Answer::default().with("projectId", PROJECT_NUMBER).with("authorizedDomains", json!(["localhost"])))
}

/// The settings.
///
/// # Errors
/// The store failed.
pub fn get(store: &(impl Accounts + ?Sized), call: &Call<'_>, _: Nothing) -> Result<Answer, Error> {
    Ok(answer(&store.config(&call.scope.project)?))
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
    overwrite(&mut config.sign_in.allow_duplicate_emails, duplicates);
    overwrite(&mut config.email_privacy_config.enable_improved_email_privacy, privacy);
    store.set_config(&call.scope.project, &config)?;
    Ok(answer(&config))
}

fn overwrite(setting: &mut bool, wanted: Option<bool>) {
    *setting = wanted.unwrap_or(*setting);
}

fn answer(config: &Config) -> Answer {
    match super::json(config) {
        Value::Object(body) => Answer { body, ..Answer::default() },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Answer::default(),
    }
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
    fn a_tenant_has_no_project() {
        let mut house = House::new();
        let run = |house: &mut House| house.call(false, |store, call, body| projects(store, call, body), json!({}));
        let body = run(&mut house).unwrap().body;
        assert_eq!(Value::Object(body), json!({"projectId": "12345", "authorizedDomains": ["localhost"]}));
        house.scope.tenant = Some("t".to_owned());
        assert_eq!(run(&mut house), Err(Error::UnsupportedTenantOperation));
    }
}
