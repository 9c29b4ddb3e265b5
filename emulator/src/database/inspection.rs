//! What the rules of a database deny, and why: kept for those who ask, and written to the log.
//!
//! In emulator mode only. The last denials are kept, bounded in number and bytes; a flood of them does not flood the
//! log. Must not know: HTTP, what rules mean.

use crate::clock::{Clock, Millis};
use hearth_database::{Explanation, Ruleset, Witness};
use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// So many denials are kept, and so many bytes of them.
const MOST_KEPT: usize = 100;
const MOST_KEPT_BYTES: usize = 8 * 1024 * 1024;
/// Within so long the log tells of so many denials, and of none twice.
const WINDOW: Duration = Duration::from_secs(10);
const MOST_LOGGED: usize = 20;
/// Two denials are the same if so many bytes of their short forms are.
const SAME_BYTES: usize = 512;
/// So many lines of an explanation are logged.
const MOST_LINES: usize = 60;

/// A denial that is kept.
#[derive(Clone, Debug)]
pub(super) struct Denied {
    /// How many there have been, with this one.
    pub(super) number: u64,
    /// When.
    pub(super) at: Millis,
    /// Why.
    pub(super) explanation: Arc<Explanation>,
}

/// Sees what the rules of one database deny.
pub(super) struct Inspection {
    database: String,
    clock: Clock,
    log: Arc<Log>,
    kept: Mutex<Kept>,
    quiet: Mutex<Quiet>,
}

impl fmt::Debug for Inspection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Inspection").field("database", &self.database).finish_non_exhaustive()
    }
}

impl Inspection {
    /// That of the database called `database`.
    pub(super) fn new(database: &str, clock: Clock, log: Arc<Log>) -> Arc<Self> {
        let (kept, quiet) = (Mutex::default(), Mutex::default());
        Arc::new(Self { database: database.to_owned(), clock, log, kept, quiet })
    }

    /// The same rules; what they deny is seen here.
    pub(super) fn watch(self: &Arc<Self>, rules: &Ruleset) -> Ruleset {
        rules.watched(Arc::clone(self) as Arc<dyn Witness>)
    }

    /// How many denials there have been, and the last of them, the newest first.
    pub(super) fn denials(&self) -> (u64, Vec<Denied>) {
        let kept = self.kept();
        (kept.total, kept.list.iter().rev().cloned().collect())
    }

    /// Forgets the denials there have been.
    pub(super) fn forget(&self) {
        *self.kept() = Kept::default();
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Witness for Inspection {
    fn denied(&self, explanation: &Arc<Explanation>) {
        self.kept().add(self.clock.now(), explanation);
        let mut quiet = self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(untold) = quiet.admit(&explanation.compact(SAME_BYTES), Instant::now()) {
            let (database, text) = (&self.database, shorten(&explanation.to_string()));
            let more = match untold {
                0 => String::new(),
                untold => format!("\n  {untold} denials before were not logged: GET /.inspect/denials.json"),
            };
            if !self.log.write(format!("database {database}: {text}{more}")) {
                quiet.untold += untold + 1;
            }
        }
    }
}

/// The way to the log. Denials are found by the databases' writers, which must not wait for whoever reads the log, or
/// does not: a thread does, and what is too much for it is not logged.
#[derive(Debug, Default)]
pub(super) struct Log(OnceLock<SyncSender<String>>);

impl Log {
    /// Whether the text will be logged.
    fn write(&self, text: String) -> bool {
        self.0.get_or_init(Self::open).try_send(text).is_ok()
    }

    fn open() -> SyncSender<String> {
        let (sender, texts) = mpsc::sync_channel::<String>(MOST_LOGGED);
        let thread = std::thread::Builder::new().name("log of denials".to_owned());
        let logging = thread.spawn(move || texts.iter().for_each(|text| tracing::info!("{text}")));
        if let Err(error) = logging {
            tracing::warn!(%error, "denials are not logged");
        }
        sender
    }
}

/// The first lines of a text.
fn shorten(text: &str) -> String {
    let more = text.lines().count().saturating_sub(MOST_LINES);
    let mut shown = text.lines().take(MOST_LINES).collect::<Vec<_>>().join("\n");
    if more > 0 {
        shown.push_str(&format!("\n  … {more} lines more: GET /.inspect/denials.json"));
    }
    shown
}

/// The last denials.
#[derive(Debug, Default)]
struct Kept {
    list: VecDeque<Denied>,
    bytes: usize,
    total: u64,
}

impl Kept {
    fn add(&mut self, at: Millis, explanation: &Arc<Explanation>) {
        self.total += 1;
        self.bytes += explanation.weight();
        self.list.push_back(Denied { number: self.total, at, explanation: Arc::clone(explanation) });
        while self.list.len() > MOST_KEPT || (self.bytes > MOST_KEPT_BYTES && self.list.len() > 1) {
            let oldest = self.list.pop_front().map_or(0, |oldest| oldest.explanation.weight());
            self.bytes = self.bytes.saturating_sub(oldest);
        }
    }
}

/// Keeps the log quiet.
#[derive(Debug, Default)]
struct Quiet {
    /// When the window began.
    since: Option<Instant>,
    /// What has been logged in it.
    logged: BTreeSet<String>,
    /// How many have not been logged since one was.
    untold: u64,
}

impl Quiet {
    /// Whether this is to be logged now, and how many before it were not.
    fn admit(&mut self, text: &str, now: Instant) -> Option<u64> {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= WINDOW) {
            self.since = Some(now);
            self.logged.clear();
        }
        if self.logged.len() < MOST_LOGGED && self.logged.insert(text.to_owned()) {
            return Some(std::mem::take(&mut self.untold));
        }
        self.untold += 1;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_database::{Caller, Node, Path, Query};

    fn explanation(place: &str, parts: usize) -> Arc<Explanation> {
        let rule = vec!["auth.uid == 'x'"; parts].join(" || ");
        let rules = Ruleset::parse(&serde_json::json!({ "rules": { ".read": rule } }).to_string()).unwrap();
        let place = Path::parse(place).unwrap();
        Arc::new(rules.explain_read(&Caller::ANYONE, &place, &Query::default(), &Node::NULL, 0))
    }

    #[test]
    fn the_last_denials_are_kept_bounded_in_number_and_bytes() {
        let inspection = Inspection::new("demo", Clock::manual(5), Arc::default());
        for number in 0..250 {
            inspection.denied(&explanation(&format!("p{number}"), 1));
        }
        let (total, kept) = inspection.denials();
        assert_eq!((total, kept.len(), kept[0].number, kept[0].at), (250, MOST_KEPT, 250, 5));
        assert_eq!(kept[0].explanation.path, Path::parse("p249").unwrap());
        inspection.forget();
        assert_eq!(inspection.denials().0, 0);
        let mut kept = Kept::default();
        let large = explanation("p", 200);
        for _ in 0..MOST_KEPT {
            kept.add(0, &large);
        }
        assert!(kept.bytes <= MOST_KEPT_BYTES && kept.bytes == kept.list.len() * large.weight());
    }

    #[test]
    fn a_flood_of_denials_does_not_flood_the_log() {
        let (mut quiet, start) = (Quiet::default(), Instant::now());
        assert_eq!(quiet.admit("a", start), Some(0));
        for _ in 0..1000 {
            assert_eq!(quiet.admit("a", start + WINDOW / 2), None);
        }
        // Others are told of, and that something was not.
        assert_eq!(quiet.admit("b", start), Some(1000));
        let others = (0..1000).filter_map(|number| quiet.admit(&number.to_string(), start)).count();
        assert_eq!(others, MOST_LOGGED - 2);
        // Later the same is told of again.
        assert_eq!(quiet.admit("a", start + WINDOW), Some(982));
    }

    #[test]
    fn a_log_that_nobody_reads_holds_nobody_up() {
        let (sender, texts) = mpsc::sync_channel(2);
        let inspection = Inspection::new("demo", Clock::manual(5), Arc::new(Log(OnceLock::from(sender))));
        for number in 0..5 {
            inspection.denied(&explanation(&format!("p{number}"), 1));
        }
        assert_eq!(inspection.denials().0, 5);
        let logged: Vec<_> = texts.try_iter().collect();
        assert!(logged.len() == 2 && logged[0].starts_with("database demo: Denied: read /p0\n"), "{logged:?}");
        // Then it is told that something is missing.
        inspection.denied(&explanation("p5", 1));
        assert!(texts.recv().unwrap().ends_with("\n  3 denials before were not logged: GET /.inspect/denials.json"));
    }

    #[test]
    fn long_explanations_are_cut_in_the_log() {
        let short = shorten(&explanation("p", 3).to_string());
        assert!(!short.contains("lines more"), "{short}");
        let long = shorten(&explanation("p", 200).to_string());
        assert!(long.lines().count() == MOST_LINES + 1 && long.ends_with("GET /.inspect/denials.json"), "{long}");
    }
}
