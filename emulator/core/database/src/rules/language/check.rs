//! The static check: resolves names, methods and types of an expression and makes code of it, or tells all that is
//! wrong.
//!
//! What cannot be known before evaluation (data, tokens) is left to it. Must not know: files of rules.

use super::ast::{Binary, Expr, Kind, Span, Unary};
use super::code::{Arithmetic, Code, Op, Place, Plain, QueryMember, Relation, Start, Truth};
use super::parts::{Part, Parts};
use super::pattern::{Pattern, Patterns};
use super::types::Type;
use super::{Sees, Wrong};

/// What an expression may name besides the variables that there always are.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Scope<'s> {
    /// The wildcards above it, from the root down, with their `$`.
    pub(in super::super) wildcards: &'s [String],
    /// Whether there is a `newData`.
    pub(in super::super) writes: bool,
    /// The patterns of the rules beside it.
    pub(in super::super) patterns: &'s Patterns,
}

/// The code of a rule's expression, which has to be a boolean, what it may look at, and the parts it was made of.
pub(super) fn check(expr: &Expr, scope: Scope<'_>) -> Result<(Code, Sees, Vec<Part>), Vec<Wrong>> {
    let mut checker = Checker { scope, sees: Sees::default(), wrongs: Vec::new(), parts: Parts::default() };
    let made = checker.part(expr);
    if !made.kind().fits(Type::BOOL) {
        let kind = made.kind();
        let problem = format!("a rule has to come to true or false, this is {kind}: compare it with something");
        checker.wrong(&expr.span, problem);
    }
    let code = checker.value(made, &expr.span).0;
    if checker.wrongs.is_empty() { Ok((code, checker.sees, checker.parts.into_list())) } else { Err(checker.wrongs) }
}

/// What a part of an expression has become. In place of what is wrong stands null, and that has been told.
pub(super) enum Made {
    Value(Code, Type),
    Snapshot(Place),
    Query,
    Array(Vec<(Code, Type, Span)>),
    Pattern(Option<Pattern>),
}

impl Made {
    pub(super) const WRONG: Self = Self::Value(Code::NULL, Type::WRONG);

    pub(super) fn value(op: impl Into<Op>, kind: Type) -> Self {
        Self::Value(Code::from(op.into()), kind)
    }

    pub(super) fn snapshot(start: Start) -> Self {
        Self::Snapshot(start.into())
    }

    pub(super) fn kind(&self) -> Type {
        match self {
            Self::Value(_, kind) => *kind,
            Self::Snapshot(_) => Type::SNAPSHOT,
            Self::Query => Type::QUERY,
            Self::Array(_) => Type::ARRAY,
            Self::Pattern(_) => Type::PATTERN,
        }
    }
}

pub(super) struct Checker<'s> {
    scope: Scope<'s>,
    sees: Sees,
    wrongs: Vec<Wrong>,
    parts: Parts,
}

impl Checker<'_> {
    pub(super) fn wrong(&mut self, span: &Span, problem: impl Into<String>) -> Made {
        self.wrongs.push(Wrong::new(span.clone(), problem));
        Made::WRONG
    }

    /// The value that it is; what is no value by itself is refused.
    pub(super) fn value(&mut self, made: Made, span: &Span) -> (Code, Type) {
        let problem = match made {
            Made::Value(code, kind) => return (code, kind),
            Made::Snapshot(_) => "a snapshot is no value: ask for its .val(), or whether it .exists()",
            Made::Query => "the query is no value: ask for one of its members, as query.limitToFirst",
            Made::Array(_) => "an array may only stand in hasChildren([…])",
            Made::Pattern(_) => "a pattern may only stand in matches(/…/)",
        };
        // It has been told already that the rule as a whole is none.
        if self.wrongs.last().is_none_or(|wrong| wrong.span != *span) {
            self.wrong(span, problem);
        }
        (Code::NULL, Type::WRONG)
    }

    /// The value of a part, which has to be one of `kinds` if that is known.
    pub(super) fn operand(&mut self, expr: &Expr, kinds: Type, whose: &str) -> Code {
        let made = self.part(expr);
        let (code, kind) = self.value(made, &expr.span);
        if !kind.may_be(kinds) || (kinds == Type::BOOL && !kind.fits(kinds)) {
            self.wrong(&expr.span, format!("{whose} has to be {kinds}, this is {kind}"));
        }
        code
    }

    fn operands(&mut self, parts: &[Expr; 2], kinds: Type, operator: &str) -> Box<[Code; 2]> {
        let whose = format!("an operand of {operator}");
        let [left, right] = parts;
        Box::new([self.operand(left, kinds, &whose), self.operand(right, kinds, &whose)])
    }

    fn conditions(&mut self, parts: &[Expr], operator: &str) -> Box<[Code]> {
        let whose = format!("an operand of {operator}");
        parts.iter().map(|part| self.operand(part, Type::BOOL, &whose)).collect()
    }

    pub(super) fn part(&mut self, expr: &Expr) -> Made {
        let part = self.parts.enter(expr);
        let made = match self.made(expr) {
            Made::Value(code, kind) => Made::Value(Code { part, ..code }, kind),
            Made::Snapshot(place) => Made::Snapshot(place.made_of(part)),
            made @ (Made::Query | Made::Array(_) | Made::Pattern(_)) => made,
        };
        self.parts.leave(part, matches!(made, Made::Value(..) | Made::Snapshot(_)));
        made
    }

    fn made(&mut self, expr: &Expr) -> Made {
        match &expr.kind {
            Kind::Null => Made::value(Plain::Null, Type::NULL),
            Kind::Bool(bool) => Made::value(Plain::Bool(*bool), Type::BOOL),
            Kind::Number(number) => Made::value(Plain::Number(*number), Type::NUMBER),
            Kind::Text(text) => Made::value(Plain::Text(text.as_str().into()), Type::TEXT),
            Kind::Regex { pattern, flags } => self.pattern(pattern, flags, &expr.span),
            Kind::Array(parts) => self.array(parts),
            Kind::Name(name) => self.name(name, &expr.span),
            Kind::Wildcard(name) => self.wildcard(name, &expr.span),
            Kind::Member { of, name, at } => self.member(of, name, at),
            Kind::Element { of, key } => self.element(of, key),
            Kind::Call { callee, arguments } => self.call(callee, arguments, &expr.span),
            Kind::Unary(Unary::Not, of) => {
                Made::value(Truth::Not(Box::new(self.operand(of, Type::BOOL, "the operand of !"))), Type::BOOL)
            }
            Kind::Unary(Unary::Negate, of) => {
                Made::value(Op::Negate(Box::new(self.operand(of, Type::NUMBER, "the operand of -"))), Type::NUMBER)
            }
            Kind::Binary(operator, parts) => self.binary(*operator, parts),
            Kind::All(parts) => Made::value(Truth::All(self.conditions(parts, "&&")), Type::BOOL),
            Kind::Any(parts) => Made::value(Truth::Any(self.conditions(parts, "||")), Type::BOOL),
            Kind::Choice(parts) => self.choice(parts),
        }
    }

    fn pattern(&mut self, pattern: &str, flags: &str, span: &Span) -> Made {
        match self.scope.patterns.get(pattern, flags) {
            Ok(pattern) => Made::Pattern(Some(pattern)),
            Err(wrong) => {
                // After the slash.
                let start = span.start + 1;
                self.wrong(&(start + wrong.span.start..start + wrong.span.end), wrong.problem);
                Made::Pattern(None)
            }
        }
    }

    fn array(&mut self, parts: &[Expr]) -> Made {
        let element = |part: &Expr| {
            let made = self.part(part);
            let (code, kind) = self.value(made, &part.span);
            (code, kind, part.span.clone())
        };
        Made::Array(parts.iter().map(element).collect())
    }

    fn name(&mut self, name: &str, span: &Span) -> Made {
        match name {
            "auth" => Made::value(Op::Auth, Type::CLAIM),
            "now" => Made::value(Plain::Now, Type::NUMBER),
            "root" => Made::snapshot(Start::Root),
            "data" => {
                self.sees.data = true;
                Made::snapshot(Start::Data)
            }
            "newData" if self.scope.writes => {
                self.sees.new_data = true;
                Made::snapshot(Start::NewData)
            }
            "newData" => self.wrong(span, "there is no newData in .read: use data"),
            "query" => Made::Query,
            _ => {
                const THERE_ARE: &str = "there are auth, now, root, data, newData, query and the $wildcards above";
                self.wrong(span, format!("unknown variable \"{name}\": {THERE_ARE}"))
            }
        }
    }

    fn wildcard(&mut self, name: &str, span: &Span) -> Made {
        if let Some(place) = self.scope.wildcards.iter().position(|above| above == name) {
            return Made::value(Plain::Wildcard(place), Type::TEXT);
        }
        let above = self.scope.wildcards.join(", ");
        let there_are =
            if above.is_empty() { "there is no wildcard above".to_owned() } else { format!("above is {above}") };
        self.wrong(span, format!("unknown wildcard \"{name}\": {there_are}"))
    }

    fn member(&mut self, of: &Expr, name: &str, at: &Span) -> Made {
        match self.part(of) {
            Made::Value(_, Type::WRONG) => Made::WRONG,
            Made::Value(code, kind) if name == "length" && kind.may_be(Type::TEXT) => {
                Made::value(Op::Length(Box::new(code)), Type::NUMBER)
            }
            Made::Value(code, kind) if kind.includes(Type::CLAIM) => {
                Made::value(Op::Member(Box::new(code), name.into()), Type::CLAIM)
            }
            Made::Value(_, kind) => self.unknown_member(kind, name, at),
            Made::Snapshot(_) => self.unknown_member(Type::SNAPSHOT, name, at),
            Made::Query => self.query(name, at),
            Made::Array(_) => self.unknown_member(Type::ARRAY, name, at),
            Made::Pattern(_) => self.unknown_member(Type::PATTERN, name, at),
        }
    }

    fn query(&mut self, name: &str, at: &Span) -> Made {
        const MEMBERS: [(&str, QueryMember, Type); 9] = [
            ("orderByKey", QueryMember::OrderByKey, Type::BOOL),
            ("orderByPriority", QueryMember::OrderByPriority, Type::BOOL),
            ("orderByValue", QueryMember::OrderByValue, Type::BOOL),
            ("orderByChild", QueryMember::OrderByChild, Type::PRIMITIVE),
            ("startAt", QueryMember::StartAt, Type::PRIMITIVE),
            ("endAt", QueryMember::EndAt, Type::PRIMITIVE),
            ("equalTo", QueryMember::EqualTo, Type::PRIMITIVE),
            ("limitToFirst", QueryMember::LimitToFirst, Type::PRIMITIVE),
            ("limitToLast", QueryMember::LimitToLast, Type::PRIMITIVE),
        ];
        match MEMBERS.iter().find(|(member, ..)| *member == name) {
            Some((_, member, kind)) => Made::value(Op::Query(*member), *kind),
            None => {
                let names: Vec<_> = MEMBERS.iter().map(|(name, ..)| *name).collect();
                self.wrong(at, format!("unknown member \"{name}\" of query: there are {}", names.join(", ")))
            }
        }
    }

    fn element(&mut self, of: &Expr, key: &Expr) -> Made {
        if let Kind::Text(name) = &key.kind {
            return self.member(of, name, &key.span);
        }
        match self.part(of) {
            Made::Value(_, Type::WRONG) => {
                self.part(key);
                Made::WRONG
            }
            Made::Value(code, kind) if kind.includes(Type::CLAIM) => {
                let key = self.operand(key, Type::TEXT | Type::NUMBER, "the name of a member");
                Made::value(Op::Element(Box::new([code, key])), Type::CLAIM)
            }
            Made::Value(..) | Made::Snapshot(_) | Made::Query | Made::Array(_) | Made::Pattern(_) => {
                self.wrong(&key.span, "only members of auth may be computed: write the name as a literal string")
            }
        }
    }

    fn binary(&mut self, operator: Binary, parts: &[Expr; 2]) -> Made {
        let symbol = operator.symbol();
        let any = Type::NULL | Type::BOOL | Type::NUMBER | Type::TEXT;
        let ordered = |checker: &mut Self, relation| {
            let kinds = Type::NULL | Type::NUMBER | Type::TEXT;
            Made::value(Truth::Ordered(relation, checker.operands(parts, kinds, symbol)), Type::BOOL)
        };
        let arithmetic = |checker: &mut Self, arithmetic| {
            let operands = checker.operands(parts, Type::NUMBER, symbol);
            Made::value(Op::Arithmetic(arithmetic, operands), Type::NUMBER)
        };
        match operator {
            Binary::Equal => Made::value(Truth::Equal(self.operands(parts, any, symbol)), Type::BOOL),
            Binary::Unequal => Made::value(Truth::Unequal(self.operands(parts, any, symbol)), Type::BOOL),
            Binary::Less => ordered(self, Relation::Less),
            Binary::LessOrEqual => ordered(self, Relation::LessOrEqual),
            Binary::Greater => ordered(self, Relation::Greater),
            Binary::GreaterOrEqual => ordered(self, Relation::GreaterOrEqual),
            Binary::Add => self.sum(parts),
            Binary::Subtract => arithmetic(self, Arithmetic::Subtract),
            Binary::Multiply => arithmetic(self, Arithmetic::Multiply),
            Binary::Divide => arithmetic(self, Arithmetic::Divide),
            Binary::Remainder => arithmetic(self, Arithmetic::Remainder),
        }
    }

    /// What becomes of a null or a boolean shows when it is evaluated.
    fn sum(&mut self, parts: &[Expr; 2]) -> Made {
        let [left, right] = parts;
        let (left_made, right_made) = (self.part(left), self.part(right));
        let (left, left_kind) = self.value(left_made, &left.span);
        let (right, right_kind) = self.value(right_made, &right.span);
        if left_kind == Type::TEXT || right_kind == Type::TEXT {
            return Made::value(Op::Join(Box::new([left, right])), Type::TEXT);
        }
        let kind = if left_kind == Type::NUMBER && right_kind == Type::NUMBER {
            Type::NUMBER
        } else {
            Type::NUMBER | Type::TEXT
        };
        Made::value(Op::Arithmetic(Arithmetic::Add, Box::new([left, right])), kind)
    }

    fn choice(&mut self, parts: &[Expr; 3]) -> Made {
        let [condition, yes, no] = parts;
        let condition = self.operand(condition, Type::BOOL, "the condition before ?");
        match (self.part(yes), self.part(no)) {
            (Made::Snapshot(yes), Made::Snapshot(no)) => Made::snapshot(Start::Choice(Box::new((condition, yes, no)))),
            (yes_made, no_made) => {
                let (yes, yes_kind) = self.value(yes_made, &yes.span);
                let (no, no_kind) = self.value(no_made, &no.span);
                Made::value(Op::Choice(Box::new((condition, yes, no))), yes_kind | no_kind)
            }
        }
    }
}
