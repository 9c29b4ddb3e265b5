//! Rules as a developer has written them: their text, and what it means.
//!
//! Must not know: where a text of rules comes from.

use super::errors::{Problem, RulesErrors};
use super::file;
use super::json::Value;
use super::judge::{self, Asking};
use super::language::{Meter, Trace};
use super::level::{Index, Level};
use super::sources::Sources;
use super::watch::Watch;
use crate::query::Order;
use crate::tree::{Node, Path};
use std::sync::OnceLock;

/// Rules, as given and as understood.
#[derive(Debug)]
pub struct Given {
    text: String,
    root: Level,
    /// Whether some `.write` may hold.
    writable: bool,
    /// Where its rules stand; made when somebody asks.
    sources: OnceLock<Sources>,
    /// Who looks on while it judges.
    pub(super) watch: Option<Watch>,
}

impl PartialEq for Given {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Given {}

impl Given {
    pub(super) fn parse(text: &str) -> Result<Self, RulesErrors> {
        let file::Read { root, writable } = file::read(text)?;
        Ok(Self { text: text.to_owned(), root, writable, sources: OnceLock::new(), watch: None })
    }

    /// Rules that stand somewhere in a text that is no file of rules.
    pub(super) fn within(text: &str, rules: Value) -> Result<Self, Vec<Problem>> {
        let (file::Read { root, writable }, sources) = file::within(rules)?;
        let sources = OnceLock::from(Sources::of(sources));
        Ok(Self { text: text.to_owned(), root, writable, sources, watch: None })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn may_write_anything(&self) -> bool {
        self.writable
    }

    pub(super) fn sources(&self) -> &Sources {
        self.sources.get_or_init(|| Sources::new(&self.text))
    }

    pub(super) fn may_read(
        &self,
        asking: Asking<'_>,
        meter: &Meter,
        trace: &impl Trace,
        path: &Path,
        root: &Node,
    ) -> bool {
        judge::may_read(&self.root, asking, meter, trace, path, root)
    }

    pub(super) fn may_write(
        &self,
        asking: Asking<'_>,
        trace: &impl Trace,
        path: &Path,
        before: &Node,
        after: &Node,
    ) -> bool {
        judge::may_write(&self.root, asking, &Meter::new(), trace, path, before, after)
    }

    pub(super) fn indexes(&self, path: &Path, order: &Order) -> bool {
        let mut keys = path.keys().iter();
        let mut levels = std::iter::successors(Some(&self.root), move |level| Some(level.child(keys.next()?)?.0));
        let mut index_on = || levels.nth(path.depth()).map_or(&[][..], |level| &level.index_on);
        match order {
            Order::Key | Order::Priority => true,
            Order::Value => index_on().contains(&Index::Value),
            Order::Child(child) => {
                index_on().iter().any(|index| matches!(index, Index::Child(indexed) if indexed == child))
            }
        }
    }
}
