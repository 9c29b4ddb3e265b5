//! The secret that signs session tokens when none is configured. Emulator mode only.

use crate::clock::Entropy;
use crate::storage::Storage;
use std::fmt::Write;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;

const FILE: &str = "jwt-secret";

/// A secret from `entropy`; kept beside the data, so that tokens outlive a restart. With a seed (`repeatable`) it is
/// the same anyway, and nothing is kept.
///
/// # Errors
/// The file can be neither read nor written.
pub fn generate(storage: &Storage, entropy: &Entropy, repeatable: bool) -> io::Result<String> {
    let mut bytes = [0; 32];
    entropy.fill(&mut bytes);
    let generated = bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    let Some(folder) = storage.path().filter(|_| !repeatable) else { return Ok(generated) };
    let file = folder.join(FILE);
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file) {
        Ok(mut created) => {
            io::Write::write_all(&mut created, generated.as_bytes())?;
            created.sync_all()?;
            Ok(generated)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let mut kept = String::new();
            std::fs::File::open(&file)?.read_to_string(&mut kept)?;
            // An empty file is what a crash between creation and write leaves.
            if kept.is_empty() {
                std::fs::write(&file, &generated)?;
                return Ok(generated);
            }
            Ok(kept)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Durability;

    #[test]
    fn it_is_kept_unless_a_seed_repeats_it() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::directory(folder.path(), Durability::Process).unwrap();
        let first = generate(&storage, &Entropy::from_system().unwrap(), false).unwrap();
        assert_eq!(generate(&storage, &Entropy::from_system().unwrap(), false).unwrap(), first);
        let repeated = generate(&storage, &Entropy::seeded(1), true).unwrap();
        assert_eq!(generate(&Storage::memory(), &Entropy::seeded(1), true).unwrap(), repeated);
        assert!(first != repeated && first.len() == 64);
    }
}
