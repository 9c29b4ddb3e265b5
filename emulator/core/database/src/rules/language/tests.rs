//! Expressions: their form comes back from their text, nothing makes them panic or hang.

use super::ast::{Binary, Expr, Kind, Unary};
use super::*;
use crate::random::Random;
use crate::tree::{Node, json};
use serde_json::{Map, Value, json};

impl Random {
    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn word(&mut self) -> String {
        self.pick(&["auth", "now", "root", "data", "newData", "query", "uid", "a", "length", "other"]).to_owned()
    }

    fn method(&mut self) -> String {
        self.pick(&[
            "val",
            "child",
            "parent",
            "hasChild",
            "hasChildren",
            "exists",
            "getPriority",
            "isNumber",
            "contains",
            "replace",
            "toLowerCase",
            "matches",
            "nothing",
        ])
        .to_owned()
    }

    /// Any form, most of which mean nothing.
    fn form(&mut self, depth: usize) -> Expr {
        let make = |kind| Expr::new(0..1, kind);
        if depth == 0 || self.below(6) == 0 {
            return make(match self.below(8) {
                0 => Kind::Null,
                1 => Kind::Bool(self.below(2) == 0),
                2 => Kind::Number(self.pick(&[0.0, 1.0, 2.5, 1e21, 1e-7, 7.0])),
                3 => Kind::Text(self.pick(&["", "a", "it's", "a/b", "\\\"", "é\n\r😀", "x.y"]).to_owned()),
                4 => Kind::Regex {
                    pattern: self.pick(&["^a+$", "[a/b]", "(a|b){2,}", "\\/"]).to_owned(),
                    flags: self.pick(&["", "i"]).to_owned(),
                },
                5 => Kind::Wildcard(self.pick(&["$a", "$b"]).to_owned()),
                _ => Kind::Name(self.word()),
            });
        }
        let part = |random: &mut Self| random.form(depth - 1);
        make(match self.below(9) {
            0 => Kind::Unary(self.pick(&[Unary::Not, Unary::Negate]), Box::new(part(self))),
            1 | 2 => {
                let operator = self.pick(&[
                    Binary::Equal,
                    Binary::Unequal,
                    Binary::Less,
                    Binary::LessOrEqual,
                    Binary::Greater,
                    Binary::GreaterOrEqual,
                    Binary::Add,
                    Binary::Subtract,
                    Binary::Multiply,
                    Binary::Divide,
                    Binary::Remainder,
                ]);
                Kind::Binary(operator, Box::new([part(self), part(self)]))
            }
            3 => Kind::All((0..2 + self.below(3)).map(|_| part(self)).collect()),
            4 => Kind::Any((0..2 + self.below(3)).map(|_| part(self)).collect()),
            5 => Kind::Choice(Box::new([part(self), part(self), part(self)])),
            6 => Kind::Member { of: Box::new(part(self)), name: self.word(), at: 0..1 },
            7 => Kind::Element { of: Box::new(part(self)), key: Box::new(part(self)) },
            _ => {
                let callee = Kind::Member { of: Box::new(part(self)), name: self.method(), at: 0..1 };
                let argument = |random: &mut Self| match random.below(4) {
                    0 => make(Kind::Array(vec![random.form(0), random.form(0)])),
                    _ => random.form(depth - 1),
                };
                let arguments = (0..self.below(3)).map(|_| argument(self)).collect();
                Kind::Call { callee: Box::new(make(callee)), arguments }
            }
        })
    }

    /// An expression of a kind that the check accepts: b(oolean), n(umber), t(ext), v(alue), s(napshot).
    fn valid(&mut self, kind: char, depth: usize) -> String {
        let sub = |random: &mut Self, kind| random.valid(kind, depth.saturating_sub(1));
        let leaf = depth == 0;
        match kind {
            'b' if leaf => self.pick(&["true", "false", "auth == null", "query.orderByKey", "auth.admin"]).to_owned(),
            'b' => match self.below(13) {
                0 => format!("!({})", sub(self, 'b')),
                1 => format!("({}) && ({}) && ({})", sub(self, 'b'), sub(self, 'b'), sub(self, 'b')),
                2 => format!("({}) || ({})", sub(self, 'b'), sub(self, 'b')),
                3 => format!("({}) ? ({}) : ({})", sub(self, 'b'), sub(self, 'b'), sub(self, 'b')),
                4 => format!("({}) {} ({})", sub(self, 'v'), self.pick(&["==", "!="]), sub(self, 'v')),
                5 => format!("({}) {} ({})", sub(self, 'n'), self.pick(&["<", ">="]), sub(self, 'n')),
                6 => format!("({}) {} ({})", sub(self, 't'), self.pick(&["<=", ">"]), sub(self, 't')),
                7 => format!("({}).exists()", sub(self, 's')),
                8 => format!("({}).hasChild({})", sub(self, 's'), sub(self, 't')),
                9 => format!("({}).hasChildren([{}, {}])", sub(self, 's'), sub(self, 't'), sub(self, 't')),
                10 => format!("({}).{}({})", sub(self, 't'), self.pick(&["contains", "endsWith"]), sub(self, 't')),
                11 => format!("({}).matches(/^(a|b)*{}/)", sub(self, 't'), self.pick(&["", "$"])),
                _ => format!("({}).{}()", sub(self, 's'), self.pick(&["isNumber", "isString", "hasChildren"])),
            },
            'n' if leaf => self.pick(&["0", "1", "now", "2.5", "auth.level"]).to_owned(),
            'n' => match self.below(3) {
                0 => format!("({}) {} ({})", sub(self, 'n'), self.pick(&["-", "*", "/", "%"]), sub(self, 'n')),
                1 => format!("({}).length", sub(self, 't')),
                _ => format!("-({})", sub(self, 'n')),
            },
            't' if leaf => self.pick(&["'a'", "'a/b'", "$key", "auth.uid", "''", "'x.y'", "auth.none"]).to_owned(),
            't' => match self.below(4) {
                0 => format!("({}) + ({})", sub(self, 't'), sub(self, 't')),
                1 => format!("({}).replace({}, {})", sub(self, 't'), sub(self, 't'), sub(self, 't')),
                2 => format!("({}).{}()", sub(self, 't'), self.pick(&["toUpperCase", "toLowerCase"])),
                _ => format!("({}) + ({})", sub(self, 't'), sub(self, 'n')),
            },
            'v' => match self.below(5) {
                0 if !leaf => format!("({}).val()", sub(self, 's')),
                1 if !leaf => format!("({}).getPriority()", sub(self, 's')),
                2 => self
                    .pick(&["auth.token", "auth.token.roles", "auth[$key]", "query.limitToFirst", "null"])
                    .to_owned(),
                3 => self.valid('n', depth),
                _ => self.valid('t', depth),
            },
            _ if leaf => self.pick(&["root", "data", "newData"]).to_owned(),
            _ => match self.below(3) {
                0 => format!("({}).parent()", sub(self, 's')),
                1 => format!("({}).child({})", sub(self, 's'), sub(self, 't')),
                _ => format!("(({}) ? ({}) : ({}))", sub(self, 'b'), sub(self, 's'), sub(self, 's')),
            },
        }
    }
}

fn compile(text: &str) -> Result<Expression, Vec<Wrong>> {
    Expression::compile(text, Scope { wildcards: &["$key".to_owned()], writes: true, patterns: &Patterns::default() })
        .map(|(expression, _)| expression)
}

fn node(text: &str) -> Node {
    json::parse(text.as_bytes(), 0).unwrap().node
}

fn auth(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn holds(expression: &Expression, auth: Option<&Map<String, Value>>, root: &Node) -> Result<bool, Failure> {
    let (before, after) = ([root, root.child("a")], [root, root.child("b")]);
    let facts = Facts { auth, now: 7, query: None, before: &before, after: &after, wildcards: &["a"] };
    expression.holds(&facts, &Meter::new(), &Untraced)
}

#[test]
fn a_form_comes_back_from_its_text() {
    let mut random = Random::new(1);
    for round in 0..1000 {
        let form = random.form(1 + round % 5);
        let text = form.to_string();
        let read = parser::parse(&text).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"));
        assert_eq!(read, form, "{text}");
        assert_eq!(read.to_string(), text);
        // The check may refuse it, with places inside the text.
        for wrong in compile(&text).err().into_iter().flatten() {
            assert!(wrong.span.start <= text.len() && !wrong.problem.is_empty(), "{text}: {wrong:?}");
        }
    }
}

#[test]
fn what_the_check_accepts_is_evaluated_to_something() {
    let mut random = Random::new(2);
    let roots = ["null", "1", r#"{"a":{"b":"x","a":true,".priority":3},"b":{"a":{"b":2}},"x":"a"}"#].map(node);
    let ada = auth(json!({"uid": "a", "admin": true, "level": 3, "token": {"roles": {"a": 1}}}));
    let (mut decided, mut failed) = (0, 0);
    for round in 0..1000 {
        let text = random.valid('b', 1 + round % 5);
        let expression = compile(&text).unwrap_or_else(|wrongs| panic!("{text}: {wrongs:?}"));
        let contrary = compile(&format!("!({text})")).unwrap();
        for (root, auth) in roots.iter().flat_map(|root| [(root, None), (root, Some(&ada))]) {
            match (holds(&expression, auth, root), holds(&contrary, auth, root)) {
                (Ok(one), Ok(other)) => {
                    assert_ne!(one, other, "{text}");
                    decided += 1;
                }
                (Err(one), Err(other)) => {
                    assert_eq!(one, other, "{text}");
                    failed += 1;
                }
                (one, other) => panic!("{text}: {one:?} {other:?}"),
            }
        }
    }
    assert!(decided > 1500 && failed > 500, "{decided} {failed}");
}

#[test]
fn mangled_texts_are_refused_or_read() {
    let mut random = Random::new(3);
    for _ in 0..2000 {
        let mut text: Vec<char> = random.valid('b', 3).chars().collect();
        for _ in 0..1 + random.below(4) {
            let (at, with) =
                (random.below(text.len()), random.pick(&['(', ')', '\'', '/', '[', '.', '\\', '$', 'é', '\n']));
            match random.below(3) {
                0 => text[at] = with,
                1 => text.insert(at, with),
                _ => drop(text.remove(at)),
            }
            if text.is_empty() {
                break;
            }
        }
        let text: String = text.into_iter().collect();
        for wrong in compile(&text).err().into_iter().flatten() {
            assert!(wrong.span.start < wrong.span.end && wrong.span.start <= text.len(), "{text}: {wrong:?}");
        }
    }
}

#[test]
fn what_nests_too_deep_is_refused_and_what_is_long_is_not() {
    let many = 100_000;
    let nested = [
        format!("{}true{}", "(".repeat(many), ")".repeat(many)),
        "(".repeat(many),
        format!("{}true", "!".repeat(many)),
        format!("{}1 == 1", "-".repeat(many)),
        format!("auth{} == 1", ".a".repeat(many)),
        format!("auth{} == 1", "['a']".repeat(many)),
        format!("{}1{} == 1", "auth[".repeat(many), "]".repeat(many)),
        format!("{}true", "true ? true : ".repeat(many)),
        format!("1{} == 1", " + 1".repeat(many)),
        format!("data{}.exists()", ".parent()".repeat(many)),
        format!("{}'a'{}", "data.hasChildren([".repeat(many), "])".repeat(many)),
        format!("true{}", " == true".repeat(many)),
    ];
    for text in nested {
        let wrongs = compile(&text).unwrap_err();
        assert_eq!(wrongs.len(), 1);
        let start: String = text.chars().take(40).collect();
        assert!(wrongs[0].problem.starts_with("the expression nests too deep"), "{start}: {wrongs:?}");
    }
    let depth = parser::MOST_DEPTH / 2;
    assert!(compile(&format!("{}true{}", "(".repeat(depth), ")".repeat(depth))).is_ok());
    for text in [
        format!("false{}", " || auth.uid == 'x'".repeat(many)),
        format!("true{}", " && auth.uid != 'x'".repeat(many)),
        format!("'{}' != ''", "x".repeat(1_000_000)),
        format!("data.hasChildren(['a'{}]) || true", ", 'b'".repeat(many)),
    ] {
        assert!(holds(&compile(&text).unwrap(), None, &Node::NULL).is_ok());
    }
}

#[test]
fn work_is_bounded() {
    let ada = auth(json!({ "long": "x".repeat(6 << 20), "nines": "9".repeat(1 << 16) }));
    let check = |text: &str, expect| {
        assert_eq!(holds(&compile(text).unwrap(), Some(&ada), &Node::NULL), expect, "{text}");
    };
    check("auth.long + auth.long != ''", Err(Failure::TooLong));
    check(
        "auth.nines.replace('9', 'a string of more than 160 bytes, which is what it takes to make one that is too long \
           of so many nines: ten megabytes, as many as a string in the database may have at most, and a few') != ''",
        Err(Failure::TooLong),
    );
    check("auth.nines.replace('', auth.nines) != ''", Err(Failure::TooLong));
    check("auth.nines.replace('9', '') == ''", Ok(true));
    check("auth.nines.matches(/^(9+)+$/)", Ok(true));
    check(&format!("auth.none == 1{}", " || auth.long.matches(/^y/)".repeat(4)), Err(Failure::Exhausted));
    check(&format!("auth.none == 1{}", " || auth.long.beginsWith('y')".repeat(60)), Err(Failure::Exhausted));
}
