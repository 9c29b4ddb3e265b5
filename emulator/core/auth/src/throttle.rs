//! How often something may be tried: budgets that fill up again by the hour, in a table that does not grow.
//!
//! Each budget is a bucket, kept as the time at which it will be full again (the generic cell rate algorithm). The table
//! has a place for so many buckets; when a new one has to be kept and its corner of the table is taken, the fullest one
//! is forgotten. Whoever comes from a million addresses drives out others that have hardly tried anything, never one
//! that is nearly empty. Where a bucket lies depends on a secret, so that nobody can aim at another's. Must not know:
//! what is tried, or by whom.

use crate::Millis;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

const HOUR: Millis = 3_600_000;
/// Buckets that are looked through for one of them.
const CORNER: usize = 8;

/// So many an hour, and as many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(pub u32);

impl Limit {
    /// After how long one more is allowed.
    fn interval(self) -> Millis {
        (HOUR / Millis::from(self.0).max(1)).max(1)
    }

    fn room(self) -> Millis {
        self.interval().saturating_mul(Millis::from(self.0))
    }
}

/// Something that is taken from one bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge<B> {
    /// The budget; together with the key it names the bucket.
    pub budget: B,
    /// Whose bucket.
    pub key: Vec<u8>,
    /// How often.
    pub limit: Limit,
}

/// The buckets.
#[derive(Clone, Debug)]
pub struct Throttle {
    secret: [u8; 32],
    corners: Vec<[Bucket; CORNER]>,
    /// The last one, so that there is always one.
    last: [Bucket; CORNER],
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    name: u64,
    /// From then on it is as good as not there.
    full_at: Millis,
}

impl Throttle {
    /// A table for about so many buckets, sixteen bytes each.
    pub fn new(buckets: usize, secret: [u8; 32]) -> Self {
        let corner = [Bucket::default(); CORNER];
        Self { secret, corners: vec![corner; (buckets / CORNER).saturating_sub(1)], last: corner }
    }

    /// Takes one from each of these buckets.
    ///
    /// # Errors
    /// The budget of the first bucket that is empty; then nothing is taken.
    pub fn take<B: Copy + Into<u8>>(&mut self, charges: &[Charge<B>], now: Millis) -> Result<(), B> {
        for (index, charge) in charges.iter().enumerate() {
            let bucket = self.bucket(charge, now);
            let full_at = bucket.full_at.max(now).saturating_add(charge.limit.interval());
            if full_at.saturating_sub(now) > charge.limit.room() {
                self.give_back(charges.get(..index).unwrap_or_default(), now);
                return Err(charge.budget);
            }
            bucket.full_at = full_at;
        }
        Ok(())
    }

    /// Puts back what was taken.
    pub fn give_back<B: Copy + Into<u8>>(&mut self, charges: &[Charge<B>], now: Millis) {
        for charge in charges {
            let bucket = self.bucket(charge, now);
            bucket.full_at = bucket.full_at.saturating_sub(charge.limit.interval());
        }
    }

    /// Fills these buckets.
    pub fn forgive<B: Copy + Into<u8>>(&mut self, charges: &[Charge<B>], now: Millis) {
        for charge in charges {
            self.bucket(charge, now).full_at = 0;
        }
    }

    /// The bucket of a charge; a full one in the place of the fullest if it isn't there.
    fn bucket<B: Copy + Into<u8>>(&mut self, charge: &Charge<B>, now: Millis) -> &mut Bucket {
        let (place, name) = self.place(charge);
        let corners = self.corners.len() + 1;
        let [first, others @ ..] = self.corners.get_mut(place % corners).unwrap_or(&mut self.last);
        let mut found = first;
        for other in others {
            let closer = if found.name == name {
                false
            } else {
                other.name == name || other.full_at.max(now) < found.full_at.max(now)
            };
            if closer {
                found = other;
            }
        }
        if found.name != name {
            *found = Bucket { name, full_at: 0 };
        }
        found
    }

    fn place<B: Copy + Into<u8>>(&self, charge: &Charge<B>) -> (usize, u64) {
        // Any length will do for a key, so there is always one.
        let hash: [u8; 32] = Hmac::<Sha256>::new_from_slice(&self.secret).map_or([0; 32], |mac| {
            mac.chain_update([charge.budget.into()]).chain_update(&charge.key).finalize().into_bytes().into()
        });
        let number =
            |from: usize| hash.iter().skip(from).take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        (usize::try_from(number(0) % (1 << 31)).unwrap_or(0), number(8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_893_456_000_000;

    fn charge(budget: u8, key: &str, limit: u32) -> Charge<u8> {
        Charge { budget, key: key.as_bytes().to_vec(), limit: Limit(limit) }
    }

    fn throttle() -> Throttle {
        Throttle::new(1024, [7; 32])
    }

    /// How many of `tries` are let through at once.
    fn passed(throttle: &mut Throttle, charges: &[Charge<u8>], tries: usize, now: Millis) -> usize {
        (0..tries).filter(|_| throttle.take(charges, now).is_ok()).count()
    }

    #[test]
    fn so_many_at_once_and_so_many_an_hour() {
        for (limit, wait, again) in [
            (10, 0, 0),
            (10, HOUR / 10 - 1, 0),
            (10, HOUR / 10, 1),
            (10, HOUR / 2, 5),
            (10, 99 * HOUR, 10),
            (1, HOUR, 1),
        ] {
            let mut throttle = throttle();
            let charges = [charge(1, "a", limit)];
            assert_eq!(passed(&mut throttle, &charges, 50, NOW), limit as usize);
            assert_eq!(passed(&mut throttle, &charges, 50, NOW + wait), again, "{limit} {wait}");
        }
    }

    #[test]
    fn nothing_is_allowed_by_a_limit_of_nothing() {
        assert_eq!(passed(&mut throttle(), &[charge(1, "a", 0)], 5, NOW), 0);
    }

    #[test]
    fn buckets_are_apart() {
        let mut throttle = throttle();
        assert_eq!(passed(&mut throttle, &[charge(1, "a", 3)], 9, NOW), 3);
        assert_eq!(passed(&mut throttle, &[charge(1, "b", 3)], 9, NOW), 3);
        assert_eq!(passed(&mut throttle, &[charge(2, "a", 3)], 9, NOW), 3);
    }

    #[test]
    fn what_is_refused_costs_nothing_elsewhere() {
        let mut throttle = throttle();
        let both = [charge(1, "address", 9), charge(2, "account", 3)];
        assert_eq!(passed(&mut throttle, &both, 20, NOW), 3);
        assert_eq!(throttle.take(&both, NOW), Err(2));
        assert_eq!(passed(&mut throttle, &both[..1], 20, NOW), 6, "three were taken");
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let mut throttle = throttle();
        let charges = [charge(1, "a", 3)];
        for _ in 0..50 {
            throttle.take(&charges, NOW).unwrap();
            throttle.give_back(&charges, NOW);
        }
        assert_eq!(passed(&mut throttle, &charges, 9, NOW), 3);
        throttle.forgive(&charges, NOW);
        assert_eq!(passed(&mut throttle, &charges, 9, NOW), 3);
        // More is never given back than a full bucket holds.
        (0..9).for_each(|_| throttle.give_back(&charges, NOW + 2 * HOUR));
        assert_eq!(passed(&mut throttle, &charges, 9, NOW + 2 * HOUR), 3);
    }

    #[test]
    fn a_million_addresses_neither_grow_it_nor_free_anybody() {
        let mut throttle = throttle();
        let busy = [charge(1, "busy", 5)];
        assert_eq!(passed(&mut throttle, &busy, 9, NOW), 5);
        for number in 0..1_000_000_u32 {
            let other = Charge { budget: 1, key: number.to_be_bytes().to_vec(), limit: Limit(5) };
            assert_eq!(throttle.take(&[other], NOW), Ok(()));
        }
        assert_eq!(passed(&mut throttle, &busy, 9, NOW), 0);
        assert_eq!((throttle.corners.len() + 1) * CORNER, 1024);
    }
}
