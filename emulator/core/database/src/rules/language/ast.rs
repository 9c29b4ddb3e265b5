//! The form of an expression, as it is written: no types, no meaning.
//!
//! It prints as text that reads back as the same form. Must not know: which names and methods there are.

use std::fmt;
use std::ops::Range;

/// Where a part of an expression stands: offsets in bytes of its text.
pub(super) type Span = Range<usize>;

/// An expression and where it stands. Two are equal if they are the same text but for spaces and parentheses.
#[derive(Clone, Debug)]
pub(super) struct Expr {
    pub(super) span: Span,
    pub(super) kind: Kind,
    /// How many expressions the deepest one in it is inside of.
    pub(super) depth: usize,
}

/// What an expression is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    /// `/pattern/flags`
    Regex {
        pattern: String,
        flags: String,
    },
    /// `[a, b]`
    Array(Vec<Expr>),
    /// `auth`
    Name(String),
    /// `$uid`, with the `$`.
    Wildcard(String),
    /// `of.name`, and where the name stands.
    Member {
        of: Box<Expr>,
        name: String,
        at: Span,
    },
    /// `of[key]`
    Element {
        of: Box<Expr>,
        key: Box<Expr>,
    },
    /// `callee(arguments)`
    Call {
        callee: Box<Expr>,
        arguments: Vec<Expr>,
    },
    Unary(Unary, Box<Expr>),
    Binary(Binary, Box<[Expr; 2]>),
    /// `a && b && c`: at least two.
    All(Vec<Expr>),
    /// `a || b || c`: at least two.
    Any(Vec<Expr>),
    /// `condition ? yes : no`
    Choice(Box<[Expr; 3]>),
}

/// Operators before their operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unary {
    Not,
    Negate,
}

/// Operators between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    /// `==` and `===`, which are the same.
    Equal,
    /// `!=` and `!==`.
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Unary {
    pub(super) fn symbol(self) -> &'static str {
        match self {
            Self::Not => "!",
            Self::Negate => "-",
        }
    }
}

impl Binary {
    pub(super) fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::Unequal => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }
}

impl Kind {
    fn parts(&self) -> &[Expr] {
        match self {
            Self::Null
            | Self::Bool(_)
            | Self::Number(_)
            | Self::Text(_)
            | Self::Regex { .. }
            | Self::Name(_)
            | Self::Wildcard(_) => &[],
            Self::Array(parts) | Self::All(parts) | Self::Any(parts) => parts,
            Self::Member { of, .. } | Self::Unary(_, of) => std::slice::from_ref(of),
            Self::Element { of, .. } => std::slice::from_ref(of),
            Self::Call { arguments, .. } => arguments,
            Self::Binary(_, parts) => &parts[..],
            Self::Choice(parts) => &parts[..],
        }
    }
}

impl Expr {
    pub(super) fn new(span: Span, kind: Kind) -> Self {
        let deepest = |parts: &[Self]| parts.iter().map(|part| part.depth + 1).max().unwrap_or(0);
        let more = if let Kind::Element { key: part, .. } | Kind::Call { callee: part, .. } = &kind {
            part.depth + 1
        } else {
            0
        };
        let depth = deepest(kind.parts()).max(more);
        Self { span, kind, depth }
    }

    /// Whether it needs parentheses to be a part of another one.
    fn is_compound(&self) -> bool {
        match &self.kind {
            Kind::Unary(..) | Kind::Binary(..) | Kind::All(_) | Kind::Any(_) | Kind::Choice(_) => true,
            // A dot after digits would belong to the number.
            Kind::Number(_) => true,
            Kind::Null
            | Kind::Bool(_)
            | Kind::Text(_)
            | Kind::Regex { .. }
            | Kind::Array(_)
            | Kind::Name(_)
            | Kind::Wildcard(_)
            | Kind::Member { .. }
            | Kind::Element { .. }
            | Kind::Call { .. } => false,
        }
    }
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        match (&self.kind, &other.kind) {
            (Kind::Member { of, name, at: _ }, Kind::Member { of: other, name: its, at: _ }) => {
                name == its && of == other
            }
            (one, other) => one == other,
        }
    }
}

/// A part of another expression.
struct Part<'e>(&'e Expr);

impl fmt::Display for Part<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_compound() { write!(formatter, "({})", self.0) } else { self.0.fmt(formatter) }
    }
}

fn list(formatter: &mut fmt::Formatter<'_>, parts: &[Expr], between: &str) -> fmt::Result {
    for (number, part) in parts.iter().enumerate() {
        write!(formatter, "{}{}", if number == 0 { "" } else { between }, Part(part))?;
    }
    Ok(())
}

impl fmt::Display for Expr {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Null => formatter.write_str("null"),
            Kind::Bool(bool) => bool.fmt(formatter),
            Kind::Number(number) => number.fmt(formatter),
            Kind::Text(text) => {
                let text = text.replace('\\', "\\\\").replace('\'', "\\'").replace('\n', "\\n").replace('\r', "\\r");
                write!(formatter, "'{text}'")
            }
            Kind::Regex { pattern, flags } => write!(formatter, "/{pattern}/{flags}"),
            Kind::Array(parts) => {
                formatter.write_str("[")?;
                list(formatter, parts, ", ")?;
                formatter.write_str("]")
            }
            Kind::Name(name) | Kind::Wildcard(name) => formatter.write_str(name),
            Kind::Member { of, name, at: _ } => write!(formatter, "{}.{name}", Part(of)),
            Kind::Element { of, key } => write!(formatter, "{}[{key}]", Part(of)),
            Kind::Call { callee, arguments } => {
                write!(formatter, "{}(", Part(callee))?;
                list(formatter, arguments, ", ")?;
                formatter.write_str(")")
            }
            Kind::Unary(operator, of) => write!(formatter, "{}{}", operator.symbol(), Part(of)),
            Kind::Binary(operator, parts) => {
                let [left, right] = &**parts;
                write!(formatter, "{} {} {}", Part(left), operator.symbol(), Part(right))
            }
            Kind::All(parts) => list(formatter, parts, " && "),
            Kind::Any(parts) => list(formatter, parts, " || "),
            Kind::Choice(parts) => {
                let [condition, yes, no] = &**parts;
                write!(formatter, "{} ? {} : {}", Part(condition), Part(yes), Part(no))
            }
        }
    }
}
