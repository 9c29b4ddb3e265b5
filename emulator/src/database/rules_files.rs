//! Files of rules that change while the server runs: a good edit holds from then on, a broken one changes nothing and
//! is told of.
//!
//! What `PUT /.settings/rules.json` has set holds until the file changes. Must not know: which files firebase.json
//! names, what rules mean.

use super::Databases;
use crate::config::rules_files::{RulesSource, read};
use hearth_database::Ruleset;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// How often the files are looked at. They are read, not watched for events: editors replace files, mounts of
/// containers and networks tell of nothing or keep coarse times, and what a file says is the one thing that is right
/// everywhere. Files of rules are small; to read them so often costs nothing that can be measured.
const PERIOD: Duration = Duration::from_millis(200);

/// What a file says, or why it cannot be read.
type Reading = Result<String, String>;

/// A file, and what is known of it.
struct Watched {
    source: RulesSource,
    /// What was told of last.
    known: Reading,
    /// What it said otherwise when it was looked at last.
    seen: Option<Reading>,
}

impl Watched {
    fn new(source: RulesSource) -> Self {
        let known = Ok(source.text.clone());
        Self { source, known, seen: None }
    }

    /// Takes note of what the file says; that, if it is new. An editor may be in the middle of a file, so something
    /// has to be seen twice in a row to count.
    fn look(&mut self, found: Reading) -> Option<&Reading> {
        if found == self.known {
            self.seen = None;
            return None;
        }
        if self.seen.as_ref() != Some(&found) {
            self.seen = Some(found);
            return None;
        }
        self.seen = None;
        self.known = found;
        Some(&self.known)
    }
}

/// Keeps the rules of `databases` as their files have them, until told to stop.
pub async fn watch_rules(databases: Arc<Databases>, sources: Vec<RulesSource>, stop: CancellationToken) {
    let mut watched: Vec<_> = sources.into_iter().map(Watched::new).collect();
    if watched.is_empty() {
        return;
    }
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        for one in &mut watched {
            let file = one.source.file.clone();
            let Ok(found) = tokio::task::spawn_blocking(move || read(&file)).await else { return };
            if let Some(reading) = one.look(found) {
                let reading = reading.clone();
                take(&databases, &one.source, reading).await;
            }
        }
    }
}

/// Has new rules hold, or says why they do not.
async fn take(databases: &Arc<Databases>, source: &RulesSource, reading: Reading) {
    let file = source.file.display();
    let rules = reading.and_then(|text| Ruleset::parse(&text).map_err(|errors| format!("\n{errors:#}")));
    match rules {
        Ok(rules) => {
            databases.set_rules(&source.databases, &rules).await;
            tracing::info!("{file}: the rules have changed; they hold from now on");
        }
        Err(problem) => tracing::warn!("{file}: {problem}\nThe last good rules still hold."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_says_counts_once_it_is_seen_twice() {
        let source = RulesSource { file: "rules".into(), databases: vec![None], text: "a".to_owned() };
        let mut watched = Watched::new(source);
        for (found, expect) in [
            (Ok("a"), false),
            (Ok("b"), false),
            (Ok("b"), true),
            (Ok("b"), false),
            // An editor truncates, writes, and replaces.
            (Ok(""), false),
            (Ok("c"), false),
            (Err("gone"), false),
            (Ok("c"), false),
            (Ok("c"), true),
            // A glimpse of something else was nothing.
            (Ok("d"), false),
            (Ok("c"), false),
            (Ok("d"), false),
            (Err("gone"), false),
            (Err("gone"), true),
            (Err("gone"), false),
            (Ok("c"), false),
            (Ok("c"), true),
        ] {
            let reading: Reading = found.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(watched.look(reading).is_some(), expect, "{found:?}");
        }
    }
}
