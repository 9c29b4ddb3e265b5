//! The files of rules that firebase.json names: which they are, and what they say.
//!
//! Must not know: what rules mean, when a file is read again.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// A file of rules has at most so many bytes, as has a text of rules that is set by request.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// A file of rules, and the databases that have these rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulesSource {
    /// Where it is.
    pub file: PathBuf,
    /// The databases' names; the default one's is none.
    pub databases: Vec<Option<String>>,
    /// What it said when it was read.
    pub text: String,
}

/// Reads a file of rules. It blocks.
///
/// # Errors
/// Why it cannot be read, in words.
pub fn read(file: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = File::open(file).and_then(|open| open.take(MOST_BYTES + 1).read_to_end(&mut bytes));
    match read {
        Err(error) if error.kind() == ErrorKind::NotFound => Err("there is no such file".to_owned()),
        Err(error) => Err(error.to_string()),
        Ok(_) if bytes.len() as u64 > MOST_BYTES => Err(format!("it has more than {MOST_BYTES} bytes")),
        Ok(_) => String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_or_says_why_not() {
        let folder = tempfile::tempdir().unwrap();
        let check = |name: &str, bytes: Option<&[u8]>, expect: Result<&str, &str>| {
            let file = folder.path().join(name);
            if let Some(bytes) = bytes {
                std::fs::write(&file, bytes).unwrap();
            }
            assert_eq!(read(&file), expect.map(str::to_owned).map_err(str::to_owned), "{name}");
        };
        check("good", Some(b"{}"), Ok("{}"));
        check("missing", None, Err("there is no such file"));
        check("latin-1", Some(b"\xe9"), Err("it is not UTF-8"));
        check("large", Some(&vec![b' '; 4 * 1024 * 1024 + 1]), Err("it has more than 4194304 bytes"));
        check("largest", Some(&vec![b' '; 4 * 1024 * 1024]), Ok(&" ".repeat(4 * 1024 * 1024)));
        assert!(read(folder.path()).is_err());
    }
}
