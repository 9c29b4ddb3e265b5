//! How long deliveries took, in microseconds: counted in classes less than one per cent wide, so that what several
//! processes have counted can be put together. Must not know: what was delivered.

use serde_json::{Value, json};

/// Classes to each doubling, as a power of two.
const FINENESS: u32 = 7;
const CLASSES: usize = (65 - FINENESS as usize) << FINENESS;

/// Times, counted.
#[derive(Clone, Debug)]
pub(super) struct Latencies {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { counts: vec![0; CLASSES], total: 0 }
    }
}

impl Latencies {
    pub(super) fn add(&mut self, microseconds: u64) {
        let shift = (63 - (microseconds | 1).leading_zeros()).saturating_sub(FINENESS);
        let class = ((shift as usize) << FINENESS) + (microseconds >> shift) as usize;
        if let Some(count) = self.counts.get_mut(class) {
            *count += 1;
            self.total += 1;
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Milliseconds within which this share of the deliveries was done.
    pub(super) fn at(&self, share: f64) -> f64 {
        let mut left = ((self.total as f64 * share).ceil() as u64).max(1);
        let reached = self.counts.iter().position(|count| {
            left = left.saturating_sub(*count);
            left == 0
        });
        let class = reached.unwrap_or(0);
        let shift = (class >> FINENESS).saturating_sub(1);
        ((class - (shift << FINENESS)) << shift) as f64 / 1000.0
    }

    /// Adds what another process has counted.
    pub(super) fn add_all(&mut self, counted: &Value) {
        for pair in counted.as_array().into_iter().flatten() {
            let number = |index| pair.get(index).and_then(Value::as_u64);
            if let (Some(class), Some(more)) = (number(0), number(1))
                && let Some(count) = usize::try_from(class).ok().and_then(|class| self.counts.get_mut(class))
            {
                *count += more;
                self.total += more;
            }
        }
    }

    /// For [`Latencies::add_all`].
    pub(super) fn to_json(&self) -> Value {
        let counted = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        counted.map(|(class, count)| json!([class, count])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_within_a_hundredth_and_survive_the_way_between_processes() {
        let (mut odd, mut even) = (Latencies::default(), Latencies::default());
        for time in 1..=100_000 {
            if time % 2 == 0 { &mut even } else { &mut odd }.add(time);
        }
        odd.add_all(&even.to_json());
        assert_eq!(odd.total(), 100_000);
        for (share, expect) in [(0.0, 0.001), (0.5, 50.0), (0.99, 99.0), (1.0, 100.0)] {
            let found = odd.at(share);
            assert!((found - expect).abs() <= expect / 100.0, "{share}: {found}");
        }
    }
}
