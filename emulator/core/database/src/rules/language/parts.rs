//! The parts of an expression by number, so that who explains it can say which part came to what.
//!
//! Must not know: what any of them comes to.

use super::ast::{Expr, Kind, Span};

/// A part of one expression: its place in the list of them all, each before those it consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) struct PartId(u32);

impl PartId {
    /// The expression as a whole.
    pub(in super::super) const WHOLE: Self = Self(0);

    /// The part at a place of the list.
    pub(in super::super) fn new(place: u32) -> Self {
        Self(place)
    }

    pub(in super::super) fn place(self) -> usize {
        self.0 as usize
    }
}

/// How what a part comes to follows from what the parts it consists of come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Shape {
    /// All of them have to be true.
    All,
    /// The first one chooses which of the other two it is.
    Choice,
    /// Otherwise.
    Other,
}

/// A part of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Part {
    /// Where it stands: offsets in bytes of the expression's text.
    pub(in super::super) span: Span,
    /// What it is a part of.
    pub(in super::super) above: Option<PartId>,
    pub(in super::super) shape: Shape,
    /// Whether what it comes to says something: literals, `root` and `auth` do not, and neither does what has no value.
    pub(in super::super) speaks: bool,
}

/// The list of an expression's parts while it is made.
#[derive(Debug, Default)]
pub(super) struct Parts {
    list: Vec<Part>,
    inside: Option<PartId>,
}

impl Parts {
    /// Goes into a part. What it answers is to be handed to [`Self::leave`].
    pub(super) fn enter(&mut self, expr: &Expr) -> PartId {
        let shape = match &expr.kind {
            Kind::All(_) => Shape::All,
            Kind::Choice(_) => Shape::Choice,
            Kind::Null
            | Kind::Bool(_)
            | Kind::Number(_)
            | Kind::Text(_)
            | Kind::Regex { .. }
            | Kind::Array(_)
            | Kind::Name(_)
            | Kind::Wildcard(_)
            | Kind::Member { .. }
            | Kind::Element { .. }
            | Kind::Call { .. }
            | Kind::Unary(..)
            | Kind::Binary(..)
            | Kind::Any(_) => Shape::Other,
        };
        let literal = matches!(&expr.kind, Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_));
        // All of the database would be no answer to anything, and who asks is told anyway.
        let plain = matches!(&expr.kind, Kind::Name(name) if name == "root" || name == "auth");
        // An expression has less than 2^32 bytes, and so fewer parts.
        let part = PartId::new(u32::try_from(self.list.len()).unwrap_or(u32::MAX));
        self.list.push(Part { span: expr.span.clone(), above: self.inside, shape, speaks: !literal && !plain });
        self.inside = Some(part);
        part
    }

    /// Comes out of a part, which has a value or not.
    pub(super) fn leave(&mut self, part: PartId, has_value: bool) {
        if let Some(left) = self.list.get_mut(part.place()) {
            left.speaks &= has_value;
            self.inside = left.above;
        }
    }

    pub(super) fn into_list(self) -> Vec<Part> {
        self.list
    }
}
