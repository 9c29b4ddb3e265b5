//! What a judgement tells of itself while it is made, to whoever wants to know.
//!
//! There is one evaluator: it is compiled once for [`Untraced`], of which nothing is left, and once for each of the
//! others. Must not know: who wants to know, and what for.

use super::Failure;
use super::parts::PartId;
use super::value::Value;
use crate::tree::Node;

/// One of the rules of a file, in the order in which they stand there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) struct RuleId(pub(in super::super) u32);

impl RuleId {
    pub(in super::super) fn place(self) -> usize {
        self.0 as usize
    }
}

/// Hears what a judgement does.
pub(in super::super) trait Trace {
    /// Whether it wants to hear of every part of an expression.
    const LISTENS: bool = true;

    /// A rule is asked, with these keys for the wildcards above it.
    fn asks(&self, rule: RuleId, wildcards: &[&str]);

    /// The rule that was asked last has answered.
    fn answers(&self, found: Result<bool, Failure>);

    /// A part of its expression has come to a value, after all that it consists of.
    fn value(&self, part: PartId, found: &Result<Value<'_>, Failure>);

    /// A part of its expression has come to a snapshot.
    fn snapshot(&self, part: PartId, found: Result<&Node, Failure>);

    /// The judgement ends between two rules because it took too many steps.
    fn exhausted(&self);
}

/// Nobody wants to know.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Untraced;

impl Trace for Untraced {
    const LISTENS: bool = false;

    #[inline]
    fn asks(&self, _: RuleId, _: &[&str]) {}

    #[inline]
    fn answers(&self, _: Result<bool, Failure>) {}

    #[inline]
    fn value(&self, _: PartId, _: &Result<Value<'_>, Failure>) {}

    #[inline]
    fn snapshot(&self, _: PartId, _: Result<&Node, Failure>) {}

    #[inline]
    fn exhausted(&self) {}
}
