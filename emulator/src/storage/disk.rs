//! A disk in memory, for tests: what is not synced is lost when the power goes, wholly or in part, and anything fails
//! when it is told to.
//!
//! SQLite uses it as a file system (VFS) of its own. A file has two contents, what the process sees and what is safe;
//! between the two lie writes that may reach the disk, in part and in any order, until a sync says that they have.
//! Locks are not simulated: a file has one connection at a time. Must not know: what is stored on it.

use sqlite_vfs::wip::{WalIndex, WalIndexLock};
use sqlite_vfs::{DatabaseHandle, LockKind, OpenAccess, OpenKind, OpenOptions, Vfs};
use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Result};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// A write reaches the disk in pieces of so many bytes, each whole or not at all.
const SECTOR: usize = 512;

/// Numbers that a seed repeats.
#[derive(Clone, Debug)]
pub(crate) struct Dice(fastrand::Rng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0.usize(..limit.max(1))
    }

    /// Whether something happens that does in so many of a hundred cases.
    pub(crate) fn percent(&mut self, of_hundred: usize) -> bool {
        self.below(100) < of_hundred
    }

    /// One of them.
    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By a signal: whatever it has written is there.
    Kill,
    /// With the power: of what is not synced anything may be missing.
    PowerCut,
}

/// What fails.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    /// So many of a hundred writes, after a part of it.
    pub(crate) writes: usize,
    /// So many of a hundred syncs. What was to be synced may be lost, and no later sync brings it back.
    pub(crate) syncs: usize,
    /// Whatever needs more bytes than this.
    pub(crate) room: Option<usize>,
}

#[derive(Clone, Debug)]
enum Pending {
    Write(usize, Vec<u8>),
    Resize(usize),
}

#[derive(Clone, Debug, Default)]
struct File {
    /// What the process sees.
    seen: Vec<u8>,
    /// What is on the disk for certain.
    safe: Vec<u8>,
    /// What has happened since, in order.
    pending: Vec<Pending>,
    /// Whether the folder's entry is on the disk for certain.
    listed: bool,
}

impl File {
    fn apply(content: &mut Vec<u8>, change: &Pending) {
        match change {
            Pending::Write(at, bytes) => {
                let end = at + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*at..end].copy_from_slice(bytes);
            }
            Pending::Resize(length) => content.resize(*length, 0),
        }
    }

    fn change(&mut self, change: Pending) {
        Self::apply(&mut self.seen, &change);
        self.pending.push(change);
    }

    /// Lets about so many of a hundred parts of what is pending reach the disk.
    fn settle(&mut self, of_hundred: usize, dice: &mut Dice) {
        for change in std::mem::take(&mut self.pending) {
            match change {
                Pending::Resize(_) if dice.percent(of_hundred) => Self::apply(&mut self.safe, &change),
                Pending::Resize(_) => {}
                Pending::Write(mut at, bytes) => {
                    let mut rest = &bytes[..];
                    while !rest.is_empty() {
                        let (piece, others) = rest.split_at(rest.len().min(SECTOR - at % SECTOR));
                        if dice.percent(of_hundred) {
                            Self::apply(&mut self.safe, &Pending::Write(at, piece.to_vec()));
                        }
                        (at, rest) = (at + piece.len(), others);
                    }
                }
            }
        }
    }
}

#[derive(Debug)]
struct State {
    files: BTreeMap<String, File>,
    /// Deleted, which the folder may not know yet.
    deleted: BTreeMap<String, File>,
    dice: Dice,
    faults: Faults,
    operations: usize,
    dies_at: Option<usize>,
    dead: bool,
    temporary: usize,
    bytes_read: usize,
}

impl State {
    /// Counts an operation; whether this is the one with which the process ends.
    fn begin(&mut self) -> Result<bool> {
        if self.dead {
            return Err(Error::other("the process has ended"));
        }
        self.operations += 1;
        self.dead = self.dies_at.is_some_and(|at| self.operations >= at);
        Ok(self.dead)
    }

    fn file(&mut self, name: &str) -> &mut File {
        self.files.entry(name.to_owned()).or_default()
    }

    /// A change, of which only a part happens when it fails.
    fn change(&mut self, name: &str, change: Pending) -> Result<()> {
        let dies = self.begin()?;
        let used: usize = self.files.values().map(|file| file.seen.len()).sum();
        let length = self.file(name).seen.len();
        let end = match &change {
            Pending::Write(at, bytes) => at + bytes.len(),
            Pending::Resize(length) => *length,
        };
        let missing = (used + end.saturating_sub(length)).saturating_sub(self.faults.room.unwrap_or(usize::MAX));
        let is_full = end > length && missing > 0;
        let fails = dies || self.dice.percent(self.faults.writes);
        if !fails && !is_full {
            self.file(name).change(change);
            return Ok(());
        }
        if let Pending::Write(at, mut bytes) = change {
            let keeps = if fails { self.dice.below(bytes.len() + 1) } else { bytes.len() };
            bytes.truncate(keeps.min(bytes.len().saturating_sub(if is_full { missing } else { 0 })));
            if !bytes.is_empty() {
                self.file(name).change(Pending::Write(at, bytes));
            }
        }
        // What the interface takes for a full disk.
        Err(if fails { Error::other("a write has failed") } else { ErrorKind::WriteZero.into() })
    }

    fn sync(&mut self, name: &str) -> Result<()> {
        let dies = self.begin()?;
        if dies || self.dice.percent(self.faults.syncs) {
            let of_hundred = self.dice.pick(&[0, 50, 100]);
            let mut dice = self.dice.clone();
            if !dies {
                // The system takes for clean what it could not write.
                self.file(name).settle(of_hundred, &mut dice);
                self.dice = dice;
            }
            return Err(Error::other("a sync has failed"));
        }
        let file = self.file(name);
        (file.safe, file.pending) = (file.seen.clone(), Vec::new());
        // With the first sync of a log or a journal SQLite syncs the folder as well.
        if !name.ends_with(".sqlite") {
            self.files.values_mut().for_each(|file| file.listed = true);
            self.deleted.clear();
        }
        Ok(())
    }

    fn cut_power(&mut self) {
        let mut dice = self.dice.clone();
        for (name, file) in std::mem::take(&mut self.deleted) {
            if dice.percent(50) {
                self.files.entry(name).or_insert(file);
            }
        }
        self.files.retain(|_, file| file.listed || dice.percent(50));
        for file in self.files.values_mut() {
            let of_hundred = dice.pick(&[0, 20, 50, 80, 95, 100]);
            file.settle(of_hundred, &mut dice);
            file.seen.clone_from(&file.safe);
            file.listed = true;
        }
        self.dice = dice;
    }
}

/// A disk.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    name: Arc<str>,
    state: Arc<Mutex<State>>,
}

impl Disk {
    /// An empty one. What happens by chance follows from `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("disk-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let state = State {
            files: BTreeMap::new(),
            deleted: BTreeMap::new(),
            dice: Dice::new(seed),
            faults: Faults::default(),
            operations: 0,
            dies_at: None,
            dead: false,
            temporary: 0,
            bytes_read: 0,
        };
        let disk = Self { name: name.as_str().into(), state: Arc::new(Mutex::new(state)) };
        sqlite_vfs::register(&name, disk.clone(), false).expect("SQLite takes it");
        disk
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with it")
    }

    /// What SQLite calls it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Lets the process end with the operation that comes after so many others.
    pub(crate) fn dies_after(&self, operations: usize) {
        let mut state = self.state();
        state.dies_at = Some(state.operations + operations + 1);
    }

    /// Whether that has come.
    pub(crate) fn is_dead(&self) -> bool {
        self.state().dead
    }

    /// Ends the process, if it has not ended, and starts the next one.
    pub(crate) fn restart(&self, end: End) {
        let mut state = self.state();
        (state.dead, state.dies_at) = (false, None);
        match end {
            End::Kill => {}
            End::PowerCut => state.cut_power(),
        }
    }

    /// Lets things fail from now on.
    pub(crate) fn fails(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// How many bytes have been read, ever.
    pub(crate) fn bytes_read(&self) -> usize {
        self.state().bytes_read
    }

    /// How many bytes there are.
    pub(crate) fn used(&self) -> usize {
        self.state().files.values().map(|file| file.seen.len()).sum()
    }
}

/// An open file.
#[derive(Debug)]
pub(crate) struct Handle {
    disk: Disk,
    name: String,
    lock: LockKind,
}

impl Vfs for Disk {
    type Handle = Handle;

    fn open(&self, name: &str, options: OpenOptions) -> Result<Handle> {
        let mut state = self.state();
        state.begin()?;
        let exists = state.files.contains_key(name);
        match options.access {
            OpenAccess::Read | OpenAccess::Write if !exists => return Err(ErrorKind::NotFound.into()),
            OpenAccess::CreateNew if exists => return Err(ErrorKind::AlreadyExists.into()),
            OpenAccess::Read | OpenAccess::Write | OpenAccess::Create | OpenAccess::CreateNew => {}
        }
        state.file(name);
        if options.kind == OpenKind::MainDb && !name.ends_with(".sqlite") {
            return Err(Error::other("a database's name ends in .sqlite"));
        }
        Ok(Handle { disk: self.clone(), name: name.to_owned(), lock: LockKind::None })
    }

    fn delete(&self, name: &str) -> Result<()> {
        let mut state = self.state();
        state.begin()?;
        let file = state.files.remove(name).ok_or(ErrorKind::NotFound)?;
        // SQLite syncs the folder when it deletes a journal, which is a commit, but not for a log.
        if name.ends_with("-wal") && file.listed {
            state.deleted.insert(name.to_owned(), file);
        }
        Ok(())
    }

    fn exists(&self, name: &str) -> Result<bool> {
        let mut state = self.state();
        state.begin()?;
        Ok(state.files.contains_key(name))
    }

    fn temporary_name(&self) -> String {
        let mut state = self.state();
        state.temporary += 1;
        format!("/temporary-{}", state.temporary)
    }

    fn random(&self, buffer: &mut [i8]) {
        let mut state = self.state();
        buffer.iter_mut().for_each(|byte| *byte = state.dice.below(256) as u8 as i8);
    }

    fn sleep(&self, duration: Duration) -> Duration {
        duration
    }
}

impl DatabaseHandle for Handle {
    type WalIndex = Index;

    fn size(&self) -> Result<u64> {
        let mut state = self.disk.state();
        state.begin()?;
        Ok(state.file(&self.name).seen.len() as u64)
    }

    fn read_exact_at(&mut self, buffer: &mut [u8], offset: u64) -> Result<()> {
        let mut state = self.disk.state();
        state.begin()?;
        state.bytes_read += buffer.len();
        let there = state.file(&self.name).seen.get(offset as usize..).unwrap_or_default();
        let length = there.len().min(buffer.len());
        let (read, rest) = buffer.split_at_mut(length);
        read.copy_from_slice(&there[..length]);
        rest.fill(0);
        if rest.is_empty() { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
    }

    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> Result<()> {
        self.disk.state().change(&self.name, Pending::Write(offset as usize, bytes.to_vec()))
    }

    fn sync(&mut self, _data_only: bool) -> Result<()> {
        self.disk.state().sync(&self.name)
    }

    fn set_len(&mut self, size: u64) -> Result<()> {
        self.disk.state().change(&self.name, Pending::Resize(size as usize))
    }

    fn lock(&mut self, lock: LockKind) -> Result<bool> {
        self.lock = lock;
        Ok(true)
    }

    fn reserved(&mut self) -> Result<bool> {
        Ok(false)
    }

    fn current_lock(&self) -> Result<LockKind> {
        Ok(self.lock)
    }

    fn wal_index(&self, _readonly: bool) -> Result<Index> {
        Ok(Index)
    }
}

/// The index of a log: memory, which each connection makes anew.
#[derive(Debug)]
pub(crate) struct Index;

impl WalIndex for Index {
    fn map(&mut self, _region: u32) -> Result<[u8; 32768]> {
        Ok([0; 32768])
    }

    fn lock(&mut self, _locks: Range<u8>, _lock: WalIndexLock) -> Result<bool> {
        Ok(true)
    }

    fn delete(self) -> Result<()> {
        Ok(())
    }
}
