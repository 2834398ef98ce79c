//! Seals, proofs and exports of a whole system: over HTTP, on the command line and on NATS.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::process::Command;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use holdfast_domain::kernel::{PartyId, Role};
use holdfast_tests::{Answer, Client, System};
use reqwest::Method;
use serde_json::Value;
use uuid::Uuid;

async fn sealed(client: &Client, at_least: i64) -> anyhow::Result<Value> {
    let begun = Instant::now();
    loop {
        let Answer { status, body, text, .. } = client.get("/v1/audit/seals?limit=1").await?;
        assert_eq!(status, 200, "{text}");
        if body["items"][0]["size"].as_i64().unwrap_or(0) >= at_least {
            return Ok(body["items"][0].clone());
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "not sealed: {text}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_sealed_proved_exported_and_a_changed_row_is_found() -> anyhow::Result<()> {
    let file = std::env::temp_dir().join(format!("holdfast-seals-{}.ndjson", Uuid::new_v4()));
    let system = System::start_set(&format!("[seals]\nevery_s = 1\nfile = '{}'\n", file.display())).await?;
    let nats = match &system.nats_url {
        Some(url) => Some(async_nats::connect(url).await?.subscribe("seals.>").await?),
        None => None,
    };
    let tenant_id = system.tenant("")?;
    let auditor = system.client(tenant_id, PartyId(Uuid::new_v4()), &[Role::Auditor])?;
    let seal = sealed(&auditor, 1).await?;
    let size = seal["size"].as_i64().unwrap();
    if let Some(mut nats) = nats {
        let message = tokio::time::timeout(Duration::from_secs(10), nats.next()).await?.unwrap();
        assert_eq!(message.subject.as_str(), format!("seals.{tenant_id}"));
        let told: Value = serde_json::from_slice(&message.payload)?;
        assert_eq!(told["tenantId"], tenant_id.to_string());
    }
    let proof = auditor.get(&format!("/v1/audit/proofs/inclusion?position=1&size={size}")).await?;
    assert_eq!((proof.status, &proof.body["root"]), (200, &seal["root"]), "{}", proof.text);
    let proof = auditor.get(&format!("/v1/audit/proofs/consistency?from=1&to={size}")).await?;
    assert_eq!((proof.status, &proof.body["toRoot"]), (200, &seal["root"]), "{}", proof.text);
    for (path, field) in [
        ("inclusion?position=0", "position"),
        ("inclusion?position=1&size=99999", "size"),
        ("inclusion?position=99999", "position"),
        ("consistency?from=0", "from"),
        ("consistency?from=1&to=99999", "to"),
    ] {
        let refused = auditor.get(&format!("/v1/audit/proofs/{path}")).await?;
        assert_eq!((refused.status, refused.body["error"]["details"]["field"].as_str()), (400, Some(field)), "{}", refused.text);
    }
    let keys = auditor.get("/.well-known/holdfast-seal-keys.json").await?;
    let key = keys.body["keys"][0]["publicKey"].as_str().unwrap().to_owned();

    // Over HTTP and by command: both verify offline, also without our code.
    let folder = file.with_extension("d");
    std::fs::create_dir_all(&folder)?;
    // Kept from before: the file itself gets newer heads than an export has.
    let kept = folder.join("kept.ndjson");
    std::fs::copy(&file, &kept)?;
    let export = holdfast_tests::send(auditor.request(Method::GET, "/v1/audit/export")).await?;
    assert_eq!(export.status, 200, "{}", export.text);
    let over_http = folder.join("http.ndjson");
    std::fs::write(&over_http, &export.text)?;
    let packed = folder.join("export.zst");
    let gzipped = folder.join("export.gz");
    system.run(&["audit", "export", "--tenant", &tenant_id.to_string(), "--zstd", "--out", packed.to_str().unwrap()])?;
    system.run(&["audit", "export", "--tenant", &tenant_id.to_string(), "--gzip", "--out", gzipped.to_str().unwrap()])?;
    for path in [&over_http, &packed, &gzipped] {
        system.run(&["audit", "verify", path.to_str().unwrap(), "--key", &key, "--earlier", kept.to_str().unwrap()])?;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/verify_export.py");
    for path in [&over_http, &gzipped] {
        let ran = Command::new("python3").args(["-B", script]).arg(path).args(["--key", &key]).status()?;
        assert!(ran.success());
    }
    let changed = folder.join("changed.ndjson");
    std::fs::write(&changed, export.text.replacen("\\\"", "\\\" ", 1))?;
    let refused = system.run(&["audit", "verify", changed.to_str().unwrap(), "--key", &key]).unwrap_err().to_string();
    assert!(refused.contains("NOT VERIFIED"), "{refused}");
    let wrong = auditor.get("/v1/audit/export?after=99999").await?;
    assert_eq!((wrong.status, wrong.code()), (400, "VALIDATION_FAILED"));

    // A row changed by hand.
    system.run(&["audit", "check"])?;
    let log = system.log_database().await?;
    let change = format!(
        "ALTER TABLE events DISABLE TRIGGER append_only;
         UPDATE events SET metadata = (metadata::text || ' ')::json WHERE tenant_id = '{tenant_id}' AND position = 1;
         ALTER TABLE events ENABLE ALWAYS TRIGGER append_only"
    );
    sqlx::raw_sql(&change).execute(&log).await?;
    let found = system.run(&["audit", "check", "--tenant", &tenant_id.to_string()]).unwrap_err().to_string();
    assert!(found.contains("not those that were sealed"), "{found}");
    log.close().await;
    std::fs::remove_dir_all(folder)?;
    std::fs::remove_file(file)?;
    Ok(())
}
