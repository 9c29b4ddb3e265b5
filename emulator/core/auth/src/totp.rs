//! One-time passwords that follow the clock (RFC 6238), as authenticator apps make them: HMAC-SHA-1, six digits, thirty
//! seconds. Must not know: accounts.

use crate::Millis;
use crate::entropy::Entropy;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// Seconds of an interval.
pub const PERIOD: u64 = 30;
/// Digits of a password.
pub const DIGITS: u32 = 6;
/// Bytes of a secret: as many as the hash has.
const SECRET: usize = 20;
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A new secret, in base32 (RFC 4648) as apps take it.
pub fn secret(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; SECRET];
    entropy.fill(&mut bytes);
    let mut text = String::with_capacity(SECRET * 8 / 5);
    for group in bytes.chunks(5) {
        let bits = group.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        let letters = (0..8).rev().filter_map(|place| BASE32.get((bits >> (5 * place) & 31) as usize));
        text.extend(letters.map(|letter| char::from(*letter)));
    }
    text
}

/// The interval whose password this is, `adjacent` ones around the present one being looked at; only later ones than
/// `used` count, so that no password is good twice.
pub fn matching_interval(secret: &str, password: &str, now: Millis, adjacent: u8, used: Option<u64>) -> Option<u64> {
    let key = decode(secret)?;
    let present = now / 1000 / PERIOD;
    let around = present.saturating_sub(u64::from(adjacent))..=present.saturating_add(u64::from(adjacent));
    // All are compared, whichever is right.
    let right = around.filter(|interval| {
        let digits = format!("{:0width$}", digits(&key, *interval), width = DIGITS as usize);
        aws_lc_rs::constant_time::verify_slices_are_equal(digits.as_bytes(), password.as_bytes()).is_ok()
    });
    right.fold(None, |_, interval| Some(interval)).filter(|interval| used.is_none_or(|used| *interval > used))
}

/// The password at a time, for tests.
#[cfg(test)]
pub(crate) fn password(secret: &str, now: Millis) -> String {
    format!("{:06}", digits(&decode(secret).unwrap(), now / 1000 / PERIOD))
}

/// RFC 4226, section 5.3.
fn digits(key: &[u8], interval: u64) -> u32 {
    let mac = Hmac::<Sha1>::new_from_slice(key).map(|mac| mac.chain_update(interval.to_be_bytes()).finalize());
    let hash = mac.map(|mac| mac.into_bytes().to_vec()).unwrap_or_default();
    let offset = hash.last().map_or(0, |last| usize::from(last & 15));
    let truncated = hash.get(offset..offset + 4).unwrap_or_default();
    let number = truncated.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
    (number & 0x7fff_ffff) % 10_u32.pow(DIGITS)
}

fn decode(secret: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(SECRET);
    let (mut bits, mut count) = (0_u32, 0);
    for letter in secret.bytes() {
        let value = BASE32.iter().position(|known| *known == letter)?;
        bits = bits << 5 | u32::try_from(value).ok()?;
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 255).ok()?);
            bits &= (1 << count) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Counting;

    /// The secret of RFC 6238's appendix B, `12345678901234567890`.
    const RFC: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    #[test]
    fn passwords_are_those_of_the_specification() {
        for (seconds, password) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(matching_interval(RFC, password, seconds * 1000, 0, None), Some(seconds / 30), "{seconds}");
        }
    }

    #[test]
    fn neighbours_count_and_none_counts_twice() {
        let at = |seconds: u64, adjacent, used| matching_interval(RFC, "287082", seconds * 1000, adjacent, used);
        assert_eq!((at(60, 0, None), at(60, 1, None), at(0, 1, None), at(90, 1, None)), (None, Some(1), Some(1), None));
        assert_eq!((at(59, 1, Some(0)), at(59, 1, Some(1))), (Some(1), None));
        for wrong in ["", "28708", "2870821", "287083", "+87082"] {
            assert_eq!(matching_interval(RFC, wrong, 59_000, 5, None), None, "{wrong}");
        }
    }

    #[test]
    fn secrets_are_what_apps_take() {
        let secret = secret(&Counting::default());
        assert_eq!((secret.len(), decode(&secret).map(|bytes| bytes.len())), (32, Some(20)));
        assert_eq!(decode(RFC).as_deref(), Some(&b"12345678901234567890"[..]));
        assert_eq!(decode("1"), None);
    }
}
