//! Base backup, archive of WAL, and databases restored from both to a named point.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use super::standby::{base_backup, wait_until};
use crate::world::Postgres;
use crate::world::files::READ;

/// A backup of a running cluster, and where its WAL goes.
#[derive(Debug)]
pub struct Backup {
    base: PathBuf,
    archive: PathBuf,
}

/// The lines of configuration with which a cluster archives its WAL; relative to its data folder, where Postgres works.
pub const ARCHIVING: &str = "archive_mode = on\narchive_command = 'test ! -f ../archive/%f && cp %p ../archive/%f'\n";

impl Backup {
    /// From now on the WAL of `of`, which has [`ARCHIVING`], is kept.
    ///
    /// # Errors
    /// When the backup fails.
    pub fn take(of: &Postgres) -> anyhow::Result<Self> {
        let archive = of.folder.join("archive");
        std::fs::create_dir_all(&archive)?;
        // Postgres may run as another user.
        std::fs::set_permissions(&archive, std::os::unix::fs::PermissionsExt::from_mode(0o777))?;
        let to = Postgres::new(&of.folder, "base", "", &[])?;
        base_backup(of, &to)?;
        Ok(Self { base: to.data.clone(), archive })
    }

    /// Waits until everything that was written so far is in the archive.
    ///
    /// # Errors
    /// When it is not within half a minute.
    pub async fn catch_up(&self, of: &Postgres) -> anyhow::Result<()> {
        let pool = of.pool("postgres").await?;
        let last: String = sqlx::query_scalar("SELECT pg_walfile_name(pg_switch_wal())").fetch_one(&pool).await?;
        let question = format!("SELECT EXISTS (SELECT FROM pg_stat_archiver WHERE last_archived_wal >= '{last}')");
        wait_until(&pool, &question).await.context("the WAL is not archived")
    }

    /// A new cluster as it was at the point of that name; it runs, and takes writes.
    ///
    /// # Errors
    /// When it does not start or does not get there.
    pub async fn restore(&self, folder: &Path, point: &str) -> anyhow::Result<Postgres> {
        let mut restored = Postgres::new(folder, &format!("restored-{point}"), "", &[])?;
        let copied = Command::new("cp").arg("-a").arg(&self.base).arg(&restored.data).status()?;
        ensure!(copied.success(), "cannot copy the base backup");
        std::fs::write(restored.data.join("recovery.signal"), "")?;
        restored.set_conf(&format!(
            "archive_mode = off\nrestore_command = 'cp {}/%f %p'\nrecovery_target_name = '{point}'\nrecovery_target_action = 'promote'\n",
            self.archive.display()
        ));
        restored.start().await?;
        wait_until(&restored.pool("postgres").await?, "SELECT NOT pg_is_in_recovery()")
            .await
            .context("the restored server is no primary")?;
        Ok(restored)
    }
}

/// Replaces the read database of `to` by that of `from`, which is of another time.
///
/// # Errors
/// With what the tools said.
pub fn swap_read_models(from: &Postgres, to: &Postgres) -> anyhow::Result<()> {
    let dump = to.folder.join("read.dump");
    let output = from.tool("pg_dump").args(connection(from)).args(["-Fc", "-d", READ, "-f"]).arg(&dump).output()?;
    ensure!(output.status.success(), "pg_dump: {}", String::from_utf8_lossy(&output.stderr));
    let mut restore = to.tool("pg_restore");
    let output = restore.args(connection(to)).args(["--create", "--clean", "--exit-on-error", "-d", "postgres"]).arg(&dump).output()?;
    ensure!(output.status.success(), "pg_restore: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn connection(to: &Postgres) -> [String; 6] {
    ["-h", "127.0.0.1", "-p", &to.port.to_string(), "-U", crate::world::ADMIN].map(str::to_owned)
}
