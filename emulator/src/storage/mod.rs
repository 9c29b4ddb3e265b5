//! SQLite itself: where files lie, how connections are opened, how schemas move forward.
//!
//! One write connection and any number of readers to each file. Must not know: what any product stores.

#[cfg(test)]
pub(crate) mod disk;
mod migration;

pub use migration::Migration;

use rusqlite::{Connection, OpenFlags};
use std::fs::{DirBuilder, File, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a connection waits for another one's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The write-ahead log is moved into the file when it has so many pages (4 KB each). SQLite's default of 1,000 has a
/// busy server do little else; more would make the next start read a longer log.
const CHECKPOINT_PAGES: u32 = 8192;

/// How often a connection to memory looks whether a lock is free.
const MEMORY_WAIT: Duration = Duration::from_micros(50);

/// How often a directory is tried that another process is about to let go of.
const LOCK_PAUSE: Duration = Duration::from_millis(2);

/// More read connections than this are closed after use.
const MOST_IDLE_READERS: usize = 8;

/// When a commit counts as durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It survives the end of the process, however sudden.
    Process,
    /// It survives a power cut as well: every commit is synced.
    Power,
}

/// Why data cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// Another process works on the same directory.
    #[error("{} is in use by another process; stop it or choose another --data-dir", .0.display())]
    InUse(PathBuf),
    /// The directory or a file in it cannot be made or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The directory or file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file was written by a later version.
    #[error("{path} has format {found}, this version of Hearth knows up to {known}; use the version that wrote it")]
    TooNew {
        /// The file.
        path: String,
        /// The format it has.
        found: usize,
        /// The newest format this version knows.
        known: usize,
    },
    /// SQLite refused.
    #[error("{path}: {source}")]
    Sqlite {
        /// The file.
        path: String,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

/// Where all data of one project lies.
#[derive(Clone, Debug)]
pub struct Storage {
    place: Place,
    durability: Durability,
}

#[derive(Clone, Debug)]
enum Place {
    /// Locked for as long as the last clone lives.
    Directory { path: PathBuf, _lock: Arc<File> },
    /// Nothing is kept. The number keeps two projects of one process apart.
    Memory(u64),
    /// A disk of a test.
    #[cfg(test)]
    Simulated(disk::Disk),
}

impl Storage {
    /// Data in the files of `directory`, which is made if it is missing and locked against other processes.
    ///
    /// # Errors
    /// The directory cannot be made, or another process has it.
    pub fn directory(directory: &Path, durability: Durability) -> Result<Self, StorageError> {
        let io = |path: &Path| {
            let path = path.to_path_buf();
            move |source| StorageError::Io { path, source }
        };
        make_folder(directory, durability).map_err(io(directory))?;
        let lock_path = directory.join("lock");
        let lock = File::create(&lock_path).map_err(io(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StorageError::InUse(directory.to_path_buf())),
            Err(TryLockError::Error(source)) => return Err(io(&lock_path)(source)),
        }
        Ok(Self { place: Place::Directory { path: directory.to_path_buf(), _lock: Arc::new(lock) }, durability })
    }

    /// The same, once the process that has the directory lets go of it, for so long as `patience`.
    ///
    /// # Errors
    /// As [`Storage::directory`].
    pub async fn directory_when_free(
        directory: &Path,
        durability: Durability,
        patience: Duration,
    ) -> Result<Self, StorageError> {
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            match Self::directory(directory, durability) {
                Err(StorageError::InUse(_)) if tokio::time::Instant::now() < deadline => {
                    tokio::time::sleep(LOCK_PAUSE).await;
                }
                opened => return opened,
            }
        }
    }

    /// Data that is gone with the process.
    pub fn memory() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self { place: Place::Memory(NEXT.fetch_add(1, Ordering::Relaxed)), durability: Durability::Process }
    }

    /// Data on a disk of a test.
    #[cfg(test)]
    pub(crate) fn on(disk: &disk::Disk, durability: Durability) -> Self {
        Self { place: Place::Simulated(disk.clone()), durability }
    }

    /// The directory, unless nothing is kept.
    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::Directory { path, .. } => Some(path),
            Place::Memory(_) => None,
            #[cfg(test)]
            Place::Simulated(_) => None,
        }
    }

    /// The names of the files in `folder` (`database`, say), without `.sqlite`, sorted.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn list(&self, folder: &str) -> Result<Vec<String>, StorageError> {
        let Place::Directory { path, .. } = &self.place else { return Ok(Vec::new()) };
        let folder = path.join(folder);
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(StorageError::Io { path: folder, source }),
        };
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok()?.strip_suffix(".sqlite").map(str::to_owned))
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    /// The SQLite file called `name` (`auth`, `database/demo`), its schema brought up to date.
    ///
    /// # Errors
    /// It cannot be opened, or was written by a later version.
    pub fn open(&self, name: &str, migrations: &[Migration]) -> Result<OpenFile, StorageError> {
        let (location, flags) = match &self.place {
            Place::Directory { path, .. } => {
                let file = path.join(format!("{name}.sqlite"));
                if let Some(folder) = file.parent() {
                    make_folder(folder, self.durability)
                        .map_err(|source| StorageError::Io { path: folder.to_path_buf(), source })?;
                }
                (file.to_string_lossy().into_owned(), OpenFlags::SQLITE_OPEN_NO_MUTEX)
            }
            // The memdb VFS shares one database between the connections of a process while any of them is open.
            Place::Memory(number) => (
                format!("file:/hearth-{number}/{name}?vfs=memdb"),
                OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI,
            ),
            #[cfg(test)]
            Place::Simulated(disk) => (
                format!("file:/{name}.sqlite?vfs={}", disk.name()),
                OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI,
            ),
        };
        let failed = |source| StorageError::Sqlite { path: location.clone(), source };
        let mut writer = Connection::open_with_flags(
            &location,
            flags | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        )
        .map_err(failed)?;
        self.prepare(&mut writer).map_err(failed)?;
        migration::migrate(&mut writer, migrations, &location)?;
        Ok(OpenFile { writer, readers: Readers { location, flags, idle: Mutex::default() } })
    }

    /// Deletes the SQLite file called `name`, which nobody may have open; it need not exist.
    ///
    /// # Errors
    /// It cannot be deleted.
    pub fn remove(&self, name: &str) -> Result<(), StorageError> {
        // In memory it has gone with its last connection.
        let Place::Directory { path, .. } = &self.place else { return Ok(()) };
        // The database last: as long as it is there, its log belongs to it.
        for end in ["-wal", "-shm", ""] {
            let file = path.join(format!("{name}.sqlite{end}"));
            match std::fs::remove_file(&file) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => return Err(StorageError::Io { path: file, source }),
            }
        }
        if let Some(folder) = path.join(name).parent() {
            sync_folder(folder, self.durability);
        }
        Ok(())
    }

    /// Sets what SQLite keeps per connection or per file; the order matters: the busy timeout guards what follows it.
    fn prepare(&self, writer: &mut Connection) -> rusqlite::Result<()> {
        wait_for_locks(writer, matches!(self.place, Place::Memory(_)))?;
        match self.place {
            Place::Directory { .. } => self.log_ahead(writer)?,
            Place::Memory(_) => writer.pragma_update(None, "journal_mode", "memory")?,
            #[cfg(test)]
            Place::Simulated(_) => self.log_ahead(writer)?,
        }
        writer.pragma_update(None, "foreign_keys", true)
    }

    fn log_ahead(&self, writer: &Connection) -> rusqlite::Result<()> {
        writer.pragma_update(None, "journal_mode", "wal")?;
        let synchronous = match self.durability {
            Durability::Process => "normal",
            Durability::Power => "full",
        };
        writer.pragma_update(None, "synchronous", synchronous)?;
        writer.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)
    }
}

/// Makes a folder, and those above it that are missing. What is put into them later is not safe before they are.
fn make_folder(folder: &Path, durability: Durability) -> std::io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent().filter(|above| !above.as_os_str().is_empty());
    if let Some(above) = above {
        make_folder(above, durability)?;
    }
    // Others have no business in it: it holds passwords' hashes and signing keys.
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && folder.is_dir() => {}
        made => made?,
    }
    sync_folder(above.unwrap_or(Path::new(".")), durability);
    Ok(())
}

/// Makes it certain which files and folders there are in one.
fn sync_folder(folder: &Path, durability: Durability) {
    match durability {
        Durability::Process => {}
        // There are file systems that cannot; SQLite does not insist either.
        Durability::Power => drop(File::open(folder).and_then(|folder| folder.sync_all())),
    }
}

/// How long a connection waits for others. In memory a reader waits for the writer's whole transaction, which is short;
/// SQLite's own back-off would sleep far longer than that.
fn wait_for_locks(connection: &mut Connection, in_memory: bool) -> rusqlite::Result<()> {
    if !in_memory {
        return connection.busy_timeout(BUSY_TIMEOUT);
    }
    let waits = i32::try_from(BUSY_TIMEOUT.as_micros() / MEMORY_WAIT.as_micros()).unwrap_or(i32::MAX);
    connection.busy_handler(Some(move |waited: i32| {
        std::thread::sleep(MEMORY_WAIT);
        waited < waits
    }))
}

/// One SQLite file, open.
#[derive(Debug)]
pub struct OpenFile {
    /// The only connection that writes.
    pub writer: Connection,
    /// Connections that read beside it.
    pub readers: Readers,
}

/// Read connections to one file, opened as they are needed and kept for the next reader.
#[derive(Debug)]
pub struct Readers {
    location: String,
    flags: OpenFlags,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    /// Lends a connection to `read`.
    ///
    /// # Errors
    /// No connection can be opened, or `read` failed.
    pub fn with<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => {
                let mut opened =
                    Connection::open_with_flags(&self.location, self.flags | OpenFlags::SQLITE_OPEN_READ_ONLY)?;
                wait_for_locks(&mut opened, self.flags.contains(OpenFlags::SQLITE_OPEN_URI))?;
                opened
            }
        };
        let result = read(&connection);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST_IDLE_READERS {
            idle.push(connection);
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &[Migration] = &[Migration("CREATE TABLE note (text TEXT NOT NULL)")];

    fn write(file: &OpenFile, text: &str) {
        file.writer.execute("INSERT INTO note VALUES (?1)", [text]).unwrap();
    }

    fn read(file: &OpenFile) -> Vec<String> {
        file.readers
            .with(|connection| connection.prepare("SELECT text FROM note")?.query_map([], |row| row.get(0))?.collect())
            .unwrap()
    }

    #[test]
    fn what_is_written_is_read_beside_and_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        {
            let storage = Storage::directory(folder.path(), Durability::Power).unwrap();
            let file = storage.open("database/one", SCHEMA).unwrap();
            write(&file, "a");
            assert_eq!(read(&file), ["a"]);
        }
        let storage = Storage::directory(folder.path(), Durability::Process).unwrap();
        assert_eq!(storage.list("database").unwrap(), ["one"]);
        assert_eq!(read(&storage.open("database/one", SCHEMA).unwrap()), ["a"]);
    }

    #[test]
    fn memory_is_shared_between_writer_and_readers_and_by_nobody_else() {
        let (one, two) = (Storage::memory(), Storage::memory());
        let (one, two) = (one.open("a", SCHEMA).unwrap(), two.open("a", SCHEMA).unwrap());
        write(&one, "x");
        assert_eq!((read(&one), read(&two)), (vec!["x".to_owned()], vec![]));
    }

    #[test]
    fn a_directory_has_one_user_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = Storage::directory(folder.path(), Durability::Process).unwrap();
        assert!(matches!(
            Storage::directory(folder.path(), Durability::Process),
            Err(StorageError::InUse(path)) if path == folder.path()
        ));
        drop(first);
        assert!(Storage::directory(folder.path(), Durability::Process).is_ok());
    }
}
