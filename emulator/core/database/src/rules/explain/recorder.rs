//! Writes down what a judgement does: which rules it asked, and what each part of them came to.
//!
//! However much it asks, only so much is written down. Must not know: what follows from it.

use super::super::language::{Failure, PartId, RuleId, Trace, Value};
use super::super::sources::Sources;
use super::shown::Shown;
use crate::tree::Node;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// So many rules are written down whatever they answered; beyond them only those that did not hold.
const MOST_RULES: usize = 100;
/// So many parts of a rule are written down.
const MOST_PARTS: usize = 200;

/// A rule that was asked.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) rule: RuleId,
    /// The keys for the wildcards above it.
    pub(super) wildcards: Vec<String>,
    pub(super) found: Result<bool, Failure>,
    pub(super) parts: BTreeMap<PartId, Result<Shown, Failure>>,
}

/// What was written down.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) asked: Vec<Asked>,
    /// So many rules more were asked, and held.
    pub(super) left_out: usize,
    /// Whether the judgement ended between two rules because it took too many steps.
    pub(super) exhausted: bool,
}

/// Listens to a judgement.
#[derive(Debug)]
pub(super) struct Recorder<'s> {
    sources: &'s Sources,
    record: RefCell<Record>,
}

impl<'s> Recorder<'s> {
    pub(super) fn new(sources: &'s Sources) -> Self {
        Self { sources, record: RefCell::default() }
    }

    pub(super) fn into_record(self) -> Record {
        self.record.into_inner()
    }

    fn note(&self, part: PartId, show: impl FnOnce() -> Result<Shown, Failure>) {
        let mut record = self.record.borrow_mut();
        let Some(asked) = record.asked.last_mut() else { return };
        let written = self.sources.get(asked.rule).and_then(|source| source.parts.get(part.place()));
        let room = asked.parts.len() < MOST_PARTS && part != PartId::WHOLE;
        if room && written.is_some_and(|part| part.speaks) {
            asked.parts.insert(part, show());
        }
    }
}

impl Trace for Recorder<'_> {
    fn asks(&self, rule: RuleId, wildcards: &[&str]) {
        let wildcards = wildcards.iter().map(|key| (*key).to_owned()).collect();
        let asked = Asked { rule, wildcards, found: Ok(false), parts: BTreeMap::new() };
        self.record.borrow_mut().asked.push(asked);
    }

    fn answers(&self, found: Result<bool, Failure>) {
        let mut record = self.record.borrow_mut();
        if let Some(asked) = record.asked.last_mut() {
            asked.found = found;
        }
        // A long series is one of validations, which goes on as long as they hold.
        if record.asked.len() > MOST_RULES && found == Ok(true) {
            record.asked.pop();
            record.left_out += 1;
        }
    }

    fn value(&self, part: PartId, found: &Result<Value<'_>, Failure>) {
        self.note(part, || found.as_ref().map(Shown::value).map_err(|failure| *failure));
    }

    fn snapshot(&self, part: PartId, found: Result<&Node, Failure>) {
        self.note(part, || found.map(Shown::node));
    }

    fn exhausted(&self) {
        self.record.borrow_mut().exhausted = true;
    }
}
