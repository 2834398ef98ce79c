//! The settings file that all processes of a world share.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::postgres::{ADMIN, PASSWORD};

/// Names of the databases.
pub(crate) const WRITE: &str = "holdfast_write";
pub(crate) const READ: &str = "holdfast_read";

/// Deadlines within the length of a run: 4 s until settled money is there, 7 s of silence approve, 18 s to pay.
pub(super) const TENANT: &str = "clearanceHours = '0.001'\nautomaticRefundLimitMinor = 5000\n\
    [escrow]\nautoReleaseHours = '0.002'\nfundingHours = '0.005'\n";

pub(super) fn database_url(port: u16, name: &str) -> String {
    format!("postgres://127.0.0.1:{port}/{name}")
}

/// Streams of a run are short: with the default hardly one of them would ever have a snapshot. An older program knows no such setting.
pub(super) const SNAPSHOTS: &str = "[limits]\nsnapshot_every = 5\n";

/// Profile `dev`: safe against crashes of process and machine.
pub(super) fn write_settings(folder: &Path, postgres: u16, nats: u16, more: &str) -> anyhow::Result<()> {
    let passwords: String =
        ["admin", "writer", "relay", "reactor", "projector", "reader", "auditor"].map(|role| format!("{role} = '{PASSWORD}'\n")).concat();
    let key = |byte: u8| BASE64.encode([byte; 32]);
    let text = format!(
        "profile = 'dev'\n[http]\nworkers = 2\n\
         [database]\nwrite_url = '{}'\nread_url = '{}'\nadmin_user = '{ADMIN}'\n[database.passwords]\n{passwords}\
         [nats]\nurl = 'nats://127.0.0.1:{nats}'\n\
         [auth]\nissuer = 'https://holdfast.torture'\naudience = 'holdfast'\nsigning_key = '{}'\nmax_ttl_s = 86400\n\
         [secrets]\nrequest_hash_key = '{}'\npersonal_master_key = '{}'\nsealing_key = '{}'\n\
         [files]\nfolder = '{folder}/files'\n[seals]\nevery_s = 2\nfile = '{folder}/seals.ndjson'\n\
         [telemetry]\nlog = 'info,tracing_actix_web=error,actix_server=warn'\n{more}",
        database_url(postgres, WRITE),
        database_url(postgres, READ),
        key(1),
        key(2),
        key(3),
        key(4),
        folder = folder.display(),
    );
    std::fs::write(folder.join("holdfast.toml"), text)?;
    Ok(())
}
