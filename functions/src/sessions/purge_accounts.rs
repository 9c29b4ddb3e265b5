//! `purgeAnonymousAccounts`: deletes anonymous accounts that nobody uses any more, never others.

use crate::ports::{Millis, Platform};

/// So many accounts are deleted at once, between which others get their turn.
const BATCH: usize = 500;
const DAY: Millis = 24 * 60 * 60 * 1000;

/// Deletes anonymous accounts not seen for `days` days. Which these are is decided anew by each batch, so two runs at
/// once do no harm.
pub(super) async fn purge_anonymous_accounts(platform: Platform, days: u32) -> Result<(), String> {
    let before = platform.clock.now().saturating_sub(Millis::from(days) * DAY);
    let mut accounts = 0;
    loop {
        match platform.accounts.delete_anonymous(before, BATCH).await {
            Ok(0) => break,
            Ok(some) => accounts += some,
            Err(error) => return Err(format!("{error}, after {accounts} accounts had been deleted")),
        }
    }
    tracing::info!(accounts, "purged anonymous accounts");
    Ok(())
}
