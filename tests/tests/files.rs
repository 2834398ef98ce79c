//! Files over HTTP with the local folder: the whole way as a browser goes it, and everything that is refused on it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use holdfast_domain::kernel::{PartyId, Role, TenantId};
use holdfast_tests::{Answer, Client, Flow, System, expect, send};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

/// 70 bytes that begin as a PNG does.
fn png() -> Vec<u8> {
    [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice(), &[7; 54]].concat()
}

/// SHA-256 of [`png`].
const PNG_SHA256: &str = "abc62c07cc56bd75f0b1cf71b3505ad64c8d97b4e8c62264ca95485325688f26";

struct Talent {
    id: PartyId,
    client: Client,
}

impl Talent {
    fn new(system: &System, tenant_id: TenantId) -> anyhow::Result<Self> {
        let id = PartyId(Uuid::new_v4());
        Ok(Self { id, client: system.client(tenant_id, id, &[Role::Talent])? })
    }

    fn headshot(&self) -> Value {
        json!({
            "ownerType": "talent_portfolio", "ownerId": self.id, "kind": "headshot", "mime": "image/png", "size": 70,
            "fileName": "Ich «lächle».png",
        })
    }

    async fn ticket(&self) -> anyhow::Result<Answer> {
        ticket(&self.client, &self.headshot()).await
    }

    /// Uploaded and confirmed.
    async fn ready(&self) -> anyhow::Result<Uuid> {
        ready(&self.client, &self.headshot()).await
    }
}

async fn ticket(client: &Client, body: &Value) -> anyhow::Result<Answer> {
    expect(client.post("/v1/assets/presign-upload", body).await?, &[201])
}

async fn ready(client: &Client, body: &Value) -> anyhow::Result<Uuid> {
    let ticket = ticket(client, body).await?;
    let sent = put(&ticket, png()).await?;
    assert_eq!(sent.status, 204, "{}", sent.text);
    expect(confirm(client, ticket.id(), None).await?, &[200])?;
    Ok(ticket.id())
}

/// Sends the bytes as the ticket says: no token of ours, no header that it does not name.
async fn put(ticket: &Answer, content: Vec<u8>) -> anyhow::Result<Answer> {
    let upload = &ticket.body["upload"];
    assert_eq!(upload["method"], "PUT");
    let mut request = plain().put(upload["url"].as_str().unwrap()).body(content);
    for (name, value) in upload["headers"].as_object().unwrap() {
        request = request.header(name, value.as_str().unwrap());
    }
    Ok(send(request).await?)
}

fn plain() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn confirm(client: &Client, id: Uuid, checksum: Option<&str>) -> anyhow::Result<Answer> {
    let body = checksum.map_or_else(|| json!({ "assetId": id }), |checksum| json!({ "assetId": id, "checksum": checksum }));
    Ok(client.post("/v1/assets/confirm-upload", &body).await?)
}

async fn delete(client: &Client, id: Uuid) -> anyhow::Result<Answer> {
    Ok(send(client.request(Method::DELETE, &format!("/v1/assets/{id}"))).await?)
}

/// Everything that lies in the storage but the probe, from its root.
fn on_disk(system: &System) -> Vec<String> {
    fn walk(root: &Path, folder: PathBuf, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, path, found);
            } else {
                found.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    let root = system.settings_file().with_file_name("files");
    let mut found = Vec::new();
    walk(&root, root.clone(), &mut found);
    found.retain(|path| path != "health/probe");
    found.sort();
    found
}

/// Waits until the asset shows what is wanted.
async fn wait_for(client: &Client, id: Uuid, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
    let mut last = Value::Null;
    for _ in 0..400 {
        last = client.get(&format!("/v1/assets/{id}")).await?.body;
        if wanted(&last) {
            return Ok(last);
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    anyhow::bail!("it did not happen: {last}")
}

/// Starts the process anew with other settings of `[files]`.
async fn with_settings(system: &mut System, lines: &str) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(system.settings_file())?;
    let text = text.replace("tickets_per_minute = 1000\n", &format!("{lines}\n"));
    std::fs::write(system.settings_file(), text)?;
    system.kill()?;
    system.serve().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_goes_the_whole_way_as_a_browser_sends_it() -> anyhow::Result<()> {
    // TAL-06, TAL-19, TAL-20, TAL-31, TAL-43
    let system = System::start().await?;
    let talent = Talent::new(&system, system.tenant("")?)?;
    let ticket = talent.ticket().await?;
    let (id, path) = (ticket.id(), format!("/v1/assets/{}", ticket.id()));
    assert_eq!(
        (&ticket.body["status"], &ticket.body["upload"]["headers"]),
        (&json!("pending_upload"), &json!({ "Content-Type": "image/png" }))
    );
    let sent = put(&ticket, png()).await?;
    assert_eq!((sent.status, sent.text.as_str()), (204, ""));
    assert_eq!(on_disk(&system), [format!("quarantine/{}/{id}", talent.client.tenant_id)]);

    // Sent is not confirmed: nobody can have it.
    let seen = expect(talent.client.get_at(&path, ticket.position.unwrap()).await?, &[200])?.body;
    assert_eq!((&seen["status"], &seen["sha256"], &seen["fileName"]), (&json!("pending_upload"), &Value::Null, &json!("Ich «lächle».png")));
    let early = talent.client.get(&format!("{path}/download")).await?;
    assert_eq!((early.status, early.code()), (409, "ASSET_NOT_READY"), "{}", early.text);

    let confirmed = expect(confirm(&talent.client, id, Some(PNG_SHA256)).await?, &[200])?;
    assert_eq!((&confirmed.body["status"], &confirmed.body["events"][0]["type"]), (&json!("ready"), &json!("asset.confirmed")));
    assert_eq!(on_disk(&system), [format!("ready/{}/{id}/{PNG_SHA256}", talent.client.tenant_id)]);
    let seen = expect(talent.client.get_at(&path, confirmed.position.unwrap()).await?, &[200])?.body;
    let wanted = json!({
        "id": id, "version": 2, "status": "ready", "ownerType": "talent_portfolio", "ownerId": talent.id, "kind": "headshot",
        "mime": "image/png", "size": 70, "fileName": "Ich «lächle».png", "sha256": PNG_SHA256, "uploadedBy": talent.id, "kept": false,
        "confirmBy": null, "createdAt": seen["createdAt"], "updatedAt": seen["updatedAt"],
    });
    assert_eq!(seen, wanted);

    // The link alone is enough, and always makes a download of it.
    let link = expect(talent.client.get(&format!("{path}/download")).await?, &[200])?;
    let answer = plain().get(link.body["url"].as_str().unwrap()).header("Accept-Encoding", "gzip, zstd").send().await?;
    assert_eq!(answer.status(), 200);
    let wanted = [
        ("content-type", "image/png"),
        ("content-length", "70"),
        ("cache-control", "private, no-store"),
        ("x-content-type-options", "nosniff"),
        ("content-disposition", "attachment; filename=\"Ich _l_chle_.png\"; filename*=UTF-8''Ich%20%C2%ABl%C3%A4chle%C2%BB.png"),
    ];
    for (name, value) in wanted {
        assert_eq!(answer.headers().get(name).unwrap(), value, "{name}");
    }
    assert_eq!(answer.bytes().await?.as_ref(), png());

    // Again changes nothing; other content comes too late.
    for checksum in [None, Some(PNG_SHA256)] {
        let again = expect(confirm(&talent.client, id, checksum).await?, &[200])?;
        assert_eq!((&again.body["status"], &again.body["events"]), (&json!("ready"), &json!([])));
    }
    let other = confirm(&talent.client, id, Some(&"0".repeat(64))).await?;
    assert_eq!((other.status, other.code()), (422, "FILE_CHECKSUM_DIFFERS"));
    let late = put(&ticket, png()).await?;
    assert_eq!((late.status, late.code()), (409, "FILE_ALREADY_CONFIRMED"), "{}", late.text);
    system.read_models_at_heads(Duration::from_secs(10)).await?;
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_announced_is_checked_before_there_is_a_ticket() -> anyhow::Result<()> {
    // TAL-19
    let system = System::start().await?;
    let talent = Talent::new(&system, system.tenant("")?)?;
    let cases = [
        ("mime", json!("text/html"), 422, "FILE_TYPE_NOT_ALLOWED"),
        ("mime", json!("image/svg+xml"), 422, "FILE_TYPE_NOT_ALLOWED"),
        ("size", json!(0), 422, "FILE_EMPTY"),
        ("size", json!(50 * 1024 * 1024 + 1), 422, "FILE_TOO_LARGE"),
        ("size", json!(-1), 400, "VALIDATION_FAILED"),
        ("kind", json!("Head Shot"), 400, "VALIDATION_FAILED"),
        ("kind", json!("../x"), 400, "VALIDATION_FAILED"),
        ("ownerType", json!("elsewhere"), 400, "VALIDATION_FAILED"),
        ("ownerType", json!("contract_artifact"), 403, "POLICY_DENIED"),
        ("ownerType", json!("delivery_artifact"), 404, "ESCROW_NOT_FOUND"),
        ("ownerType", json!("dispute_evidence"), 404, "DISPUTE_NOT_FOUND"),
        ("ownerType", json!("job_brief"), 404, "JOB_NOT_FOUND"),
        ("ownerId", json!(Uuid::new_v4()), 403, "POLICY_DENIED"),
        ("fileName", json!("x".repeat(256)), 400, "VALIDATION_FAILED"),
        ("fileName", json!("a\0b"), 400, "VALIDATION_FAILED"),
        ("tenantId", json!(Uuid::new_v4()), 400, "VALIDATION_FAILED"),
    ];
    for (field, value, status, code) in cases {
        let mut body = talent.headshot();
        body[field] = value.clone();
        let answer = talent.client.post("/v1/assets/presign-upload", &body).await?;
        assert_eq!((answer.status, answer.code()), (status, code), "{field} {value}: {}", answer.text);
    }
    let list = expect(talent.client.get("/v1/assets").await?, &[200])?;
    assert_eq!(list.body["items"], json!([]), "no refusal leaves anything");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_is_not_what_was_announced_is_refused_and_can_be_sent_again() -> anyhow::Result<()> {
    // TAL-20
    let system = System::start().await?;
    let talent = Talent::new(&system, system.tenant("")?)?;
    let ticket = talent.ticket().await?;
    let id = ticket.id();
    let nothing = confirm(&talent.client, id, None).await?;
    assert_eq!((nothing.status, nothing.code()), (409, "ASSET_NOT_UPLOADED"));

    for (content, code) in [(png()[..69].to_vec(), "FILE_SIZE_DIFFERS"), ([png(), vec![0]].concat(), "FILE_TOO_LARGE")] {
        let answer = put(&ticket, content).await?;
        assert_eq!((answer.status, answer.code()), (422, code), "{}", answer.text);
    }
    let url = ticket.body["upload"]["url"].as_str().unwrap();
    for content_type in ["image/jpeg", "text/html", "nonsense"] {
        let answer = send(plain().put(url).header("Content-Type", content_type).body(png())).await?;
        assert_eq!((answer.status, answer.code()), (422, "FILE_TYPE_DIFFERS"), "{content_type}: {}", answer.text);
    }
    assert_eq!(on_disk(&system), [""; 0], "none of it is there");

    // The right size under the right name, and something else inside.
    let html = format!("{:<70}", "<!DOCTYPE html><script>alert(1)</script>").into_bytes();
    assert_eq!(put(&ticket, html).await?.status, 204);
    let lie = confirm(&talent.client, id, None).await?;
    assert_eq!((lie.status, lie.code()), (422, "FILE_TYPE_DIFFERS"), "{}", lie.text);

    assert_eq!(put(&ticket, png()).await?.status, 204);
    let wrong = confirm(&talent.client, id, Some(&"0".repeat(64))).await?;
    assert_eq!((wrong.status, wrong.code()), (422, "FILE_CHECKSUM_DIFFERS"));
    for checksum in ["", "abc", &"x".repeat(64)] {
        let malformed = confirm(&talent.client, id, Some(checksum)).await?;
        assert_eq!((malformed.status, malformed.code()), (400, "VALIDATION_FAILED"), "{checksum}");
    }
    let right = expect(confirm(&talent.client, id, Some(PNG_SHA256)).await?, &[200])?;
    assert_eq!(right.body["status"], "ready");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_end_is_cut_off_and_leaves_nothing() -> anyhow::Result<()> {
    // TAL-19: without a length nobody can be believed.
    let system = System::start().await?;
    let talent = Talent::new(&system, system.tenant("")?)?;
    let ticket = talent.ticket().await?;
    let url: reqwest::Url = ticket.body["upload"]["url"].as_str().unwrap().parse()?;
    let address = system.base_url.trim_start_matches("http://").to_owned();
    let path = url.path().to_owned();
    let answer = tokio::task::spawn_blocking(move || -> anyhow::Result<String> {
        let mut socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        socket.set_write_timeout(Some(Duration::from_secs(2)))?;
        write!(socket, "PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        // It stops taking more long before that: the pipe breaks, or what is sent stays in the network's buffers.
        for _ in 0..1_000 {
            if write!(socket, "10000\r\n").and_then(|()| socket.write_all(&[7; 0x10000])).and_then(|()| write!(socket, "\r\n")).is_err() {
                break;
            }
        }
        let mut answer = [0; 64];
        let read = socket.read(&mut answer).unwrap_or(0);
        Ok(String::from_utf8_lossy(&answer[..read]).into_owned())
    })
    .await??;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 422"), "{answer}");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(on_disk(&system), [""; 0]);
    let nothing = confirm(&talent.client, ticket.id(), None).await?;
    assert_eq!((nothing.status, nothing.code()), (409, "ASSET_NOT_UPLOADED"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_above_the_limit_of_other_bodies_is_taken() -> anyhow::Result<()> {
    // TAL-19: the ticket's size counts, not that of JSON bodies.
    let system = System::start().await?;
    let talent = Talent::new(&system, system.tenant("")?)?;
    let content = "Zeile für Zeile\n".repeat(200_000).into_bytes();
    let mut body = talent.headshot();
    (body["mime"], body["size"], body["fileName"]) = (json!("text/plain"), json!(content.len()), Value::Null);
    let ticket = ticket(&talent.client, &body).await?;
    assert_eq!(put(&ticket, content.clone()).await?.status, 204);
    let confirmed = expect(confirm(&talent.client, ticket.id(), None).await?, &[200])?;
    let path = format!("/v1/assets/{}/download", ticket.id());
    let link = expect(talent.client.get_at(&path, confirmed.position.unwrap()).await?, &[200])?;
    let answer = plain().get(link.body["url"].as_str().unwrap()).send().await?;
    let name = format!("attachment; filename=\"{}.txt\"", ticket.id());
    assert_eq!(answer.headers().get("content-disposition").unwrap(), name.as_str(), "a file without a name has its id's");
    assert!(answer.bytes().await?.as_ref() == content);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_good_for_what_it_was_made_for_and_unaltered() -> anyhow::Result<()> {
    // TAL-43
    let system = System::start().await?;
    let talent = Talent::new(&system, system.tenant("")?)?;
    let ticket = talent.ticket().await?;
    let id = talent.ready().await?;
    system.read_models_at_heads(Duration::from_secs(10)).await?;
    let link = expect(talent.client.get(&format!("/v1/assets/{id}/download")).await?, &[200])?;
    let (up, down) = (ticket.body["upload"]["url"].as_str().unwrap(), link.body["url"].as_str().unwrap());
    let altered = |url: &str| {
        let (head, last) = url.split_at(url.len() - 5);
        format!("{head}{}", if last == "AAAAA" { "BBBBB" } else { "AAAAA" })
    };
    let files = |token: &str| format!("{}/v1/files/{token}", system.base_url);
    for url in [up.to_owned(), altered(down), altered(up), files("x"), files("a.b"), files(&"A".repeat(6_000))] {
        let answer = send(plain().get(&url)).await?;
        assert_eq!((answer.status, answer.code()), (403, "FILE_LINK_INVALID"), "GET {url}");
    }
    for url in [down.to_owned(), altered(down), altered(up), files("x")] {
        let answer = send(plain().put(&url).header("Content-Type", "image/png").body(png())).await?;
        assert_eq!((answer.status, answer.code()), (403, "FILE_LINK_INVALID"), "PUT {url}");
    }
    let answer = send(plain().delete(down)).await?;
    assert_eq!((answer.status, answer.code()), (405, "METHOD_NOT_ALLOWED"));
    // A token of ours in the header opens nothing.
    let answer = send(plain().get(files("x")).bearer_auth(&talent.client.token)).await?;
    assert_eq!(answer.status, 403);
    assert_eq!(plain().get(down).send().await?.status(), 200);
    let told = system.log();
    let token = down.rsplit('/').next().unwrap();
    assert!(!told.contains(token), "links are not logged");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn links_and_tickets_that_nobody_used_in_time_are_over() -> anyhow::Result<()> {
    // TAL-19, TAL-31
    let mut system = System::start().await?;
    let talent = Talent::new(&system, system.tenant("")?)?;
    let id = talent.ready().await?;
    with_settings(&mut system, "upload_expires_s = 4\ndownload_expires_s = 4").await?;
    system.read_models_at_heads(Duration::from_secs(10)).await?;
    let link = expect(talent.client.get(&format!("/v1/assets/{id}/download")).await?, &[200])?;
    let ticket = talent.ticket().await?;
    let sent = talent.ticket().await?;
    assert_eq!(put(&sent, png()).await?.status, 204);
    tokio::time::sleep(Duration::from_millis(4_100)).await;
    let late = put(&ticket, png()).await?;
    assert_eq!((late.status, late.code()), (403, "FILE_LINK_EXPIRED"));
    let late = send(plain().get(link.body["url"].as_str().unwrap())).await?;
    assert_eq!((late.status, late.code()), (403, "FILE_LINK_EXPIRED"));
    for ticket in [&ticket, &sent] {
        let expired = wait_for(&talent.client, ticket.id(), |asset| asset["status"] == "expired").await?;
        assert_eq!((&expired["fileName"], &expired["confirmBy"]), (&Value::Null, &Value::Null));
        let late = confirm(&talent.client, ticket.id(), None).await?;
        assert_eq!((late.status, late.code()), (409, "INVALID_ASSET_TRANSITION"), "{}", late.text);
        let gone = talent.client.get(&format!("/v1/assets/{}/download", ticket.id())).await?;
        assert_eq!((gone.status, gone.code()), (409, "ASSET_NOT_READY"));
    }
    let ready = format!("ready/{}/{id}/{PNG_SHA256}", talent.client.tenant_id);
    wait_for_disk(&system, &[ready]).await;
    Ok(())
}

/// Bytes go by an effect, a moment after the event.
async fn wait_for_disk(system: &System, wanted: &[String]) {
    for _ in 0..400 {
        if on_disk(system) == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(on_disk(system), wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_gives_the_same_asset_another_ticket() -> anyhow::Result<()> {
    // TAL-19
    let system = System::start().await?;
    let talent = Talent::new(&system, system.tenant("")?)?;
    let key = Uuid::new_v4().to_string();
    let first = talent.client.post_keyed("/v1/assets/presign-upload", &talent.headshot(), &key).await?;
    let again = talent.client.post_keyed("/v1/assets/presign-upload", &talent.headshot(), &key).await?;
    assert_eq!((first.status, again.status, again.replayed), (201, 201, true), "{}", again.text);
    assert_eq!((first.id(), &first.body["version"]), (again.id(), &again.body["version"]));
    assert_eq!(put(&again, png()).await?.status, 204);
    expect(confirm(&talent.client, first.id(), None).await?, &[200])?;
    let mut other = talent.headshot();
    other["size"] = json!(71);
    let reused = talent.client.post_keyed("/v1/assets/presign-upload", &other, &key).await?;
    assert_eq!((reused.status, reused.code()), (422, "IDEMPOTENCY_KEY_REUSED"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_tickets_are_given_to_one_person() -> anyhow::Result<()> {
    // TAL-44
    let mut system = System::start().await?;
    with_settings(&mut system, "tickets_per_minute = 3").await?;
    let tenant_id = system.tenant("")?;
    let (talent, other) = (Talent::new(&system, tenant_id)?, Talent::new(&system, tenant_id)?);
    for _ in 0..3 {
        talent.ticket().await?;
    }
    let refused = talent.client.post("/v1/assets/presign-upload", &talent.headshot()).await?;
    assert_eq!((refused.status, refused.code()), (429, "RATE_LIMITED"), "{}", refused.text);
    let wait: u64 = refused.headers.get("retry-after").unwrap().to_str()?.parse()?;
    assert!((1..=21).contains(&wait), "one every 20 seconds: {wait}");
    other.ticket().await?;
    assert_eq!(talent.client.get("/v1/assets").await?.status, 200, "everything else goes on");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_is_seen_by_its_parties_and_nobody_else() -> anyhow::Result<()> {
    // TAL-06, ESC-05
    let system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    let (parties, escrow) = (&flow.parties, flow.create("100.00").await?);
    let body = json!({ "ownerType": "delivery_artifact", "ownerId": escrow, "kind": "photo", "mime": "image/png", "size": 70 });
    let stranger = Talent::new(&system, parties.tenant_id)?;
    let foreign = Talent::new(&system, system.tenant("")?)?;
    for client in [&stranger.client, &foreign.client] {
        let answer = client.post("/v1/assets/presign-upload", &body).await?;
        assert_eq!((answer.status, answer.code()), (404, "ESCROW_NOT_FOUND"), "who has nothing to do with it does not learn of it");
    }
    let pending = ticket(&parties.payee, &body).await?;
    let id = ready(&parties.payee, &body).await?;
    system.read_models_at_heads(Duration::from_secs(10)).await?;

    let (path, list) = (format!("/v1/assets/{id}"), format!("/v1/assets?ownerType=delivery_artifact&ownerId={escrow}"));
    let count = |answer: &Answer| answer.body["items"].as_array().map(Vec::len);
    for (client, sees) in [(&parties.payee, 2), (&parties.staff, 2), (&parties.platform, 2), (&parties.payer, 1)] {
        assert_eq!(count(&client.get(&list).await?), Some(sees));
        assert_eq!(client.get(&path).await?.status, 200);
        assert_eq!(client.get(&format!("{path}/download")).await?.status, 200);
    }
    // What is not confirmed is its uploader's and the staff's.
    assert_eq!(parties.payer.get(&format!("/v1/assets/{}", pending.id())).await?.status, 404);
    for client in [&stranger.client, &foreign.client] {
        assert_eq!(count(&client.get(&list).await?), Some(0));
        for path in [path.clone(), format!("{path}/download")] {
            let answer = client.get(&path).await?;
            assert_eq!((answer.status, answer.code()), (404, "ASSET_NOT_FOUND"), "{path}");
        }
    }

    // Only its uploader confirms it, whoever else may see it.
    for client in [&parties.payer, &parties.staff, &stranger.client] {
        let answer = confirm(client, pending.id(), None).await?;
        assert_eq!((answer.status, answer.code()), (403, "POLICY_DENIED"));
    }
    for id in [pending.id(), Uuid::new_v4()] {
        let answer = confirm(&foreign.client, id, None).await?;
        assert_eq!((answer.status, answer.code()), (404, "ASSET_NOT_FOUND"));
        let answer = delete(&foreign.client, id).await?;
        assert_eq!((answer.status, answer.code()), (404, "ASSET_NOT_FOUND"));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_proves_something_stays_and_the_rest_can_go() -> anyhow::Result<()> {
    // DSP-13, DSP-38, ESC-05, TAL-31
    let system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    let parties = &flow.parties;
    flow.fill("100.00").await?;
    let escrow = flow.create("100.00").await?;
    flow.wallet_has("100.00").await?;
    flow.fund(escrow).await?;
    flow.act(&parties.staff, escrow, "start", &json!({})).await?;
    let talent = Talent { id: parties.payee_id, client: parties.payee.clone() };
    let stranger = Talent::new(&system, parties.tenant_id)?;

    // A delivery stays from the moment it is there; a file of another sort from the moment something refers to it.
    let body =
        |owner_type: &str, id: Uuid| json!({ "ownerType": owner_type, "ownerId": id, "kind": "photo", "mime": "image/png", "size": 70 });
    let (photo, headshot, spare) =
        (ready(&talent.client, &body("delivery_artifact", escrow)).await?, talent.ready().await?, talent.ready().await?);
    let refused = delete(&talent.client, photo).await?;
    assert_eq!((refused.status, refused.code()), (409, "ASSET_IN_USE"), "{}", refused.text);
    flow.act(&talent.client, escrow, "submit-delivery", &json!({ "assetIds": [photo, headshot, Uuid::new_v4()] })).await?;
    wait_for(&talent.client, headshot, |asset| asset["kept"] == true).await?;

    let raised = expect(
        parties.payer.post("/v1/disputes", &json!({ "refType": "escrow", "refId": escrow, "reason": "no photo" })).await?,
        &[200, 201],
    )?;
    let dispute: Uuid = raised.body["disputeId"].as_str().map_or_else(|| Ok(raised.id()), str::parse)?;
    let evidence = evidence(&parties.payer, &body("dispute_evidence", dispute), dispute).await?;
    for (client, id) in [(&talent.client, photo), (&talent.client, headshot), (&parties.staff, headshot), (&parties.payer, evidence)] {
        let refused = delete(client, id).await?;
        assert_eq!((refused.status, refused.code()), (409, "ASSET_IN_USE"), "{}", refused.text);
    }
    system.read_models_at_heads(Duration::from_secs(10)).await?;
    assert_eq!(parties.payee.get(&format!("/v1/assets/{evidence}/download")).await?.status, 200, "the other side sees the evidence");

    let refused = delete(&stranger.client, spare).await?;
    assert_eq!((refused.status, refused.code()), (403, "POLICY_DENIED"));
    let deleted = expect(delete(&talent.client, spare).await?, &[200])?;
    assert_eq!(deleted.body["status"], "deleted");
    let again = expect(delete(&parties.staff, spare).await?, &[200])?;
    assert_eq!(again.body["events"], json!([]));
    let gone = talent.client.get_at(&format!("/v1/assets/{spare}"), deleted.position.unwrap()).await?.body;
    assert_eq!((&gone["status"], &gone["fileName"]), (&json!("deleted"), &Value::Null));
    let link = talent.client.get(&format!("/v1/assets/{spare}/download")).await?;
    assert_eq!((link.status, link.code()), (409, "ASSET_NOT_READY"));
    let mut stay: Vec<String> =
        [photo, headshot, evidence].iter().map(|id| format!("ready/{}/{id}/{PNG_SHA256}", parties.tenant_id)).collect();
    stay.sort();
    wait_for_disk(&system, &stay).await;
    system.read_models_at_heads(Duration::from_secs(10)).await?;
    system.verify()?;
    Ok(())
}

/// The dispute follows the escrow by a reaction: the first try may come too early.
async fn evidence(client: &Client, body: &Value, dispute: Uuid) -> anyhow::Result<Uuid> {
    for _ in 0..400 {
        let answer = client.post("/v1/assets/presign-upload", body).await?;
        if answer.code() == "DISPUTE_NOT_FOUND" {
            tokio::time::sleep(Duration::from_millis(25)).await;
            continue;
        }
        let id = ready(client, body).await?;
        let added = client.post(&format!("/v1/disputes/{dispute}/evidence"), &json!({ "assetId": id })).await?;
        expect(added, &[200, 201])?;
        return Ok(id);
    }
    anyhow::bail!("no dispute {dispute}")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_sees_where_files_are_kept() -> anyhow::Result<()> {
    // TAL-43, NFR-108
    let system = System::start().await?;
    let ready: Value = plain().get(format!("{}/readyz", system.base_url)).send().await?.json().await?;
    let files = ready["checks"].as_array().unwrap().iter().find(|check| check["name"] == "files").unwrap();
    assert_eq!((&files["ok"], &files["required"]), (&json!(true), &json!(false)));
    let report: Value = serde_json::from_str(&system.run(&["doctor", "--json"])?)?;
    let checks = report["checks"].as_array().unwrap();
    let storage = checks.iter().find(|check| check["place"] == "files" && check["setting"] == "storage").unwrap();
    assert_eq!((&storage["value"], &storage["ok"]), (&json!("answers"), &json!(true)));
    Ok(())
}
