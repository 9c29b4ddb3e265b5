//! Argon2id in the PHC string format, which names the parameters and the salt beside the hash.

use super::{Password, Secret, Verdict};
use crate::entropy::Entropy;
use crate::errors::Error;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};

/// Bytes of a salt.
const SALT: usize = 16;
/// KiB of memory, passes and lanes, as OWASP's password storage cheat sheet recommends at least.
const COST: (u32, u32, u32) = (19_456, 2, 1);

fn hasher() -> Result<Argon2<'static>, Error> {
    let (memory, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, None).map_err(|error| Error::Hashing(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

pub(super) fn hash(password: &Password, entropy: &dyn Entropy) -> Result<Secret, Error> {
    let mut salt = [0; SALT];
    entropy.fill(&mut salt);
    let failed = |error: argon2::password_hash::Error| Error::Hashing(error.to_string());
    let salt = SaltString::encode_b64(&salt).map_err(failed)?;
    let hash = hasher()?.hash_password(password.text().as_bytes(), &salt).map_err(failed)?;
    Ok(Secret { hash: hash.to_string(), salt: None })
}

/// The parameters are the kept hash's own.
pub(super) fn verify(password: &Password, secret: &Secret) -> Verdict {
    let (Ok(kept), Ok(hasher)) = (PasswordHash::new(&secret.hash), hasher()) else { return Verdict::Wrong };
    match hasher.verify_password(password.text().as_bytes(), &kept) {
        Ok(()) => Verdict::Right,
        Err(_) => Verdict::Wrong,
    }
}
