//! What a project lets its users do. Must not know: who asks.

use super::Call;
use crate::errors::Error;
use crate::settings::{MfaState, Tenant};
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
    // What nobody has settled is allowed.
    let allowed = |settled: fn(&Tenant) -> bool| tenant.as_ref().is_none_or(settled);
    Ok(Policy {
        passwords: allowed(|tenant| tenant.allow_password_signup),
        email_links: allowed(|tenant| tenant.enable_email_link_signin),
        anonymous: allowed(|tenant| tenant.enable_anonymous_user),
        sms_factors: allowed(|tenant| match tenant.mfa_config.state {
            MfaState::Enabled | MfaState::Mandatory => true,
            MfaState::StateUnspecified | MfaState::Disabled => false,
        }),
        duplicate_emails: config.sign_in.allow_duplicate_emails,
        email_privacy: config.email_privacy_config.enable_improved_email_privacy,
    })
}
