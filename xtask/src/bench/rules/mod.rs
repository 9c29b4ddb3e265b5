//! Security rules: how long a large file takes to load, how often five realistic rules are judged, and what rules cost a
//! write over WebSocket.
//!
//! In process each figure comes from a process of its own (`emulator/benches/rules.rs`). Targaryen, a model of the rules
//! in JavaScript, is asked the same questions by `beside.cjs`, in turn with us, if it is there.

use super::cores::{Cores, Kept};
use super::program::Program;
use super::{Plan, Samples, database, print_table};
use crate::process::{Failure, command, root};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

const QUESTIONS: &str = "xtask/src/bench/rules/questions.json";
const BESIDE: &str = "xtask/src/bench/rules/beside.cjs";
/// Lines of the file of rules that is loaded.
const LINES: usize = 5000;
/// Targaryen may do at most this share of what we do.
const LEAST_RATIO: f64 = 50.0;
/// The median rule may take so many nanoseconds.
const MOST_NANOSECONDS: f64 = 1000.0;
/// Rules may cost a write this share of its processor time.
const MOST_OVERHEAD: f64 = 0.05;

pub(super) async fn run(plan: &Plan) -> Result<(), Failure> {
    judge(plan)?;
    overhead(plan).await
}

/// What the runs showed, by name.
type Figures = BTreeMap<String, Samples>;

/// Judgements in process, and loading.
fn judge(plan: &Plan) -> Result<(), Failure> {
    let program = Program::build("rules", plan.release)?;
    let questions: Value = serde_json::from_str(&std::fs::read_to_string(root().join(QUESTIONS))?)?;
    let list = questions.get("questions").and_then(Value::as_array).into_iter().flatten();
    let names: Vec<&str> = list.filter_map(|question| question.get("name")?.as_str()).collect();
    let folder = tempfile::TempDir::new_in(root().join("target"))?;
    let large = folder.path().join("large.rules.json");
    std::fs::write(&large, large_file())?;
    let (large, path) = (large.to_string_lossy(), root().join(QUESTIONS));
    let path = path.to_string_lossy();
    let seconds = (plan.seconds as f64 / 4.0).to_string();
    let (mut each, mut ours, mut theirs) = <(Figures, Figures, Figures)>::default();
    for _ in 0..plan.runs {
        for name in &names {
            let figures = program.run(&["judge", &path, name, &seconds])?;
            each.entry((*name).to_owned()).or_default().add(figures.get("each")?);
            ours.entry((*name).to_owned()).or_default().add(figures.get("per_second")?);
        }
        ours.entry("load".to_owned()).or_default().add(program.run(&["load", &large, &seconds])?.get("milliseconds")?);
        if let Some(directory) = &plan.beside_targaryen {
            for (name, figure) in beside(directory, &path, &large, &seconds)? {
                theirs.entry(name).or_default().add(figure);
            }
        }
    }
    let of = |figures: &Figures, name: &str| figures.get(name).cloned().unwrap_or_default();
    let mut rows = vec![["", "hearth/s", "ns each", "targaryen/s", "ratio", "limit"].map(str::to_owned).to_vec()];
    let mut medians = Samples::default();
    for name in names {
        let (ours, theirs, each) = (of(&ours, name), of(&theirs, name), of(&each, name));
        medians.add(each.median());
        rows.push(row(name, &ours, each.show(0), &theirs, ours.median() / theirs.median()));
    }
    let (load, their_load) = (of(&ours, "load"), of(&theirs, "load"));
    let verdict = |kept: bool| if kept { "kept" } else { "missed" };
    rows.push(vec![
        format!("a file of {LINES} lines, ms to load"),
        load.show(1),
        String::new(),
        shown(&their_load, 1),
        ratio(&their_load, their_load.median() / load.median()),
        limit(&their_load, their_load.median() / load.median()),
    ]);
    rows.push(vec![
        "the median rule".to_owned(),
        String::new(),
        format!("{:.0}", medians.median()),
        String::new(),
        String::new(),
        format!("{MOST_NANOSECONDS} ns, {}", verdict(medians.median() <= MOST_NANOSECONDS)),
    ]);
    print_table(&format!("Security rules in process (median of {} runs, smallest–largest)", plan.runs), &rows);
    Ok(())
}

fn row(name: &str, ours: &Samples, each: String, theirs: &Samples, times: f64) -> Vec<String> {
    vec![name.to_owned(), ours.show(0), each, shown(theirs, 0), ratio(theirs, times), limit(theirs, times)]
}

fn shown(theirs: &Samples, decimals: usize) -> String {
    if theirs.0.is_empty() { String::new() } else { theirs.show(decimals) }
}

fn ratio(theirs: &Samples, times: f64) -> String {
    if theirs.0.is_empty() { String::new() } else { format!("{times:.0}×") }
}

fn limit(theirs: &Samples, times: f64) -> String {
    let verdict = if times >= LEAST_RATIO { "kept" } else { "missed" };
    if theirs.0.is_empty() { String::new() } else { format!("{LEAST_RATIO}×, {verdict}") }
}

/// The same questions to targaryen.
fn beside(directory: &Path, questions: &str, large: &str, seconds: &str) -> Result<BTreeMap<String, f64>, Failure> {
    let directory: PathBuf = std::env::current_dir()?.join(directory);
    let script = root().join(BESIDE);
    let output = command("node", &[], "")
        .arg(script)
        .arg(directory)
        .args([questions, large, seconds])
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("targaryen could not be asked: {}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Rules of so many lines, as an application with many collections has them.
fn large_file() -> String {
    let mut lines = vec!["{".to_owned(), "  \"rules\": {".to_owned()];
    let mut number = 0;
    while lines.len() + 12 < LINES {
        lines.extend([
            format!("    \"collection{number}\": {{"),
            "      \".indexOn\": [\"at\", \"owner\"],".to_owned(),
            "      \"$item\": {".to_owned(),
            "        \".read\": \"auth != null && (data.child('owner').val() === auth.uid || data.child('public').val() === true)\",".to_owned(),
            format!("        \".write\": \"root.child('roles/collection{number}').child(auth.uid).val() === 'editor'\","),
            "        \".validate\": \"newData.hasChildren(['owner', 'at'])\",".to_owned(),
            "        \"at\": { \".validate\": \"newData.val() <= now\" },".to_owned(),
            "        \"owner\": { \".validate\": \"newData.val() === auth.uid\" },".to_owned(),
            "        \"mail\": { \".validate\": \"newData.val().matches(/^[a-z0-9.]+@[a-z0-9.]+$/i)\" }".to_owned(),
            "      }".to_owned(),
            "    },".to_owned(),
        ]);
        number += 1;
    }
    lines.push("    \"last\": { \".read\": true }".to_owned());
    while lines.len() + 2 < LINES {
        lines.push(String::new());
    }
    lines.extend(["  }".to_owned(), "}".to_owned()]);
    lines.join("\n")
}

/// Writes over WebSocket under rules that have something to evaluate, and under rules that are constant, in turn.
async fn overhead(plan: &Plan) -> Result<(), Failure> {
    let cores = Cores::find()?;
    let _kept = Kept::on(cores.load)?;
    let constant = json!({"rules": {"bench": {".write": true}}});
    let evaluated = json!({"rules": {"bench": {"$connection": {"$place": {
        ".write": "$place.length < 8 && root.child('closed').child($connection).val() === null",
        ".validate": "newData.isString() && newData.val().length === 120",
    }}}}});
    let [mut constant_cost, mut evaluated_cost] = <[Samples; 2]>::default();
    let [mut constant_writes, mut evaluated_writes] = <[Samples; 2]>::default();
    for _ in 0..plan.runs {
        for (rules, writes, cost) in [
            (&constant, &mut constant_writes, &mut constant_cost),
            (&evaluated, &mut evaluated_writes, &mut evaluated_cost),
        ] {
            let measured = database::writes_under(plan, cores, rules).await?;
            writes.add(measured.per_second);
            cost.add(measured.microseconds);
        }
    }
    let overhead = evaluated_cost.median() / constant_cost.median() - 1.0;
    let verdict = if overhead <= MOST_OVERHEAD { "kept" } else { "missed" };
    let rows = [
        ["", "writes/s", "CPU, µs each", "overhead", "limit"].map(str::to_owned).to_vec(),
        vec!["constant rules".to_owned(), constant_writes.show(0), constant_cost.show(1), String::new(), String::new()],
        vec![
            "a .write with a look-up, a .validate".to_owned(),
            evaluated_writes.show(0),
            evaluated_cost.show(1),
            format!("{:.1} %", overhead * 100.0),
            format!("{:.0} %, {verdict}", MOST_OVERHEAD * 100.0),
        ],
    ];
    print_table(
        &format!("Rules on a write over WebSocket, durable ({} runs of {} s, in turn)", plan.runs, plan.seconds),
        &rows,
    );
    Ok(())
}
