//! A token of tenant A can read and change nothing of tenant B, on any route, whatever it names (invariant 6).
//! The cases stand beside the routes; a route without one fails the build of `holdfast-api`'s tests.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::HashMap;

use holdfast_api::routes::{Foreign, ForeignId, all_cases};
use holdfast_domain::kernel::PartyId;
use holdfast_tests::{Flow, System, send};
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

/// Ids of one tenant's things, by placeholder; `missing` gives ids that nobody has.
struct Things(HashMap<&'static str, String>);

impl Things {
    async fn of(flow: &Flow) -> anyhow::Result<Self> {
        flow.fill("500.00").await?;
        flow.wallet_has("500.00").await?;
        let escrow = flow.create("100.00").await?;
        flow.fund(escrow).await?;
        let answer = flow.parties.staff.get(&format!("/v1/wallets?ownerId={}", flow.parties.payer_id)).await?;
        let wallet = answer.body["items"][0]["id"].as_str().unwrap_or_default().to_owned();
        assert!(!wallet.is_empty(), "{}", answer.text);
        let body = json!({ "bankReference": holdfast_tests::bank_reference(), "amount": "5.00", "currency": "EUR", "receivedAt": "2026-01-01T00:00:00Z" });
        let receipt = flow.parties.platform.post("/v1/bank-receipts", &body).await?.id().to_string();
        let body = json!({ "ownerType": "delivery_artifact", "ownerId": escrow, "kind": "photo", "mime": "image/png", "size": 70 });
        let asset = flow.parties.staff.post("/v1/assets/presign-upload", &body).await?.id().to_string();
        let dispute = flow.dispute(&flow.parties.payer, escrow, &json!({})).await?.to_string();
        let tenant = flow.parties.tenant_id.to_string();
        let statement = format!("{wallet}.2026-01");
        let body = json!({ "name": "isolation", "bodyMd": "x" });
        let template = flow.parties.staff.post("/v1/contract-templates", &body).await?.id();
        let job = flow.parties.staff.post("/v1/jobs", &json!({ "title": "isolation" })).await?.id();
        let body = json!({ "jobId": job, "templateId": template });
        let contract = flow.parties.staff.post("/v1/contracts", &body).await?.id().to_string();
        let schedule = json!({ "from": "2031-05-05T10:00:00Z", "to": "2031-05-05T12:00:00Z" });
        let body = json!({ "talentId": Uuid::new_v4(), "schedule": schedule, "price": "10.00", "currency": "EUR" });
        let booking = flow.parties.staff.post(&format!("/v1/jobs/{job}/bookings"), &body).await?;
        assert_eq!(booking.status, 201, "{}", booking.text);
        let things = [
            ("job", job.to_string()),
            ("booking", booking.id().to_string()),
            ("template", template.to_string()),
            ("contract", contract),
            ("escrow", escrow.to_string()),
            ("dispute", dispute),
            ("wallet", wallet),
            ("bankReceipt", receipt),
            ("asset", asset),
            ("tenant", tenant),
            ("party", flow.parties.payer_id.to_string()),
            ("statement", statement),
        ];
        Ok(Self(things.into()))
    }

    fn missing() -> Self {
        let names = [
            "job",
            "booking",
            "template",
            "contract",
            "escrow",
            "dispute",
            "wallet",
            "bankReceipt",
            "asset",
            "tenant",
            "party",
            "statement",
        ];
        Self(names.into_iter().map(|name| (name, Uuid::new_v4().to_string())).collect())
    }

    fn fill(&self, text: &str) -> String {
        let text = text.replace("{unique}", &Uuid::new_v4().to_string());
        self.0.iter().fold(text, |text, (name, id)| text.replace(&format!("{{{name}}}"), id))
    }

    /// The first id of the path is of that kind; ids behind it exist nowhere.
    fn path(&self, path: &str, id: ForeignId) -> String {
        let id = match id {
            ForeignId::Escrow => self.0["escrow"].clone(),
            ForeignId::Wallet => self.0["wallet"].clone(),
            ForeignId::BankReceipt => self.0["bankReceipt"].clone(),
            ForeignId::Tenant => self.0["tenant"].clone(),
            ForeignId::Job => self.0["job"].clone(),
            ForeignId::Booking => self.0["booking"].clone(),
            ForeignId::Template => self.0["template"].clone(),
            ForeignId::Contract => self.0["contract"].clone(),
            ForeignId::Dispute => self.0["dispute"].clone(),
            ForeignId::Statement => self.0["statement"].clone(),
            ForeignId::Asset => self.0["asset"].clone(),
            ForeignId::Party => self.0["party"].clone(),
            ForeignId::DeadLetter | ForeignId::Unknown => Uuid::new_v4().to_string(),
        };
        let mut ids = std::iter::once(id).chain(std::iter::repeat_with(|| Uuid::new_v4().to_string()));
        let segment = |part: &str| if part.starts_with('{') { ids.next().unwrap() } else { part.to_owned() };
        path.split('/').map(segment).collect::<Vec<_>>().join("/")
    }
}

fn method(name: &str) -> Method {
    name.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_and_missing_ids_answer_alike_on_every_route() -> anyhow::Result<()> {
    let system = System::start().await?;
    let (a, b) = (Flow::new(&system, system.tenant("")?)?, Flow::new(&system, system.tenant("")?)?);
    let theirs = Things::of(&b).await?;
    let nobodys = Things::missing();
    let before = system.run(&["tenant", "list", "--json"])?;
    for case in all_cases() {
        let client = system.client(a.parties.tenant_id, PartyId(Uuid::new_v4()), &[case.allowed])?;
        let mut answers = Vec::new();
        for things in [&theirs, &nobodys] {
            let path = match case.foreign {
                Foreign::Path(id) => things.path(case.path, id),
                Foreign::Parameter(name) => format!("{}?{name}={}", case.path, things.0["party"]),
                Foreign::Body | Foreign::OwnTenantOnly | Foreign::EveryTenant => case.path.to_owned(),
            };
            let mut request = client.request(method(case.method), &path);
            if case.method != "GET" {
                request = request
                    .header("Idempotency-Key", Uuid::new_v4().to_string())
                    .header("Content-Type", "application/json")
                    .body(things.fill(case.body));
            }
            let answer = send(request).await?;
            assert!(answer.status < 500, "{} {path}: {} {}", case.method, answer.status, answer.text);
            answers.push((answer.status, answer.code().to_owned(), answer.text));
        }
        let [(status, code, text), (missing_status, missing_code, _)] = &answers[..] else { panic!() };
        assert_eq!(
            (status, code),
            (missing_status, missing_code),
            "{} {}: a foreign id answers otherwise than a missing one: {text}",
            case.method,
            case.path
        );
        if let Foreign::Path(_) = case.foreign {
            assert!(matches!(status, 403 | 404), "{} {}: {status} {text}", case.method, case.path);
        }
        for name in ["escrow", "wallet", "bankReceipt", "asset", "job", "booking", "contract", "template", "dispute"] {
            // A create may echo what the caller has sent; nothing else may show an id of B.
            assert!(case.method != "GET" || !text.contains(&theirs.0[name]), "{} {} shows B's {name}", case.method, case.path);
        }
    }
    // B's log has not grown by anything that A tried.
    let position = |list: &str| {
        let list: serde_json::Value = serde_json::from_str(list).unwrap();
        let tenants = list["tenants"].as_array().or(list.as_array()).unwrap().clone();
        tenants.iter().find(|tenant| tenant["tenantId"] == b.parties.tenant_id.to_string()).unwrap()["position"].as_i64()
    };
    assert_eq!(position(&before), position(&system.run(&["tenant", "list", "--json"])?));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_is_refused_on_every_route() -> anyhow::Result<()> {
    let system = System::start().await?;
    let tenant_id = system.tenant("")?;
    for case in all_cases() {
        let path = Things::missing();
        let path = match case.foreign {
            Foreign::Path(id) => path.path(case.path, id),
            Foreign::Body | Foreign::Parameter(_) | Foreign::OwnTenantOnly | Foreign::EveryTenant => case.path.to_owned(),
        };
        let client = system.client(tenant_id, PartyId(Uuid::new_v4()), &[case.denied])?;
        let body = if case.body.is_empty() { "{}" } else { case.body };
        let request = |client: &holdfast_tests::Client| {
            let request = client.request(method(case.method), &path).header("Idempotency-Key", Uuid::new_v4().to_string());
            if case.method == "GET" {
                request
            } else {
                request.header("Content-Type", "application/json").body(Things::missing().fill(body))
            }
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
