//! The account, as lookups, lists and exports show it (the Identity Toolkit's `UserInfo`).

use crate::Millis;
use crate::password::Secret;
use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Serialize};

/// The provider of accounts that gave no credential.
pub const ANONYMOUS: &str = "anonymous";
/// The provider of email addresses with a password or a sign-in link.
pub const PASSWORD: &str = "password";
/// The provider of custom tokens.
pub const CUSTOM: &str = "custom";
/// The provider of phone numbers.
pub const PHONE: &str = "phone";

/// An account. Fields that are absent are left out of the JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Account {
    /// The id, unique in its scope.
    pub local_id: String,
    /// The email, in lower case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether the owner has shown that the email is theirs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<bool>,
    /// The name to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The picture to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub photo_url: Option<String>,
    /// The phone number, beginning with `+`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
    /// What is kept of the password (see [`Secret`]).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<String>,
    /// The salt of the password's hash, where it is not a part of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
    /// When the password was set; milliseconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_updated_at: Option<Millis>,
    /// Seconds since the Unix epoch; tokens issued before are revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_since: Option<String>,
    /// Whether the account may not sign in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    /// Milliseconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// Milliseconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_login_at: Option<String>,
    /// When tokens were last issued; ISO 8601.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_refresh_at: Option<String>,
    /// Claims that go into ID tokens; a JSON object as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_attributes: Option<String>,
    /// Whether the account signed in with a custom token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_auth: Option<bool>,
    /// Whether the account signed in with a link in an email.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_link_signin: Option<bool>,
    /// Who the owner is at the providers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_user_info: Option<Vec<ProviderUserInfo>>,
    /// The first email, which can be recovered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_email: Option<String>,
    /// Its passkeys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passkey_info: Option<Vec<Passkey>>,
    /// The tenant the account belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// The second factors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mfa_info: Option<Vec<MfaEnrollment>>,
    /// The day of birth that a provider gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date_of_birth: Option<String>,
    /// The language that a provider gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// The user's handle at a provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub screen_name: Option<String>,
}

/// A second factor: a phone number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MfaEnrollment {
    /// Its id, unique in its account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mfa_enrollment_id: Option<String>,
    /// The name to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// When it was enrolled; ISO 8601.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enrolled_at: Option<String>,
    /// The phone number; towards clients all but its last four digits are hidden.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_info: Option<String>,
    /// The phone number in clear.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unobfuscated_phone_info: Option<String>,
    /// Whether it is an authenticator app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub totp_info: Option<TotpInfo>,
}

/// A passkey.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Passkey {
    /// Its id, unique in its scope.
    pub credential_id: String,
    /// The name to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What is shown of an authenticator app: that it is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TotpInfo {}

/// Who the owner of an account is at a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProviderUserInfo {
    /// The provider's id (`google.com`, `phone`).
    pub provider_id: String,
    /// The user's id at the provider.
    pub raw_id: String,
    /// The user's id at the provider, as a URI where the provider has such.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub federated_id: Option<String>,
    /// The email the provider gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The name the provider gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The picture the provider gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub photo_url: Option<String>,
    /// The phone number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
    /// The user's handle at the provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub screen_name: Option<String>,
}

impl Account {
    /// The providers, `phone` included.
    pub fn providers(&self) -> &[ProviderUserInfo] {
        self.provider_user_info.as_deref().unwrap_or_default()
    }

    /// Whether nothing ties the account to a person: no provider, email, phone number, passkey or custom sign-in.
    pub fn is_anonymous(&self) -> bool {
        self.providers().is_empty()
            && self.email.is_none()
            && self.phone_number.is_none()
            && self.passkey_info.iter().all(Vec::is_empty)
            && self.custom_auth != Some(true)
    }

    /// The latest of creation, sign-in and refresh.
    pub fn last_seen(&self) -> Millis {
        let refreshed = self.last_refresh_at.as_deref().and_then(|iso| DateTime::parse_from_rfc3339(iso).ok());
        let refreshed = refreshed.and_then(|time| Millis::try_from(time.timestamp_millis()).ok());
        [millis(self.created_at.as_deref()), millis(self.last_login_at.as_deref()), refreshed]
            .into_iter()
            .flatten()
            .max()
            .unwrap_or(0)
    }

    /// When the owner signed in, in seconds: the last sign-in, or else the last refresh.
    pub fn auth_time(&self) -> u64 {
        millis(self.last_login_at.as_deref()).unwrap_or_else(|| self.last_seen()) / 1000
    }

    /// [`Account::valid_since`] as a number.
    pub fn valid_since_seconds(&self) -> Option<i64> {
        self.valid_since.as_deref()?.parse().ok()
    }

    /// Adds or replaces what the provider says of the owner.
    pub fn upsert_provider(&mut self, info: ProviderUserInfo) {
        let providers = self.provider_user_info.get_or_insert_default();
        match providers.iter_mut().find(|known| known.provider_id == info.provider_id) {
            Some(known) => *known = info,
            None => providers.push(info),
        }
    }

    /// Removes those of the providers that are there.
    pub fn delete_providers(&mut self, provider_ids: &[String]) {
        provider_ids.iter().for_each(|provider_id| self.delete_provider(provider_id));
    }

    /// Removes the provider, if it is there.
    pub fn delete_provider(&mut self, provider_id: &str) {
        if let Some(providers) = &mut self.provider_user_info {
            providers.retain(|known| known.provider_id != provider_id);
        }
    }

    /// What is kept of the password, if there is one.
    pub fn secret(&self) -> Option<Secret> {
        let hash = self.password_hash.clone().filter(|hash| !hash.is_empty())?;
        Some(Secret { hash, salt: self.salt.clone() })
    }

    /// Sets the password; tokens issued before are revoked.
    pub fn set_secret(&mut self, secret: Secret, now: Millis) {
        self.password_hash = Some(secret.hash);
        self.salt = secret.salt;
        self.password_updated_at = Some(now);
        self.valid_since = Some((now / 1000).to_string());
    }

    /// Removes the password.
    pub fn delete_secret(&mut self) {
        self.password_hash = None;
        self.salt = None;
    }

    /// Removes the email and what belongs to it, but not the password.
    pub fn delete_email(&mut self) {
        self.email = None;
        self.email_verified = None;
        self.email_link_signin = None;
    }

    /// Removes password, phone number, identities and passkeys, and revokes all tokens: whoever brought them had not shown that
    /// the email is theirs, and somebody else has.
    pub fn close_other_ways_in(&mut self, now: Millis) {
        self.delete_secret();
        self.phone_number = None;
        self.provider_user_info = self.provider_user_info.take().map(|_| Vec::new());
        self.passkey_info = self.passkey_info.take().map(|_| Vec::new());
        self.valid_since = Some((now / 1000).to_string());
    }

    /// Makes the entries of the providers `password` and `phone` agree with what the account has.
    pub fn mirror_providers(&mut self) {
        match self.email.clone() {
            Some(email) if self.password_hash.is_some() || self.email_link_signin == Some(true) => {
                self.upsert_provider(ProviderUserInfo {
                    provider_id: PASSWORD.to_owned(),
                    raw_id: email.clone(),
                    federated_id: Some(email.clone()),
                    email: Some(email),
                    display_name: self.display_name.clone(),
                    photo_url: self.photo_url.clone(),
                    ..ProviderUserInfo::default()
                });
            }
            Some(_) | None => self.delete_provider(PASSWORD),
        }
        match self.phone_number.clone() {
            Some(number) => self.upsert_provider(ProviderUserInfo {
                provider_id: PHONE.to_owned(),
                raw_id: number.clone(),
                phone_number: Some(number),
                ..ProviderUserInfo::default()
            }),
            None => self.delete_provider(PHONE),
        }
    }
}

/// The time as `2030-01-01T00:00:00.000Z`.
pub fn iso(now: Millis) -> String {
    let time = i64::try_from(now).ok().and_then(DateTime::from_timestamp_millis).unwrap_or(DateTime::UNIX_EPOCH);
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Whether it has the form `something@something`; the official emulator asks no more.
pub fn is_email(text: &str) -> bool {
    matches!(text.split_once('@'), Some((name, host)) if !name.is_empty() && !host.is_empty() && !host.contains('@'))
}

/// Whether it looks like an international number; the official emulator asks no more.
pub fn is_phone_number(text: &str) -> bool {
    text.starts_with('+')
}

/// Whether it is an international number that can be dialled (ITU-T E.164): what a server asks of those it takes over.
pub fn is_e164(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (5..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn millis(text: Option<&str>) -> Option<Millis> {
    text?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_field_is_left_out() {
        let account = Account { local_id: "a".to_owned(), disabled: Some(true), ..Account::default() };
        let json = r#"{"localId":"a","disabled":true}"#;
        assert_eq!(serde_json::to_string(&account).unwrap(), json);
        assert_eq!(serde_json::from_str::<Account>(json).unwrap(), account);
    }

    #[test]
    fn last_seen_is_the_latest_of_three() {
        let seen = |created: Option<&str>, login: Option<&str>, refresh: Option<&str>| {
            let [created_at, last_login_at, last_refresh_at] = [created, login, refresh].map(|t| t.map(str::to_owned));
            Account { created_at, last_login_at, last_refresh_at, ..Account::default() }.last_seen()
        };
        assert_eq!(seen(Some("5"), None, None), 5);
        assert_eq!(seen(Some("5"), Some("9"), Some("1970-01-01T00:00:00.007Z")), 9);
        assert_eq!(seen(Some("5"), Some("9"), Some(&iso(1_893_456_000_123))), 1_893_456_000_123);
        assert_eq!(seen(None, Some("soon"), Some("later")), 0);
    }

    #[test]
    fn a_phone_number_is_a_provider_too() {
        let mut account = Account { phone_number: Some("+1".to_owned()), ..Account::default() };
        account.mirror_providers();
        assert_eq!(
            serde_json::to_string(&account.provider_user_info).unwrap(),
            r#"[{"providerId":"phone","rawId":"+1","phoneNumber":"+1"}]"#
        );
        account.phone_number = None;
        account.mirror_providers();
        assert_eq!(account.providers(), []);
    }

    #[test]
    fn an_email_with_a_password_or_a_link_is_a_provider_too() {
        let entry = r#"[{"providerId":"password","rawId":"a@b","federatedId":"a@b","email":"a@b","displayName":"N"}]"#;
        for (email, password, link, expected) in [
            (true, true, false, entry),
            (true, false, true, entry),
            (true, false, false, "null"),
            (false, true, true, "null"),
        ] {
            let mut account = Account {
                email: email.then(|| "a@b".to_owned()),
                password_hash: password.then(|| "h".to_owned()),
                email_link_signin: Some(link),
                display_name: Some("N".to_owned()),
                ..Account::default()
            };
            account.mirror_providers();
            assert_eq!(serde_json::to_string(&account.provider_user_info).unwrap(), expected);
            account.delete_email();
            account.mirror_providers();
            assert_eq!(account.providers(), []);
        }
    }

    #[test]
    fn numbers_that_can_be_dialled_have_digits_only() {
        for (text, expected) in [
            ("+16505550101", true),
            ("+1error", false),
            ("16505550101", false),
            ("+1", false),
            ("+1234567890123456", false),
        ] {
            assert_eq!(is_e164(text), expected, "{text}");
        }
    }

    #[test]
    fn emails_have_one_at_sign() {
        for (text, expected) in
            [("a@b", true), ("a@", false), ("@b", false), ("a", false), ("", false), ("a@b@c", false)]
        {
            assert_eq!(is_email(text), expected, "{text}");
        }
    }
}
