//! Looking at queues: their names, how much they hold, what they wait for.

use super::super::message::MessageId;
use super::super::refusal::Refusal;
use super::{NEW, Store, parse_due};
use crate::ports::Millis;

/// So many messages are counted or forgotten in one transaction.
const PAGE: usize = 1000;
/// So many names are read together.
const NAMES_PAGE: usize = 100;
/// So many messages are forgotten in one transaction; their texts have to be read.
const FORGET_PAGE: usize = 100;

/// How many messages a queue holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// They can be received.
    pub visible: u64,
    /// They were received and are hidden.
    pub in_flight: u64,
    /// They were sent with a delay that is not over.
    pub delayed: u64,
}

impl Store<'_> {
    /// Up to `limit` names that begin with `prefix`, in order, after the name `after`.
    pub(crate) fn names(&self, prefix: &str, after: Option<&str>, limit: usize) -> Vec<String> {
        let definitions = format!("{}/definitions", self.root);
        let (mut names, mut after) = (Vec::new(), after.map(str::to_owned));
        loop {
            let page = self.transaction.children(&definitions, after.as_deref(), NAMES_PAGE);
            let Some((last, _)) = page.last() else { return names };
            after = Some(last.clone());
            let wanted = page.into_iter().map(|(name, _)| name).filter(|name| name.starts_with(prefix));
            names.extend(wanted.take(limit - names.len()));
            if names.len() >= limit {
                return names;
            }
        }
    }

    /// Counts on, after the entry `after`; the last entry that was counted, if there may be more.
    pub(crate) fn count(
        &self,
        queue: &str,
        after: Option<&str>,
        counts: &mut Counts,
    ) -> Result<Option<String>, Refusal> {
        self.definition(queue)?;
        let page = self.transaction.children(&self.path(queue, "due"), after, PAGE);
        for (key, mark) in &page {
            let counted = match parse_due(key) {
                Some((due, _)) if due <= self.now => &mut counts.visible,
                Some(_) if mark == NEW => &mut counts.delayed,
                Some(_) => &mut counts.in_flight,
                None => continue,
            };
            *counted += 1;
        }
        Ok(if page.len() < PAGE { None } else { page.into_iter().next_back().map(|(key, _)| key) })
    }

    /// Forgets some messages that were kept for long enough; whether there may be more.
    pub(crate) fn forget_old(&mut self, queue: &str) -> Result<bool, Refusal> {
        let attributes = self.definition(queue)?.attributes;
        for _ in 0..FORGET_PAGE {
            let Some(id) = self.oldest(queue) else { return Ok(false) };
            if attributes.forgotten_at(id.sent()) > self.now {
                return Ok(false);
            }
            self.cancel(queue, &id)?;
        }
        Ok(true)
    }

    /// When something happens to a queue by itself: a message can be received, or is forgotten.
    pub(crate) fn next_event(&self, queue: &str) -> Result<Option<Millis>, Refusal> {
        let attributes = self.definition(queue)?.attributes;
        // No key with this time stands before it, and every one with an earlier time does.
        let after = format!("{:013}", self.now + 1);
        let due = self.transaction.children(&self.path(queue, "due"), Some(&after), 1);
        let due = due.first().and_then(|(key, _)| parse_due(key)).map(|(due, _)| due);
        let forgotten = self.oldest(queue).map(|id| attributes.forgotten_at(id.sent()));
        Ok(due.into_iter().chain(forgotten).min())
    }

    fn oldest(&self, queue: &str) -> Option<MessageId> {
        let oldest = self.transaction.children(&self.path(queue, "messages"), None, 1);
        oldest.first().and_then(|(key, _)| MessageId::parse(key))
    }

    /// Up to `limit` queues whose dead letters go to `target`, after the name `after`.
    pub(crate) fn sources(&self, target: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>, Refusal> {
        self.definition(target)?;
        let mut sources = Vec::new();
        let mut after = after.map(str::to_owned);
        while sources.len() < limit {
            let Some(name) = self.names("", after.as_deref(), 1).pop() else { break };
            let attributes = self.definition(&name)?.attributes;
            if attributes.dead_letters.is_some_and(|letters| letters.queue == target) {
                sources.push(name.clone());
            }
            after = Some(name);
        }
        Ok(sources)
    }
}
