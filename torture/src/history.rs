//! What was asked and what was answered, one JSON object a line: the only thing that the checkers know about the load.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use serde_json::Value;

#[derive(Debug)]
pub struct History {
    pub path: PathBuf,
    file: Mutex<std::fs::File>,
}

impl History {
    /// # Errors
    /// When the file cannot be made.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let file = std::fs::File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { path: path.to_owned(), file: Mutex::new(file) })
    }

    /// One line, unbuffered: a request is on record before it is sent.
    pub fn record(&self, entry: &Value) {
        let line = format!("{entry}\n");
        let _ = self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes());
    }
}
