//! What the folder remembers: ports and random passwords; and the settings file made of them.

use std::path::Path;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use super::process::write_private;
use crate::settings::Profile;

const FILE: &str = "state.toml";

/// Made once per folder; the file is readable by its owner only.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    pub(super) postgres_port: Option<u16>,
    pub(super) nats_port: Option<u16>,
    pub(super) nats_monitor_port: Option<u16>,
    pub(super) passwords: Passwords,
    signing_key: String,
    request_hash_key: String,
    personal_master_key: String,
    /// Empty in a folder of before there were seals.
    #[serde(default)]
    sealing_key: String,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Passwords {
    pub(super) admin: String,
    writer: String,
    relay: String,
    reactor: String,
    projector: String,
    reader: String,
    auditor: String,
    nats_relay_seed: String,
    nats_subscriber_seed: String,
    /// Folders of the first release have none.
    #[serde(default)]
    nats_admin_seed: String,
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passwords(..)")
    }
}

impl State {
    pub(super) fn load_or_create(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(FILE);
        if path.is_file() {
            let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let mut state: Self = toml::from_str(&text).with_context(|| format!("{} is not what holdfast wrote there", path.display()))?;
            if state.passwords.nats_admin_seed.is_empty() || state.sealing_key.is_empty() {
                if state.passwords.nats_admin_seed.is_empty() {
                    state.passwords.nats_admin_seed = nkey_seed()?;
                }
                if state.sealing_key.is_empty() {
                    state.sealing_key = key()?;
                }
                state.write(folder)?;
            }
            return Ok(state);
        }
        let state = Self::random()?;
        state.write(folder)?;
        Ok(state)
    }

    fn random() -> anyhow::Result<Self> {
        Ok(Self {
            postgres_port: None,
            nats_port: None,
            nats_monitor_port: None,
            passwords: Passwords {
                admin: password()?,
                writer: password()?,
                relay: password()?,
                reactor: password()?,
                projector: password()?,
                reader: password()?,
                auditor: password()?,
                nats_relay_seed: nkey_seed()?,
                nats_subscriber_seed: nkey_seed()?,
                nats_admin_seed: nkey_seed()?,
            },
            signing_key: key()?,
            request_hash_key: key()?,
            personal_master_key: key()?,
            sealing_key: key()?,
        })
    }

    /// Public keys of the relay, of the subscriber and of the admin.
    pub(super) fn nats_users(&self) -> anyhow::Result<[String; 3]> {
        let public = |seed: &str| nkeys::KeyPair::from_seed(seed).map(|key| key.public_key()).context("unusable nkey seed");
        let Passwords { nats_relay_seed, nats_subscriber_seed, nats_admin_seed, .. } = &self.passwords;
        Ok([public(nats_relay_seed)?, public(nats_subscriber_seed)?, public(nats_admin_seed)?])
    }

    fn write(&self, folder: &Path) -> anyhow::Result<()> {
        write_private(&folder.join(FILE), &toml::to_string(self).context("cannot write the state")?)
    }

    /// Remembers the ports and writes the settings file that all subcommands read.
    pub(super) fn save(&self, folder: &Path, profile: Profile, with_nats: bool) -> anyhow::Result<()> {
        self.write(folder)?;
        write_private(&super::settings_file(folder), &self.settings(folder, profile, with_nats))
    }

    fn settings(&self, folder: &Path, profile: Profile, with_nats: bool) -> String {
        let files = toml::Value::String(folder.join("files").to_string_lossy().into_owned());
        let seals = toml::Value::String(folder.join("seals.ndjson").to_string_lossy().into_owned());
        let port = self.postgres_port.unwrap_or_default();
        let Passwords { admin, writer, relay, reactor, projector, reader, auditor, nats_relay_seed, nats_subscriber_seed, nats_admin_seed } =
            &self.passwords;
        let profile = profile.as_str();
        let (signing, hashing, personal) = (&self.signing_key, &self.request_hash_key, &self.personal_master_key);
        let sealing = &self.sealing_key;
        let nats = match self.nats_port.filter(|_| with_nats) {
            Some(port) => format!(
                "\n[nats]\nurl = \"nats://127.0.0.1:{port}\"\n\
                 relay_nkey_seed = \"{nats_relay_seed}\"\nsubscriber_nkey_seed = \"{nats_subscriber_seed}\"\n\
                 admin_nkey_seed = \"{nats_admin_seed}\"\n"
            ),
            None => String::new(),
        };
        format!(
            "# Written by `holdfast dev` at every start, for its embedded servers. Keep it private.\n\
             profile = \"{profile}\"\n\n\
             [database]\n\
             write_url = \"postgres://127.0.0.1:{port}/holdfast_write\"\n\
             read_url = \"postgres://127.0.0.1:{port}/holdfast_read\"\n\
             admin_user = \"holdfast_admin\"\n\n\
             [database.passwords]\n\
             admin = \"{admin}\"\nwriter = \"{writer}\"\nrelay = \"{relay}\"\nreactor = \"{reactor}\"\n\
             projector = \"{projector}\"\nreader = \"{reader}\"\nauditor = \"{auditor}\"\n\n\
             [auth]\nsigning_key = \"{signing}\"\n# So that tokens can be pasted and tried for a day.\nmax_ttl_s = 86400\n\n\
             [secrets]\nrequest_hash_key = \"{hashing}\"\npersonal_master_key = \"{personal}\"\n\
             sealing_key = \"{sealing}\"\n\n\
             [files]\nfolder = {files}\n\n[seals]\nfile = {seals}\n{nats}"
        )
    }
}

fn random_bytes<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("the system has no random numbers: {error}"))?;
    Ok(bytes)
}

fn password() -> anyhow::Result<String> {
    Ok(hex::encode(random_bytes::<24>()?))
}

fn key() -> anyhow::Result<String> {
    Ok(BASE64.encode(random_bytes::<32>()?))
}

fn nkey_seed() -> anyhow::Result<String> {
    nkeys::KeyPair::new_user().seed().context("cannot make an nkey")
}
