//! Exports against both verifiers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::path::PathBuf;
use std::process::Command;

use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::db::Pool;
use holdfast_eventlog::export::{Export, ExportError, ExportFilter, VerifyError, verify};
use holdfast_eventlog::seal::{Seal, SealerSettings, SealingKey};
use support::tree::{SEED, append, auditor, keys, sealer};
use support::{batch, tenant, unit, wallet, with};
use uuid::Uuid;

async fn export(pool: &Pool, tenant_id: TenantId, after: i64, filter: ExportFilter) -> String {
    let mut export = Export::begin(pool, tenant_id, after, filter).await.unwrap();
    let mut text = String::new();
    while let Some(lines) = export.next().await.unwrap() {
        text.push_str(&lines);
    }
    text
}

struct Folder(PathBuf);

impl Folder {
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// What `docs/verify_export.py` says about the export; Ok when it verifies it.
    fn python(&self, export: &str, earlier: Option<&Seal>) -> Result<String, String> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/verify_export.py");
        let mut command = Command::new("python3");
        let key = SealingKey::new(&SEED).public().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        command.args(["-B", script]).arg(self.write("export.ndjson", export)).args(["--key", &key]);
        if let Some(seal) = earlier {
            command.arg("--earlier").arg(self.write("earlier.ndjson", &(seal.line() + "\n")));
        }
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        if output.status.success() { Ok(said) } else { Err(said) }
    }
}

/// Both verifiers must be of one opinion.
fn both(folder: &Folder, export: &str, earlier: Option<&Seal>) -> Result<(), VerifyError> {
    let ours = verify(export.as_bytes(), &keys(), earlier.map(std::slice::from_ref)).map(|_| ());
    let python = folder.python(export, earlier);
    assert_eq!(ours.is_ok(), python.is_ok(), "{ours:?} {python:?}");
    ours
}

#[tokio::test]
async fn exports_are_verified_offline_by_both_verifiers() {
    with(|database| async move {
        let tenant_id = tenant(1);
        let pool = auditor(&database).await;
        let folder = Folder(std::env::temp_dir().join(format!("holdfast-export-{}", Uuid::new_v4())));
        std::fs::create_dir_all(&folder.0).unwrap();
        append(&database, tenant_id, 1, 1, 4).await;
        let begun = Export::begin(&pool, tenant_id, 0, ExportFilter::default()).await;
        assert!(matches!(begun, Err(ExportError::NotSealed)));
        let mut sealer = sealer(&database, SealerSettings::default()).await;
        let mut seals = sealer.round().await.unwrap();
        let mut special = unit(wallet(tenant_id, 2), 1, 1);
        special.events[0].payload = "{\"text\" :\t\"ü 😀 \\u00fc \\\\ \\\"\u{2028}\", \"text\":1.0e5}".to_owned();
        special.events[0].event_type = "wallet.special".to_owned();
        database.log().await.append(&batch(&[], vec![special])).await.unwrap();
        append(&database, tenant_id, 1, 5, 600).await;
        seals.extend(sealer.round().await.unwrap());

        let whole = export(&pool, tenant_id, 0, ExportFilter::default()).await;
        both(&folder, &whole, None).unwrap();
        both(&folder, &whole, Some(&seals[0])).unwrap();
        both(&folder, &whole, Some(&seals[1])).unwrap();
        let types = ["wallet.special".to_owned()].into();
        let filtered = export(&pool, tenant_id, 0, ExportFilter { types, ..ExportFilter::default() }).await;
        both(&folder, &filtered, Some(&seals[0])).unwrap();
        let verified = verify(filtered.as_bytes(), &keys(), None).unwrap();
        assert_eq!((verified.events, verified.left_out), (1, 604));
        // In parts: each continues the head that the part before ended with.
        let rest = export(&pool, tenant_id, 4, ExportFilter::default()).await;
        both(&folder, &rest, Some(&seals[0])).unwrap();
        let middle = export(&pool, tenant_id, 357, ExportFilter::default()).await;
        both(&folder, &middle, None).unwrap();
        both(&folder, &middle, Some(&seals[0])).unwrap_err();
        let nothing = export(&pool, tenant_id, 605, ExportFilter::default()).await;
        both(&folder, &nothing, Some(&seals[1])).unwrap();

        // Another head of the same size under the right key, and a head of the future.
        let key = SealingKey::new(&SEED);
        both(&folder, &whole, Some(&key.sign(tenant_id, 4, [1; 32], 0, chrono::Utc::now()))).unwrap_err();
        both(&folder, &whole, Some(&key.sign(tenant_id, 700, [1; 32], 0, chrono::Utc::now()))).unwrap_err();
        both(&folder, &whole, Some(&key.sign(tenant(2), 4, [1; 32], 0, chrono::Utc::now()))).unwrap_err();
        let strange = SealingKey::new(&[1; 32]);
        both(&folder, &whole, Some(&strange.sign(tenant_id, 4, seals[0].root, 0, chrono::Utc::now()))).unwrap_err();

        let lines: Vec<&str> = whole.lines().collect();
        let with = |change: &dyn Fn(&mut Vec<String>)| {
            let mut lines = lines.iter().map(|line| (*line).to_owned()).collect();
            change(&mut lines);
            lines.join("\n") + "\n"
        };
        let footer = lines.len() - 1;
        let tampered = [
            with(&|lines| lines[3] = lines[3].replace(r#"\"text\""#, r#"\"text \""#)),
            with(&|lines| lines[3] = lines[3].replace("wallet.credited", "wallet.debited")),
            with(&|lines| lines[3] = lines[3].replace(r#""sequence":3"#, r#""sequence":4"#)),
            with(&|lines| drop(lines.remove(3))),
            with(&|lines| lines.swap(3, 4)),
            with(&|lines| lines.insert(3, lines[3].clone())),
            with(&|lines| lines.truncate(footer)),
            with(&|lines| drop(lines.remove(footer - 1))),
            with(&|lines| lines.push(lines[footer].clone())),
            with(&|lines| lines[0] = lines[0].replace(&tenant_id.to_string(), &tenant(2).to_string())),
            with(&|lines| lines[0] = lines[0].replace(r#""after":0"#, r#""after":1"#)),
            with(&|lines| lines[footer] = lines[footer].replace(r#""events":605"#, r#""events":604"#)),
            with(&|lines| lines[footer] = lines[footer].replace(r#""sealedAt":"2"#, r#""sealedAt":"1"#)),
            with(&|lines| lines[footer] = lines[footer].replace(seals[1].signature.as_str(), seals[0].signature.as_str())),
            with(&|lines| lines[2] = format!(r#"{{"position":2,"leafHash":"{}"}}"#, "00".repeat(32))),
            filtered.replacen(r#""leafHash":"0"#, r#""leafHash":"1"#, 1).replacen(r#""leafHash":"f"#, r#""leafHash":"e"#, 1),
            filtered.replacen("wallet.special", "", 1).replace(r#""types":[""]"#, r#""types":[]"#),
        ];
        for (number, export) in tampered.iter().enumerate() {
            assert!(*export != whole && *export != filtered, "{number} changes nothing");
            both(&folder, export, None).expect_err(&format!("tampering {number} was not found"));
        }
        std::fs::remove_dir_all(&folder.0).unwrap();
    })
    .await;
}

#[tokio::test]
async fn seals_that_are_written_during_an_export_change_nothing_about_it() {
    // NFR-128
    with(|database| async move {
        let (tenant_id, pool) = (tenant(1), auditor(&database).await);
        append(&database, tenant_id, 1, 1, 1_300).await;
        let mut sealer = sealer(&database, SealerSettings::default()).await;
        let first = sealer.round().await.unwrap().remove(0);
        // Also one that begins in the middle of the tile that grows meanwhile.
        for after in [0, 1_290] {
            let mut export = Export::begin(&pool, tenant_id, after, ExportFilter::default()).await.unwrap();
            let size = export.seal().size;
            let mut text = String::new();
            while let Some(lines) = export.next().await.unwrap() {
                text.push_str(&lines);
                let head = database.count("SELECT position FROM tenant_heads").await;
                append(&database, tenant_id, 1, head + 1, 7).await;
                assert_eq!(sealer.round().await.unwrap().len(), 1);
            }
            let earlier = (after == 0).then(|| std::slice::from_ref(&first));
            let verified = verify(text.as_bytes(), &keys(), earlier).unwrap();
            assert_eq!((verified.after, verified.seal.size, verified.events), (after, size, size - after));
        }
    })
    .await;
}
