//! What new passwords must be like: what clients are told (`passwordPolicy`), and its enforcement.
//!
//! The shapes are the Identity Toolkit's (`projects.tenants` and `v2/passwordPolicy`), the complaints those that clients
//! of production show. Admins are not held to it, as they are not to other limits of users. Must not know: hashing.

use super::bulk::Nothing;
use super::{Answer, Call, json};
use crate::errors::Error;
use crate::password::Password;
use crate::schema::{Kind, Schema};
use crate::settings::{EnforcementState, PasswordPolicyConfig, StrengthOptions};
use crate::store::Accounts;
use serde_json::Map;

/// What counts as a character that is neither letter nor digit.
const NON_ALPHANUMERIC: &str = "^$*.[]{}()?\"!@#%&/\\,><':;|_~";
/// The fewest characters unless it is said, as UTF-16 units.
const MIN_LENGTH: u32 = 6;
/// The most.
const MAX_LENGTH: u32 = 4096;
/// The largest number of characters that can be asked for at least.
const LARGEST_MIN_LENGTH: u32 = 30;

/// The shape of the parameters: whose policy is asked for.
pub const SCHEMA: Schema = &[("tenantId", Kind::Text)];

/// What a policy comes to for the accounts that are meant.
struct Effective {
    options: StrengthOptions,
    enforced: bool,
    /// Also of passwords that are there already.
    at_sign_in: bool,
}

fn effective(store: &(impl Accounts + ?Sized), call: &Call<'_>) -> Result<Effective, Error> {
    let config = match &call.scope.tenant {
        None => store.config(&call.scope.project)?.password_policy_config,
        Some(id) => store.tenant(&call.scope.project, id)?.and_then(|tenant| tenant.password_policy_config),
    };
    let PasswordPolicyConfig { password_policy_enforcement_state, force_upgrade_on_signin, password_policy_versions } =
        config.unwrap_or_default();
    let options = password_policy_versions.into_iter().next().unwrap_or_default().custom_strength_options;
    let enforced = match password_policy_enforcement_state {
        Some(EnforcementState::Enforce) => true,
        None | Some(EnforcementState::Off | EnforcementState::PasswordPolicyEnforcementStateUnspecified) => false,
    };
    Ok(Effective { options, enforced, at_sign_in: force_upgrade_on_signin == Some(true) })
}

/// `GET v2/passwordPolicy`.
///
/// # Errors
/// The store failed.
pub fn get(store: &(impl Accounts + ?Sized), call: &Call<'_>, _: Nothing) -> Result<Answer, Error> {
    let Effective { mut options, enforced, at_sign_in } = effective(store, call)?;
    options.min_password_length = options.min_password_length.or(Some(MIN_LENGTH));
    options.max_password_length = options.max_password_length.or(Some(MAX_LENGTH));
    let characters: Vec<String> = NON_ALPHANUMERIC.chars().map(String::from).collect();
    Ok(Answer { body: Map::new(), ..Answer::default() }
        .with("customStrengthOptions", json(&options))
        .with("schemaVersion", 1)
        .with("allowedNonAlphanumericCharacters", characters)
        .with("enforcementState", if enforced { "ENFORCE" } else { "OFF" })
        .with("forceUpgradeOnSignin", at_sign_in))
}

/// A password that may become an account's.
///
/// # Errors
/// It is too short, or not what the policy wants.
pub(super) fn new_password(
    store: &(impl Accounts + ?Sized),
    call: &Call<'_>,
    text: Option<&str>,
) -> Result<Option<Password>, Error> {
    let Some(text) = text else { return Ok(None) };
    let policy = effective(store, call)?;
    if policy.enforced && !call.privileged {
        meets(&policy.options, text)?;
    }
    Password::new(text).map(Some)
}

/// Refuses somebody whose right password is not what the policy wants, if it wants them to choose another one.
///
/// # Errors
/// It does.
pub(super) fn check_sign_in(store: &(impl Accounts + ?Sized), call: &Call<'_>, text: &str) -> Result<(), Error> {
    let policy = effective(store, call)?;
    if policy.enforced && policy.at_sign_in { meets(&policy.options, text) } else { Ok(()) }
}

/// Whether the settings can be kept.
///
/// # Errors
/// The bounds are none.
pub(super) fn check_config(config: Option<&PasswordPolicyConfig>) -> Result<(), Error> {
    for version in config.into_iter().flat_map(|config| &config.password_policy_versions) {
        let options = &version.custom_strength_options;
        let min = options.min_password_length.unwrap_or(MIN_LENGTH);
        let max = options.max_password_length.unwrap_or(MAX_LENGTH);
        if !(MIN_LENGTH..=LARGEST_MIN_LENGTH).contains(&min) || !(min..=MAX_LENGTH).contains(&max) {
            return Err(Error::InvalidPayload(format!(
                "/passwordPolicyConfig minPasswordLength must be {MIN_LENGTH} to {LARGEST_MIN_LENGTH}, and \
                 maxPasswordLength from there up to {MAX_LENGTH}"
            )));
        }
    }
    Ok(())
}

/// Whether a character is of a kind.
type Kinds = fn(char) -> bool;

fn meets(options: &StrengthOptions, text: &str) -> Result<(), Error> {
    let mut missing = Vec::new();
    let length = text.encode_utf16().count();
    let (min, max) =
        (options.min_password_length.unwrap_or(MIN_LENGTH), options.max_password_length.unwrap_or(MAX_LENGTH));
    if usize::try_from(min).is_ok_and(|min| length < min) {
        missing.push(format!("Password must contain at least {min} characters"));
    }
    if usize::try_from(max).is_ok_and(|max| length > max) {
        missing.push(format!("Password may contain at most {max} characters"));
    }
    let kinds: [(Option<bool>, Kinds, &str); 4] = [
        (options.contains_lowercase_character, |c| c.is_ascii_lowercase(), "a lower case character"),
        (options.contains_uppercase_character, |c| c.is_ascii_uppercase(), "an upper case character"),
        (options.contains_numeric_character, |c| c.is_ascii_digit(), "a numeric character"),
        (options.contains_non_alphanumeric_character, |c| NON_ALPHANUMERIC.contains(c), "a non-alphanumeric character"),
    ];
    for (wanted, is_one, name) in kinds {
        if wanted == Some(true) && !text.contains(is_one) {
            missing.push(format!("Password must contain {name}"));
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(Error::PasswordRequirements(missing.join(", "))) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::House;
    use super::super::{config, oob, sign_in_password, sign_up, tenants, update};
    use super::*;
    use serde_json::{Value, json};

    fn strict(house: &mut House, more: Value) {
        let mut policy = json!({
            "passwordPolicyEnforcementState": "ENFORCE",
            "passwordPolicyVersions": [{"customStrengthOptions": {
                "containsLowercaseCharacter": true, "containsUppercaseCharacter": true,
                "containsNumericCharacter": true, "containsNonAlphanumericCharacter": true,
                "minPasswordLength": 8, "maxPasswordLength": 10,
            }}],
        });
        policy.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        house.call(true, config::update_all, json!({"passwordPolicyConfig": policy})).unwrap();
    }

    fn missing(what: &str) -> Error {
        Error::PasswordRequirements(what.to_owned())
    }

    #[test]
    fn what_is_missing_is_named_all_at_once() {
        let mut house = House::new();
        strict(&mut house, json!({}));
        for (index, (password, expected)) in [
            ("aA1!aA1!", Ok(())),
            (
                "a",
                Err("Password must contain at least 8 characters, Password must contain an upper case character, \
                     Password must contain a numeric character, Password must contain a non-alphanumeric character"),
            ),
            ("AAAAAA1!", Err("Password must contain a lower case character")),
            ("aA1!aA1!aA1!", Err("Password may contain at most 10 characters")),
            ("aA1-aA1+", Err("Password must contain a non-alphanumeric character")),
        ]
        .into_iter()
        .enumerate()
        {
            let body = json!({"email": format!("{index}@b"), "password": password});
            let result = house.call(false, sign_up::sign_up, body).map(drop);
            assert_eq!(result, expected.map_err(missing), "{password}");
        }
        let text = missing("Password must contain a numeric character").to_string();
        let expected = "PASSWORD_DOES_NOT_MEET_REQUIREMENTS : Missing password requirements: [Password must contain a \
                        numeric character]";
        assert_eq!(text, expected);
    }

    #[test]
    fn every_way_to_a_new_password_is_held_to_it_but_admins() {
        let mut house = House::new();
        strict(&mut house, json!({}));
        let weak = json!({"localId": "u", "email": "a@b", "password": "secret"});
        house.call(true, sign_up::sign_up, weak).unwrap();
        let (_, token) = house.sign_up();
        let refused = |result: Result<Answer, Error>| matches!(result, Err(Error::PasswordRequirements(_)));
        assert!(refused(house.call(false, update::update, json!({"idToken": token, "password": "secret"}))));
        let code = json!({"requestType": "PASSWORD_RESET", "email": "a@b", "returnOobLink": true});
        let code = house.call(true, oob::send, code).unwrap().body["oobCode"].clone();
        let reset = |password: &str| json!({"oobCode": code, "newPassword": password});
        assert!(refused(house.call(false, oob::reset_password, reset("secret"))));
        house.call(false, oob::reset_password, reset("aA1!aA1!")).unwrap();
    }

    #[test]
    fn an_old_password_lasts_unless_it_shall_not() {
        let mut house = House::new();
        let weak = json!({"localId": "u", "email": "a@b", "password": "secret"});
        house.call(true, sign_up::sign_up, weak).unwrap();
        let sign_in = |house: &mut House, password: &str| {
            house.call(false, sign_in_password::sign_in, json!({"email": "a@b", "password": password})).map(drop)
        };
        strict(&mut house, json!({}));
        assert_eq!(sign_in(&mut house, "secret"), Ok(()));
        strict(&mut house, json!({"forceUpgradeOnSignin": true}));
        assert!(matches!(sign_in(&mut house, "secret"), Err(Error::PasswordRequirements(_))));
        assert_eq!(sign_in(&mut house, "guess!"), Err(Error::InvalidPassword), "who does not know it learns nothing");
        strict(&mut house, json!({"forceUpgradeOnSignin": true, "passwordPolicyEnforcementState": "OFF"}));
        assert_eq!(sign_in(&mut house, "secret"), Ok(()));
    }

    #[test]
    fn clients_are_told_and_a_tenant_has_its_own() {
        let mut house = House::new();
        let told = |house: &mut House| house.with_call(|store, call| get(store, call, Nothing {}).unwrap().body);
        let before = told(&mut house);
        assert_eq!(before["customStrengthOptions"], json!({"minPasswordLength": 6, "maxPasswordLength": 4096}));
        assert_eq!((&before["enforcementState"], &before["forceUpgradeOnSignin"]), (&json!("OFF"), &json!(false)));
        strict(&mut house, json!({"forceUpgradeOnSignin": true}));
        let after = told(&mut house);
        assert_eq!(after["customStrengthOptions"]["minPasswordLength"], 8);
        assert_eq!((&after["enforcementState"], &after["forceUpgradeOnSignin"]), (&json!("ENFORCE"), &json!(true)));
        let tenant = house.call(true, tenants::create, json!({"allowPasswordSignup": true})).unwrap();
        house.scope.tenant = Some(tenant.body["tenantId"].as_str().unwrap().to_owned());
        assert_eq!(told(&mut house), before);
    }

    #[test]
    fn bounds_that_are_none_are_refused() {
        let mut house = House::new();
        for options in [
            json!({"minPasswordLength": 5}),
            json!({"minPasswordLength": 31}),
            json!({"minPasswordLength": 10, "maxPasswordLength": 9}),
            json!({"maxPasswordLength": 4097}),
        ] {
            let policy = json!({"passwordPolicyVersions": [{"customStrengthOptions": options}]});
            let refused = house.call(true, config::update_all, json!({"passwordPolicyConfig": policy}));
            assert!(matches!(refused, Err(Error::InvalidPayload(_))), "{policy}");
        }
    }
}
