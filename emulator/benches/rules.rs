//! One measurement of rules in a process of its own. `cargo xtask bench rules` runs it and makes a table of what it
//! prints: a name and a number on each line.
//!
//! `judge QUESTIONS NAME SECONDS` · `load RULES SECONDS`
//!
//! Must not know: what the figures should be.

#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use hearth_database::rules::Auth;
use hearth_database::{Bound, Caller, Leaf, Limit, Node, Order, Path, Query, Ruleset, json};
use serde_json::Value;
use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// As the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Failure = Box<dyn Error>;

/// So many judgements are timed together.
const STEPS: u32 = 1000;
/// Before the measured time.
const WARM_UP: Duration = Duration::from_millis(300);

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["judge", questions, name, seconds] => judge(questions, name, seconds.parse()?),
        ["load", rules, seconds] => load(rules, seconds.parse()?),
        _ => Err("judge QUESTIONS NAME SECONDS | load RULES SECONDS".into()),
    }
}

/// Judgements a second, and the nanoseconds of each.
fn judge(questions: &str, name: &str, seconds: f64) -> Result<(), Failure> {
    let given: Value = serde_json::from_str(&std::fs::read_to_string(questions)?)?;
    let member = |value: &Value, name: &str| value.get(name).cloned().ok_or_else(|| format!("{name} is missing"));
    let questions = member(&given, "questions")?;
    let is_it = |question: &&Value| question.get("name").is_some_and(|found| found == name);
    let question = questions.as_array().into_iter().flatten().find(is_it);
    let question = question.ok_or("there is no such question")?;
    let rules = Ruleset::parse(&member(&given, "rules")?.to_string())?;
    let auth = member(&given, "auth")?.as_object().cloned().ok_or("auth is no object")?;
    let caller = Caller::client(Auth::given(auth));
    let before = json::from_value(&member(&given, "data")?, 0)?.node;
    let now = member(&given, "now")?.as_u64().ok_or("now is no time")?;
    if let Some(path) = question.get("read").and_then(Value::as_str) {
        let (path, query) = (Path::parse(path)?, query(question.get("query"))?);
        return measure(seconds, || rules.may_read(black_box(&caller), black_box(&path), &query, &before, now));
    }
    let path = Path::parse(question.get("write").and_then(Value::as_str).ok_or("neither read nor write")?)?;
    let value = json::from_value(&member(question, "value")?, path.depth())?.node;
    let after: Node = before.set(&path, value);
    measure(seconds, || rules.may_write(black_box(&caller), black_box(&path), &before, &after, now))
}

fn query(given: Option<&Value>) -> Result<Query, Failure> {
    let Some(given) = given else { return Ok(Query::default()) };
    let order = given.get("orderByChild").and_then(Value::as_str).map(Path::parse).transpose()?;
    let equal = given.get("equalTo").and_then(Value::as_str).map(|text| Bound::at(Some(Leaf::text(text)), None));
    let limit = given.get("limitToFirst").and_then(Value::as_u64).map(usize::try_from).transpose()?.map(Limit::First);
    Ok(Query { order: order.map_or(Order::Key, Order::Child), start: equal.clone(), end: equal, limit })
}

fn measure(seconds: f64, mut judge: impl FnMut() -> bool) -> Result<(), Failure> {
    let mut run = |duration: Duration| {
        let (began, mut judged) = (Instant::now(), 0_u64);
        loop {
            for _ in 0..STEPS {
                if !black_box(judge()) {
                    return Err("it is denied");
                }
            }
            judged += u64::from(STEPS);
            let took = began.elapsed();
            if took >= duration {
                return Ok(took.as_nanos() as f64 / judged as f64);
            }
        }
    };
    run(WARM_UP)?;
    let each = run(Duration::from_secs_f64(seconds))?;
    println!("each {each}\nper_second {}", 1e9 / each);
    Ok(())
}

/// Milliseconds to read and check a file of rules.
fn load(rules: &str, seconds: f64) -> Result<(), Failure> {
    let text = std::fs::read_to_string(rules)?;
    let mut times = Vec::new();
    let until = Instant::now() + Duration::from_secs_f64(seconds);
    while times.len() < 3 || Instant::now() < until {
        let began = Instant::now();
        black_box(Ruleset::parse(black_box(&text))?);
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    println!("milliseconds {}", times.get(times.len() / 2).copied().unwrap_or_default());
    Ok(())
}
