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
    /// The addresses of the project's hub, as its locator file has them; none if there is none.
    pub fn origins(project: &str) -> Vec<String> {
        let text = std::fs::read(Self::path(project)).unwrap_or_default();
        let found: Option<Value> = serde_json::from_slice(&text).ok();
        let origins = found.as_ref().and_then(|found| found.get("origins")?.as_array());
        origins.into_iter().flatten().filter_map(|origin| Some(origin.as_str()?.to_owned())).collect()
    }

    fn path(project: &str) -> PathBuf {
        std::env::temp_dir().join(format!("hub-{project}.json"))
    }

    /// Writes the file of `project`. One that a killed process left behind is replaced.
    ///
    /// # Errors
    /// The temporary directory cannot be written.
    pub fn write(project: &str, content: &Value) -> io::Result<Self> {
        let path = Self::path(project);
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
