//! Push ids: keys that sort by the time they were made.
//!
//! (`nextPushId` of the JavaScript SDK.)

use super::key::Key;

/// In the order of their codes.
const ALPHABET: &[u8; 64] = b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";
const TIME_CHARACTERS: usize = 8;
const RANDOM_CHARACTERS: usize = 12;

/// Makes push ids; ids made in the same millisecond follow each other.
#[derive(Clone, Debug, Default)]
pub struct PushIds {
    last: Option<u64>,
    /// Digits of base 64, the highest first.
    random: [u8; RANDOM_CHARACTERS],
}

impl PushIds {
    /// The next id at `now`, in milliseconds since the epoch; `entropy` fills bytes.
    pub fn next(&mut self, now: u64, entropy: &mut dyn FnMut(&mut [u8])) -> Key {
        if self.last == Some(now) {
            for digit in self.random.iter_mut().rev() {
                *digit = (*digit + 1) % 64;
                if *digit != 0 {
                    break;
                }
            }
        } else {
            self.last = Some(now);
            entropy(&mut self.random);
            self.random = self.random.map(|byte| byte % 64);
        }
        let mut id = String::with_capacity(TIME_CHARACTERS + RANDOM_CHARACTERS);
        let time = (0..TIME_CHARACTERS).rev().map(|place| now >> (6 * place));
        for digit in time.chain(self.random.map(u64::from)) {
            let character = ALPHABET.get((digit % 64) as usize).copied().unwrap_or(b'-');
            id.push(char::from(character));
        }
        Key::generated(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_hold_the_time_and_follow_each_other() {
        let mut drawn = 0;
        let mut entropy = |bytes: &mut [u8]| {
            drawn += 1;
            bytes.fill(63);
            bytes[0] = 64 + 5;
        };
        let mut ids = PushIds::default();
        for (now, id) in [
            (0, "--------4zzzzzzzzzzz"),
            (0, "--------5-----------"),
            (0, "--------5----------0"),
            (1_732_269_000_000, "-OCIGoK-4zzzzzzzzzzz"),
            (63, "-------z4zzzzzzzzzzz"),
        ] {
            assert_eq!(ids.next(now, &mut entropy).as_str(), id);
        }
        assert_eq!(drawn, 3);
    }
}
