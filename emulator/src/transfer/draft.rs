//! A folder or a file that is written beside its place and takes it when it is whole and on disk. Must not know: what it
//! holds.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Writes a file's content.
pub type Content<'a> = &'a mut dyn FnMut(&mut dyn Write) -> io::Result<()>;

/// A folder that is being written. Dropped before it is committed, it is gone.
#[derive(Debug)]
pub struct Draft {
    target: PathBuf,
    folder: PathBuf,
}

impl Draft {
    /// Begins a folder that is to be at `target`.
    ///
    /// # Errors
    /// Nothing can be written beside it.
    pub fn begin(target: &Path) -> io::Result<Self> {
        let target = std::path::absolute(target)?;
        let parent = parent(&target);
        fs::create_dir_all(parent)?;
        let folder = beside(&target, "export");
        // Another process with our number wrote it, and died.
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir(&folder)?;
        Ok(Self { target, folder })
    }

    /// Where it is to be.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Writes one file of it, down to the disk.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, name: &Path, content: Content<'_>) -> io::Result<()> {
        let path = self.folder.join(name);
        fs::create_dir_all(parent(&path))?;
        write_down(&path, content)?;
        sync_folder(parent(&path))
    }

    /// Puts it in its place. What the former folder holds under other names moves over; the rest of it is deleted.
    ///
    /// # Errors
    /// It cannot be moved; the former folder is where it was.
    pub fn commit(self) -> io::Result<()> {
        sync_folder(&self.folder)?;
        if !self.target.exists() {
            fs::rename(&self.folder, &self.target)?;
            return sync_folder(parent(&self.target));
        }
        exchange(&self.folder, &self.target)?;
        sync_folder(parent(&self.target))?;
        // From here on the new one stands, and our folder is the former one.
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let place = self.target.join(entry.file_name());
            if !place.exists() {
                fs::rename(entry.path(), place)?;
            }
        }
        sync_folder(&self.target)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After a commit it holds what has been replaced, or is not there at all.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Writes a file that only its owner may read, in place of the one at `path`, if any.
///
/// # Errors
/// It cannot be written; the former one is still there.
pub fn write_file(path: &Path, content: Content<'_>) -> io::Result<()> {
    let path = std::path::absolute(path)?;
    let draft = beside(&path, "part");
    let written = write_down(&draft, content).and_then(|()| fs::rename(&draft, &path));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written.and_then(|()| sync_folder(parent(&path)))
}

/// What is exported are secrets, password hashes among them.
fn write_down(path: &Path, content: Content<'_>) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let mut out = BufWriter::new(file);
    content(&mut out)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A hidden name in the same folder, so that it can be renamed.
fn beside(path: &Path, what: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{what}-{}", std::process::id()));
    path.with_file_name(name)
}

/// Exchanges two folders; where the file system can, in one step.
fn exchange(new: &Path, old: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
        if renameat2(AT_FDCWD, new, AT_FDCWD, old, RenameFlags::RENAME_EXCHANGE).is_ok() {
            return Ok(());
        }
    }
    let aside = beside(old, "former");
    fs::rename(old, &aside)?;
    if let Err(error) = fs::rename(new, old) {
        fs::rename(&aside, old)?;
        return Err(error);
    }
    fs::rename(&aside, new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.json");
        write_file(&path, &mut |out| out.write_all(b"one")).unwrap();
        let failed = write_file(&path, &mut |out| {
            out.write_all(b"half")?;
            Err(io::ErrorKind::StorageFull.into())
        });
        assert!(failed.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"one");
        write_file(&path, &mut |out| out.write_all(b"two")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
