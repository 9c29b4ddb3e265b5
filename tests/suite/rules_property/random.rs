//! Rules, data and operations, drawn from one seed.

use serde_json::{Map, Value, json};

/// A generator of random numbers, so that a failure can be repeated by its seed.
pub(crate) struct Random(fastrand::Rng);

/// Where things are.
const KEYS: [&str; 4] = ["a", "b", "ada", "bob"];
/// Conditions that come to something in this data; those with a `$` only below a wildcard of that name.
const CONDITIONS: [&str; 34] = [
    "true",
    "false",
    "auth != null",
    "auth.uid == 'ada'",
    "auth.token.role == 'boss'",
    "auth.uid.length > 0",
    "auth.uid == $x",
    "auth.uid == $y",
    "$x == 'a'",
    "$y > 'a'",
    "root.child('a/b').exists()",
    "root.child('a').child(auth.uid).val() == 1",
    "root.hasChild(auth.uid)",
    "root.child('b').val() != 3",
    "data.exists()",
    "data.hasChild('b')",
    "data.hasChildren(['a', 'b'])",
    "data.val() == null",
    "data.val() < 3",
    "data.isString()",
    "data.parent().child('b').val() == 1",
    "data.getPriority() == null",
    "query.orderByKey",
    "query.limitToFirst <= 2",
    "query.limitToFirst == null",
    "now > 0",
    "newData.exists()",
    "newData.isNumber()",
    "newData.val() > data.val()",
    "newData.val().length < 3",
    "newData.hasChildren()",
    "newData.parent().hasChild('b')",
    "newData.val() == now",
    "newData.child('a').val() != root.child('a/a').val()",
];

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0.u64(..limit)
    }

    pub(crate) fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u64) as usize]
    }

    /// A path of at most so many keys.
    pub(crate) fn path(&mut self, most: u64) -> String {
        let keys: Vec<_> = (0..self.below(most + 1)).map(|_| self.pick(&KEYS)).collect();
        keys.join("/")
    }

    pub(crate) fn key(&mut self) -> &'static str {
        self.pick(&KEYS)
    }

    /// Data that can be written: often a single value, sometimes nothing, sometimes the time.
    pub(crate) fn data(&mut self, depth: u32) -> Value {
        match self.below(if depth == 0 { 8 } else { 14 }) {
            0 => Value::Null,
            1 => json!(self.pick(&["", "ab", "longer"])),
            2 => json!(self.one_in(2)),
            3 if depth < 3 => json!({".sv": "timestamp"}),
            3..8 => json!(self.below(5)),
            _ => {
                (0..self.below(4)).map(|_| (self.key().to_owned(), self.data(depth - 1))).collect::<Map<_, _>>().into()
            }
        }
    }

    /// A file of rules.
    pub(crate) fn rules(&mut self) -> Value {
        let mut root = self.level(3, &mut Vec::new());
        // Where it can be seen that a session has ended. Nothing above may forbid that.
        root.remove(".validate");
        root.insert("ended".to_owned(), json!({".write": true, "$session": {".validate": "newData.val() == 1"}}));
        json!({ "rules": root })
    }

    fn level(&mut self, depth: u32, wildcards: &mut Vec<&'static str>) -> Map<String, Value> {
        let mut level = Map::new();
        for (kind, many) in [(".read", 3), (".write", 3), (".validate", 5)] {
            if self.one_in(many) {
                level.insert(kind.to_owned(), self.condition(kind, wildcards, 2).into());
            }
        }
        if depth == 0 {
            return level;
        }
        for key in KEYS {
            if self.one_in(3) {
                level.insert(key.to_owned(), self.level(depth - 1, wildcards).into());
            }
        }
        if let Some(name) = ["$x", "$y"].get(wildcards.len()).filter(|_| self.one_in(2)) {
            wildcards.push(name);
            level.insert((*name).to_owned(), self.level(depth - 1, wildcards).into());
            wildcards.pop();
        }
        level
    }

    fn condition(&mut self, kind: &str, wildcards: &[&str], depth: u32) -> String {
        if depth > 0 && self.one_in(2) {
            let mut part = || self.condition(kind, wildcards, depth - 1);
            let (one, two, three) = (part(), part(), part());
            return match self.below(4) {
                0 => format!("!({one})"),
                1 => format!("({one}) && ({two})"),
                2 => format!("({one}) || ({two})"),
                _ => format!("({one}) ? ({two}) : ({three})"),
            };
        }
        loop {
            let condition = self.pick(&CONDITIONS);
            let known = |name: &str| !condition.contains(name) || wildcards.contains(&name);
            if known("$x") && known("$y") && (kind != ".read" || !condition.contains("newData")) {
                return condition.to_owned();
            }
        }
    }
}
