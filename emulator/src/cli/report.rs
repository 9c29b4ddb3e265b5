//! What came out of cases of rules, for people and for CI systems.
//!
//! Must not know: where cases come from, what rules mean.

use super::rules_test::{Outcome, Tested, Unusable};
use hearth_database::rules::Explanation;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

/// For people: what came out otherwise than expected, and how many did.
pub(super) fn text(tested: &[Tested]) -> String {
    let mut report = String::new();
    for Tested { file, outcome } in tested {
        match outcome {
            Ok(outcomes) => outcomes.iter().filter(|outcome| !outcome.is_expected()).for_each(|outcome| {
                let _ = writeln!(report, "✗  {}:{}  {}", file.display(), outcome.line, outcome.name);
                let _ = writeln!(report, "{}", indented(&difference(outcome)));
            }),
            Err(unusable) => {
                let _ = writeln!(report, "{}\n", problem(unusable));
            }
        }
    }
    report + &summary(tested)
}

fn summary(tested: &[Tested]) -> String {
    let outcomes: Vec<&Outcome> = tested.iter().flat_map(|tested| tested.outcome.iter().flatten()).collect();
    let (all, wrong) = (outcomes.len(), outcomes.iter().filter(|outcome| !outcome.is_expected()).count());
    let unusable = tested.iter().filter(|tested| tested.outcome.is_err()).count();
    let mut summary = match (all, wrong) {
        (0, _) if unusable > 0 => String::new(),
        (all, 0) => format!("✔  {} came out as expected.\n", count(all, "case")),
        (all, wrong) => format!("✗  {wrong} of {} came out otherwise than expected.\n", count(all, "case")),
    };
    if unusable > 0 {
        let _ = writeln!(summary, "✗  {} could not be run.", count(unusable, "file"));
    }
    summary
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn difference(outcome: &Outcome) -> String {
    let Outcome { operation, expected, found, why, .. } = outcome;
    let why: String = why.iter().map(|why| format!("{why}\n")).collect();
    format!("{operation}\n- {expected}, as expected\n+ {found}, by the rules\n{why}")
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("     {line}\n")).collect()
}

/// With file, line and column, as editors and terminals understand them.
fn problem(unusable: &Unusable) -> String {
    match unusable {
        Unusable::Unreadable(file, problem) => format!("{}: {problem}", file.display()),
        Unusable::Wrong(file, errors) => {
            let places: Vec<_> = errors
                .0
                .iter()
                .map(|error| {
                    let (line, column) = (error.line, error.column);
                    format!("{}:{line}:{column}: {}\n{}", file.display(), error.problem, error.excerpt)
                })
                .collect();
            places.join("\n")
        }
    }
}

/// Every case: `{"passed", "failed", "unusable", "files": [{"file", "cases": [{"line", "name", "operation", "expected",
/// "found", "passed", "why": []}]} or {"file", "problem"}]}`.
pub(super) fn json(tested: &[Tested]) -> String {
    let case = |outcome: &Outcome| {
        json!({
            "line": outcome.line,
            "name": outcome.name,
            "operation": outcome.operation,
            "expected": outcome.expected.to_string(),
            "found": outcome.found.to_string(),
            "passed": outcome.is_expected(),
            "why": outcome.why.iter().map(Explanation::to_json).collect::<Vec<_>>(),
        })
    };
    let show = |file: &Path| file.display().to_string();
    let files: Vec<Value> = tested
        .iter()
        .map(|Tested { file, outcome }| match outcome {
            Ok(outcomes) => json!({"file": show(file), "cases": outcomes.iter().map(case).collect::<Vec<_>>()}),
            Err(unusable) => json!({"file": show(file), "problem": problem(unusable)}),
        })
        .collect();
    let outcomes = || tested.iter().flat_map(|tested| tested.outcome.iter().flatten());
    let passed = outcomes().filter(|outcome| outcome.is_expected()).count();
    let report = json!({
        "passed": passed,
        "failed": outcomes().count() - passed,
        "unusable": tested.iter().filter(|tested| tested.outcome.is_err()).count(),
        "files": files,
    });
    format!("{report:#}\n")
}

/// Every case, as CI systems read it: a suite for each file.
pub(super) fn junit(tested: &[Tested]) -> String {
    let mut report = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"rules\">\n".to_owned();
    for Tested { file, outcome } in tested {
        let file = escaped(&file.display().to_string());
        match outcome {
            Ok(outcomes) => {
                let failures = outcomes.iter().filter(|outcome| !outcome.is_expected()).count();
                let tests = outcomes.len();
                let _ = writeln!(
                    report,
                    "  <testsuite name=\"{file}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\">"
                );
                for outcome in outcomes {
                    let (name, line) = (escaped(&outcome.name), outcome.line);
                    let _ = write!(
                        report,
                        "    <testcase classname=\"{file}\" name=\"{name}\" file=\"{file}\" line=\"{line}\""
                    );
                    if outcome.is_expected() {
                        report.push_str("/>\n");
                    } else {
                        let message = format!("expected {}, found {}", outcome.expected, outcome.found);
                        let text = escaped(&difference(outcome));
                        let _ = writeln!(
                            report,
                            ">\n      <failure message=\"{message}\">{text}</failure>\n    </testcase>"
                        );
                    }
                }
            }
            Err(unusable) => {
                let text = escaped(&problem(unusable));
                let _ = writeln!(
                    report,
                    "  <testsuite name=\"{file}\" tests=\"1\" failures=\"0\" errors=\"1\">\n    \
                     <testcase classname=\"{file}\" name=\"{file}\">\n      \
                     <error message=\"the file could not be run\">{text}</error>\n    </testcase>"
                );
            }
        }
        report.push_str("  </testsuite>\n");
    }
    report + "</testsuites>\n"
}

/// As text in XML. What XML cannot hold becomes a replacement character.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' | '\r' => escaped.push(character),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push(char::REPLACEMENT_CHARACTER),
            _ => escaped.push(character),
        }
    }
    escaped
}
