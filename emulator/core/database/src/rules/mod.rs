//! Who may read and write what.
//!
//! The engine and all readers ask here and nowhere else. Reading order: `json`, `file` (what a developer writes),
//! `language` (its conditions), `level`, `given`, `judge` (what they admit), `sources`, `explain`, `coverage`, `watch`
//! (why, for those who develop), `cases` (what they are expected to admit). Must not know: how a caller has proved who
//! it is.

mod caller;
pub mod cases;
mod coverage;
#[cfg(test)]
mod coverage_tests;
mod errors;
mod explain;
mod file;
mod given;
mod json;
mod judge;
mod language;
mod level;
mod sources;
#[cfg(test)]
mod tests;
mod watch;

pub use caller::{Auth, Caller};
pub use coverage::{Counts, CoverageReport, CoveredPart, CoveredRule};
pub use errors::{RulesError, RulesErrors};
pub use explain::{AskedPart, AskedRule, Explanation, Found, Operation, Outcome, Reason, Shown};
pub use given::Given;
pub use sources::{Position, RuleKind};
pub use watch::{Denial, Witness};

use crate::query::{Order, Query};
use crate::tree::{Node, Path};
use coverage::Coverage;
use judge::Asking;
use language::{Meter, Untraced};
use std::sync::Arc;
use watch::Watch;

/// The rules of a database. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruleset {
    /// Everyone may read and write everything.
    Open,
    /// Only admins may.
    Locked,
    /// As a developer has written them.
    Given(Arc<Given>),
}

/// Whether something may be read, and what that depends on besides the caller, the rules and the query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) allowed: bool,
    /// Whether another tree could make another answer.
    pub(crate) by_data: bool,
}

impl Ruleset {
    /// Reads a file of rules: JSON with comments, `{"rules":{…}}` (firebase.google.com/docs/database/security). Its
    /// conditions are checked and made ready to be evaluated.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, RulesErrors> {
        Ok(Self::Given(Arc::new(Given::parse(text)?)))
    }

    /// The rules as text: as they were given, where they were.
    pub fn text(&self) -> &str {
        match self {
            Self::Open => "{\n  \"rules\": {\n    \".read\": true,\n    \".write\": true\n  }\n}\n",
            Self::Locked => "{\n  \"rules\": {\n    \".read\": false,\n    \".write\": false\n  }\n}\n",
            Self::Given(given) => given.text(),
        }
    }

    /// The rules as plain JSON, without comments.
    pub fn plain_text(&self) -> String {
        // What was read once can be read again.
        json::parse(self.text()).map(|value| value.to_string()).unwrap_or_default()
    }

    /// Whether `caller` may read what `query` finds at `path` while the tree is `root`, at `now` in milliseconds since
    /// the epoch: a `.read` from the root down to there holds.
    pub fn may_read(&self, caller: &Caller, path: &Path, query: &Query, root: &Node, now: u64) -> bool {
        self.judge_reading(caller, path, query, root, now).allowed
    }

    pub(crate) fn judge_reading(&self, caller: &Caller, path: &Path, query: &Query, root: &Node, now: u64) -> Reading {
        let fixed = |allowed| Reading { allowed, by_data: false };
        match (self, caller) {
            (_, Caller::Admin) | (Self::Open, Caller::Client(_)) => fixed(true),
            (Self::Locked, Caller::Client(_)) => fixed(false),
            (Self::Given(given), Caller::Client(auth)) => {
                let asking = Asking { auth: auth.as_deref().map(Auth::members), now, query: Some(query) };
                let meter = Meter::new();
                let allowed = match &given.watch {
                    None => given.may_read(asking, &meter, &Untraced, path, root),
                    Some(watch) => given.may_read(asking, &meter, &watch.coverage.counting(), path, root),
                };
                Reading { allowed, by_data: meter.saw_data() }
            }
        }
    }

    /// Whether `caller` may change `path` so that the tree, which is `before`, becomes `after`, at `now` in
    /// milliseconds since the epoch: a `.write` from the root down to there holds, and so does every `.validate` down
    /// to there and of the data that is there then. Of several paths that change together each is asked for by itself,
    /// with the tree that all of them make.
    pub fn may_write(&self, caller: &Caller, path: &Path, before: &Node, after: &Node, now: u64) -> bool {
        match (self, caller) {
            (_, Caller::Admin) | (Self::Open, Caller::Client(_)) => true,
            (Self::Locked, Caller::Client(_)) => false,
            (Self::Given(given), Caller::Client(auth)) => {
                let asking = Asking { auth: auth.as_deref().map(Auth::members), now, query: None };
                match &given.watch {
                    None => given.may_write(asking, &Untraced, path, before, after),
                    Some(watch) => given.may_write(asking, &watch.coverage.counting(), path, before, after),
                }
            }
        }
    }

    /// The same rules, watched: it is counted what they come to, from zero on, and each denial is explained to
    /// `witness`. For emulators only, because explanations show data and tokens.
    #[must_use]
    pub fn watched(&self, witness: Arc<dyn Witness>) -> Self {
        // What was read once can be read again.
        let Ok(mut given) = Given::parse(self.text()) else { return self.clone() };
        let coverage = Coverage::new(given.sources());
        given.watch = Some(Watch { coverage, witness });
        Self::Given(Arc::new(given))
    }

    /// How often each part of the rules came to what since they are watched, if they are.
    pub fn coverage(&self) -> Option<CoverageReport> {
        match self {
            Self::Open | Self::Locked => None,
            Self::Given(given) => {
                given.watch.as_ref().map(|watch| watch.coverage.report(given.text(), given.sources()))
            }
        }
    }

    /// A denial that `explain` says the reason of, told to who watches, if anyone does.
    fn denial(&self, explain: impl FnOnce() -> Explanation) -> Denial {
        match self {
            Self::Open | Self::Locked => Denial::default(),
            Self::Given(given) => given.watch.as_ref().map_or_else(Denial::default, |watch| {
                let explanation = Arc::new(explain());
                watch.witness.denied(&explanation);
                Denial::explained(explanation)
            }),
        }
    }

    /// As [`Ruleset::may_read`]; what is not allowed is a denial.
    pub(crate) fn check_read(
        &self,
        caller: &Caller,
        path: &Path,
        query: &Query,
        root: &Node,
        now: u64,
    ) -> Result<(), Denial> {
        if self.may_read(caller, path, query, root, now) {
            return Ok(());
        }
        Err(self.deny_read(caller, path, query, root, now))
    }

    /// That a read is not allowed, as has been found.
    pub(crate) fn deny_read(&self, caller: &Caller, path: &Path, query: &Query, root: &Node, now: u64) -> Denial {
        self.denial(|| self.explain_read(caller, path, query, root, now))
    }

    /// As [`Ruleset::may_write`]; what is not allowed is a denial.
    pub(crate) fn check_write(
        &self,
        caller: &Caller,
        path: &Path,
        before: &Node,
        after: &Node,
        now: u64,
    ) -> Result<(), Denial> {
        if self.may_write(caller, path, before, after, now) {
            return Ok(());
        }
        Err(self.denial(|| self.explain_write(caller, path, before, after, now)))
    }

    /// As [`Ruleset::may_write_anything`], of someone who wants to write at `path`; what is not allowed is a denial.
    ///
    /// # Errors
    /// The denial.
    pub fn check_write_anything(&self, caller: &Caller, path: &Path, root: &Node, now: u64) -> Result<(), Denial> {
        if self.may_write_anything(caller) {
            return Ok(());
        }
        // Nothing is known yet of what would be written, and no rule there is asks for it.
        Err(self.denial(|| self.explain_write(caller, path, root, &Node::NULL, now)))
    }

    /// Whether there is anything at all that `caller` may change. Asked before a body is read: nobody shall cost
    /// memory who cannot write anyway. Conditions that take more than a look are not asked.
    pub fn may_write_anything(&self, caller: &Caller) -> bool {
        match (self, caller) {
            (_, Caller::Admin) | (Self::Open, Caller::Client(_)) => true,
            (Self::Locked, Caller::Client(_)) => false,
            (Self::Given(given), Caller::Client(_)) => given.may_write_anything(),
        }
    }

    /// Whether the children of `path` may be queried in `order` at the cost of what is found. In key and priority order
    /// they always may; else `.indexOn` has to say so.
    pub fn indexes(&self, path: &Path, order: &Order) -> bool {
        match (self, order) {
            (_, Order::Key | Order::Priority) => true,
            (Self::Open | Self::Locked, Order::Value | Order::Child(_)) => false,
            (Self::Given(given), order) => given.indexes(path, order),
        }
    }

    /// What `.indexOn` at `path` would have to name for [`Ruleset::indexes`] to hold: `.value`, or a child's path.
    pub fn missing_index(&self, path: &Path, order: &Order) -> Option<String> {
        match order {
            _ if self.indexes(path, order) => None,
            Order::Key | Order::Priority => None,
            Order::Value => Some(".value".to_owned()),
            Order::Child(child) => Some(child.to_string().trim_start_matches('/').to_owned()),
        }
    }
}
