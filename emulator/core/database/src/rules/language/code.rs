//! An expression that has been checked: names are resolved, methods are known, patterns are compiled.
//!
//! Must not know: what it was written as.

use super::parts::PartId;
use super::pattern::Pattern;

/// Something that comes to a value, and which part of the expression it was made of.
#[derive(Clone, Debug)]
pub(super) struct Code {
    pub(super) op: Op,
    pub(super) part: PartId,
}

/// How a value is come to.
#[derive(Clone, Debug)]
pub(super) enum Op {
    Plain(Plain),
    Truth(Truth),
    Auth,
    Query(QueryMember),
    /// A member of a part of `auth`.
    Member(Box<Code>, Box<str>),
    /// The same by a computed name or place.
    Element(Box<[Code; 2]>),
    Val(Box<Place>),
    Priority(Box<Place>),
    Length(Box<Code>),
    Replace(Box<[Code; 3]>),
    Case(Case, Box<Code>),
    Negate(Box<Code>),
    Arithmetic(Arithmetic, Box<[Code; 2]>),
    Choice(Box<(Code, Code, Code)>),
}

/// A value that is there without anything being evaluated for it.
#[derive(Clone, Debug)]
pub(super) enum Plain {
    Null,
    Bool(bool),
    Number(f64),
    Text(Box<str>),
    Now,
    /// The key that the wildcard stands for, counted from the root.
    Wildcard(usize),
}

/// What is true or false.
#[derive(Clone, Debug)]
pub(super) enum Truth {
    Not(Box<Code>),
    All(Box<[Code]>),
    Any(Box<[Code]>),
    Equal(Box<[Code; 2]>),
    Unequal(Box<[Code; 2]>),
    Ordered(Relation, Box<[Code; 2]>),
    Exists(Box<Place>),
    /// `isNumber()` and its like.
    Is(Sort, Box<Place>),
    HasChild(Box<Place>, Box<Code>),
    /// Any child.
    HasAnyChild(Box<Place>),
    /// All of these.
    HasChildren(Box<Place>, Box<[Code]>),
    /// `contains()` and its like: a text, and what is looked for.
    Finds(Find, Box<[Code; 2]>),
    /// Boxed, so that all other parts need less room.
    Matches(Box<(Code, Pattern)>),
}

/// Something that is a snapshot, and which part of the expression it was made of.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) way: Way,
    pub(super) part: PartId,
}

/// How a snapshot is come to.
#[derive(Clone, Debug)]
pub(super) enum Way {
    Root,
    Data,
    NewData,
    Child {
        of: Box<Place>,
        path: Box<Code>,
        /// Whether somebody asks for its parent.
        remembers: bool,
    },
    Parent(Box<Place>),
    Choice(Box<(Code, Place, Place)>),
}

impl Code {
    pub(super) const NULL: Self = Self { op: Op::Plain(Plain::Null), part: PartId::WHOLE };
}

impl From<Plain> for Op {
    fn from(plain: Plain) -> Self {
        Self::Plain(plain)
    }
}

impl From<Truth> for Op {
    fn from(truth: Truth) -> Self {
        Self::Truth(truth)
    }
}

impl From<Op> for Code {
    /// The check says later which part it is made of.
    fn from(op: Op) -> Self {
        Self { op, part: PartId::WHOLE }
    }
}

impl From<Way> for Place {
    /// The check says later which part it is made of.
    fn from(way: Way) -> Self {
        Self { way, part: PartId::WHOLE }
    }
}

impl Place {
    /// Has it remember what its parents are.
    pub(super) fn remember(&mut self) {
        match &mut self.way {
            Way::Root | Way::Data | Way::NewData => {}
            Way::Child { of, remembers, .. } => {
                *remembers = true;
                of.remember();
            }
            Way::Parent(of) => of.remember(),
            Way::Choice(choice) => {
                choice.1.remember();
                choice.2.remember();
            }
        }
    }
}

/// What `query` is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueryMember {
    OrderByKey,
    OrderByPriority,
    OrderByValue,
    OrderByChild,
    StartAt,
    EndAt,
    EqualTo,
    LimitToFirst,
    LimitToLast,
}

/// Sorts of leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Number,
    Text,
    Bool,
}

/// Where a text is to be found in another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Find {
    Anywhere,
    AtStart,
    AtEnd,
}

/// Upper or lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    Lower,
    Upper,
}

/// How one value stands to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What is done with numbers; addition joins strings as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}
