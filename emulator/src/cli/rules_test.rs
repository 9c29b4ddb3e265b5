//! `rules:test`: files of cases against the rules they name.
//!
//! Must not know: what rules mean, how a report looks.

use super::arguments::{ReportFormat, RulesTestArguments};
use super::exit::Exit;
use super::report;
use crate::clock::Clock;
use crate::config::rules_files::read;
use hearth_database::Ruleset;
use hearth_database::rules::cases::{Case, CaseFile, Format, RulesOf, Verdict};
use hearth_database::rules::{Explanation, RulesErrors};
use std::io::Write;
use std::path::{Path, PathBuf};

/// What came out of a file of cases.
#[derive(Debug)]
pub(super) struct Tested {
    pub(super) file: PathBuf,
    pub(super) outcome: Result<Vec<Outcome>, Unusable>,
}

/// What came out of a case.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) line: usize,
    pub(super) name: String,
    pub(super) operation: String,
    pub(super) expected: Verdict,
    pub(super) found: Verdict,
    /// Why, where it is not what was expected.
    pub(super) why: Vec<Explanation>,
}

impl Outcome {
    pub(super) fn is_expected(&self) -> bool {
        self.expected == self.found
    }
}

/// Why the cases of a file could not be run.
#[derive(Debug)]
pub(super) enum Unusable {
    /// A file cannot be read.
    Unreadable(PathBuf, String),
    /// A file, of cases or of rules, is wrong.
    Wrong(PathBuf, RulesErrors),
}

/// Runs them all and reports; 0 if all came out as expected, else 1, and 2 if a file could not be used.
pub(super) fn run(arguments: &RulesTestArguments) -> Exit {
    let files = match find(&arguments.files) {
        Ok(files) => files,
        Err(problem) => return super::fail(Exit::Config, problem),
    };
    let now = Clock::system().now();
    let tested: Vec<_> = files.into_iter().map(|file| Tested { outcome: test(&file, now), file }).collect();
    let report = match arguments.format {
        ReportFormat::Text => report::text(&tested),
        ReportFormat::Json => report::json(&tested),
        ReportFormat::Junit => report::junit(&tested),
    };
    // A closed standard output changes nothing of what came out.
    let _ = std::io::stdout().write_all(report.as_bytes());
    if tested.iter().any(|tested| tested.outcome.is_err()) {
        Exit::Config
    } else if tested.iter().flat_map(|tested| tested.outcome.iter().flatten()).all(Outcome::is_expected) {
        Exit::Done
    } else {
        Exit::Unexpected
    }
}

/// The files that are meant, each once. What is the path of a file is no pattern.
fn find(patterns: &[String]) -> Result<Vec<PathBuf>, String> {
    let mut files: Vec<PathBuf> = Vec::new();
    for pattern in patterns {
        if Path::new(pattern).exists() || !pattern.contains(['*', '?', '[']) {
            files.push(pattern.into());
            continue;
        }
        let found = glob::glob(pattern).map_err(|error| format!("{pattern}: {error}"))?;
        let before = files.len();
        for file in found {
            files.push(file.map_err(|error| error.to_string())?);
        }
        if files.len() == before {
            return Err(format!("{pattern}: there is no such file"));
        }
    }
    let mut known = std::collections::BTreeSet::new();
    files.retain(|file| known.insert(file.clone()));
    Ok(files)
}

fn test(file: &Path, now: u64) -> Result<Vec<Outcome>, Unusable> {
    let text = read(file).map_err(|problem| Unusable::Unreadable(file.to_path_buf(), problem))?;
    let is_yaml = file.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
    let format = if is_yaml { Format::Yaml } else { Format::Json };
    let CaseFile { rules, cases } =
        CaseFile::parse(&text, format, now).map_err(|errors| Unusable::Wrong(file.to_path_buf(), errors))?;
    let rules = match rules {
        RulesOf::Inline(rules) => rules,
        RulesOf::File(path) => {
            let path = file.parent().unwrap_or(Path::new("")).join(path);
            let text = read(&path).map_err(|problem| Unusable::Unreadable(path.clone(), problem))?;
            Ruleset::parse(&text).map_err(|errors| Unusable::Wrong(path, errors))?
        }
    };
    Ok(cases.into_iter().map(|case| outcome(case, &rules)).collect())
}

fn outcome(case: Case, rules: &Ruleset) -> Outcome {
    let found = case.judge(rules);
    let why = if found == case.expect { Vec::new() } else { case.explain(rules) };
    Outcome { line: case.line, expected: case.expect, name: case.name, operation: case.operation, found, why }
}
