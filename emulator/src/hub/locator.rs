//! The locator file, by which command-line tools find the hub of a project: `<tmp>/hub-<project>.json`.

use serde_json::Value;
use std::io;
use std::path::PathBuf;

/// A locator file; removed when dropped, unless another process has taken it over meanwhile.
#[derive(Debug)]
pub struct Locator {
    path: PathBuf,
    text: String,
}

impl Locator {
    /// Writes the file of `project`. One that a killed process left behind is replaced.
    ///
    /// # Errors
    /// The temporary directory cannot be written.
    pub fn write(project: &str, content: &Value) -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("hub-{project}.json"));
        let text = content.to_string();
        std::fs::write(&path, &text)?;
        Ok(Self { path, text })
    }
}

impl Drop for Locator {
    fn drop(&mut self) {
        if std::fs::read_to_string(&self.path).is_ok_and(|text| text == self.text) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
