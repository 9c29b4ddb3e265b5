//! Random expressions, and random questions to put them to. The same seed makes the same cases.
//!
//! Expressions are of the right kind mostly, and of a wrong one now and then, so that what is refused and what fails
//! occurs as well. Must not know: what any of them comes to.

use fastrand::Rng;
use serde::Serialize;
use serde_json::{Value, json};

/// What is asked.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Case {
    /// `.read`, `.write` or `.validate`, at `/at/$k`.
    pub(super) kind: &'static str,
    pub(super) expression: String,
    /// The whole database.
    pub(super) data: Value,
    /// What is written at [`PLACE`], if anything is.
    pub(super) value: Value,
    pub(super) auth: Value,
    /// What is read at [`PLACE`], if it is a query.
    pub(super) query: Value,
}

/// Where all questions are asked.
pub(super) const PLACE: &str = "/at/key";
/// When they are asked.
pub(super) const NOW: u64 = 1_700_000_000_000;

/// The kinds that an expression may have.
#[derive(Clone, Copy, Default)]
enum Kind {
    #[default]
    Bool,
    Number,
    Text,
    /// Whatever the data or the token holds.
    Dynamic,
}

/// One case after the other.
pub(super) struct Generator {
    random: Rng,
    /// Whether there is a `newData`.
    writes: bool,
}

impl Generator {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: Rng::with_seed(seed), writes: false }
    }

    pub(super) fn case(&mut self) -> Case {
        let kind = self.pick(&[".read", ".write", ".validate"]);
        self.writes = kind != ".read";
        let depth = 1 + self.random.usize(..4);
        let expression = self.expression(Kind::Bool, depth);
        let (there, value) = (self.data(), self.written());
        Case {
            kind,
            expression,
            data: json!({"users": {"ada": {"n": 1}}, "n": 5, "at": {"key": there}}),
            value: if self.writes { value } else { Value::Null },
            auth: self.auth(),
            query: if self.writes { Value::Null } else { self.query() },
        }
    }

    fn pick<T: Copy + Default>(&mut self, list: &[T]) -> T {
        self.random.choice(list).copied().unwrap_or_default()
    }

    fn data(&mut self) -> Value {
        let written = self.written();
        self.choose(&[Value::Null, json!(0), written.clone(), written.clone(), written])
    }

    fn choose(&mut self, list: &[Value]) -> Value {
        self.random.choice(list).cloned().unwrap_or_default()
    }

    fn written(&mut self) -> Value {
        self.choose(&[
            json!(1),
            json!(2.5),
            json!("ab"),
            json!("añ𝒳"),
            json!(true),
            json!(NOW),
            json!({"a": 1, "b": 2}),
            json!({"a": "x", "o": {"p": "ada"}, "n": 3, "s": "str"}),
            json!({"ada": true}),
            json!({"a": {"a": {"a": "a"}}, "b": false}),
            json!({".value": "x", ".priority": 3}),
            json!({"a": {".value": 1, ".priority": "high"}, ".priority": 2}),
        ])
    }

    fn auth(&mut self) -> Value {
        self.choose(&[
            Value::Null,
            json!({"uid": "ada", "provider": "password", "token": {"level": 3, "email": "A@b.c", "ok": true}}),
            json!({"uid": "b/c", "token": {}}),
            json!({"uid": "key", "token": {"ok": false, "roles": {"ada": true, "n": "n"}, "level": -1.5}}),
        ])
    }

    fn query(&mut self) -> Value {
        self.choose(&[
            Value::Null,
            json!({"orderByValue": true, "limitToFirst": 2}),
            json!({"orderByPriority": true, "startAt": 1, "endAt": 9}),
            json!({"orderByChild": "a", "equalTo": "ada"}),
            json!({"orderByKey": true, "limitToLast": 10, "startAt": "a"}),
            json!({"orderByChild": "o/p", "endAt": true}),
        ])
    }

    fn expression(&mut self, kind: Kind, depth: usize) -> String {
        match kind {
            Kind::Bool => self.condition(depth),
            Kind::Number => self.number(depth),
            Kind::Text => self.text(depth),
            Kind::Dynamic => self.dynamic(depth),
        }
    }

    /// A part of an expression, in parentheses: of this kind, or of another one.
    fn part(&mut self, kind: Kind, depth: usize) -> String {
        let kinds = [Kind::Bool, Kind::Number, Kind::Text, Kind::Dynamic];
        let kind = if self.random.u8(..14) == 0 { self.pick(&kinds) } else { kind };
        format!("({})", self.expression(kind, depth.saturating_sub(1)))
    }

    fn one_of(&mut self, one: Kind, other: Kind, depth: usize) -> String {
        let kind = self.pick(&[one, other]);
        self.part(kind, depth)
    }

    fn condition(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.pick(&["true", "false", "auth == null", "auth != null"]).to_owned();
        }
        let bools = Kind::Bool;
        match self.random.u8(..20) {
            0 => format!("!{}", self.part(bools, depth)),
            1 => format!("{} && {}", self.part(bools, depth), self.part(bools, depth)),
            2 => format!("{} || {}", self.part(bools, depth), self.part(bools, depth)),
            3 | 4 => {
                let (one, other) = (self.any(), self.any());
                let (one, other) = (self.part(one, depth), self.part(other, depth));
                format!("{one} {} {other}", self.pick(&["==", "!=", "===", "!=="]))
            }
            5 => self.ordered(Kind::Number, depth),
            6 => self.ordered(Kind::Text, depth),
            7 | 8 => {
                let asked =
                    ["exists()", "isNumber()", "isString()", "isBoolean()", "hasChildren()", "getPriority() == null"];
                format!("{}.{}", self.snapshot(depth), self.pick(&asked))
            }
            9 => format!("{}.hasChild({})", self.snapshot(depth), self.part(Kind::Text, depth)),
            10 => {
                let names = ["'a'", "'a', 'b'", "'n'", "'o/p'", "$k", "'a', auth.uid", "''"];
                format!("{}.hasChildren([{}])", self.snapshot(depth), self.pick(&names))
            }
            11 | 12 => {
                let text = self.one_of(Kind::Text, Kind::Dynamic, depth);
                let method = self.pick(&["contains", "beginsWith", "endsWith"]);
                format!("{text}.{method}({})", self.part(Kind::Text, depth))
            }
            13 => format!("{}.matches({})", self.one_of(Kind::Text, Kind::Dynamic, depth), self.pattern()),
            14 => format!("{} ? {} : {}", self.part(bools, depth), self.part(bools, depth), self.part(bools, depth)),
            15 => self
                .pick(&[
                    "query.orderByKey",
                    "query.orderByValue",
                    "query.orderByPriority",
                    "query.limitToFirst == null",
                    "query.limitToLast <= 10",
                    "query.orderByChild === 'a'",
                    "query.equalTo === auth.uid",
                    "query.startAt == null",
                ])
                .to_owned(),
            16 => self.dynamic(depth),
            _ => self.pick(&["true", "false", "auth == null", "auth.token.ok", "auth.uid === $k"]).to_owned(),
        }
    }

    fn any(&mut self) -> Kind {
        self.pick(&[Kind::Bool, Kind::Number, Kind::Text, Kind::Dynamic, Kind::Dynamic])
    }

    fn ordered(&mut self, kind: Kind, depth: usize) -> String {
        let (one, other) = (self.one_of(kind, Kind::Dynamic, depth), self.one_of(kind, Kind::Dynamic, depth));
        format!("{one} {} {other}", self.pick(&["<", "<=", ">", ">="]))
    }

    fn pattern(&mut self) -> String {
        let patterns = [
            "^a",
            "b$",
            "^[a-c]+$",
            "A",
            "\\d",
            "(a|b){2}",
            "^$",
            ".",
            "\\s",
            "a?b*",
            "[^a]",
            "^.{2}$",
            "^\\w+$",
            "a{1,}",
            "^(ab|b\\/c)$",
            "\\S\\D",
            "[\\d.-]+",
            "^a.?b?$",
            "x|y",
            "[a-]",
        ];
        format!("/{}/{}", self.pick(&patterns), self.pick(&["", "", "i"]))
    }

    fn number(&mut self, depth: usize) -> String {
        if depth > 0 {
            match self.random.u8(..6) {
                0 | 1 => {
                    let (one, other) = (self.part(Kind::Number, depth), self.part(Kind::Number, depth));
                    return format!("{one} {} {other}", self.pick(&["+", "-", "*", "/", "%"]));
                }
                2 => return format!("{}.length", self.one_of(Kind::Text, Kind::Dynamic, depth)),
                3 => return format!("-{}", self.part(Kind::Number, depth)),
                4 => return self.dynamic(depth),
                _ => {}
            }
        }
        self.pick(&["0", "1", "2.5", "now", "10", "1e21", "0.1", "now - 1000"]).to_owned()
    }

    fn text(&mut self, depth: usize) -> String {
        if depth > 0 {
            match self.random.u8(..7) {
                0 | 1 => {
                    return format!(
                        "{} + {}",
                        self.part(Kind::Text, depth),
                        self.one_of(Kind::Text, Kind::Number, depth)
                    );
                }
                2 => {
                    let case = self.pick(&["toLowerCase", "toUpperCase"]);
                    return format!("{}.{case}()", self.part(Kind::Text, depth));
                }
                3 => {
                    let [text, sought, with] = [(); 3].map(|()| self.part(Kind::Text, depth));
                    return format!("{text}.replace({sought}, {with})");
                }
                4 => return self.dynamic(depth),
                5 => {
                    let condition = self.part(Kind::Bool, depth);
                    return format!(
                        "{condition} ? {} : {}",
                        self.part(Kind::Text, depth),
                        self.part(Kind::Text, depth)
                    );
                }
                _ => {}
            }
        }
        self.pick(&["'a'", "''", "'ab'", "'b/c'", "'A b'", "$k", "'ada'", "'aba'", "'añ𝒳'", "'o/p'"]).to_owned()
    }

    fn dynamic(&mut self, depth: usize) -> String {
        let fixed = [
            "auth.uid",
            "auth.none",
            "auth.token.level",
            "auth.token.email",
            "auth.token.ok",
            "auth['token']['roles'].ada",
            "null",
            "auth",
            "auth.token.roles",
            "query.startAt",
            "query.orderByChild",
            "query.limitToFirst",
        ];
        match self.random.u8(..10) {
            0..=3 => format!("{}.val()", self.snapshot(depth)),
            4 => format!("{}.getPriority()", self.snapshot(depth)),
            5 if depth > 0 => format!("auth.token.roles[{}]", self.part(Kind::Text, depth)),
            6 if depth > 0 => {
                let (condition, one, other) = (self.part(Kind::Bool, depth), self.any(), self.any());
                format!("{condition} ? {} : {}", self.part(one, depth), self.part(other, depth))
            }
            _ => self.pick(&fixed).to_owned(),
        }
    }

    fn snapshot(&mut self, depth: usize) -> String {
        let start = if self.writes { self.pick(&["data", "newData", "root"]) } else { self.pick(&["data", "root"]) };
        if depth == 0 {
            return start.to_owned();
        }
        match self.random.u8(..7) {
            0 => start.to_owned(),
            1 => {
                let of = self.snapshot(depth - 1);
                format!("{of}.child({})", self.part(Kind::Text, depth))
            }
            2 => format!("{}.parent()", self.snapshot(depth - 1)),
            3 => {
                let (condition, one, other) =
                    (self.part(Kind::Bool, depth), self.snapshot(depth - 1), self.snapshot(depth - 1));
                format!("({condition} ? {one} : {other})")
            }
            _ => {
                let name = self.pick(&["a", "b", "n", "s", "o", "o/p", "users", "/a/", "at/key", "a.b", ""]);
                format!("{}.child('{name}')", self.snapshot(depth - 1))
            }
        }
    }
}
