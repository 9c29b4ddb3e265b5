//! The corpus of rules, `tests/corpus/rules`: what files and expressions are refused, and what they admit, each case
//! with the fact it tests. The files name nothing of this implementation.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a corpus that is not of its form fails its test")]

use hearth_database::query::{Bound, Limit, Order, Query};
use hearth_database::rules::{Auth, Caller, Ruleset};
use hearth_database::{Leaf, Node, Path, json};
use serde_json::{Map, Value, json};
use std::fs;

/// A case, with what its group says for all of its cases.
struct Case<'c> {
    group: &'c Map<String, Value>,
    case: &'c Map<String, Value>,
}

impl<'c> Case<'c> {
    fn get(&self, name: &str) -> Option<&'c Value> {
        self.case.get(name).or_else(|| self.group.get(name))
    }

    fn node(&self, name: &str) -> Node {
        self.get(name).map_or(Node::NULL, node)
    }

    fn caller(&self) -> Caller {
        match self.get("auth") {
            _ if self.get("admin") == Some(&Value::Bool(true)) => Caller::Admin,
            Some(Value::Object(auth)) => Caller::client(Auth::given(auth.clone())),
            _ => Caller::ANYONE,
        }
    }

    fn now(&self) -> u64 {
        self.get("now").and_then(Value::as_u64).unwrap_or(0)
    }

    fn query(&self) -> Query {
        let Some(given) = self.get("query") else { return Query::default() };
        let order = match given["orderBy"].as_str().unwrap() {
            "$key" => Order::Key,
            "$value" => Order::Value,
            "$priority" => Order::Priority,
            path => Order::Child(Path::parse(path).unwrap()),
        };
        let bound = |name: &str| {
            let value = given.get(name).or_else(|| given.get("equalTo"))?;
            Some(Bound::at(Some(node(value).as_leaf().unwrap().clone()), None))
        };
        let count = |name: &str| given.get(name).and_then(Value::as_u64).map(|count| count as usize);
        let limit = count("limitToFirst").map(Limit::First).or(count("limitToLast").map(Limit::Last));
        Query { order, start: bound("startAt"), end: bound("endAt"), limit }
    }

    /// What is wrong with the case, if anything.
    fn run(&self) -> Option<String> {
        if let Some(Value::String(text)) = self.case.get("file") {
            return self.file(text);
        }
        if let Some(Value::String(rule)) = self.case.get("rule") {
            return self.expression(rule);
        }
        let rules = Ruleset::parse(&json!({ "rules": self.get("rules").unwrap() }).to_string());
        let rules = rules.unwrap_or_else(|errors| panic!("{errors:#}"));
        let before = self.node("data");
        let found = match (self.case.get("read"), self.case.get("write")) {
            (Some(Value::String(path)), None) => {
                rules.may_read(&self.caller(), &Path::parse(path).unwrap(), &self.query(), &before, self.now())
            }
            (None, Some(Value::Object(places))) => {
                let places: Vec<_> =
                    places.iter().map(|(path, value)| (Path::parse(path).unwrap(), node(value))).collect();
                let after = places.iter().fold(before.clone(), |root, (path, node)| root.set(path, node.clone()));
                let may = |path| rules.may_write(&self.caller(), path, &before, &after, self.now());
                places.iter().all(|(path, _)| may(path))
            }
            _ => panic!("a case reads or writes"),
        };
        let expect = self.case["allowed"].as_bool().unwrap();
        (found != expect).then(|| format!("allowed: {found}"))
    }

    fn file(&self, text: &str) -> Option<String> {
        let expect: Vec<_> =
            self.case["problems"].as_array().unwrap().iter().map(|place| place.as_str().unwrap().to_owned()).collect();
        let (found, errors) = match Ruleset::parse(text) {
            Ok(_) => (Vec::new(), String::new()),
            Err(errors) => {
                let places = errors.0.iter().map(|error| format!("{}:{}", error.line, error.column)).collect();
                (places, format!("{errors:#}"))
            }
        };
        (found != expect).then(|| format!("{found:?}\n{errors}"))
    }

    /// The verdict over an expression: an error is what makes both it and its contrary false.
    fn expression(&self, rule: &str) -> Option<String> {
        let found = match (self.holds(rule), self.holds(&format!("!({rule})"))) {
            (Err(_), _) => "invalid",
            (Ok(true), Ok(false)) => "true",
            (Ok(false), Ok(true)) => "false",
            (Ok(false), Ok(false)) => "error",
            other => panic!("{other:?}"),
        };
        let expect = self.case["expect"].as_str().unwrap();
        let why = self.holds(rule).err().unwrap_or_default();
        (found != expect).then(|| format!("{found} {why}"))
    }

    /// Whether a rule of the group's kind at the group's place holds.
    fn holds(&self, rule: &str) -> Result<bool, String> {
        let kind = self.get("kind").and_then(Value::as_str).unwrap_or("read");
        let at = self.get("at").and_then(Value::as_str).unwrap_or("");
        let (mut path, mut names) = (Path::parse(at).unwrap(), Vec::new());
        names.extend(path.keys().iter().map(|key| key.as_str().to_owned()));
        for (name, key) in self.get("wildcards").and_then(Value::as_object).into_iter().flatten() {
            names.push(name.clone());
            path = path.join(&Path::parse(key.as_str().unwrap()).unwrap());
        }
        let level = Value::Object(Map::from_iter([(format!(".{kind}"), Value::from(rule))]));
        let rules = names.into_iter().rfold(level, |below, name| Value::Object(Map::from_iter([(name, below)])));
        let rules = Ruleset::parse(&json!({ "rules": rules }).to_string()).map_err(|errors| format!("{errors:#}"))?;
        let (caller, before, now) = (self.caller(), self.node("data"), self.now());
        Ok(match kind {
            "read" => rules.may_read(&caller, &path, &self.query(), &before, now),
            _ => rules.may_write(&caller, &path, &before, &self.node("new"), now),
        })
    }
}

fn node(value: &Value) -> Node {
    match value.as_str() {
        Some(text) => Leaf::text(text).into(),
        None => json::parse(value.to_string().as_bytes(), 0).unwrap().node,
    }
}

#[test]
fn every_case_of_the_corpus_comes_out_as_it_says() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/corpus/rules");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let (mut cases, mut wrong) = (0, Vec::new());
    for path in paths {
        let file: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        for group in file["groups"].as_array().unwrap() {
            let group = group.as_object().unwrap();
            let fact = group["fact"].as_str().unwrap();
            assert!(!fact.is_empty());
            for case in group["cases"].as_array().unwrap() {
                cases += 1;
                let case = Case { group, case: case.as_object().unwrap() };
                if let Some(found) = case.run() {
                    let name = path.file_name().unwrap().display();
                    wrong.push(format!("{name}: {fact}\n  {}\n  found {found}", Value::Object(case.case.clone())));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {cases} cases:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cases >= 1000, "{cases}");
}
