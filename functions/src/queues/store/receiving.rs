//! Receiving: which messages are taken, which are dead letters, which are forgotten.

use super::super::definition::{Attributes, DeadLetters};
use super::super::message::{Content, MessageId, Receipt, Received, State};
use super::super::refusal::Refusal;
use super::{RECEIVED, Store, due_key, parse_due};
use crate::ports::Millis;

/// So many messages are looked at for one receive; those that are passed over are gone afterwards.
const MOST_LOOKED_AT: usize = 1000;
/// So many are looked at together.
const PAGE: usize = 64;

/// What a receive has brought.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) messages: Vec<Received>,
    /// The queue to which dead letters went.
    pub(crate) dead_letters: Option<String>,
    /// When the first of the messages can be received again.
    pub(crate) due: Option<Millis>,
}

impl Store<'_> {
    /// Receives up to as many messages as there are `nonces`, and hides them for `visibility` seconds, or for as long as
    /// the queue says.
    pub(crate) fn receive(&mut self, queue: &str, nonces: &[u64], visibility: Option<u32>) -> Result<Taken, Refusal> {
        let attributes = self.definition(queue)?.attributes;
        let due = self.now + Millis::from(visibility.unwrap_or(attributes.visibility_timeout)) * 1000;
        let (mut nonces, mut taken) = (nonces.iter(), Taken::default());
        let (mut after, mut looked_at) = (None::<String>, 0);
        while looked_at < MOST_LOOKED_AT && nonces.len() > 0 {
            let page = self.transaction.children(&self.path(queue, "due"), after.as_deref(), PAGE.min(nonces.len()));
            if page.is_empty() {
                break;
            }
            for (key, _) in page {
                let Some((time, id)) = parse_due(&key) else { continue };
                if time > self.now {
                    return Ok(taken);
                }
                looked_at += 1;
                after = Some(key);
                // One that is not hidden at all lies behind the others again.
                if taken.messages.iter().any(|message| message.id == id) {
                    continue;
                }
                self.take(queue, &attributes, &id, due, &mut nonces, &mut taken)?;
            }
        }
        Ok(taken)
    }

    /// Receives one message, or puts it where it belongs instead.
    fn take(
        &mut self,
        queue: &str,
        attributes: &Attributes,
        id: &MessageId,
        due: Millis,
        nonces: &mut std::slice::Iter<'_, u64>,
        taken: &mut Taken,
    ) -> Result<(), Refusal> {
        let Some(state) = self.state(queue, id)? else { return Ok(()) };
        if attributes.forgotten_at(id.sent()) <= self.now {
            return self.forget(queue, id, state.due);
        }
        if let Some(target) = self.dead_letter_queue(queue, attributes, &state) {
            return self.bury(queue, id, &state, target, taken);
        }
        let Some(nonce) = nonces.next() else { return Ok(()) };
        let content = self.content(queue, id)?;
        self.remove(&self.path(queue, &format!("due/{}", due_key(state.due, id))))?;
        let first = if state.first == 0 { self.now } else { state.first };
        let (receives, here) = (state.receives.saturating_add(1), state.here.saturating_add(1));
        let state = State { due, receives, here, first, last: self.now, nonce: *nonce };
        self.place(queue, id, &state, RECEIVED)?;
        taken.due = Some(due);
        let Content { body, attributes, trace, sender, size: _, source } = content;
        let receipt = Receipt { queue: queue.to_owned(), id: id.clone(), nonce: *nonce };
        let sent = id.sent();
        let received = Received {
            id: id.clone(),
            receipt,
            body,
            attributes,
            trace,
            sender,
            sent,
            first_received: first,
            receives,
            source,
        };
        taken.messages.push(received);
        Ok(())
    }

    /// Where a message goes instead of to a receiver.
    fn dead_letter_queue(&self, queue: &str, attributes: &Attributes, state: &State) -> Option<String> {
        let DeadLetters { queue: target, after } = attributes.dead_letters.as_ref()?;
        // Nothing is lost because somebody has deleted the other queue.
        let there = state.here >= *after && target != queue && self.definition(target).is_ok();
        there.then(|| target.clone())
    }

    /// Moves a message to the queue of dead letters. It stays what it was, sent when it was.
    fn bury(
        &mut self,
        queue: &str,
        id: &MessageId,
        state: &State,
        target: String,
        taken: &mut Taken,
    ) -> Result<(), Refusal> {
        let content = Content { source: Some(queue.to_owned()), ..self.content(queue, id)? };
        let buried = State { due: self.now, receives: state.receives, first: state.first, ..State::default() };
        match self.keep(&target, id, &content, &buried) {
            Ok(()) => self.forget(queue, id, state.due)?,
            // It waits here until there is room there.
            Err(Refusal::Full(_)) => return Ok(()),
            Err(refusal) => return Err(refusal),
        }
        taken.dead_letters = Some(target);
        Ok(())
    }
}
