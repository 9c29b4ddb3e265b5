//! Queries against a plain model, under random changes: what is selected is what sorting, filtering and taking gives,
//! and a client that follows the news sees just that.

use super::*;
use crate::engine::News;
use crate::random::Random;
use crate::tree::{Key, Location, Node, Priority};

impl Random {
    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in (1..list.len()).rev() {
            list.swap(at, self.below(at + 1));
        }
    }

    fn leaf(&mut self) -> Leaf {
        match self.below(10) {
            0 => Leaf::Bool(self.one_in(2)),
            1 => Leaf::Int((1 << 53) + self.below(3) as i64),
            2 => Leaf::number(self.below(8) as f64 / 2.0).unwrap(),
            3 => Leaf::text(["", "a", "ab", "\u{e000}", "\u{10000}"][self.below(5)]),
            4 => Leaf::text(&format!("t{}", self.below(9))),
            _ => Leaf::Int(self.below(20) as i64 - 5),
        }
    }

    fn rank(&mut self, node: &Node) -> Node {
        node.with_priority(if self.one_in(3) { Priority::new(self.leaf()) } else { None })
    }

    /// A child with the fields that are ordered by, or a leaf, or nothing.
    fn child(&mut self, ranked: bool) -> Node {
        let mut node = match self.below(8) {
            0 => Node::NULL,
            1 | 2 => self.leaf().into(),
            3 => path("y/z/deeper", self.leaf().into()),
            _ => Node::NULL.set(&at("x"), self.leaf().into()),
        };
        for field in ["x", "y/z", "other"] {
            if self.one_in(3) && node.as_leaf().is_none() {
                let leaf = Node::from(self.leaf());
                let leaf = if ranked { self.rank(&leaf) } else { leaf };
                node = node.set(&at(field), leaf);
            }
        }
        if ranked { self.rank(&node) } else { node }
    }

    fn key(&mut self, keys: usize) -> Key {
        let key = self.below(keys);
        match key % 7 {
            0 => Key::new(&format!("-K{key}")),
            1 => Key::new(["\u{e000}", "\u{10000}", "00", "01", "-1"][key % 5]),
            2 => Key::new(&format!("k{key}")),
            _ => Key::new(&key.to_string()),
        }
        .unwrap()
    }

    fn bound(&mut self, order: &Order, keys: usize) -> Bound {
        let key = match self.below(6) {
            0 => Some(BoundKey::Min),
            1 => Some(BoundKey::Max),
            2 => Some(BoundKey::Name("not/a.key".to_owned())),
            3 | 4 => Some(BoundKey::Name(self.key(keys).to_string())),
            _ => None,
        };
        let value = match order {
            Order::Key => Some(Leaf::text(match &key {
                Some(BoundKey::Min) => "[MIN_NAME]",
                Some(BoundKey::Max) => "[MAX_NAME]",
                Some(BoundKey::Name(name)) => name,
                None => "5",
            })),
            Order::Priority | Order::Value | Order::Child(_) => (!self.one_in(6)).then(|| self.leaf()),
        };
        Bound { value, key, inclusive: self.one_in(2) }
    }

    fn query(&mut self, keys: usize) -> Query {
        let order = match self.below(5) {
            0 => Order::Key,
            1 => Order::Priority,
            2 => Order::Value,
            3 => Order::Child(at("x")),
            _ => Order::Child(at("y/z")),
        };
        let start = self.one_in(2).then(|| self.bound(&order, keys));
        let end = if self.one_in(4) { start.clone() } else { self.one_in(3).then(|| self.bound(&order, keys)) };
        let most = [1, 2, 3, 10, 1000][self.below(5)];
        let limit = match self.below(3) {
            0 => Some(Limit::First(most)),
            1 => Some(Limit::Last(most)),
            _ => None,
        };
        let limit = if start.is_none() && end.is_none() { limit.or(Some(Limit::Last(most))) } else { limit };
        Query { order, start, end, limit }
    }

    /// What one command sets, all below the first path.
    fn change(&mut self, listened: &Path, keys: usize, ranked: bool) -> (Path, Vec<(Location, Node)>) {
        let inside = |random: &mut Self| listened.child(random.key(keys));
        let mut base = match self.below(12) {
            0 => Path::ROOT,
            1 => at(["v", "other"][self.below(2)]),
            2 | 3 => listened.clone(),
            4 => inside(self).join(&at("y")),
            _ => inside(self),
        };
        let mut places = Vec::new();
        for _ in 0..if self.one_in(2) { 1 } else { 1 + self.below(6) } {
            let below = match self.below(12) {
                0 => Path::ROOT,
                1 if listened.contains(&base) && base.depth() > listened.depth() => at("y"),
                2 if listened.contains(&base) && base.depth() > listened.depth() => at("y/z"),
                3 if listened.contains(&base) && base.depth() > listened.depth() => at("other"),
                _ if listened.contains(&base) && base.depth() > listened.depth() => at("x"),
                4 => Path::ROOT.child(self.key(keys)),
                5 | 6 => Path::ROOT.child(self.key(keys)).join(&at("y/z")),
                _ => Path::ROOT.child(self.key(keys)).join(&at("x")),
            };
            let path = base.join(&below);
            let priority = ranked && self.one_in(4);
            let node = match self.below(4) {
                0 => Node::NULL,
                _ if priority => self.leaf().into(),
                _ if listened.contains(&path) && path != *listened => self.child(ranked),
                _ if self.one_in(3) => self.leaf().into(),
                _ => self.list(listened, &path, keys, ranked),
            };
            places.push((Location { path, priority }, node));
        }
        if self.one_in(3) {
            base = Path::ROOT;
        }
        (base, places)
    }

    /// What may lie at `path` so that there are children at `listened`.
    fn list(&mut self, listened: &Path, path: &Path, keys: usize, ranked: bool) -> Node {
        let list = (0..self.below(keys * 2)).map(|_| (self.key(keys), self.child(ranked))).collect();
        Node::NULL.set(&listened.skip(path.depth()), Node::branch(list))
    }
}

fn at(text: &str) -> Path {
    Path::parse(text).unwrap()
}

fn path(text: &str, node: Node) -> Node {
    Node::NULL.set(&at(text), node)
}

fn set(root: &Node, location: &Location, node: &Node) -> Node {
    let there = root.get(&location.path);
    let priority = || node.as_leaf().cloned().and_then(Priority::new);
    let node = if location.priority { there.with_priority(priority()) } else { node.clone() };
    root.set(&location.path, node)
}

/// Kind, number, text.
type Value = (u8, f64, Vec<u16>);
/// Whether it is a text, the number, the length, the text.
type Name = (u8, i64, usize, Vec<u16>);

fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

fn name(key: &str) -> Name {
    match (key, key.parse::<i32>()) {
        ("[MIN_NAME]", _) => (0, 0, 0, Vec::new()),
        ("[MAX_NAME]", _) => (3, 0, 0, Vec::new()),
        (_, Ok(number)) => (1, number.into(), key.len(), units(key)),
        (_, Err(_)) => (2, 0, 0, units(key)),
    }
}

fn value(leaf: Option<&Leaf>) -> Value {
    match leaf {
        None => (0, 0.0, Vec::new()),
        Some(Leaf::Bool(bool)) => (1, f64::from(u8::from(*bool)), Vec::new()),
        Some(Leaf::Text(text)) => (3, 0.0, units(text)),
        Some(number) => (2, number.as_f64().unwrap(), Vec::new()),
    }
}

fn place(order: &Order, key: &str, child: &Node) -> (Value, Name) {
    let of = |node: &Node| if node.is_empty() { value(node.as_leaf()) } else { (4, 0.0, Vec::new()) };
    let value = match order {
        Order::Key => value(None),
        Order::Priority => of(&child.priority().into()),
        Order::Value => of(child),
        Order::Child(path) => of(child.get(path)),
    };
    (value, name(key))
}

fn bound_place(order: &Order, bound: &Bound, open: &str) -> (Value, Name) {
    let key = match &bound.key {
        None => open,
        Some(BoundKey::Min) => "[MIN_NAME]",
        Some(BoundKey::Max) => "[MAX_NAME]",
        Some(BoundKey::Name(name)) => name,
    };
    match (order, &bound.value) {
        (Order::Key, Some(Leaf::Text(text))) => (value(None), name(text)),
        (_, leaf) => (value(leaf.as_ref()), name(key)),
    }
}

/// All children, sorted, those between the bounds, as many as are wanted.
fn expected(query: &Query, node: &Node) -> Node {
    let mut list: Vec<_> =
        node.children().map(|(key, child)| (place(&query.order, key.as_str(), child), key, child)).collect();
    list.sort_by(|one, other| one.0.partial_cmp(&other.0).unwrap());
    if let Some(start) = &query.start {
        let from = bound_place(&query.order, start, "[MIN_NAME]");
        list.retain(|(place, ..)| if start.inclusive { *place >= from } else { *place > from });
    }
    if let Some(end) = &query.end {
        let to = bound_place(&query.order, end, "[MAX_NAME]");
        list.retain(|(place, ..)| if end.inclusive { *place <= to } else { *place < to });
    }
    match query.limit {
        Some(Limit::First(most)) => list.truncate(most),
        Some(Limit::Last(most)) => drop(list.drain(..list.len().saturating_sub(most))),
        None => {}
    }
    Node::branch(list.into_iter().map(|(_, key, child)| (key.clone(), child.clone())).collect())
}

/// What a client that held `view` holds after `news`, whose parts it takes in any order.
fn follow(random: &mut Random, listened: &Path, view: &Node, news: Option<News>) -> Node {
    let mut parts = match news {
        None => return view.clone(),
        Some(News::Put(location, node)) => vec![(location, node)],
        Some(News::Patch { path, parts }) => {
            assert!(parts.len() > 1 && listened.contains(&path));
            assert!(parts.iter().all(|(location, _)| location.path.depth() > 0));
            for ((one, _), (other, _)) in parts.iter().flat_map(|one| parts.iter().map(move |other| (one, other))) {
                assert!(one == other || one.priority || !one.path.contains(&other.path), "{one} {other}");
            }
            parts.into_iter().map(|(location, node)| (location.below(&path), node)).collect()
        }
    };
    random.shuffle(&mut parts);
    parts.into_iter().fold(view.clone(), |view, (Location { path, priority }, node)| {
        assert!(listened.contains(&path));
        set(&view, &Location { path: path.skip(listened.depth()), priority }, &node)
    })
}

fn run(seed: u64, steps: usize) {
    let mut random = Random::new(seed);
    let listened = at(["", "v", "v/w"][random.below(3)]);
    let keys = [5, 30, 200][random.below(3)];
    let ranked = random.one_in(2);
    let queries: Vec<_> = (0..8).map(|_| random.query(keys)).collect();
    let mut root = random.list(&listened, &Path::ROOT, keys, ranked && seed.is_multiple_of(2));
    let mut views: Vec<_> = queries.iter().map(|query| query.select(root.get(&listened), Plan::Scan)).collect();
    for step in 0..steps {
        let (base, places) = random.change(&listened, keys, ranked);
        let after = places.iter().fold(root.clone(), |root, (location, node)| set(&root, location, node));
        let touched: Vec<_> = places.iter().map(|(location, _)| location.clone()).collect();
        let (before_node, after_node) = (root.get(&listened), after.get(&listened));
        for (query, view) in queries.iter().zip(&mut views) {
            let context = || format!("seed {seed}, step {step}, at {listened}: {query:?}, {base}, {places:?}");
            let plan = if random.one_in(2) { Plan::Index } else { Plan::Scan };
            let news = query.news(plan, &listened, &base, before_node, after_node, &touched);
            let expect = expected(query, after_node);
            let seen = follow(&mut random, &listened, view, news.clone());
            assert_eq!(seen, expect, "{}: {news:?}", context());
            assert_eq!(query.select(after_node, plan), expect, "{}", context());
            assert_eq!(seen.hash(), expect.hash(), "{}", context());
            *view = seen;
        }
        root = after;
    }
}

#[test]
fn a_client_that_follows_the_news_sees_what_is_selected() {
    for seed in 0..60 {
        run(seed, 40);
    }
}
