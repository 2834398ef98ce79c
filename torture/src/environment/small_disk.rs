//! A disk of its own under JetStream, that can be filled and emptied.
//!
//! nats-server is linked statically, so no shim reaches it. It is started in a mount namespace of its own with a tmpfs over its
//! store; the namespace is reached through `/proc/<pid>/root`, and is gone with the process.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};

use crate::scenario::Skip;
use crate::world::Nats;

const SIZE: &str = "size=1536m"; // the stream may ask for 1 GiB; memory is taken only for what is written

#[derive(Debug)]
pub struct SmallDisk {
    ballast: PathBuf,
    store: PathBuf,
}

/// Starts NATS again, with an empty store on a small disk. [`crate::world::World::heal`] puts the usual one back.
///
/// # Errors
/// [`Skip`] where nobody may mount; when NATS does not start.
pub async fn put_under(nats: &mut Nats) -> anyhow::Result<SmallDisk> {
    let probe = std::process::Command::new("unshare").args(["-Urm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        return Err(Skip("no mount namespace on this machine, so JetStream gets no disk of its own".into()).into());
    }
    nats.kill()?;
    let store = nats.store.canonicalize()?;
    let script = format!("mount -t tmpfs -o {SIZE} tmpfs '{}' && exec \"$@\"", store.display());
    nats.wrapper = ["unshare", "-Urm", "sh", "-c", &script, "sh"].map(str::to_owned).to_vec();
    nats.start().await?;
    let root = PathBuf::from(format!("/proc/{}/root", nats.pid().context("nats-server has ended")?));
    let store = root.join(store.strip_prefix("/")?);
    Ok(SmallDisk { ballast: store.join("ballast"), store })
}

impl SmallDisk {
    /// Not a byte is left.
    ///
    /// # Errors
    /// When it cannot be written to for another reason.
    pub fn fill(&self) -> anyhow::Result<()> {
        let mut file = std::fs::File::create(&self.ballast)?;
        let (block, mut size) = (vec![0; 1 << 20], 1 << 20);
        while size > 0 {
            match file.write(&block[..size]) {
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => size /= 2,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Whether a write of ours is refused.
    ///
    /// # Errors
    /// When it is for another reason than a full disk.
    pub fn is_full(&self) -> anyhow::Result<bool> {
        match std::fs::write(self.store.join("probe"), [0; 8192]) {
            Ok(()) => Ok(false),
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// # Errors
    /// When the ballast cannot be removed.
    pub fn empty(&self) -> anyhow::Result<()> {
        for file in [&self.ballast, &self.store.join("probe")] {
            if file.exists() {
                std::fs::remove_file(file)?;
            }
        }
        ensure!(!self.is_full()?, "the disk stays full");
        Ok(())
    }
}
