//! Where a subcommand finds its settings, and the servers that they name.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use crate::embedded::{self, Embedded};
use crate::settings::{Needs, Profile, Settings, Sources, existing};

/// Flags of every subcommand.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Settings file; without it ./holdfast.toml, else that of the embedded servers.
    #[arg(long, short, global = true, env = "HOLDFAST_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the embedded servers keep everything.
    #[arg(long, global = true, env = "HOLDFAST_FOLDER", value_name = "FOLDER", default_value = embedded::DEFAULT_FOLDER)]
    pub folder: PathBuf,
    /// What is logged to standard error, e.g. `info,holdfast_api=debug`.
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
}

/// Settings, and the embedded servers if they are the ones that the settings name.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) settings: Settings,
    embedded: Option<Embedded>,
}

impl Opened {
    pub(super) fn embedded(&self) -> Option<&Embedded> {
        self.embedded.as_ref()
    }

    /// Stops what this process started.
    pub(super) async fn close(self) -> anyhow::Result<()> {
        match self.embedded {
            Some(embedded) => embedded.stop().await,
            None => Ok(()),
        }
    }
}

impl Global {
    /// The file that settings come from when the embedded ones are not asked for.
    fn given_file(&self) -> Option<PathBuf> {
        self.config.clone().or_else(|| existing(Path::new("holdfast.toml")))
    }

    fn overrides(&self) -> Vec<(&'static str, String)> {
        self.log.iter().map(|filter| ("telemetry.log", filter.clone())).collect()
    }

    /// Settings alone; nothing is started.
    pub(super) fn settings(&self, needs: Needs, flags: Vec<(&'static str, String)>) -> anyhow::Result<Settings> {
        let file = self.given_file().or_else(|| existing(&embedded::settings_file(&self.folder)));
        self.load(file.into_iter().collect(), needs, flags)
    }

    /// Settings, with the servers that they name running: embedded ones are started when nobody else runs them.
    pub(super) async fn open(&self, needs: Needs) -> anyhow::Result<Opened> {
        if self.given_file().is_some() || !embedded::settings_file(&self.folder).is_file() {
            let missing = || {
                format!(
                    "no settings: there is no --config, no ./holdfast.toml and no {} (made by `holdfast dev`)",
                    embedded::settings_file(&self.folder).display()
                )
            };
            let settings = self.settings(needs, Vec::new());
            let settings = if self.given_file().is_none() { settings.with_context(missing)? } else { settings? };
            return Ok(Opened { settings, embedded: None });
        }
        // The profile of the folder stays what it was when its servers were last started.
        let profile = self.settings(Needs::default(), Vec::new())?.profile;
        let embedded = Embedded::start(&self.folder, profile).await?;
        let settings = self.load(vec![embedded.settings_file()], needs, Vec::new())?;
        Ok(Opened { settings, embedded: Some(embedded) })
    }

    /// The embedded servers' settings, with an explicit `--config` on top.
    pub(super) fn embedded_settings(
        &self,
        embedded: &Embedded,
        needs: Needs,
        flags: Vec<(&'static str, String)>,
    ) -> anyhow::Result<Settings> {
        let mut files = vec![embedded.settings_file()];
        files.extend(self.config.clone());
        self.load(files, needs, flags)
    }

    fn load(&self, files: Vec<PathBuf>, needs: Needs, flags: Vec<(&'static str, String)>) -> anyhow::Result<Settings> {
        let mut overrides = self.overrides();
        overrides.extend(flags);
        let settings = Sources { files, overrides }.load()?;
        settings.check(needs)?;
        Ok(settings)
    }
}

/// `dev` logs text for people and leaves refusals to their answers; a file, a variable or `--log` can still say otherwise.
pub(super) fn readable_logs(global: &Global, flags: &mut Vec<(&'static str, String)>) {
    const QUIET: &str = "info,tracing_actix_web=error,actix_server=warn,async_nats=warn,sqlx=warn";
    if std::env::var_os("HOLDFAST__TELEMETRY__LOG_FORMAT").is_none() {
        flags.push(("telemetry.log_format", "text".to_owned()));
    }
    if std::env::var_os("HOLDFAST__TELEMETRY__LOG").is_none() && global.log.is_none() {
        flags.push(("telemetry.log", QUIET.to_owned()));
    }
}

/// A profile that this process runs embedded servers in.
pub(super) fn embedded_profile(profile: Profile) -> anyhow::Result<Profile> {
    anyhow::ensure!(profile != Profile::Production, "--profile production is for servers of your own: holdfast serve --config FILE");
    Ok(profile)
}
