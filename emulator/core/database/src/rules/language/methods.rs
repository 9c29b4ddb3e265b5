//! The static check of calls: which methods there are, of what, and what they take.
//!
//! Must not know: any other part of an expression.

use super::ast::{Expr, Kind, Span};
use super::check::{Checker, Made};
use super::code::{Below, Case, Code, Find, Op, Place, Sort, Start, Truth};
use super::types::Type;

const SNAPSHOT_METHODS: [&str; 10] =
    ["val", "child", "parent", "hasChild", "hasChildren", "exists", "getPriority", "isNumber", "isString", "isBoolean"];

const TEXT_METHODS: [&str; 7] =
    ["contains", "beginsWith", "endsWith", "replace", "toLowerCase", "toUpperCase", "matches"];

impl Checker<'_> {
    /// A member that there is not, or that has to be called.
    pub(super) fn unknown_member(&mut self, kind: Type, name: &str, at: &Span) -> Made {
        let methods = methods(kind);
        if methods.contains(&name) {
            return self.wrong(at, format!("\"{name}\" is a method: call it, as .{name}(…)"));
        }
        let text = if kind.may_be(Type::TEXT) { "; strings have .length" } else { "" };
        self.wrong(at, format!("{kind} has no member \"{name}\": {}{text}", there_are(methods)))
    }

    pub(super) fn call(&mut self, callee: &Expr, arguments: &[Expr], span: &Span) -> Made {
        let (of, name, at) = if let Kind::Member { of, name, at } = &callee.kind {
            (of, name.as_str(), at)
        } else if let Kind::Element { of, key } = &callee.kind {
            let Kind::Text(name) = &key.kind else {
                self.part(of);
                return self.wrong(&key.span, "a method's name has to be a literal string");
            };
            (of, name.as_str(), &key.span)
        } else if let Kind::Name(name) = &callee.kind {
            let problem = format!("there is no function \"{name}\": only snapshots and strings have methods");
            return self.wrong(&callee.span, problem);
        } else {
            return self.wrong(&callee.span, "only methods can be called");
        };
        match self.part(of) {
            Made::Value(_, Type::WRONG) => {
                arguments.iter().for_each(|argument| drop(self.part(argument)));
                Made::WRONG
            }
            Made::Snapshot(place) => self.snapshot_method(place, name, at, arguments, span),
            Made::Value(code, kind) if kind.may_be(Type::TEXT) => {
                self.text_method((code, kind), name, at, arguments, span)
            }
            other @ (Made::Value(..) | Made::Query | Made::Array(_) | Made::Pattern(_)) => {
                self.unknown_method(other.kind(), name, at)
            }
        }
    }

    fn unknown_method(&mut self, kind: Type, name: &str, at: &Span) -> Made {
        self.wrong(at, format!("{kind} has no method \"{name}\": {}", there_are(methods(kind))))
    }

    /// Whether a method has the number of arguments that it takes; else that is told.
    fn takes(&mut self, name: &str, takes: usize, arguments: &[Expr], span: &Span) -> bool {
        let found = arguments.len();
        if found != takes {
            let plural = if takes == 1 { "" } else { "s" };
            self.wrong(span, format!("{name}() takes {takes} argument{plural}, found {found}"));
        }
        found == takes
    }

    fn text_argument(&mut self, name: &str, argument: &Expr) -> Code {
        self.operand(argument, Type::TEXT, &format!("the argument of {name}()"))
    }

    fn snapshot_method(&mut self, mut place: Place, name: &str, at: &Span, arguments: &[Expr], span: &Span) -> Made {
        let takes = match name {
            "child" | "hasChild" => 1,
            "hasChildren" if !arguments.is_empty() => 1,
            _ => 0,
        };
        if SNAPSHOT_METHODS.contains(&name) && !self.takes(name, takes, arguments, span) {
            return Made::WRONG;
        }
        let is = |sort, place| Made::value(Truth::Is(sort, Box::new(place)), Type::BOOL);
        match (name, arguments) {
            ("val", _) => Made::value(Op::Val(Box::new(place)), Type::PRIMITIVE),
            ("getPriority", _) => Made::value(Op::Priority(Box::new(place)), Type::PRIMITIVE),
            ("exists", _) => Made::value(Truth::Exists(Box::new(place)), Type::BOOL),
            ("isNumber", _) => is(Sort::Number, place),
            ("isString", _) => is(Sort::Text, place),
            ("isBoolean", _) => is(Sort::Bool, place),
            ("parent", _) => {
                place.remember();
                Made::snapshot(Start::Parent(Box::new(place)))
            }
            ("child", [path]) => {
                let path = self.text_argument(name, path);
                Made::Snapshot(place.child(Below::new(path)))
            }
            ("hasChild", [path]) => {
                let path = self.text_argument(name, path);
                Made::value(Truth::HasChild(Box::new((place, Below::new(path)))), Type::BOOL)
            }
            ("hasChildren", []) => Made::value(Truth::HasAnyChild(Box::new(place)), Type::BOOL),
            ("hasChildren", [names]) => self.has_children(place, names),
            _ => self.unknown_method(Type::SNAPSHOT, name, at),
        }
    }

    fn has_children(&mut self, place: Place, names: &Expr) -> Made {
        let elements = match self.part(names) {
            Made::Array(elements) if !elements.is_empty() => elements,
            Made::Array(_) => return self.wrong(&names.span, "the array is empty: hasChildren() asks for any child"),
            Made::Value(_, Type::WRONG) => return Made::WRONG,
            Made::Value(..) | Made::Snapshot(_) | Made::Query | Made::Pattern(_) => {
                return self.wrong(&names.span, "hasChildren() takes an array of names, as hasChildren(['a', 'b'])");
            }
        };
        for (_, kind, span) in &elements {
            if !kind.may_be(Type::TEXT) {
                self.wrong(span, format!("the name of a child has to be a string, this is {kind}"));
            }
        }
        let names = elements.into_iter().map(|(code, ..)| Below::new(code)).collect();
        Made::value(Truth::HasChildren(Box::new((place, names))), Type::BOOL)
    }

    fn text_method(&mut self, of: (Code, Type), name: &str, at: &Span, arguments: &[Expr], span: &Span) -> Made {
        let (text, kind) = of;
        let takes = match name {
            "replace" => 2,
            "toLowerCase" | "toUpperCase" => 0,
            _ => 1,
        };
        if TEXT_METHODS.contains(&name) && !self.takes(name, takes, arguments, span) {
            return Made::WRONG;
        }
        let case = |case, text| Made::value(Op::Case(case, Box::new(text)), Type::TEXT);
        let find = match (name, arguments) {
            ("toLowerCase", _) => return case(Case::Lower, text),
            ("toUpperCase", _) => return case(Case::Upper, text),
            ("matches", [pattern]) => return self.matches(text, pattern),
            ("replace", [sought, with]) => {
                let (sought, with) = (self.text_argument(name, sought), self.text_argument(name, with));
                return Made::value(Op::Replace(Box::new([text, sought, with])), Type::TEXT);
            }
            ("contains", [_]) => Find::Anywhere,
            ("beginsWith", [_]) => Find::AtStart,
            ("endsWith", [_]) => Find::AtEnd,
            _ => return self.unknown_method(kind, name, at),
        };
        let sought = arguments.first().map_or(Code::NULL, |sought| self.text_argument(name, sought));
        Made::value(Truth::Finds(find, Box::new([text, sought])), Type::BOOL)
    }

    fn matches(&mut self, text: Code, pattern: &Expr) -> Made {
        match self.part(pattern) {
            Made::Pattern(Some(pattern)) => Made::value(Truth::Matches(Box::new((text, pattern))), Type::BOOL),
            Made::Pattern(None) | Made::Value(_, Type::WRONG) => Made::WRONG,
            Made::Value(..) | Made::Snapshot(_) | Made::Query | Made::Array(_) => {
                self.wrong(&pattern.span, "matches() takes a pattern between slashes, as matches(/^[a-z]+$/)")
            }
        }
    }
}

fn methods(kind: Type) -> &'static [&'static str] {
    if kind == Type::SNAPSHOT {
        &SNAPSHOT_METHODS
    } else if !kind.includes(Type::OBJECTS) && kind.may_be(Type::TEXT) {
        &TEXT_METHODS
    } else {
        &[]
    }
}

fn there_are(methods: &[&str]) -> String {
    if methods.is_empty() {
        return "it has none".to_owned();
    }
    let names: Vec<_> = methods.iter().map(|name| format!("{name}()")).collect();
    format!("there are {}", names.join(", "))
}
