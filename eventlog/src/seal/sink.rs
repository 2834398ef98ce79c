//! The file outside the database: one seal per line, only ever added to. Whoever rewrites the database would have to
//! rewrite it as well, and every copy of it.

use std::collections::HashMap;
use std::io::BufRead as _;
use std::path::{Path, PathBuf};

use holdfast_domain::kernel::TenantId;
use tokio::io::AsyncWriteExt as _;

use super::head::Seal;

#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    #[error("the file of seals {} cannot be used", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("line {line} of {} is no seal", path.display())]
    Line { path: PathBuf, line: usize, source: serde_json::Error },
}

/// All seals of the file, in its order; empty when there is no file.
///
/// # Errors
/// When the file cannot be read or a line is no seal.
pub fn read_seals(path: &Path) -> Result<Vec<Seal>, SinkError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(SinkError::File { path: path.to_owned(), source }),
    };
    // What follows the last line break was cut off by a crash; the sealer writes it again.
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    let lines = text[..whole].lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| {
            serde_json::from_str(line).map_err(|source| SinkError::Line { path: path.to_owned(), line: index + 1, source })
        })
        .collect()
}

/// The largest seal of each tenant. Keeps no more than these: the file only grows.
pub(super) fn newest_seals(path: &Path) -> Result<HashMap<TenantId, Seal>, SinkError> {
    let failed = |source| SinkError::File { path: path.to_owned(), source };
    let mut newest: HashMap<TenantId, Seal> = HashMap::new();
    let mut lines = match std::fs::File::open(path) {
        Ok(file) => std::io::BufReader::new(file),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(newest),
        Err(error) => return Err(failed(error)),
    };
    let (mut text, mut line) = (String::new(), 0);
    // The last piece may have been cut off by a crash, as in `read_seals`.
    while lines.read_line(&mut text).map_err(failed)? > 0 && text.ends_with('\n') {
        line += 1;
        if !text.trim().is_empty() {
            let seal: Seal = serde_json::from_str(&text).map_err(|source| SinkError::Line { path: path.to_owned(), line, source })?;
            if newest.get(&seal.tenant_id).is_none_or(|known| known.size < seal.size) {
                newest.insert(seal.tenant_id, seal);
            }
        }
        text.clear();
    }
    Ok(newest)
}

/// Adds the seals and returns when they are on disk. A half line of a crash is ended first.
pub(super) async fn append(path: &Path, seals: &[Seal]) -> Result<(), SinkError> {
    let failed = |source| SinkError::File { path: path.to_owned(), source };
    let text: String = seals.iter().map(|seal| seal.line() + "\n").collect();
    let mut file = tokio::fs::File::options().create(true).append(true).read(true).open(path).await.map_err(failed)?;
    if !ends_with_line(path).await.map_err(failed)? {
        let whole = tokio::fs::read(path).await.map_err(failed)?;
        let end = whole.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        file.set_len(end as u64).await.map_err(failed)?;
    }
    file.write_all(text.as_bytes()).await.map_err(failed)?;
    file.sync_data().await.map_err(failed)
}

async fn ends_with_line(path: &Path) -> std::io::Result<bool> {
    use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, SeekFrom};
    let mut file = tokio::fs::File::open(path).await?;
    if file.metadata().await?.len() == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1)).await?;
    Ok(file.read_u8().await? == b'\n')
}
