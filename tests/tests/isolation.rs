//! A token of tenant A can read and change nothing of tenant B, on any operation, whatever it names (invariant 6).
//!
//! The OpenAPI document says which operations there are and which of their fields name something: every one is filled with a
//! living id of another tenant, and the answer must be the one for an id that nobody has. An operation with a field that this
//! file does not know how to fill fails. Bodies of the right shape stand beside the routes (`CASES`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use holdfast_api::routes::{AccessCase, all_cases};
use holdfast_domain::kernel::{PartyId, Role};
use holdfast_tests::openapi::{Field, Operation, Place, operations, resolve, with_value};
use holdfast_tests::things::{SETTINGS, leak};
use holdfast_tests::{Answer, Client, Flow, System, Things, send};
use serde_json::{Value, json};
use uuid::Uuid;

/// The living things of another tenant that a field of this name may be tried with. None: somebody has to say here what fits.
fn kinds(name: &str) -> &'static [&'static str] {
    const PERSON: &[&str] = &["party", "talent"];
    const ANYTHING: &[&str] =
        &["escrow", "wallet", "contract", "booking", "job", "dispute", "asset", "bankReceipt", "party", "event", "tenant"];
    match name {
        "assetId" | "assetIds" => &["asset"],
        "bankReceiptId" => &["bankReceipt"],
        "bankReference" => &["bankReference"],
        "bookingId" => &["booking", "hold"],
        "clauseId" | "clauseIds" => &["clause"],
        "contractId" => &["contract"],
        "deadLetterId" | "eventId" => &["event"],
        "disputeId" => &["dispute"],
        "escrowId" | "escrow" => &["escrow"],
        "holdId" => &["hold", "booking"],
        "jobId" => &["job"],
        "milestoneId" => &["milestone"],
        "reservationId" => &["reservation"],
        "signerId" => &["signer"],
        "statementId" => &["statement"],
        "submissionId" | "submissionIds" => &["submission"],
        "templateId" => &["template"],
        "tenantId" | "X-Tenant-Id" => &["tenant"],
        "transferId" => &["transfer"],
        "fromWalletId" | "toWalletId" | "wallet" | "walletId" => &["wallet"],
        "actor" | "actorId" | "assigneeId" | "confirm" | "partyId" | "payeeId" | "payerId" | "personId" | "raisedBy" | "talentId" => PERSON,
        "entityId" | "ownerId" | "refId" | "stream" | "streamId" => ANYTHING,
        "programId" | "sponsorshipOrderId" => &["escrow", "contract"],
        "cursor" => &["cursor"],
        "sessionId" => &["session"],
        // Of the platform, for every tenant: no tenant has one. Any living id will do.
        "name" | "runId" => &["event"],
        _ => &[],
    }
}

/// The path with ids of `things` by the names of their places; `put` names one place and what to put there.
fn at(path: &str, things: &Things, put: Option<(&str, &str)>) -> String {
    let segment = |part: &str| {
        let Some(name) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) else { return part.to_owned() };
        match (put, kinds(name).first()) {
            (Some((place, id)), _) if place == name => id.to_owned(),
            (_, Some(kind)) => things.id(kind).to_owned(),
            // A number, or something without a name of its own.
            (_, None) => "1".to_owned(),
        }
    };
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// Everything one operation is tried with.
struct Attempt<'a> {
    document: &'a Value,
    operation: &'a Operation,
    case: &'a AccessCase,
    mine: &'a Things,
}

impl Attempt<'_> {
    /// A request that would be in order, but for `id` in `field`.
    async fn with(&self, client: &Client, field: &Field, id: &str) -> anyhow::Result<Answer> {
        let Operation { method, path, .. } = self.operation;
        let named = (field.place == Place::Path).then_some((field.name.as_str(), id));
        let mut url = at(path, self.mine, named);
        if field.place == Place::Query {
            url = format!("{url}?{}={id}", field.name);
        }
        let mut request = client.request(method.parse()?, &url);
        if method != "GET" {
            let mut body: Value = serde_json::from_str(&self.mine.fill(self.case.body)).unwrap_or_else(|_| json!({}));
            if body.get("bankReference").is_some() {
                body["bankReference"] = json!(Uuid::new_v4()); // each attempt is a payment of its own
            }
            if let Place::Body(way) = &field.place {
                let item = &self.document["paths"][path][method.to_lowercase()];
                let schema = resolve(self.document, &item["requestBody"]["content"]["application/json"]["schema"]);
                body = with_value(self.document, schema, &body, way, &json!(id));
            }
            request = request.header("Idempotency-Key", Uuid::new_v4().to_string()).json(&body);
        }
        if field.place == Place::Header {
            // In place of the caller's own.
            let mut built = request.build()?;
            built.headers_mut().insert(reqwest::header::HeaderName::from_bytes(field.name.as_bytes())?, id.parse()?);
            request = reqwest::RequestBuilder::from_parts(reqwest::Client::new(), built);
        }
        Ok(send(request).await?)
    }
}

/// What an answer says, whatever ids, times and places in the log stand in it.
fn shape(answer: &Answer, sent: &str) -> String {
    let headers: BTreeSet<_> = answer.headers.keys().map(|name| name.as_str()).collect();
    let body = if answer.status < 300 {
        // Of what is in order only the form: it shows the caller's own tenant, which grows.
        let names = |value: &Value| value.as_object().map(|fields| fields.keys().cloned().collect::<Vec<_>>());
        let count = answer.body["items"].as_array().map(Vec::len);
        format!("{:?} {count:?}", names(&answer.body))
    } else {
        masked(&answer.text.replace(sent, "<sent>"))
    };
    format!("{} {headers:?} {body}", answer.status)
}

/// Without UUIDs and numbers of more than one digit.
fn masked(text: &str) -> String {
    let is_id = |word: &str| Uuid::parse_str(word).is_ok() || (word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_digit()));
    let mut masked = String::new();
    for word in text.split_inclusive(|c: char| !(c.is_ascii_alphanumeric() || c == '-')) {
        let core = word.trim_end_matches(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        masked.push_str(if is_id(core) { "<id>" } else { core });
        masked.push_str(&word[core.len()..]);
    }
    masked
}

/// What serves the platform's operators works on any tenant, whichever their token is for: nobody else comes in.
const PLATFORM: &str = "/v1/super/";

/// Whoever may, the most powerful, and with `HOLDFAST_LONG` every role there is.
fn roles(case: &AccessCase) -> Vec<Role> {
    let long = std::env::var_os("HOLDFAST_LONG").is_some();
    if case.path.starts_with(PLATFORM) {
        let tenants = Role::ALL.iter().copied().filter(|role| !role.is_platform());
        return if long { tenants.collect() } else { vec![Role::TenantAdmin, Role::Auditor] };
    }
    if long {
        return Role::ALL.to_vec();
    }
    let mut roles = vec![case.allowed, Role::Superadmin, Role::TenantAdmin];
    roles.dedup();
    roles
}

/// A cursor that the other tenant has been given for this list.
async fn cursor_of(client: &Client, path: &str, theirs: &Things) -> anyhow::Result<Option<String>> {
    let answer = client.get(&format!("{}?limit=1", at(path, theirs, None))).await?;
    Ok(answer.body["nextCursor"].as_str().map(str::to_owned))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: make abuse ARGS='--only isolation'"]
async fn a_living_id_of_another_tenant_is_an_unknown_one_in_every_field_of_every_operation() -> anyhow::Result<()> {
    let system = System::start().await?;
    let (a, b) = (Flow::new(&system, system.tenant(SETTINGS)?)?, Flow::new(&system, system.tenant(SETTINGS)?)?);
    let (mine, theirs) = (Things::of(&system, &a).await?, Things::of(&system, &b).await?);
    let document = holdfast_tests::public_json(&system, "/docs/openapi.json").await?;
    let mut before = state_of(&system, &b).await?;
    let auditor = system.client(b.parties.tenant_id, PartyId(Uuid::new_v4()), &[Role::Superadmin, Role::TenantAdmin, Role::Auditor])?;
    let (mut unknown, mut wrong, mut tried, mut cursors) = (Vec::new(), Vec::new(), 0, 0);
    let mut operations = operations(&document);
    // What an attempt leaves in the caller's own tenant under a foreign id must not be found by a later one.
    let gives_money = |path: &str| path.starts_with("/v1/bank-receipts");
    operations.sort_by_key(|operation| (operation.method != "GET", !operation.path.ends_with("/revoke"), gives_money(&operation.path)));
    for operation in operations.iter().filter(|operation| operation.secured && !operation.endless) {
        let case = all_cases().find(|case| (case.method, case.path) == (operation.method.as_str(), operation.path.as_str()));
        // Commands in a batch go through the same doors as alone (tests/tests/batch.rs).
        if operation.path == "/v1/commands" {
            continue;
        }
        let Some(case) = case else { panic!("{} {} has no case", operation.method, operation.path) };
        let of_the_platform = operation.path.starts_with(PLATFORM);
        let attempt = Attempt { document: &document, operation, case, mine: &mine };
        for field in &operation.ids {
            let mut living: Vec<String> = kinds(&field.name).iter().map(|kind| theirs.id(kind).to_owned()).collect();
            if living.is_empty() {
                unknown.push(format!("{} {}: {field:?}", operation.method, operation.path));
            }
            if field.name == "cursor" {
                living.clear();
            }
            if field.name == "cursor" && !of_the_platform {
                living = cursor_of(&auditor, &operation.path, &theirs).await?.into_iter().collect();
                cursors += living.len();
                // Looking at the log is itself on record.
                before = state_of(&system, &b).await?;
            }
            for (role, id) in roles(case).into_iter().flat_map(|role| living.iter().map(move |id| (role, id))) {
                // Even somebody who is also a party of the other tenant: who acts is not for whom. One's own id is no foreign one.
                let is_own = *id == b.parties.payer_id.to_string();
                if is_own && matches!(field.name.as_str(), "actor" | "actorId") {
                    continue;
                }
                let acting = if is_own { PartyId(Uuid::new_v4()) } else { b.parties.payer_id };
                let client = system.client(a.parties.tenant_id, acting, &[role])?;
                let nobody = Uuid::new_v4().to_string();
                let nobodys = id.split_once('.').map_or(nobody.clone(), |(_, of_it)| format!("{nobody}.{of_it}"));
                let first = attempt.with(&client, field, &nobodys).await?;
                let foreign = attempt.with(&client, field, id).await?;
                let second = attempt.with(&client, field, &nobodys).await?;
                tried += 1;
                let here = format!("{} {} {field:?} as {role:?}", operation.method, operation.path);
                if let Some(word) = leak(&foreign, &theirs, &[id]) {
                    wrong.push(format!("{here}: shows {word}: {}", foreign.text));
                }
                let (is, before, after) = (shape(&foreign, id), shape(&first, &nobodys), shape(&second, &nobodys));
                let is_alike = is == before || is == after;
                let as_expected = match (&field.place, field.name.as_str()) {
                    // A cursor is a place in a list; whose list it is the token says.
                    (Place::Query, "cursor") => matches!(foreign.status, 200 | 400 | 403),
                    _ if of_the_platform => is_alike && foreign.status == 403,
                    // What else the request says may be refused first.
                    (Place::Path, _) => is_alike && matches!(foreign.status, 400 | 403 | 404 | 409),
                    (Place::Header, _) => is_alike && foreign.status == 403,
                    _ => is_alike && foreign.status < 500,
                };
                if !as_expected {
                    wrong.push(format!("{here}: {is}\n  and an unknown one: {before}"));
                }
            }
        }
        assert_eq!(state_of(&system, &b).await?, before, "{} {} changed the other tenant", operation.method, operation.path);
    }
    assert!(unknown.is_empty(), "say in kinds() what these can be filled with: {unknown:#?}");
    assert!(wrong.is_empty(), "{} of {tried}: {wrong:#?}", wrong.len());
    assert!(tried > 500 && cursors >= 5, "{tried} attempts, {cursors} cursors");
    Ok(())
}

/// How far the tenant's log has come, and how many rows of it each read model has.
async fn state_of(system: &System, flow: &Flow) -> anyhow::Result<BTreeMap<String, i64>> {
    let tenant = flow.parties.tenant_id.uuid();
    let log = system.log_database().await?;
    let head: i64 = sqlx::query_scalar("SELECT position FROM tenant_heads WHERE tenant_id = $1").bind(tenant).fetch_one(&log).await?;
    let receipts: i64 = sqlx::query_scalar("SELECT count(*) FROM receipts WHERE tenant_id = $1").bind(tenant).fetch_one(&log).await?;
    Ok([("position".to_owned(), head), ("receipts".to_owned(), receipts)].into())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_is_refused_on_every_route() -> anyhow::Result<()> {
    let system = System::start().await?;
    let tenant_id = system.tenant("")?;
    for case in all_cases() {
        let nobodys = Things::missing();
        let path = at(case.path, &nobodys, None);
        let client = system.client(tenant_id, PartyId(Uuid::new_v4()), &[case.denied])?;
        let body = if case.body.is_empty() { "{}" } else { case.body };
        let request = |client: &holdfast_tests::Client| {
            let request = client.request(case.method.parse().unwrap(), &path).header("Idempotency-Key", Uuid::new_v4().to_string());
            if case.method == "GET" { request } else { request.header("Content-Type", "application/json").body(nobodys.fill(body)) }
        };
        let answer = send(request(&client)).await?;
        assert_eq!((answer.status, answer.code()), (403, "POLICY_DENIED"), "{} {}: {}", case.method, case.path, answer.text);
        let stranger = holdfast_tests::Client::new(&system.base_url, tenant_id, "not-a-token");
        let answer = send(request(&stranger)).await?;
        assert_eq!((answer.status, answer.code()), (401, "UNAUTHENTICATED"), "{} {}", case.method, case.path);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_one_tenant_with_the_header_of_another_is_refused() -> anyhow::Result<()> {
    let system = System::start().await?;
    let (a, b) = (Flow::new(&system, system.tenant("")?)?, Flow::new(&system, system.tenant("")?)?);
    let escrow = b.create("10.00").await?;
    for path in ["/v1/escrows".to_owned(), format!("/v1/escrows/{escrow}"), "/v1/wallets".to_owned()] {
        let request = reqwest::Client::new()
            .get(format!("{}{path}", system.base_url))
            .bearer_auth(&a.parties.staff.token)
            .header("X-Tenant-Id", b.parties.tenant_id.to_string());
        let answer = send(request).await?;
        assert_eq!(answer.status, 403, "{path}: {}", answer.text);
    }
    Ok(())
}
