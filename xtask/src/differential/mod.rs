//! `cargo xtask rules-differential`: random expressions and questions, answered by us and by targaryen, a model of the
//! rules in JavaScript.
//!
//! Where the two are known to differ, `corrections.cjs` makes targaryen do as the source says that
//! `docs/rules-language.md` gives for it. A disagreement is explained by the corrections with which targaryen answers as
//! we do, and by nothing else; with all of them it has to answer every question as we do.

mod generate;

use crate::process::{Failure, command, root, run};
use clap::Args;
use generate::{Case, Generator, NOW, PLACE};
use hearth_database::rules::{Auth, Caller, Ruleset};
use hearth_database::{Bound, Leaf, Limit, Order, Path as Place, Query, json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json as literal};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;

const BESIDE: &str = "xtask/src/differential/beside.cjs";
const EXPLAINED: &str = "docs/rules-language.md";
/// Between the names of corrections that explain something together.
const AND: &str = " and ";
/// So many disagreements that nothing explains are printed.
const MOST_PRINTED: usize = 20;

/// How many questions, and where targaryen is.
#[derive(Debug, Args)]
pub(crate) struct DifferentialArguments {
    /// The directory whose `node_modules` holds targaryen; it is installed below target/ if none is named.
    #[arg(long)]
    targaryen: Option<PathBuf>,
    /// How many questions of each seed.
    #[arg(long, default_value_t = 20_000)]
    cases: usize,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
}

/// What an expression comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    True,
    False,
    /// It cannot be evaluated, which denies as well.
    Error,
    /// It is refused before that.
    Invalid,
}

/// A question, and our answer.
#[derive(Serialize)]
struct Asked {
    #[serde(flatten)]
    case: Case,
    ours: Verdict,
}

/// What `beside.cjs` says of them all.
#[derive(Deserialize)]
struct Compared {
    same: usize,
    /// How many disagreements each list of corrections explains.
    explained: BTreeMap<String, usize>,
    corrections: Vec<String>,
    unexplained: Vec<Unexplained>,
}

#[derive(Deserialize)]
struct Unexplained {
    number: usize,
    theirs: Verdict,
    corrected: Verdict,
}

/// A round of a few seconds.
pub(crate) fn short_round() -> Result<(), Failure> {
    differential(&DifferentialArguments { targaryen: None, cases: 500, seed: 1, seeds: 1 })
}

/// Compares as many answers as were asked for.
pub(crate) fn differential(arguments: &DifferentialArguments) -> Result<(), Failure> {
    let directory = match &arguments.targaryen {
        Some(directory) => std::env::current_dir()?.join(directory),
        None => install()?,
    };
    let (mut explained, mut verdicts) = (BTreeMap::<String, usize>::new(), BTreeMap::<Verdict, usize>::new());
    let (mut same, mut all, mut wrong) = (0, 0, 0);
    for seed in arguments.seed..arguments.seed.saturating_add(arguments.seeds) {
        let mut generator = Generator::new(seed);
        let ask = |case: Case| Ok::<_, Failure>(Asked { ours: judge(&case)?, case });
        let asked = (0..arguments.cases).map(|_| ask(generator.case())).collect::<Result<Vec<_>, _>>()?;
        let compared = beside(&directory, &asked)?;
        all_are_documented(&compared.corrections)?;
        for question in &asked {
            *verdicts.entry(question.ours).or_default() += 1;
        }
        for (names, count) in compared.explained {
            *explained.entry(names).or_default() += count;
        }
        same += compared.same;
        all += asked.len();
        wrong += compared.unexplained.len();
        for found in compared.unexplained.iter().take(MOST_PRINTED) {
            let Some(question) = asked.get(found.number) else { continue };
            println!("\nseed {seed}, number {}: {}", found.number, serde_json::to_string(&question.case)?);
            println!("  ours: {:?}, targaryen: {:?}, corrected: {:?}", question.ours, found.theirs, found.corrected);
        }
    }
    println!("\n{all} questions; ours: {verdicts:?}");
    println!("{same} answers are the same, {} differ as is explained, by", explained.values().sum::<usize>());
    let mut of_each = BTreeMap::<&str, usize>::new();
    for (names, count) in &explained {
        names.split(AND).for_each(|name| *of_each.entry(name).or_default() += count);
    }
    let mut of_each: Vec<_> = of_each.into_iter().collect();
    of_each.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (name, count) in of_each {
        println!("{count:8}  {name}");
    }
    let several: usize = explained.iter().filter(|(names, _)| names.contains(AND)).map(|(_, count)| count).sum();
    println!("{several:8}  of them by more than one");
    if wrong > 0 {
        return Err(format!("{wrong} answers differ, and {EXPLAINED} does not say why").into());
    }
    Ok(())
}

/// Installs targaryen, if it is not; answers where.
fn install() -> Result<PathBuf, Failure> {
    let folder = root().join("target/targaryen");
    if !folder.join("node_modules/targaryen").is_dir() {
        std::fs::create_dir_all(&folder)?;
        let package = r#"{"name": "beside", "private": true, "dependencies": {"targaryen": "3.1.0"}}"#;
        std::fs::write(folder.join("package.json"), package)?;
        run(&mut command("npm", &["install", "--no-fund", "--no-audit", "--no-update-notifier"], "target/targaryen"))?;
    }
    Ok(folder)
}

/// Whether the document names each correction.
fn all_are_documented(corrections: &[String]) -> Result<(), Failure> {
    let document = std::fs::read_to_string(root().join(EXPLAINED))?;
    match corrections.iter().find(|name| !document.contains(&format!("`{name}`"))) {
        Some(missing) => Err(format!("{EXPLAINED} has no word on {missing}").into()),
        None => Ok(()),
    }
}

/// The same questions to targaryen.
fn beside(directory: &std::path::Path, asked: &[Asked]) -> Result<Compared, Failure> {
    std::fs::create_dir_all(root().join("target"))?;
    let questions = tempfile::NamedTempFile::new_in(root().join("target"))?;
    let content = literal!({ "now": NOW, "place": PLACE, "questions": asked });
    serde_json::to_writer(std::io::BufWriter::new(questions.as_file()), &content)?;
    let output = command("node", &[], "")
        .arg(root().join(BESIDE))
        .arg(directory)
        .arg(questions.path())
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("targaryen could not be asked: {}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Our answer. What makes a rule false, whether it is said as it is or denied, is an error.
fn judge(case: &Case) -> Result<Verdict, Failure> {
    let holds = |expression: &str| rules(case, expression).map(|rules| is_allowed(case, &rules)).transpose();
    let negated = format!("!({})", case.expression);
    Ok(match (holds(&case.expression)?, holds(&negated)?) {
        (None, _) => Verdict::Invalid,
        (Some(true), _) => Verdict::True,
        (Some(false), Some(true)) => Verdict::False,
        (Some(false), Some(false)) => Verdict::Error,
        (Some(false), None) => return Err(format!("{negated} is refused, and what it denies is not").into()),
    })
}

/// A file with the expression in it, unless that is refused.
fn rules(case: &Case, expression: &str) -> Option<Ruleset> {
    let mut rules = Map::from_iter([(case.kind.to_owned(), Value::from(expression))]);
    if case.kind == ".validate" {
        rules.insert(".write".to_owned(), true.into());
    }
    Ruleset::parse(&literal!({"rules": {"at": {"$k": rules}}}).to_string()).ok()
}

fn is_allowed(case: &Case, rules: &Ruleset) -> Result<bool, Failure> {
    let auth = case.auth.as_object().map(|auth| Caller::client(Auth::given(auth.clone())));
    let caller = auth.unwrap_or(Caller::ANYONE);
    let before = json::from_value(&case.data, 0)?.node;
    let place = Place::parse(PLACE)?;
    if case.kind == ".read" {
        return Ok(rules.may_read(&caller, &place, &query(&case.query)?, &before, NOW));
    }
    let after = before.set(&place, json::from_value(&case.value, place.depth())?.node);
    Ok(rules.may_write(&caller, &place, &before, &after, NOW))
}

fn query(given: &Value) -> Result<Query, Failure> {
    let is = |name: &str| given.get(name).is_some();
    let order = match given.get("orderByChild").and_then(Value::as_str) {
        Some(child) => Order::Child(Place::parse(child)?),
        None if is("orderByValue") => Order::Value,
        None if is("orderByPriority") => Order::Priority,
        None => Order::Key,
    };
    let bound = |name: &str| {
        let value = given.get(name).or_else(|| given.get("equalTo"))?;
        let text = value.as_str().map(Leaf::text).or(value.as_bool().map(Leaf::Bool));
        let leaf = text.or_else(|| Leaf::number(value.as_f64()?).ok())?;
        Some(Bound::at(Some(leaf), None))
    };
    let count = |name: &str| given.get(name).and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok());
    let limit = count("limitToFirst").map(Limit::First).or(count("limitToLast").map(Limit::Last));
    Ok(Query { order, start: bound("startAt"), end: bound("endAt"), limit })
}
