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
    /// `+` with a side that is a text for certain.
    Join(Box<[Code; 2]>),
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
    HasChild(Box<(Place, Below)>),
    /// Any child.
    HasAnyChild(Box<Place>),
    /// All of these.
    HasChildren(Box<(Place, Box<[Below]>)>),
    /// `contains()` and its like: a text, and what is looked for.
    Finds(Find, Box<[Code; 2]>),
    /// Boxed, so that all other parts need less room.
    Matches(Box<(Code, Pattern)>),
}

/// Something that is a snapshot: where it begins, and the way down from there.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) start: Start,
    /// Which part of the expression the start was made of.
    part: PartId,
    pub(super) steps: Vec<Step>,
    /// Whether somebody asks for its parent.
    pub(super) remembers: bool,
}

/// Where a snapshot begins.
#[derive(Clone, Debug)]
pub(super) enum Start {
    Root,
    Data,
    NewData,
    Parent(Box<Place>),
    Choice(Box<(Code, Place, Place)>),
}

/// `child()`, and which part of the expression it was made of.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) to: Below,
    pub(super) part: PartId,
}

/// What is named below a snapshot.
#[derive(Clone, Debug)]
pub(super) struct Below {
    /// Comes to the path.
    pub(super) path: Code,
    pub(super) keys: Keys,
}

/// What is known of a path before it is evaluated.
#[derive(Clone, Debug)]
pub(super) enum Keys {
    /// All of it, and how many bytes it has.
    Literal(Box<[Box<str>]>, usize),
    /// It is the one key that the wildcard stands for, counted from the root.
    Wildcard(usize),
    /// It is joined of texts, so that it need not outlive a look.
    Joined,
    Computed,
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

impl From<Start> for Place {
    /// The check says later which part it is made of.
    fn from(start: Start) -> Self {
        Self { start, part: PartId::WHOLE, steps: Vec::new(), remembers: false }
    }
}

impl Place {
    /// Goes on to what is below it.
    pub(super) fn child(mut self, to: Below) -> Self {
        self.steps.push(Step { to, part: PartId::WHOLE });
        self
    }

    /// The same with what was done last made of this part.
    pub(super) fn made_of(mut self, part: PartId) -> Self {
        match self.steps.last_mut() {
            Some(step) => step.part = part,
            None => self.part = part,
        }
        self
    }

    /// Which part of the expression its start was made of.
    pub(super) fn start_part(&self) -> PartId {
        self.part
    }

    /// Has it remember what its parents are.
    pub(super) fn remember(&mut self) {
        self.remembers = true;
        match &mut self.start {
            Start::Root | Start::Data | Start::NewData => {}
            Start::Parent(of) => of.remember(),
            Start::Choice(choice) => {
                choice.1.remember();
                choice.2.remember();
            }
        }
    }
}

impl Below {
    pub(super) fn new(path: Code) -> Self {
        let keys = if let Op::Plain(Plain::Text(text)) = &path.op {
            Keys::Literal(text.split('/').filter(|key| !key.is_empty()).map(Box::from).collect(), text.len())
        } else if let Op::Plain(Plain::Wildcard(place)) = &path.op {
            Keys::Wildcard(*place)
        } else if let Op::Join(_) = &path.op {
            Keys::Joined
        } else {
            Keys::Computed
        };
        Self { path, keys }
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

/// What is done with numbers; addition may turn out to join strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}
