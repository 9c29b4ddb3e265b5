//! Answers that are remembered for a moment: bounded in time and number.

use crate::ports::Millis;
use std::collections::{HashMap, VecDeque};

/// So long an answer is good.
const MOMENT: Millis = 10_000;
/// So many are remembered; the oldest goes.
const MOST: usize = 10_000;

/// What stands for a question: its SHA-256, so that nothing secret is kept.
pub(super) type Digest = [u8; 32];

/// Answers by questions.
#[derive(Debug)]
pub(super) struct Remembered<T> {
    answers: HashMap<Digest, (Millis, T)>,
    /// In the order in which they came; an answer that came twice is here twice.
    order: VecDeque<(Millis, Digest)>,
}

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self { answers: HashMap::new(), order: VecDeque::new() }
    }
}

impl<T: Clone> Remembered<T> {
    /// The answer, if it came a moment ago. A clock that was set back makes none good for longer.
    pub(super) fn get(&self, question: &Digest, now: Millis) -> Option<T> {
        let (came, answer) = self.answers.get(question)?;
        now.checked_sub(*came).filter(|age| *age < MOMENT).map(|_| answer.clone())
    }

    /// Remembers an answer that came `now`.
    pub(super) fn put(&mut self, question: Digest, answer: T, now: Millis) {
        while let Some((came, oldest)) = self.order.front().copied() {
            let fresh = now.checked_sub(came).is_some_and(|age| age < MOMENT);
            if fresh && self.order.len() < MOST {
                break;
            }
            self.order.pop_front();
            // It may have come again since.
            if self.answers.get(&oldest).is_some_and(|(last, _)| *last == came) {
                self.answers.remove(&oldest);
            }
        }
        self.order.push_back((now, question));
        self.answers.insert(question, (now, answer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_forgotten_in_time_and_for_others() {
        let question = |number: usize| {
            let mut digest = [0; 32];
            digest.iter_mut().zip(number.to_le_bytes()).for_each(|(place, byte)| *place = byte);
            digest
        };
        let mut remembered = Remembered::default();
        remembered.put(question(1), 'a', 1000);
        let check = |remembered: &Remembered<char>, now, expect| assert_eq!(remembered.get(&question(1), now), expect);
        check(&remembered, 1000, Some('a'));
        check(&remembered, 1000 + MOMENT - 1, Some('a'));
        check(&remembered, 1000 + MOMENT, None);
        check(&remembered, 999, None);
        remembered.put(question(1), 'b', 5000);
        remembered.put(question(2), 'c', 1000 + MOMENT);
        check(&remembered, 1000 + MOMENT, Some('b'));
        for number in 3..3 * MOST {
            remembered.put(question(number), 'd', 12_000);
        }
        check(&remembered, 12_000, None);
        assert_eq!((remembered.answers.len(), remembered.order.len()), (MOST, MOST));
    }
}
