//! What makes an operation that is run again the same operation: its time, its random bytes, and what came of its
//! errands. Must not know: what the operation does.

use crate::clock::{Clock, Entropy, Millis};
use hearth_auth::errand::{Errand, Outcome, Outcomes};
use std::sync::{Mutex, PoisonError};

/// What the runs of one operation share.
#[derive(Debug, Default)]
pub(super) struct Rerun(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    now: Option<Millis>,
    drawn: Vec<u8>,
    outcomes: Outcomes,
}

impl Rerun {
    /// Runs it: with a new time and new random bytes the first time, later with the same ones.
    pub(super) fn run<T>(
        &self,
        clock: &Clock,
        entropy: &Entropy,
        operation: impl FnOnce(Millis, &dyn hearth_auth::entropy::Entropy, &Outcomes) -> T,
    ) -> T {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Memory { now, drawn, outcomes } = &mut *memory;
        let now = *now.get_or_insert_with(|| clock.now());
        let replay = Replay { source: entropy, state: Mutex::new((drawn, 0)) };
        operation(now, &replay, outcomes)
    }

    /// Adds what came of an errand.
    pub(super) fn learn(&self, errand: Errand, outcome: Outcome) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).outcomes.add(errand, outcome);
    }
}

/// Random bytes that are drawn once.
struct Replay<'a> {
    source: &'a Entropy,
    /// What was drawn, and how much of it this run has had.
    state: Mutex<(&'a mut Vec<u8>, usize)>,
}

impl hearth_auth::entropy::Entropy for Replay<'_> {
    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (drawn, had) = &mut *state;
        let end = had.saturating_add(bytes.len());
        if drawn.len() < end {
            let mut more = vec![0; end - drawn.len()];
            self.source.fill(&mut more);
            drawn.append(&mut more);
        }
        bytes.copy_from_slice(drawn.get(*had..end).unwrap_or_default());
        *had = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::MANUAL_START;

    #[test]
    fn a_second_run_has_the_time_and_the_bytes_of_the_first() {
        let (clock, entropy, rerun) = (Clock::manual(MANUAL_START), Entropy::seeded(1), Rerun::default());
        let run = |rerun: &Rerun, length: usize| {
            rerun.run(&clock, &entropy, |now, entropy, _| {
                let mut bytes = vec![0; length];
                bytes.chunks_mut(3).for_each(|chunk| entropy.fill(chunk));
                (now, bytes)
            })
        };
        let (now, first) = run(&rerun, 7);
        let (again, more) = run(&rerun, 20);
        assert_eq!((now, first.as_slice()), (again, more.get(..7).unwrap()));
        assert_ne!(run(&Rerun::default(), 7).1, first);
    }
}
