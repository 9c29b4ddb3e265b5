//! How often each part of the rules came to what.
//!
//! Counters lie in one list, by the number of a part in its file: one addition for each part that is evaluated, and
//! nothing for rules that are not watched. Must not know: why anything was asked.

use super::language::{Failure, PartId, RuleId, Trace, Value};
use super::sources::{Position, Positions, RuleKind, Source, Sources};
use crate::tree::Node;
use serde_json::{Value as Json, json};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a part can come to, as far as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    True,
    False,
    Null,
    Other,
    Error,
}

/// The counters of one part, by sort.
type Counters = [AtomicU64; 5];

/// The counters of a file of rules.
#[derive(Debug)]
pub(super) struct Coverage {
    /// Those of all parts of all rules. Of each rule at least one: itself.
    counters: Vec<Counters>,
    /// Where the counters of each rule begin.
    begins: Vec<usize>,
}

impl Coverage {
    pub(super) fn new(sources: &Sources) -> Self {
        let mut begins = Vec::with_capacity(sources.all().len());
        let mut parts = 0;
        for source in sources.all() {
            begins.push(parts);
            parts += source.parts.len().max(1);
        }
        Self { counters: (0..parts).map(|_| Counters::default()).collect(), begins }
    }

    /// Listens to one judgement.
    pub(super) fn counting(&self) -> Counting<'_> {
        Counting { coverage: self, begin: Cell::new(0) }
    }

    fn counts(&self, rule: RuleId, part: PartId) -> Counts {
        let begin = self.begins.get(rule.place()).copied().unwrap_or(usize::MAX);
        let counters = self.counters.get(begin.saturating_add(part.place()));
        let count = |sort: Sort| {
            let counter = counters.and_then(|counters| counters.get(sort as usize));
            counter.map_or(0, |counter| counter.load(Ordering::Relaxed))
        };
        Counts {
            holds: count(Sort::True),
            fails: count(Sort::False),
            null: count(Sort::Null),
            other: count(Sort::Other),
            error: count(Sort::Error),
        }
    }

    pub(super) fn report(&self, text: &str, sources: &Sources) -> CoverageReport {
        let mut positions = Positions::new(text);
        let rules = sources.all().iter().zip(0..).map(|(source, id)| self.rule(RuleId(id), source, &mut positions));
        CoverageReport { text: text.to_owned(), rules: rules.collect() }
    }

    fn rule(&self, id: RuleId, source: &Source, positions: &mut Positions<'_>) -> CoveredRule {
        let mut covered = |part: PartId, text: String, span: std::ops::Range<usize>, depth: usize| CoveredPart {
            text,
            begin: span.start,
            end: span.end,
            position: positions.find(span.start),
            depth,
            counts: self.counts(id, part),
        };
        let whole = covered(PartId::WHOLE, source.wording(), source.span(), 0);
        let mut depths: Vec<usize> = Vec::with_capacity(source.parts.len());
        let mut parts = Vec::new();
        for (part, id) in source.parts.iter().zip(0..) {
            let id = PartId::new(id);
            let depth = part.above.and_then(|above| depths.get(above.place())).copied().unwrap_or_default();
            let is_shown = part.speaks && id != PartId::WHOLE;
            depths.push(depth + usize::from(is_shown));
            if is_shown {
                parts.push(covered(id, source.part(part), source.part_span(part), depth + 1));
            }
        }
        CoveredRule { kind: source.kind, rule_path: source.path(), whole, parts }
    }
}

/// Counts what one judgement comes to.
#[derive(Debug)]
pub(super) struct Counting<'c> {
    coverage: &'c Coverage,
    /// Where the counters of the rule begin that is being asked.
    begin: Cell<usize>,
}

impl Counting<'_> {
    fn count(&self, part: PartId, sort: Sort) {
        let counters = self.coverage.counters.get(self.begin.get() + part.place());
        if let Some(counter) = counters.and_then(|counters| counters.get(sort as usize)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Trace for Counting<'_> {
    fn asks(&self, rule: RuleId, _: &[&str]) {
        self.begin.set(self.coverage.begins.get(rule.place()).copied().unwrap_or_default());
    }

    fn answers(&self, found: Result<bool, Failure>) {
        self.count(
            PartId::WHOLE,
            match found {
                Ok(true) => Sort::True,
                Ok(false) => Sort::False,
                Err(_) => Sort::Error,
            },
        );
    }

    fn value(&self, part: PartId, found: &Result<Value<'_>, Failure>) {
        // What the whole comes to is the rule's answer.
        if part != PartId::WHOLE {
            self.count(
                part,
                match found {
                    Ok(Value::Bool(true)) => Sort::True,
                    Ok(Value::Bool(false)) => Sort::False,
                    Ok(Value::Null) => Sort::Null,
                    Ok(Value::Number(_) | Value::Text(_) | Value::Branch(_) | Value::Object(_) | Value::Auth(_)) => {
                        Sort::Other
                    }
                    Err(_) => Sort::Error,
                },
            );
        }
    }

    fn snapshot(&self, part: PartId, found: Result<&Node, Failure>) {
        self.count(
            part,
            match found {
                Ok(node) if node.is_null() => Sort::Null,
                Ok(_) => Sort::Other,
                Err(_) => Sort::Error,
            },
        );
    }

    fn exhausted(&self) {}
}

/// How often a part came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// True.
    pub holds: u64,
    /// False.
    pub fails: u64,
    /// Null, or a snapshot of nothing.
    pub null: u64,
    /// Another value, or a snapshot of something.
    pub other: u64,
    /// An error.
    pub error: u64,
}

impl Counts {
    /// How often it was evaluated.
    pub fn sum(&self) -> u64 {
        self.holds + self.fails + self.null + self.other + self.error
    }

    /// What it came to at all, by name.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let Self { holds, fails, null, other, error } = *self;
        [("true", holds), ("false", fails), ("null", null), ("other", other), ("error", error)]
            .into_iter()
            .filter(|(_, count)| *count > 0)
    }
}

/// A part of a rule, or a rule as a whole, and how often it came to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoveredPart {
    /// How it is written, in one line, cut if it is long.
    pub text: String,
    /// Where it begins in the text of the rules, in bytes.
    pub begin: usize,
    /// Where it ends.
    pub end: usize,
    /// The line and column where it begins.
    pub position: Position,
    /// How many parts it is a part of; a rule as a whole is none.
    pub depth: usize,
    /// How often it came to what.
    pub counts: Counts,
}

/// A rule, and how often it and its parts came to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoveredRule {
    /// Which of the rules of its place.
    pub kind: RuleKind,
    /// Its place in the rules: `/users/$uid`, empty for their root.
    pub rule_path: String,
    /// All of it.
    pub whole: CoveredPart,
    /// Its parts, each before those that it consists of. Literals are left out.
    pub parts: Vec<CoveredPart>,
}

/// How often each part of the rules came to what since they are watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoverageReport {
    /// The rules as they were given.
    pub text: String,
    /// In the order of the text.
    pub rules: Vec<CoveredRule>,
}

impl CoverageReport {
    /// As JSON: `{rules: text, report: [{rule, path, sourcePosition: {line, column, currentOffset, endOffset}, text,
    /// values: [{value, count}], children: […]}]}`, where a value is `"true"`, `"false"`, `"null"`, `"other"` or
    /// `"error"` and offsets are in bytes. What was never evaluated has no values.
    pub fn to_json(&self) -> Json {
        let rules = self.rules.iter().map(|rule| {
            let mut json = rule.whole.to_json(children(&mut rule.parts.iter().peekable(), 1));
            if let Some(members) = json.as_object_mut() {
                members.insert("rule".to_owned(), rule.kind.to_string().into());
                members.insert("path".to_owned(), if rule.rule_path.is_empty() { "/" } else { &rule.rule_path }.into());
            }
            json
        });
        json!({ "rules": self.text, "report": rules.collect::<Vec<_>>() })
    }
}

impl CoveredPart {
    fn to_json(&self, children: Vec<Json>) -> Json {
        let values = self.counts.values().map(|(value, count)| json!({ "value": value, "count": count }));
        json!({
            "sourcePosition": {
                "line": self.position.line,
                "column": self.position.column,
                "currentOffset": self.begin,
                "endOffset": self.end,
            },
            "text": self.text,
            "values": values.collect::<Vec<_>>(),
            "children": children,
        })
    }
}

/// The next parts that are `depth` deep, with what they consist of. Parts nest as deep as expressions may.
fn children<'p>(parts: &mut std::iter::Peekable<impl Iterator<Item = &'p CoveredPart>>, depth: usize) -> Vec<Json> {
    let mut found = Vec::new();
    while let Some(part) = parts.next_if(|part| part.depth >= depth) {
        let below = children(parts, depth + 1);
        found.push(part.to_json(below));
    }
    found
}
