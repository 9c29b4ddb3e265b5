//! Challenges: what an authenticator signs so that nobody can show its answer again. Must not know: how an answer is
//! verified.
//!
//! A challenge is not kept: it says itself when it was made, and a seal (HMAC-SHA-256 under a secret of the server) says
//! that the server has made it, and for what. So nobody can fill the disk or drive out others' challenges by starting
//! sign-ins, however many addresses they come from. What is kept is which ones have been used, until their time is over:
//! a row for each passkey that was really shown, see [`UsedChallenge`].
//!
//! [`UsedChallenge`]: crate::code::UsedChallenge

use super::Refused;
use crate::Millis;
use crate::entropy::{Entropy, alphanumeric};
use crate::store::Scope;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;

/// For so long a challenge can be answered.
pub const LIFETIME: Millis = 5 * 60_000;
/// Bytes of the secret.
pub const SECRET: usize = 32;
/// Characters of the time.
const TIME: usize = 12;
/// Characters that are drawn: some 262 bits.
const DRAWN: usize = 44;
/// Characters of the seal.
const SEAL: usize = 64;

/// What a challenge is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// To enrol a passkey for the account with this id.
    Enrollment(&'a str),
    /// To sign in, whoever it is.
    SignIn,
}

/// Makes challenges and knows them again.
#[derive(Clone)]
pub struct Challenges([u8; SECRET]);

impl fmt::Debug for Challenges {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Challenges")
    }
}

impl Challenges {
    /// Sealed by this secret.
    pub fn new(secret: [u8; SECRET]) -> Self {
        Self(secret)
    }

    /// A new challenge in base64. It has only letters and digits and no padding, so that it reads alike in both
    /// alphabets: browsers' `parseCreationOptionsFromJSON` wants one, `atob` and Apple's SDK the other.
    pub fn issue(&self, scope: &Scope, purpose: Purpose<'_>, now: Millis, entropy: &dyn Entropy) -> String {
        let open = format!("{now:0TIME$x}{}", alphanumeric(entropy, DRAWN));
        let seal = self.seal(&open, scope, purpose);
        // Letters and digits, three by three, become nothing else.
        STANDARD.encode(format!("{open}{seal}"))
    }

    /// Whether this is a challenge that the server has made for this, and that can still be answered.
    ///
    /// # Errors
    /// It is not, or no longer.
    pub fn check(&self, scope: &Scope, purpose: Purpose<'_>, challenge: &[u8], now: Millis) -> Result<(), Refused> {
        let text = std::str::from_utf8(challenge).map_err(|_| Refused::Challenge)?;
        let (open, seal) = text.split_at_checked(TIME + DRAWN).ok_or(Refused::Challenge)?;
        let expected = self.seal(open, scope, purpose);
        verify_slices_are_equal(expected.as_bytes(), seal.as_bytes()).map_err(|_| Refused::Challenge)?;
        let made = open.get(..TIME).and_then(|time| Millis::from_str_radix(time, 16).ok()).ok_or(Refused::Challenge)?;
        if now.saturating_sub(made) >= LIFETIME { Err(Refused::Expired) } else { Ok(()) }
    }

    fn seal(&self, open: &str, scope: &Scope, purpose: Purpose<'_>) -> String {
        let (what, whose) = match purpose {
            Purpose::Enrollment(local_id) => ("enrollment", local_id),
            Purpose::SignIn => ("sign-in", ""),
        };
        let tenant = scope.tenant.as_deref().unwrap_or_default();
        let mac = Hmac::<Sha256>::new_from_slice(&self.0).map(|mac| {
            let parts = ["passkey", what, open, &scope.project, tenant, whose];
            // Each with its length, so that no two lists of parts are one text.
            let sealed = parts.iter().fold(mac, |mac, part| {
                mac.chain_update((part.len() as u64).to_be_bytes()).chain_update(part.as_bytes())
            });
            sealed.finalize().into_bytes()
        });
        // A secret of any length is one to HMAC; were it not, nothing would be sealed.
        mac.map(|mac| mac.iter().fold(String::with_capacity(SEAL), |hex, byte| hex + &format!("{byte:02x}")))
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Counting;

    const NOW: Millis = 1_893_456_000_000;

    #[test]
    fn a_challenge_is_good_for_its_purpose_and_its_time() {
        let (one, other) = (Challenges::new([1; SECRET]), Challenges::new([2; SECRET]));
        let demo = Scope::project("demo");
        let tenant = Scope { tenant: Some("t".to_owned()), ..demo.clone() };
        let entropy = Counting::default();
        let issued = one.issue(&demo, Purpose::Enrollment("a"), NOW, &entropy);
        assert!(issued.len() == 160 && issued.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{issued}");
        let challenge = STANDARD.decode(&issued).unwrap();
        assert_ne!(issued, one.issue(&demo, Purpose::Enrollment("a"), NOW, &entropy));
        let mut altered = challenge.clone();
        altered[20] ^= 1;
        let mut later = challenge.clone();
        later[TIME - 1] ^= 1;
        for (name, by, scope, purpose, challenge, now, expected) in [
            ("itself", &one, &demo, Purpose::Enrollment("a"), &challenge, NOW, Ok(())),
            ("at its end", &one, &demo, Purpose::Enrollment("a"), &challenge, NOW + LIFETIME - 1, Ok(())),
            ("too late", &one, &demo, Purpose::Enrollment("a"), &challenge, NOW + LIFETIME, Err(Refused::Expired)),
            ("altered", &one, &demo, Purpose::Enrollment("a"), &altered, NOW, Err(Refused::Challenge)),
            ("of another time", &one, &demo, Purpose::Enrollment("a"), &later, NOW, Err(Refused::Challenge)),
            ("another user", &one, &demo, Purpose::Enrollment("b"), &challenge, NOW, Err(Refused::Challenge)),
            ("another operation", &one, &demo, Purpose::SignIn, &challenge, NOW, Err(Refused::Challenge)),
            ("another tenant", &one, &tenant, Purpose::Enrollment("a"), &challenge, NOW, Err(Refused::Challenge)),
            ("another server", &other, &demo, Purpose::Enrollment("a"), &challenge, NOW, Err(Refused::Challenge)),
            ("cut short", &one, &demo, Purpose::SignIn, &challenge[..119].to_vec(), NOW, Err(Refused::Challenge)),
            ("nothing", &one, &demo, Purpose::SignIn, &Vec::new(), NOW, Err(Refused::Challenge)),
            ("no text", &one, &demo, Purpose::SignIn, &vec![0xff; 120], NOW, Err(Refused::Challenge)),
        ] {
            assert_eq!(by.check(scope, purpose, challenge, now), expected, "{name}");
        }
    }
}
