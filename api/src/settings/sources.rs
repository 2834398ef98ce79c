//! Where settings come from.

use std::path::{Path, PathBuf};

use config::{Config, Environment, File, FileFormat};

use super::{ENVIRONMENT_PREFIX, Settings, SettingsError};

/// Where settings come from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Files in rising order of precedence; a missing one is an error.
    pub files: Vec<PathBuf>,
    /// `section.key`, value: flags win over everything.
    pub overrides: Vec<(&'static str, String)>,
}

impl Sources {
    /// # Errors
    /// When a file cannot be read, a key is unknown or a value has the wrong type.
    pub fn load(&self) -> Result<Settings, SettingsError> {
        let mut builder = Config::builder();
        for file in &self.files {
            builder = builder.add_source(File::from(file.as_path()).format(FileFormat::Toml).required(true));
        }
        builder = builder.add_source(
            Environment::with_prefix(ENVIRONMENT_PREFIX)
                .prefix_separator("__")
                .separator("__")
                .list_separator(",")
                .with_list_parse_key("http.cors_origins")
                .with_list_parse_key("auth.accepted_public_keys")
                .with_list_parse_key("seals.public_keys")
                .try_parsing(false),
        );
        for (key, value) in &self.overrides {
            builder = builder.set_override(*key, value.clone())?;
        }
        Ok(builder.build()?.try_deserialize()?)
    }
}

/// `path` when it names a file.
#[must_use]
pub fn existing(path: &Path) -> Option<PathBuf> {
    path.is_file().then(|| path.to_path_buf())
}
