//! Filters and headers under attack, on a whole system with two tenants: whatever a client sends, it is refused by name or
//! answered with what is the caller's own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use holdfast_domain::kernel::{PartyId, Role};
use holdfast_fuzzing::Target;
use holdfast_tests::things::SETTINGS;
use holdfast_tests::{Flow, System, Things, public_json};
use serde_json::Value;
use uuid::Uuid;

/// A system with two tenants; the caller is everybody in the first one.
struct Attacked {
    system: System,
    document: Value,
    mine: Things,
    theirs: Things,
    token: String,
}

/// An answer as it came over the wire.
struct Raw {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Raw {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

impl Attacked {
    async fn start() -> anyhow::Result<Self> {
        let system = System::start().await?;
        let (a, b) = (Flow::new(&system, system.tenant(SETTINGS)?)?, Flow::new(&system, system.tenant(SETTINGS)?)?);
        let (mine, theirs) = (Things::of(&system, &a).await?, Things::of(&system, &b).await?);
        let token = system.client(a.parties.tenant_id, PartyId(Uuid::new_v4()), Role::ALL)?.token;
        let document = public_json(&system, "/docs/openapi.json").await?;
        Ok(Self { system, document, mine, theirs, token })
    }

    /// Bytes as they are, so that nothing on this side tidies them up. `None`: the server hung up without an answer.
    fn send(&self, request: &[u8]) -> Option<Raw> {
        let mut connection = TcpStream::connect(self.system.base_url.trim_start_matches("http://")).unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        connection.write_all(request).unwrap();
        let mut answer = Vec::new();
        // A server that has said no may close before it has read everything.
        let _ = connection.read_to_end(&mut answer);
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Raw { status, head: head.to_lowercase(), body: answer[end + 4..].to_vec() })
    }

    /// What holds for every answer; true for one that is in order.
    fn judge(&self, answer: &Raw, waits: bool) -> bool {
        let text = String::from_utf8_lossy(&answer.body);
        assert!(!text.contains(&self.theirs.canary) && !answer.head.contains(&self.theirs.canary), "shows another tenant: {text}");
        let body = answer.json();
        let error = &body["error"];
        let behind = answer.status == 503 && waits && error["code"] == "PROJECTION_BEHIND";
        assert!(answer.status < 500 || behind, "{} {text}", answer.status);
        if answer.status >= 400 && !answer.body.is_empty() {
            assert!(error["code"].is_string() && error["requestId"].is_string(), "{} {text}", answer.status);
            assert!(error["code"] != "VALIDATION_FAILED" || error["details"]["field"].is_string(), "{text}");
        }
        // An empty one is the HTTP parser's, which knows no more than that it is no HTTP.
        assert!(answer.status == 400 || answer.status < 300 || answer.status == 304 || !answer.body.is_empty(), "{}", answer.status);
        answer.status < 300
    }

    /// Every query with the values that its parameters may have.
    fn queries(&self) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        for (path, item) in self.document["paths"].as_object().unwrap() {
            let get = &item["get"];
            if !path.starts_with("/v1/") || !get["security"].is_array() || get["responses"].to_string().contains("text/event-stream") {
                continue;
            }
            let parameters = get["parameters"].as_array().unwrap();
            let path = parameters.iter().fold(path.clone(), |path, parameter| {
                let name = parameter["name"].as_str().unwrap();
                let id = self.mine.id(name.trim_end_matches("Id"));
                path.replace(&format!("{{{name}}}"), if id.is_empty() { self.mine.id("escrow") } else { id })
            });
            found.push(path.clone().into_bytes());
            let asked: Vec<_> = parameters.iter().filter(|one| one["in"] == "query").map(|one| one["name"].as_str().unwrap()).collect();
            for name in &asked {
                found.push(format!("{path}?{name}={}", self.value(name)).into_bytes());
            }
            let all: Vec<_> = asked.iter().map(|name| format!("{name}={}", self.value(name))).collect();
            found.push(format!("{path}?{}", all.join("&")).into_bytes());
        }
        assert!(found.len() > 100, "{}", found.len());
        found
    }

    fn value(&self, name: &str) -> String {
        match name {
            "limit" => "2".to_owned(),
            "currency" => "EUR".to_owned(),
            "sort" => "created_at:desc".to_owned(),
            "from" | "to" | "at" | "before" => "2026-03-01T12:00:00Z".to_owned(),
            "ownerId" | "payerId" | "raisedBy" => self.mine.id("party").to_owned(),
            "cursor" => {
                "WyJlc2Nyb3dzOmNyZWF0ZWRfYXQ6ZGVzYyIsWyIyMDI2LTAzLTAxVDEyOjAwOjAwWiIsIjAwMDAwMDAwLTAwMDAtNDAwMC04MDAwLTAwMDAwMDAwMDAwMSJdXQ"
                    .to_owned()
            }
            _ if name.ends_with("Id") => self.mine.id(name.trim_end_matches("Id")).to_owned(),
            "wallet" | "escrow" => self.mine.id(name).to_owned(),
            _ => "1".to_owned(),
        }
    }
}

/// What no URL may hold as it is.
fn escaped(input: &[u8]) -> String {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}');
    input.iter().map(|byte| if plain(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: make abuse ARGS='--only fuzz'"]
async fn fuzz_filters() -> anyhow::Result<()> {
    let attacked = Attacked::start().await?;
    let ids: Vec<String> = attacked.theirs.ids().map(|(_, id)| id.to_owned()).collect();
    let mut words = vec![
        "&",
        "=",
        "?",
        "limit=",
        "cursor=",
        "sort=",
        "status=",
        "from=",
        "to=",
        "%00",
        "%ff",
        "%F0%9F%91%8D",
        "200",
        "201",
        "created_at:asc",
        "amount:desc",
        "true",
        "2026-01-01T00:00:00Z",
        "-262143-01-01T00:00:00Z",
        "%2B262142-12-31T23:59:59Z",
        "aggregateType=escrow",
        "position=1",
        "9223372036854775807",
        "tenantId=",
    ];
    words.extend(ids.iter().map(String::as_str));
    let target = Target { name: "filters", corpus: attacked.queries(), words: &words };
    target.run(|input| {
        // Paths are not what this is about: what was changed in front of the question mark may name any route.
        let target = escaped(input);
        if !target.starts_with("/v1/") {
            return false;
        }
        let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n", attacked.token);
        let answer = attacked.send(request.as_bytes()).expect("no answer");
        attacked.judge(&answer, false)
    });
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: make abuse ARGS='--only fuzz'"]
async fn fuzz_headers() -> anyhow::Result<()> {
    let attacked = Attacked::start().await?;
    let (tenant, other) = (attacked.mine.id("tenant").to_owned(), attacked.theirs.id("tenant").to_owned());
    let id = Uuid::new_v4();
    let blocks = [
        format!("X-Tenant-Id: {tenant}"),
        format!("X-Tenant-Id: {tenant}\nX-Min-Position: 1\nIdempotency-Key: k-{id}\nIf-Match: \"1\"\nX-Request-Id: {id}"),
        "Accept-Encoding: gzip, zstd\nAccept: */*\nOrigin: https://elsewhere.example\nIf-Match: W/\"7\"".to_owned(),
        format!("X-Tenant-Id: {other}"),
        "Idempotency-Key: a b\nX-Min-Position: -1".to_owned(),
        format!("Cookie: a=b\nRange: bytes=0-1\nExpect: 100-continue\nX-Forwarded-For: 10.0.0.1\nX-Request-Id: {id}{id}"),
    ];
    let words = [
        "\n",
        ": ",
        "X-Tenant-Id: ",
        "X-Min-Position: 0",
        "Idempotency-Key: ",
        "If-Match: ",
        "X-Request-Id: ",
        "Authorization: Basic eDp5",
        "\"",
        "W/",
        ",",
        ";",
        "\t",
        other.as_str(),
        "If-None-Match: *",
        "Accept-Encoding: identity;q=0",
        "Content-Encoding: gzip",
        "Content-Type: text/plain",
    ];
    let target = Target { name: "headers", corpus: blocks.iter().map(|block| block.clone().into_bytes()).collect(), words: &words };
    target.run(|input| {
        let mut block = Vec::new();
        for line in input.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let lower = String::from_utf8_lossy(line).to_lowercase();
            // How long a body is decides where the next request begins: between client and server alone that is the client's own business.
            let frames = ["content-length", "transfer-encoding", "connection", "upgrade", "expect", " ", "\t"];
            // Every position that is far ahead is waited for.
            let far = lower.strip_prefix("x-min-position:").is_some_and(|position| position.trim().trim_start_matches('0').len() > 1);
            if !frames.iter().any(|name| lower.starts_with(name)) && !far {
                block.extend_from_slice(line);
                block.extend_from_slice(b"\r\n");
            }
        }
        let mut accepted = false;
        for (method, path, body) in [("GET", "/v1/escrows?limit=1", ""), ("POST", "/v1/jobs", "{\"title\":\"x\"}")] {
            let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
            let mut request = format!(
                "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\n{kind}Content-Length: {}\r\n",
                attacked.token,
                body.len()
            )
            .into_bytes();
            request.extend_from_slice(&block);
            request.extend_from_slice(b"\r\n");
            request.extend_from_slice(body.as_bytes());
            let Some(answer) = attacked.send(&request) else { continue };
            let text = String::from_utf8_lossy(&request).to_lowercase();
            let ok = attacked.judge(&answer, text.contains("x-min-position"));
            if ok {
                // Every line that names a tenant has named the caller's, and nothing that is said once was said twice.
                let of =
                    |name: &str| text.split("\r\n").filter_map(|line| Some(line.strip_prefix(name)?.trim().to_owned())).collect::<Vec<_>>();
                assert!(
                    of("x-tenant-id:").iter().all(|named| Uuid::parse_str(named).is_ok_and(|named| named.to_string() == tenant)),
                    "{text}"
                );
                for once in ["x-tenant-id:", "idempotency-key:", "if-match:", "x-min-position:", "authorization:"] {
                    assert!(of(once).len() <= 1, "{once} twice: {text}");
                }
            }
            // Nothing of the request becomes a header of the answer, but an id that is one.
            let echoed = answer.head.lines().find_map(|line| line.strip_prefix("x-correlation-id: "));
            assert!(echoed.is_none_or(|echoed| Uuid::parse_str(echoed.trim()).is_ok()), "{}", answer.head);
            accepted |= ok;
        }
        accepted
    });
    Ok(())
}
