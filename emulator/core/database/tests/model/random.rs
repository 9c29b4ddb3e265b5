//! What a history is made of, drawn from one seed.

use crate::plain::{Plain, Single};
use hearth_database::{Bound, BoundKey, Leaf, Limit, Order, Path, Query};
use serde_json::{Value, json};

/// A generator of random numbers, so that a failure can be repeated by its seed.
pub(crate) struct Random(fastrand::Rng);

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

    pub(crate) fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len() as u64) as usize]
    }

    pub(crate) fn shuffle<T>(&mut self, list: &mut [T]) {
        (1..list.len()).for_each(|at| list.swap(at, self.below(at as u64 + 1) as usize));
    }

    /// Few names at the top and many below, so that both forms of children grow and shrink.
    pub(crate) fn key(&mut self, level: usize) -> String {
        match (level, self.below(4)) {
            (1, 0) => format!("{}", self.below(30) as i64 - 4),
            (1, _) => format!("k{}", self.below(24)),
            _ => (*self.pick(&["a", "b", "1"])).to_owned(),
        }
    }

    /// Up to three keys below `level`.
    pub(crate) fn path(&mut self, level: usize) -> Vec<String> {
        (0..self.below(4) as usize).map(|below| self.key(level + below)).collect()
    }

    fn leaf(&mut self) -> Value {
        match self.below(6) {
            0 => json!(self.one_in(2)),
            1 => json!(self.below(8) as f64 / 2.0 + 0.25),
            2 => json!(["", "a", "b", "é"][self.below(4) as usize]),
            _ => json!(self.below(8) as i64 - 2),
        }
    }

    fn single(&mut self) -> Single {
        match self.below(12) {
            0 => Single::Now,
            1 => Single::Add(self.below(5) as i64 - 2),
            _ => Single::Leaf(self.leaf()),
        }
    }

    pub(crate) fn priority(&mut self) -> Single {
        match self.below(8) {
            0 => Single::Now,
            1 => Single::Leaf(json!(["x", "y"][self.below(2) as usize])),
            _ => Single::Leaf(json!(self.below(4))),
        }
    }

    /// Data that is to lie below `level` keys; one in eight is nothing.
    pub(crate) fn data(&mut self, level: usize) -> Plain {
        let mut data = Plain::default();
        match self.below(8) {
            0 => return data,
            1..=4 => data.value = Some(self.single()),
            _ => {
                for _ in 0..self.below(5) {
                    let child = if level < 4 { self.data(level + 1) } else { Plain::default() };
                    if !child.is_null() {
                        data.children.insert(self.key(level), child);
                    }
                }
            }
        }
        if !data.is_null() && self.one_in(4) {
            data.priority = Some(self.priority());
        }
        data
    }

    /// Places below `level` keys, none below another one, and what is to be set there.
    pub(crate) fn parts(&mut self, level: usize) -> Vec<(Vec<String>, Plain)> {
        let mut parts: Vec<(Vec<String>, Plain)> = Vec::new();
        for _ in 0..self.below(5) {
            let mut path = [vec![self.key(level)], self.path(level + 1)].concat();
            path.truncate(3);
            let data = if self.one_in(6) {
                path.push(crate::plain::PRIORITY.to_owned());
                Plain { value: (!self.one_in(3)).then(|| self.priority()), ..Plain::default() }
            } else {
                self.data(level + path.len())
            };
            if !parts.iter().any(|(other, _)| other.starts_with(&path) || path.starts_with(other)) {
                parts.push((path, data));
            }
        }
        parts
    }

    pub(crate) fn query(&mut self) -> Query {
        let order = match self.below(5) {
            0 => Order::Priority,
            1 => Order::Key,
            2 => Order::Value,
            3 => Order::Child(Path::parse("a").unwrap()),
            _ => Order::Child(Path::parse("a/1").unwrap()),
        };
        let mut query = Query { order, ..Query::default() };
        let kind = self.below(6);
        if kind < 4 && kind != 1 {
            query.start = Some(self.bound(&query.order));
        }
        if kind < 4 && kind != 2 {
            query.end = Some(self.bound(&query.order));
        }
        if kind == 3 {
            query.end = query.start.clone().map(|bound| Bound { inclusive: true, ..bound });
            query.start = query.end.clone();
        }
        if kind >= 3 {
            let most = self.below(4) as usize + 1;
            query.limit = Some(if self.one_in(2) { Limit::First(most) } else { Limit::Last(most) });
        }
        query
    }

    fn bound(&mut self, order: &Order) -> Bound {
        let inclusive = !self.one_in(3);
        let value = match order {
            Order::Key => return Bound { value: Some(Leaf::text(&self.key(1))), key: None, inclusive },
            Order::Priority if self.one_in(4) => None,
            Order::Priority if self.one_in(4) => Some(json!("x")),
            Order::Priority => Some(json!(self.below(4))),
            Order::Value | Order::Child(_) => (!self.one_in(6)).then(|| self.leaf()),
        };
        let value = value.map(|value| Plain { value: Some(Single::Leaf(value)), ..Plain::default() }.node());
        let key = match self.below(6) {
            0 => Some(BoundKey::Min),
            1 => Some(BoundKey::Max),
            2 => Some(BoundKey::Name(self.key(1))),
            _ => None,
        };
        Bound { value: value.and_then(|node| node.as_leaf().cloned()), key, inclusive }
    }
}
