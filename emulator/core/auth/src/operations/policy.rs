//! What a project lets its users do. Must not know: who asks.

use super::Call;
use crate::errors::Error;
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
    Ok(Policy {
        passwords: true,
        email_links: true,
        anonymous: true,
        sms_factors: true,
        duplicate_emails: config.sign_in.allow_duplicate_emails,
        email_privacy: config.email_privacy_config.enable_improved_email_privacy,
    })
}
