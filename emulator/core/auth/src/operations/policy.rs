//! What a project lets its users do. Must not know: who asks.

use super::Call;
use crate::errors::Error;
use crate::settings::{MfaConfig, MfaProvider, MfaProviderState, MfaState, Tenant, TotpProviderConfig};
use crate::store::Accounts;

/// What is allowed, and how much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Policy {
    /// Emails with passwords.
    pub(super) passwords: bool,
    /// Links in emails.
    pub(super) email_links: bool,
    /// Accounts that give no credential.
    pub(super) anonymous: bool,
    /// Phone numbers as second factors.
    pub(super) sms_factors: bool,
    /// Phone numbers may become second factors.
    pub(super) sms_enrollment: bool,
    /// Authenticator apps as second factors.
    pub(super) totp_factors: bool,
    /// So many passwords before and after the present one are accepted of them.
    pub(super) totp_adjacent_intervals: u8,
    /// Providers may bring the same email to several accounts.
    pub(super) duplicate_emails: bool,
    /// Nobody can find out whether an email has an account.
    pub(super) email_privacy: bool,
}

/// The policy for the accounts that are meant.
///
/// # Errors
/// The store failed.
pub(super) fn of(store: &(impl Accounts + ?Sized), call: &Call<'_>) -> Result<Policy, Error> {
    let config = store.config(&call.scope.project)?;
    let tenant = match &call.scope.tenant {
        None => None,
        Some(id) => store.tenant(&call.scope.project, id)?,
    };
    let mfa = tenant.as_ref().map(|tenant| &tenant.mfa_config).or(config.mfa.as_ref());
    // What nobody has settled is allowed.
    let allowed = |settled: fn(&Tenant) -> bool| tenant.as_ref().is_none_or(settled);
    Ok(Policy {
        passwords: allowed(|tenant| tenant.allow_password_signup),
        email_links: allowed(|tenant| tenant.enable_email_link_signin),
        anonymous: allowed(|tenant| tenant.enable_anonymous_user),
        sms_factors: mfa.is_none_or(is_on),
        sms_enrollment: mfa.is_none_or(|mfa| is_on(mfa) && mfa.enabled_providers.contains(&MfaProvider::PhoneSms)),
        totp_factors: mfa.is_none_or(|mfa| is_on(mfa) && (call.emulator || totp(mfa).is_some())),
        totp_adjacent_intervals: mfa.and_then(totp).and_then(|totp| totp.adjacent_intervals).unwrap_or(5).min(10),
        duplicate_emails: config.sign_in.allow_duplicate_emails,
        email_privacy: config.email_privacy_config.is_on(call.emulator),
    })
}

fn is_on(mfa: &MfaConfig) -> bool {
    match mfa.state {
        MfaState::Enabled | MfaState::Mandatory => true,
        MfaState::StateUnspecified | MfaState::Disabled => false,
    }
}

/// The settings of authenticator apps, if there are such factors.
fn totp(mfa: &MfaConfig) -> Option<TotpProviderConfig> {
    let configs = mfa.provider_configs.iter().flatten();
    let mut on = configs.filter(|config| match config.state {
        Some(MfaProviderState::Enabled | MfaProviderState::Mandatory) => true,
        None | Some(MfaProviderState::MfaStateUnspecified | MfaProviderState::Disabled) => false,
    });
    on.find_map(|config| config.totp_provider_config.clone())
}
