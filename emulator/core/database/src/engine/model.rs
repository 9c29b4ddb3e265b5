//! The engine against a model: a plain JSON tree, changed by the same random commands.

use super::*;
use crate::journal::Loaded;
use crate::tree::json;
use serde_json::{Map, Value, json};

/// Takes everything.
struct Nowhere;

impl Journal for Nowhere {
    fn load(&mut self) -> Result<Loaded, JournalError> {
        Ok(Loaded::default())
    }

    fn commit(&mut self, _: Batch<'_>) -> Result<(), JournalError> {
        Ok(())
    }
}

/// Steele and Vigna's SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    /// Few names at the top and many below, so that both forms of children grow and shrink.
    fn path(&mut self) -> Vec<String> {
        let depth = self.below(4);
        (0..depth).map(|level| format!("k{}", self.below(if level == 1 { 40 } else { 3 }))).collect()
    }

    fn value(&mut self, depth: u64) -> Value {
        match self.below(if depth == 0 { 5 } else { 7 }) {
            0 => Value::Null,
            1 => json!(self.below(2) == 0),
            2 => json!(self.below(1000) as i64 - 500),
            3 => json!(self.below(1000) as f64 / 8.0),
            4 => json!(format!("s{}", self.below(100))),
            _ => Value::Object(
                (0..self.below(5)).map(|_| (format!("k{}", self.below(40)), self.value(depth - 1))).collect(),
            ),
        }
    }
}

/// Sets `path` in the model, which holds neither nulls nor empty objects.
fn set(model: &mut Value, path: &[String], value: Value) {
    let Some((key, rest)) = path.split_first() else {
        *model = clean(value);
        return;
    };
    if !model.is_object() {
        if clean(value.clone()).is_null() {
            return;
        }
        *model = json!({});
    }
    set(&mut model[key], rest, value);
    *model = clean(std::mem::take(model));
}

fn clean(mut value: Value) -> Value {
    if let Value::Object(members) = &mut value {
        members.values_mut().for_each(|member| *member = clean(member.take()));
        members.retain(|_, member| !member.is_null());
        return if members.is_empty() { Value::Null } else { value };
    }
    match value.as_f64() {
        Some(whole) if whole.fract() == 0.0 => json!(whole as i64),
        _ => value,
    }
}

fn get<'a>(model: &'a Value, path: &[String]) -> &'a Value {
    path.iter().fold(model, |value, key| value.get(key).unwrap_or(&Value::Null))
}

fn add(to: &Value, by: f64) -> Value {
    clean(json!(to.as_f64().unwrap_or_default() + by))
}

fn run(seed: u64, steps: u64) {
    let mut random = Random(seed);
    let mut bytes = Random(seed ^ 1);
    let mut model = Value::Null;
    let mut engine = Engine::open(Nowhere, Ruleset::Open).unwrap();
    for step in 0..steps {
        let path = random.path();
        let value = random.value(2);
        let before = engine.snapshot().root.clone();
        let mut model_after = model.clone();
        let change = match random.below(5) {
            0 => {
                set(&mut model_after, &path, value.clone());
                Change::Set(json::from_value(&value, 0).unwrap())
            }
            1 => {
                set(&mut model_after, &path, Value::Null);
                Change::Remove
            }
            2 => {
                let by = random.below(40) as f64 / 4.0;
                let sum = add(get(&model_after, &path), by);
                set(&mut model_after, &path, sum);
                Change::Set(json::from_value(&json!({".sv": {"increment": by}}), 0).unwrap())
            }
            3 => Change::Push(json::from_value(&value, 0).unwrap()),
            _ => {
                let mut parts = Map::new();
                for _ in 0..random.below(4) {
                    let below = [random.path(), vec![format!("k{}", random.below(40))]].concat();
                    let value = random.value(1);
                    parts.insert(below.join("/"), value);
                }
                let conflict = parts.keys().any(|one| parts.keys().any(|other| other.starts_with(&format!("{one}/"))));
                if !conflict {
                    for (below, value) in &parts {
                        let below: Vec<String> = below.split('/').map(str::to_owned).collect();
                        set(&mut model_after, &[path.clone(), below].concat(), value.clone());
                    }
                }
                let update = json::parse_update(Value::Object(parts).to_string().as_bytes(), 0).unwrap().unwrap();
                Change::Update(update)
            }
        };
        let location = Location::from_segments(path.iter().map(String::as_str)).unwrap();
        let write = Write { caller: Caller::Client, location, if_match: None, change };
        let mut entropy = |filled: &mut [u8]| filled.iter_mut().for_each(|byte| *byte = bytes.below(256) as u8);
        let answers = engine.execute([Command::Write(write)], step, &mut entropy, |_| ());
        if let [Ok(Answer::Pushed { key, .. })] = &answers[..] {
            set(&mut model_after, &[path, vec![key.to_string()]].concat(), value);
        }
        let root = &engine.snapshot().root;
        let expect = json::from_value(&model_after, 0).unwrap().node;
        assert_eq!(root, &expect, "seed {seed}, step {step}: {answers:?}");
        assert_eq!(root.hash(), expect.hash(), "seed {seed}, step {step}");
        assert_eq!(root.weight(), expect.weight(), "seed {seed}, step {step}");
        // What was published before has not changed under its readers.
        assert_eq!(before, json::from_value(&model, 0).unwrap().node, "seed {seed}, step {step}");
        model = model_after;
    }
}

#[test]
fn the_engine_agrees_with_a_plain_tree() {
    for seed in 0..8 {
        run(seed, 500);
    }
}
