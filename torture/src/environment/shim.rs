//! Slow and failing disks, full disks and wrong clocks, by `shim/shim.c` in front of libc.

use std::fs::File;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

const SOURCE: &str = include_str!("../../shim/shim.c");

/// Which part of a database's files a fault is about, as bits.
pub const WAL: i64 = 1;
pub const DATA: i64 = 2;

// Where the numbers of `struct control` stand.
const FSYNC_DELAY_MS: u64 = 0;
const FSYNC_ERROR: u64 = 8;
const FULL: u64 = 16;
const CLOCK_OFFSET_MS: u64 = 24;
const HITS: u64 = 32;
const LENGTH: u64 = 40;

/// The compiled library; one per run.
#[derive(Debug, Clone)]
pub struct Library(PathBuf);

impl Library {
    /// # Errors
    /// When there is no C compiler, or it refuses.
    pub fn compile(folder: &Path) -> anyhow::Result<Self> {
        let (source, library) = (folder.join("shim.c"), folder.join("shim.so"));
        std::fs::write(&source, SOURCE)?;
        let output = Command::new("cc")
            .args(["-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o"])
            .args([&library, &source])
            .arg("-ldl")
            .output()
            .context("no C compiler (cc): needed for faults of disks and clocks")?;
        ensure!(output.status.success(), "the shim does not compile: {}", String::from_utf8_lossy(&output.stderr));
        Ok(Self(library))
    }
}

/// The faults of one process and its children; none until they are set.
#[derive(Debug)]
pub struct Shim {
    library: PathBuf,
    path: PathBuf,
    control: File,
}

impl Shim {
    /// `name`: of the control file, made in `folder`.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn new(library: &Library, folder: &Path, name: &str) -> anyhow::Result<Self> {
        let path = folder.join(format!("{name}.shim"));
        let control = File::options().create(true).truncate(true).read(true).write(true).open(&path)?;
        control.set_len(LENGTH)?;
        // Postgres may run as another user, and counts hits.
        control.set_permissions(std::fs::Permissions::from_mode(0o666))?;
        Ok(Self { library: library.0.clone(), path, control })
    }

    /// What the process is started with. `data`: of a Postgres, where its files are.
    #[must_use]
    pub fn environment(&self, data: Option<&Path>) -> Vec<(String, String)> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let mut variables = vec![("LD_PRELOAD".to_owned(), text(&self.library)), ("HOLDFAST_SHIM".to_owned(), text(&self.path))];
        if let Some(data) = data {
            variables.push(("HOLDFAST_SHIM_WAL".to_owned(), text(&data.join("pg_wal"))));
            variables.push(("HOLDFAST_SHIM_DATA".to_owned(), text(&data.join("base"))));
        }
        variables
    }

    /// Every fsync takes so much longer.
    ///
    /// # Errors
    /// When the control file cannot be written, as with the others.
    pub fn slow_fsync(&self, delay_ms: i64) -> anyhow::Result<()> {
        self.set(FSYNC_DELAY_MS, delay_ms)
    }

    /// fsync answers EIO at these places; 0: nowhere.
    ///
    /// # Errors
    /// When the control file cannot be written.
    pub fn failing_fsync(&self, places: i64) -> anyhow::Result<()> {
        self.set(FSYNC_ERROR, places)
    }

    /// Files at these places cannot be made or grow; 0: nowhere.
    ///
    /// # Errors
    /// When the control file cannot be written.
    pub fn full(&self, places: i64) -> anyhow::Result<()> {
        self.set(FULL, places)
    }

    /// The wall clock is so far off; monotonic clocks are not touched.
    ///
    /// # Errors
    /// When the control file cannot be written.
    pub fn clock_offset(&self, offset_ms: i64) -> anyhow::Result<()> {
        self.set(CLOCK_OFFSET_MS, offset_ms)
    }

    /// No fault any more.
    ///
    /// # Errors
    /// When the control file cannot be written.
    pub fn heal(&self) -> anyhow::Result<()> {
        [FSYNC_DELAY_MS, FSYNC_ERROR, FULL, CLOCK_OFFSET_MS].into_iter().try_for_each(|at| self.set(at, 0))
    }

    /// How many disk faults were dealt out so far: a scenario without any has tried nothing.
    ///
    /// # Errors
    /// When the control file cannot be read.
    pub fn hits(&self) -> anyhow::Result<i64> {
        let mut bytes = [0; 8];
        self.control.read_exact_at(&mut bytes, HITS)?;
        Ok(i64::from_ne_bytes(bytes))
    }

    fn set(&self, at: u64, value: i64) -> anyhow::Result<()> {
        self.control.write_all_at(&value.to_ne_bytes(), at).context("cannot write the shim's control file")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a program says with the shim in front of it.
    fn run(shim: &Shim, data: &Path, script: &str) -> (bool, String) {
        let output = Command::new("sh").arg("-c").arg(script).current_dir(data).envs(shim.environment(Some(data))).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn shim() -> (tempfile::TempDir, Shim) {
        let folder = tempfile::tempdir().unwrap();
        let shim = Shim::new(&Library::compile(folder.path()).unwrap(), folder.path(), "test").unwrap();
        for place in ["base", "pg_wal"] {
            std::fs::create_dir(folder.path().join(place)).unwrap();
        }
        (folder, shim)
    }

    #[test]
    fn a_full_disk_refuses_growth_in_its_place_only() {
        let (folder, shim) = shim();
        assert!(run(&shim, folder.path(), "printf 1234 > pg_wal/old").0);
        shim.full(WAL).unwrap();
        assert!(!run(&shim, folder.path(), "printf x > pg_wal/new").0);
        assert!(!run(&shim, folder.path(), "dd if=/dev/zero of=pg_wal/old bs=1k count=1 conv=notrunc 2>&1").0);
        assert!(run(&shim, folder.path(), "printf 5678 | dd of=pg_wal/old conv=notrunc 2>&1").0, "what is there can be written over");
        assert!(run(&shim, folder.path(), "printf x > base/new").0);
        assert_eq!(shim.hits().unwrap(), 2);
        shim.heal().unwrap();
        assert!(run(&shim, folder.path(), "printf x > pg_wal/new").0);
    }

    #[test]
    fn fsync_fails_where_it_was_told_to() {
        let (folder, shim) = shim();
        shim.failing_fsync(DATA).unwrap();
        assert!(!run(&shim, folder.path(), "dd if=/dev/zero of=base/a bs=1k count=1 conv=fsync 2>&1").0);
        assert!(run(&shim, folder.path(), "dd if=/dev/zero of=pg_wal/a bs=1k count=1 conv=fsync 2>&1").0);
        assert_eq!(shim.hits().unwrap(), 1);
    }

    #[test]
    fn the_wall_clock_jumps_and_comes_back() {
        let (folder, shim) = shim();
        let says = || run(&shim, folder.path(), "date +%s").1.parse::<i64>().unwrap();
        let (before, skewed) = (says(), {
            shim.clock_offset(-3_600_500).unwrap();
            says()
        });
        shim.heal().unwrap();
        let after = says();
        assert!((before - 3_601..=after - 3_600).contains(&skewed), "{before} {skewed} {after}");
    }
}
