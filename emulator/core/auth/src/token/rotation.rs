//! When keys change. A new key is published before it signs, so that whoever keeps the public keys has it by then; an
//! old one verifies until the last token it signed is dead. Must not know: how keys are made and kept.

use super::Purpose;
use crate::Millis;

const HOUR: Millis = 60 * 60 * 1000;
const DAY: Millis = 24 * HOUR;
/// A key signs for so long.
pub const SIGNS_FOR: Millis = 14 * DAY;
/// A new key is published for so long before it signs.
pub const ANNOUNCED_FOR: Millis = DAY;
/// Who fetched the public keys may keep them for so long: well below [`ANNOUNCED_FOR`].
pub const CACHED_FOR: Millis = 6 * HOUR;
/// How long a key is kept beyond the end of its last token, for clocks that are behind.
const SPARE: Millis = HOUR;

/// What is to be done about the keys of one purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The place of the key that signs.
    pub signing: usize,
    /// The places of the keys whose tokens are all dead.
    pub dead: Vec<usize>,
    /// A new key has to be made.
    pub wants_new: bool,
    /// When to ask again.
    pub next: Millis,
}

/// Plans for keys made at these times, the oldest first.
pub fn plan(purpose: Purpose, created: &[Millis], now: Millis) -> Plan {
    // The very first key signs at once; each other one takes over when it has been known for long enough.
    let takes_over = |place: usize| match (place, created.get(place)) {
        (0, _) | (_, None) => 0,
        (_, Some(created)) => created.saturating_add(ANNOUNCED_FOR),
    };
    let signing = (0..created.len()).rev().find(|place| takes_over(*place) <= now).unwrap_or(0);
    let dies = |place: usize| takes_over(place + 1).saturating_add(purpose.longest_life() * 1000).saturating_add(SPARE);
    let dead: Vec<usize> = (0..signing).filter(|place| dies(*place) <= now).collect();
    let renewal = created.last().map(|newest| newest.saturating_add(SIGNS_FOR));
    let wants_new = renewal.is_none_or(|renewal| renewal <= now);
    let events = renewal.into_iter().chain((1..created.len()).map(takes_over)).chain((0..signing).map(dies));
    let next = events.filter(|event| *event > now).min().unwrap_or_else(|| now.saturating_add(SIGNS_FOR));
    Plan { signing, dead, wants_new, next }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Millis = HOUR + SPARE;

    fn check(created: &[Millis], now: Millis, signing: usize, dead: &[usize], wants_new: bool, next: Millis) {
        let plan = plan(Purpose::IdToken, created, now);
        let expected = Plan { signing, dead: dead.to_vec(), wants_new, next };
        assert_eq!(plan, expected, "{created:?} at {now}");
    }

    #[test]
    fn keys_overlap() {
        check(&[], 5, 0, &[], true, 5 + SIGNS_FOR);
        check(&[5], 5, 0, &[], false, 5 + SIGNS_FOR);
        let second = 5 + SIGNS_FOR;
        check(&[5], second, 0, &[], true, second + SIGNS_FOR);
        let both = [5, second];
        check(&both, second, 0, &[], false, second + ANNOUNCED_FOR);
        check(&both, second + ANNOUNCED_FOR - 1, 0, &[], false, second + ANNOUNCED_FOR);
        check(&both, second + ANNOUNCED_FOR, 1, &[], false, second + ANNOUNCED_FOR + LIFE);
        check(&both, second + ANNOUNCED_FOR + LIFE, 1, &[0], false, second + SIGNS_FOR);
        // After a long sleep the old key goes on until the new one has been announced.
        check(&[5, second], second + 100 * DAY, 1, &[0], true, second + 100 * DAY + SIGNS_FOR);
    }

    #[test]
    fn a_clock_that_went_back_leaves_somebody_to_sign() {
        check(&[500 * DAY, 514 * DAY], 3, 0, &[], false, 515 * DAY);
    }

    #[test]
    fn session_cookies_keep_their_keys_longer() {
        let taken_over = SIGNS_FOR + ANNOUNCED_FOR;
        let at = |now| plan(Purpose::SessionCookie, &[0, SIGNS_FOR], now).dead;
        assert_eq!(at(taken_over + 14 * DAY), [0; 0]);
        assert_eq!(at(taken_over + 14 * DAY + SPARE), [0]);
    }
}
