//! What nobody confirmed goes after a while.

use std::path::{Path as FolderPath, PathBuf};
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore as _};

use crate::key::UNCONFIRMED;
use crate::open::Place;
use crate::{Files, FilesError};

impl Files {
    /// Deletes uploads that were last written before `before` and never confirmed, and what crashes left half written. Choose
    /// an instant well before the oldest ticket that is still good. Answers how many files went.
    ///
    /// # Errors
    /// [`FilesError::Unavailable`]; what was deleted until then is deleted.
    pub async fn sweep(&self, before: DateTime<Utc>) -> Result<u64, FilesError> {
        let mut deleted = 0;
        for folder in UNCONFIRMED {
            let listed = self.store.list(Some(&Path::from(folder)));
            let stale: Vec<ObjectMeta> = listed
                .try_filter(|meta| std::future::ready(meta.last_modified < before))
                .try_collect()
                .await
                .map_err(FilesError::unavailable)?;
            for meta in stale {
                self.remove(&meta.location).await?;
                deleted += 1;
            }
        }
        if let Place::Folder { folder, .. } = &*self.place {
            let (folder, before) = (folder.clone(), SystemTime::from(before));
            let parts = tokio::task::spawn_blocking(move || remove_parts(folder, before)).await;
            deleted += parts.map_err(FilesError::unavailable)?.map_err(FilesError::unavailable)?;
        }
        Ok(deleted)
    }
}

/// Half-written files have a name with `#`, which no key has; a crash leaves them, and the store does not list them.
fn remove_parts(folder: PathBuf, before: SystemTime) -> std::io::Result<u64> {
    let mut deleted = 0;
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if entry.file_name().as_encoded_bytes().contains(&b'#') && is_older(&entry.path(), before) {
                deleted += u64::from(std::fs::remove_file(entry.path()).is_ok());
            }
        }
    }
    Ok(deleted)
}

fn is_older(file: &FolderPath, before: SystemTime) -> bool {
    std::fs::metadata(file).and_then(|metadata| metadata.modified()).is_ok_and(|modified| modified < before)
}
