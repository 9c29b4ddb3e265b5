//! Why something is allowed or denied: the rules that were asked, and what every part of them came to.
//!
//! A judgement is made once more while it is listened to, by the same evaluator and within the same bounds. Reading
//! order: `shown` (values, cut), `recorder` (what happens), this file (what it means), `text` and `report` (as people
//! and programs read it). Must not know: who wants to know; it may be told to nobody who must not see the data.

mod recorder;
mod report;
mod shown;
#[cfg(test)]
mod tests;
mod text;

pub use shown::Shown;

use super::judge::Asking;
use super::language::{Failure, Meter, Part, PartId, Shape};
use super::sources::{Position, Positions, RuleKind, Source};
use super::{Auth, Caller, Given, Ruleset};
use crate::query::Query;
use crate::tree::{Node, Path};
use recorder::{Asked, Record, Recorder};

/// So many parts of a rule are shown.
const MOST_PARTS: usize = 200;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// To read: also to listen.
    Read,
    /// To set, update, push or remove.
    Write,
}

/// What a judgement rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Allowed: admins bypass the rules.
    Admin,
    /// Allowed: there are no rules, and everyone may do everything.
    Open,
    /// Denied: there are no rules, and only admins may do anything.
    Locked,
    /// Allowed: a `.read`, or a `.write` and all validations, hold.
    Holds,
    /// Denied: no `.read` or no `.write` from the root down to the place holds.
    NothingHolds,
    /// Denied: a `.validate` does not hold.
    Invalid,
    /// Denied: the judgement took too many steps.
    Exhausted,
}

/// What a rule came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It could not be evaluated, and so does not hold; this is why.
    Error(String),
}

/// What a part of a rule came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A value; of a snapshot the data.
    Value(Shown),
    /// It could not be evaluated; this is why.
    Error(String),
    /// Nothing: what stands before it was enough, or there are too many parts.
    NotEvaluated,
}

/// Why something is allowed or denied. Prints as several lines; see also [`Explanation::compact`] and
/// [`Explanation::to_json`]. It shows data and tokens, so it is for developers only.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// What was asked for.
    pub operation: Operation,
    /// Where.
    pub path: Path,
    /// On whose behalf: `auth` as the rules see it. None for an admin.
    pub auth: Option<Shown>,
    /// What the judgement rests on.
    pub reason: Reason,
    /// The rules that were asked, in their order.
    pub rules: Vec<AskedRule>,
    /// Which of them decided, if one did: the one that holds, the validation that does not; where none holds the one
    /// nearest to the place.
    pub deciding: Option<usize>,
    /// So many validations more were asked, and held.
    pub left_out: usize,
}

/// A rule that was asked.
#[derive(Clone, Debug, PartialEq)]
pub struct AskedRule {
    /// Which of the rules of its place.
    pub kind: RuleKind,
    /// Its place in the rules: `/users/$uid`, and `/` for their root.
    pub rule_path: String,
    /// The place of the data it was asked for: `/users/ann`.
    pub data_path: String,
    /// The keys for the wildcards above it, by name with the `$`.
    pub wildcards: Vec<(String, String)>,
    /// Where its expression begins in the file.
    pub position: Position,
    /// How it is written, in one line, cut if it is long.
    pub source: String,
    /// What it came to.
    pub outcome: Outcome,
    /// The parts of its expression, each before those that it consists of. Literals are left out.
    pub parts: Vec<AskedPart>,
}

/// A part of a rule's expression.
#[derive(Clone, Debug, PartialEq)]
pub struct AskedPart {
    /// How it is written, in one line, cut if it is long.
    pub text: String,
    /// Where it begins in the file.
    pub position: Position,
    /// How many of the parts before it it is a part of.
    pub depth: usize,
    /// What it came to.
    pub found: Found,
    /// Whether it is what made the rule not hold.
    pub decides: bool,
}

impl Explanation {
    /// Whether it is allowed.
    pub fn allowed(&self) -> bool {
        match self.reason {
            Reason::Admin | Reason::Open | Reason::Holds => true,
            Reason::Locked | Reason::NothingHolds | Reason::Invalid | Reason::Exhausted => false,
        }
    }

    /// About how many bytes it takes in memory.
    pub fn weight(&self) -> usize {
        const EACH: usize = 128;
        let rule = |rule: &AskedRule| {
            let keys: usize = rule.wildcards.iter().map(|(name, key)| EACH + name.len() + key.len()).sum();
            // Values are short, and so are the texts of parts.
            EACH + rule.source.len() + rule.data_path.len() + keys + rule.parts.len() * 4 * EACH
        };
        4 * EACH + self.rules.iter().map(rule).sum::<usize>()
    }

    /// The rule that decided, if one did.
    pub fn deciding_rule(&self) -> Option<&AskedRule> {
        self.rules.get(self.deciding?)
    }
}

impl Ruleset {
    /// Why [`Ruleset::may_read`] answers what it does.
    pub fn explain_read(&self, caller: &Caller, path: &Path, query: &Query, root: &Node, now: u64) -> Explanation {
        self.explain(Operation::Read, caller, path, |given, auth, recorder| {
            let asking = Asking { auth, now, query: Some(query) };
            given.may_read(asking, &Meter::new(), recorder, path, root)
        })
    }

    /// Why [`Ruleset::may_write`] answers what it does. Of several paths that change together each is explained by
    /// itself.
    pub fn explain_write(&self, caller: &Caller, path: &Path, before: &Node, after: &Node, now: u64) -> Explanation {
        self.explain(Operation::Write, caller, path, |given, auth, recorder| {
            given.may_write(Asking { auth, now, query: None }, recorder, path, before, after)
        })
    }

    fn explain<'c>(
        &self,
        operation: Operation,
        caller: &'c Caller,
        path: &Path,
        judge: impl FnOnce(&Given, Option<&'c serde_json::Map<String, serde_json::Value>>, &Recorder<'_>) -> bool,
    ) -> Explanation {
        let auth = match caller {
            Caller::Admin => None,
            Caller::Client(None) => Some(Shown::null()),
            Caller::Client(Some(auth)) => Some(Shown::object(auth.members())),
        };
        let without_rules = |reason| Explanation {
            operation,
            path: path.clone(),
            auth: auth.clone(),
            reason,
            rules: Vec::new(),
            deciding: None,
            left_out: 0,
        };
        match (self, caller) {
            (_, Caller::Admin) => without_rules(Reason::Admin),
            (Self::Open, Caller::Client(_)) => without_rules(Reason::Open),
            (Self::Locked, Caller::Client(_)) => without_rules(Reason::Locked),
            (Self::Given(given), Caller::Client(user)) => {
                let recorder = Recorder::new(given.sources());
                let allowed = judge(given, user.as_deref().map(Auth::members), &recorder);
                Account::new(given).explanation(allowed, recorder.into_record(), without_rules(Reason::Holds))
            }
        }
    }
}

/// Makes sense of what was written down.
struct Account<'g> {
    given: &'g Given,
    positions: Positions<'g>,
}

impl<'g> Account<'g> {
    fn new(given: &'g Given) -> Self {
        Self { given, positions: Positions::new(given.text()) }
    }

    fn explanation(&mut self, allowed: bool, record: Record, about: Explanation) -> Explanation {
        let Record { asked, left_out, exhausted } = record;
        let rules: Vec<_> = asked.iter().filter_map(|asked| self.rule(asked)).collect();
        let grants = |rule: &AskedRule| rule.kind != RuleKind::Validate;
        let failed = |rule: &AskedRule| rule.outcome != Outcome::True;
        let (reason, deciding) = if allowed {
            (Reason::Holds, rules.iter().position(|rule| grants(rule) && !failed(rule)))
        } else if exhausted {
            (Reason::Exhausted, None)
        } else if rules.last().is_some_and(|last| !grants(last) && failed(last)) {
            // Nothing is asked any more after that.
            (Reason::Invalid, rules.len().checked_sub(1))
        } else {
            (Reason::NothingHolds, rules.iter().rposition(grants))
        };
        Explanation { reason, rules, deciding, left_out, ..about }
    }

    fn rule(&mut self, asked: &Asked) -> Option<AskedRule> {
        let source = self.given.sources().get(asked.rule)?;
        let names = source.names.iter().filter(|name| name.starts_with('$'));
        let wildcards: Vec<_> = names.cloned().zip(asked.wildcards.iter().cloned()).collect();
        let mut keys = asked.wildcards.iter();
        let key = |name: &'g String| if name.starts_with('$') { keys.next().map_or("", |key| key) } else { name };
        let data_path: String = source.names.iter().map(key).flat_map(|key| ["/", key]).collect();
        let rooted = |path: String| if path.is_empty() { "/".to_owned() } else { path };
        let outcome = match asked.found {
            Ok(true) => Outcome::True,
            Ok(false) => Outcome::False,
            Err(failure) => Outcome::Error(failure.to_string()),
        };
        Some(AskedRule {
            kind: source.kind,
            rule_path: rooted(source.path()),
            data_path: rooted(data_path),
            wildcards,
            position: self.positions.find(source.span().start),
            source: source.wording(),
            outcome,
            parts: self.parts(source, asked),
        })
    }

    fn parts(&mut self, source: &Source, asked: &Asked) -> Vec<AskedPart> {
        let decides = decisive(source, asked);
        let mut shown: Vec<AskedPart> = Vec::new();
        // How deep each part is, if what it consists of may be shown.
        let mut depths: Vec<Option<usize>> = Vec::with_capacity(source.parts.len());
        for (part, id) in source.parts.iter().zip(0..) {
            let id = PartId::new(id);
            let depth = part.above.map_or(Some(0), |above| depths.get(above.place()).copied().flatten());
            let found = asked.parts.get(&id);
            let is_shown = part.speaks && id != PartId::WHOLE && depth.is_some() && shown.len() < MOST_PARTS;
            depths.push(match depth {
                Some(depth) if is_shown => found.is_some().then_some(depth + 1),
                depth => depth,
            });
            if is_shown {
                shown.push(AskedPart {
                    text: source.part(part),
                    position: self.positions.find(source.part_span(part).start),
                    depth: depth.unwrap_or_default(),
                    found: match found {
                        Some(Ok(value)) => Found::Value(value.clone()),
                        Some(Err(failure)) => Found::Error(failure.to_string()),
                        None => Found::NotEvaluated,
                    },
                    decides: decides == Some(id),
                });
            }
        }
        shown
    }
}

/// The innermost part to which one can point for a rule not to hold.
fn decisive(source: &Source, asked: &Asked) -> Option<PartId> {
    let is_false = |id: &PartId| matches!(asked.parts.get(id), Some(Ok(value)) if value.is_false());
    let mut at = PartId::WHOLE;
    let mut failure: Option<Failure> = match asked.found {
        Ok(true) => return None,
        Ok(false) => None,
        Err(failure) => Some(failure),
    };
    loop {
        let shape = source.parts.get(at.place()).map_or(Shape::Other, |part: &Part| part.shape);
        let below = source.parts.iter().zip(0..).filter(|(part, _)| part.above == Some(at));
        let mut below = below.map(|(_, id)| PartId::new(id));
        let next = match (failure, shape) {
            (Some(failure), _) => below.find(|id| asked.parts.get(id) == Some(&Err(failure))),
            (None, Shape::All) => below.find(is_false),
            (None, Shape::Choice) => below.skip(1).find(is_false),
            (None, Shape::Other) => None,
        };
        match next {
            Some(next) => at = next,
            None => return (at != PartId::WHOLE).then_some(at),
        }
        failure = failure.filter(|_| matches!(asked.parts.get(&at), Some(Err(_))));
    }
}
