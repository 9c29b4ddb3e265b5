//! The secret by which a server knows its challenges for passkeys again: drawn once, kept in the accounts' file, so that a
//! challenge outlives the process that made it. Must not know: challenges.

use super::service::OpenError;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use hearth_auth::errors::StoreError;
use hearth_auth::passkey::challenge::{Challenges, SECRET};
use hearth_auth::store::Store;

/// The secret's name in the store.
const NAME: &str = "passkey_challenges";

/// Those of the store; without a secret one is drawn and kept.
pub(super) fn load(store: &mut dyn Store) -> Result<Challenges, OpenError> {
    if let Some(kept) = store.secret(NAME)? {
        let kept = kept.try_into().map_err(|_| StoreError(format!("the secret {NAME} is damaged")))?;
        return Ok(Challenges::new(kept));
    }
    let secret = draw()?;
    store.keep_secret(NAME, &secret)?;
    Ok(Challenges::new(secret))
}

/// Those of a process that keeps none.
pub(super) fn unkept() -> Result<Challenges, OpenError> {
    Ok(Challenges::new(draw()?))
}

fn draw() -> Result<[u8; SECRET], OpenError> {
    let mut secret = [0; SECRET];
    SystemRandom::new().fill(&mut secret).map_err(|_| OpenError::NoKey)?;
    Ok(secret)
}
