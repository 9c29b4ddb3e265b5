//! The official emulator's way to keep passwords, by which its exports can be told: in clear, with a salt beside it.

use super::{Password, Secret, Verdict};
use crate::entropy::{Entropy, alphanumeric};

/// How a hash begins.
pub(super) const MARK: &str = "fakeHash:";
/// Characters of a salt after its mark.
const SALT: usize = 20;

pub(super) fn salt(entropy: &dyn Entropy) -> String {
    format!("fakeSalt{}", alphanumeric(entropy, SALT))
}

pub(super) fn hash(password: &Password, salt: String) -> Secret {
    Secret { hash: format!("fakeHash:salt={salt}:password={}", password.text()), salt: Some(salt) }
}

/// Without a salt nothing is right, as there.
pub(super) fn verify(password: &Password, secret: &Secret) -> Verdict {
    let salt = secret.salt.clone().filter(|salt| !salt.is_empty());
    match salt.map(|salt| hash(password, salt)) {
        Some(expected) if expected.hash == secret.hash => Verdict::Right,
        Some(_) | None => Verdict::Wrong,
    }
}
