//! Credits over HTTP: given, bought, reserved, used, revoked, expired (LED-21..24, LED-70, MNY-53, MNY-54).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use holdfast_domain::kernel::{PartyId, Role};
use holdfast_tests::{Client, Flow, System, expect};
use serde_json::{Value, json};
use uuid::Uuid;

struct Credits {
    flow: Flow,
    service: Client,
}

impl Credits {
    fn new(system: &System) -> anyhow::Result<Self> {
        let flow = Flow::new(system, system.tenant("")?)?;
        let service = system.client(flow.parties.tenant_id, PartyId(Uuid::new_v4()), &[Role::Service])?;
        Ok(Self { flow, service })
    }

    fn owner(&self) -> Value {
        json!(self.flow.parties.payer_id)
    }

    async fn issue(&self, units: i64, expires_at: Option<DateTime<Utc>>) -> anyhow::Result<i64> {
        let body = json!({ "ownerId": self.owner(), "units": units, "expiresAt": expires_at, "reason": "welcome" });
        Ok(expect(self.flow.parties.staff.post("/v1/credits/issue", &body).await?, &[201])?.position.unwrap())
    }

    /// Paid from the wallet, and there.
    async fn buy(&self, units: i64, amount: &str, expires_at: Option<DateTime<Utc>>) -> anyhow::Result<()> {
        let before = self.balance(0).await?["available"]["sold"].as_i64().unwrap();
        let price = json!({ "amount": amount, "currency": "EUR" });
        let body = json!({ "ownerId": self.owner(), "units": units, "price": price, "expiresAt": expires_at });
        expect(self.flow.parties.staff.post("/v1/credits/purchase", &body).await?, &[200])?;
        self.wait(|balance| balance["available"]["sold"] == before + units).await?;
        Ok(())
    }

    fn consume(&self, units: i64, provider: &str) -> Value {
        json!({ "ownerId": self.owner(), "units": units, "refType": "campaign", "refId": Uuid::new_v4(), "provider": provider })
    }

    async fn balance(&self, position: i64) -> anyhow::Result<Value> {
        let path = format!("/v1/credits/balance?ownerId={}", self.flow.parties.payer_id);
        Ok(expect(self.flow.parties.staff.get_at(&path, position).await?, &[200])?.body)
    }

    async fn wait(&self, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        for _ in 0..400 {
            let balance = self.balance(0).await?;
            if wanted(&balance) {
                return Ok(balance);
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        anyhow::bail!("it did not happen: {}", self.balance(0).await?)
    }

    /// The sum of one account code in euros, on its normal side.
    async fn account(&self, code: &str) -> anyhow::Result<String> {
        let answer = expect(self.flow.parties.staff.get("/v1/ledger/trial-balance").await?, &[200])?;
        let accounts = answer.body["currencies"][0]["accounts"].as_array().cloned().unwrap_or_default();
        let found = accounts.iter().find(|account| account["code"] == code);
        Ok(found.and_then(|account| account["balance"].as_str()).unwrap_or("0.00").to_owned())
    }

    async fn wait_for_account(&self, code: &str, balance: &str) -> anyhow::Result<()> {
        for _ in 0..400 {
            if self.account(code).await? == balance {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        anyhow::bail!("{code} has {}, not {balance}", self.account(code).await?)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_53_credits_are_sold_from_the_wallet_used_in_order_and_refunded() -> anyhow::Result<()> {
    // LED-21, LED-22, LED-23, LED-24, LED-70; postings rows 15, 16, 18.
    let system = System::start().await?;
    let credits = Credits::new(&system)?;
    let (staff, service) = (&credits.flow.parties.staff, &credits.service);
    credits.flow.fill("100.00").await?;
    credits.flow.wallet_has("100.00").await?;
    credits.buy(3, "10.00", None).await?;
    credits.flow.wait_for_wallet("90.00").await?;
    credits.wait_for_account("L270", "10.00").await?;
    let given = credits.issue(2, None).await?;
    let balance = credits.balance(given).await?;
    assert_eq!(balance["available"], json!({ "promo": 2, "sold": 3, "total": 5 }));
    assert_eq!((balance["lots"][0]["kind"].as_str(), balance["lots"][1]["value"]["amount"].as_str()), (Some("promo"), Some("10.00")));

    // Given first, then the older; 3.33 of 10.00.
    expect(service.post("/v1/credits/consume", &credits.consume(3, "platform")).await?, &[200])?;
    credits.wait_for_account("R430", "3.33").await?;
    credits.wait_for_account("L270", "6.67").await?;

    // For the tenant's service: 3.34 to the tenant's wallet.
    expect(service.post("/v1/credits/consume", &credits.consume(1, "tenant")).await?, &[200])?;
    credits.wait_for_account("L240", "3.34").await?;

    // The last unit is refunded with what is left; more is not there.
    let revoke = |units: i64| json!({ "ownerId": credits.owner(), "amount": units, "reason": "mistake" });
    let short = staff.post("/v1/credits/revoke", &revoke(2)).await?;
    assert_eq!((short.status, short.code()), (422, "INSUFFICIENT_CREDITS"), "{}", short.text);
    assert_eq!(short.body["error"]["details"]["available"], 1);
    expect(staff.post("/v1/credits/revoke", &revoke(1)).await?, &[200])?;
    credits.flow.wait_for_wallet("93.33").await?;
    credits.wait_for_account("L270", "0.00").await?;
    credits.wait_for_account("L299", "0.00").await?;

    // Given units for the tenant's service: the platform brings money of its own, at the value that is named.
    credits.issue(4, None).await?;
    let unvalued = service.post("/v1/credits/consume", &credits.consume(4, "tenant")).await?;
    assert_eq!((unvalued.status, unvalued.code()), (422, "UNIT_VALUE_MISSING"), "{}", unvalued.text);
    let mut body = credits.consume(4, "tenant");
    body["unitValue"] = json!({ "amount": "0.50", "currency": "EUR" });
    expect(service.post("/v1/credits/consume", &body).await?, &[200])?;
    credits.wait_for_account("L240", "5.34").await?;
    assert_eq!((credits.account("X530").await?, credits.account("A120").await?), ("2.00".to_owned(), "-2.00".to_owned()));
    let nothing = service.post("/v1/credits/consume", &credits.consume(1, "platform")).await?;
    assert_eq!((nothing.status, nothing.code()), (422, "INSUFFICIENT_CREDITS"), "{}", nothing.text);

    let path = format!("/v1/credits/ledger?ownerId={}", credits.flow.parties.payer_id);
    let entries = expect(staff.get(&path).await?, &[200])?.body["items"].as_array().unwrap().clone();
    let kinds: Vec<_> = entries.iter().rev().map(|entry| (entry["kind"].as_str().unwrap(), entry["units"].as_i64().unwrap())).collect();
    assert_eq!(kinds, [("sell", 3), ("issue", 2), ("consume", 3), ("consume", 1), ("revoke", 1), ("issue", 4), ("consume", 4)]);
    let consumed = expect(staff.get(&format!("{path}&kind=consume&limit=2")).await?, &[200])?;
    assert_eq!(consumed.body["items"].as_array().unwrap().len(), 2);
    assert!(consumed.body["nextCursor"].is_string());
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_54_reserved_credits_outlive_their_expiry_and_others_cannot_be_spent_after_it() -> anyhow::Result<()> {
    let system = System::start().await?;
    let credits = Credits::new(&system)?;
    let service = &credits.service;
    credits.flow.fill("10.00").await?;
    credits.flow.wallet_has("10.00").await?;
    let expires_at = Utc::now() + TimeDelta::seconds(6);
    credits.buy(10, "10.00", Some(expires_at)).await?;
    let reservation = Uuid::new_v4();
    let reserve = json!({
        "reservationId": reservation, "ownerId": credits.owner(), "units": 4, "until": Utc::now() + TimeDelta::hours(1),
        "refType": "campaign", "refId": Uuid::new_v4(),
    });
    let reserved = expect(service.post("/v1/credits/reservations", &reserve).await?, &[201])?;
    let again = expect(service.post("/v1/credits/reservations", &reserve).await?, &[201])?;
    assert_eq!((reserved.body["version"].clone(), again.body["events"].clone()), (again.body["version"].clone(), json!([])));
    let mut other = reserve.clone();
    other["units"] = json!(5);
    let other = service.post("/v1/credits/reservations", &other).await?;
    assert_eq!((other.status, other.code()), (409, "RESERVATION_EXISTS"), "{}", other.text);
    let balance = credits.balance(reserved.position.unwrap()).await?;
    assert_eq!(
        (balance["available"]["total"].as_i64(), balance["expiringSoon"]["total"].as_i64(), balance["reserved"]["total"].as_i64()),
        (Some(6), Some(6), Some(4)),
        "shown apart"
    );
    credits.wait_for_account("L272", "4.00").await?;

    // The instant decides, swept or not.
    tokio::time::sleep((expires_at - Utc::now()).to_std().unwrap_or_default()).await;
    let late = service.post("/v1/credits/consume", &credits.consume(1, "platform")).await?;
    assert_eq!((late.status, late.code()), (422, "INSUFFICIENT_CREDITS"), "{}", late.text);
    assert_eq!(credits.balance(0).await?["available"]["total"], 0);
    credits.wait_for_account("R440", "6.00").await?;

    // The reserved ones are good.
    let path = format!("/v1/credits/reservations/{reservation}");
    expect(service.post(&format!("{path}/consume"), &credits.consume(1, "platform")).await?, &[200])?;
    credits.wait_for_account("R430", "1.00").await?;
    let more = service.post(&format!("{path}/consume"), &credits.consume(4, "platform")).await?;
    assert_eq!((more.status, more.code()), (422, "INSUFFICIENT_CREDITS"), "{}", more.text);

    // Given back after their expiry, they expire in the same event.
    let owner = json!({ "ownerId": credits.owner() });
    let released = expect(service.post(&format!("{path}/release"), &owner).await?, &[200])?;
    assert_eq!(released.body["events"].as_array().unwrap().len(), 1);
    credits.wait_for_account("R440", "9.00").await?;
    credits.wait_for_account("L272", "0.00").await?;
    assert_eq!(credits.balance(released.position.unwrap()).await?["reserved"]["total"], 0);
    let gone = service.post(&format!("{path}/consume"), &credits.consume(1, "platform")).await?;
    assert_eq!((gone.status, gone.code()), (404, "RESERVATION_NOT_FOUND"), "{}", gone.text);

    // One that nobody releases ends by itself.
    credits.issue(3, None).await?;
    let mut short = reserve.clone();
    (short["reservationId"], short["units"], short["until"]) = (json!(Uuid::new_v4()), json!(3), json!(Utc::now() + TimeDelta::seconds(2)));
    expect(service.post("/v1/credits/reservations", &short).await?, &[201])?;
    credits.wait(|balance| balance["available"]["total"] == 3 && balance["reserved"]["total"] == 0).await?;
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_56_verify_counts_sold_lots_against_the_books_and_names_what_does_not_agree() -> anyhow::Result<()> {
    let system = System::start().await?;
    let credits = Credits::new(&system)?;
    credits.flow.fill("10.00").await?;
    credits.flow.wallet_has("10.00").await?;
    credits.buy(10, "10.00", None).await?;
    let reserve = json!({
        "reservationId": Uuid::new_v4(), "ownerId": credits.owner(), "units": 4, "until": Utc::now() + TimeDelta::hours(1),
        "refType": "campaign", "refId": Uuid::new_v4(),
    });
    expect(credits.service.post("/v1/credits/reservations", &reserve).await?, &[201])?;
    credits.wait_for_account("L272", "4.00").await?;
    system.read_models_at_heads(Duration::from_secs(10)).await?;
    let report: Value = serde_json::from_str(&system.run(&["verify", "--json"])?)?;
    let checks = report["checks"].as_array().unwrap();
    let sold = checks.iter().find(|check| check["name"] == "sold credits are what L270 and L272 say").unwrap();
    assert!(sold["checked"].as_u64().unwrap() > 0 && sold["failed"] == 0, "{sold}");
    assert_eq!(report["ok"], true);
    let read = system.read_database().await?;
    sqlx::query("UPDATE accounts SET credits = credits + 1, balance = balance + 1 WHERE code = 'L270'").execute(&read).await?;
    let found = system.run(&["verify"]).unwrap_err().to_string();
    assert!(found.contains(&credits.flow.parties.tenant_id.to_string()), "{found}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_do_what_to_credits_and_what_is_refused() -> anyhow::Result<()> {
    // LED-21..24, NFR-15.
    let system = System::start().await?;
    let credits = Credits::new(&system)?;
    let parties = &credits.flow.parties;
    let issue = json!({ "ownerId": credits.owner(), "units": 5, "reason": "welcome" });
    let first = parties.staff.post_keyed("/v1/credits/issue", &issue, "gift").await?;
    let again = parties.staff.post_keyed("/v1/credits/issue", &issue, "gift").await?;
    assert_eq!((first.status, again.status, again.replayed, first.id()), (201, 201, true, again.id()));
    assert_eq!(credits.balance(first.position.unwrap()).await?["available"]["total"], 5, "once");
    let none = holdfast_tests::send(parties.staff.request(reqwest::Method::POST, "/v1/credits/issue").json(&issue)).await?;
    assert_eq!((none.status, none.code()), (400, "IDEMPOTENCY_KEY_REQUIRED"));
    for (field, value, status, code) in [
        ("units", json!(0), 422, "AMOUNT_INVALID"),
        ("units", json!(-1), 422, "AMOUNT_INVALID"),
        ("units", json!(1.5), 400, "VALIDATION_FAILED"),
        ("units", json!("5"), 400, "VALIDATION_FAILED"),
        ("expiresAt", json!("2020-01-01T00:00:00Z"), 422, "EXPIRY_INVALID"),
        ("ownerType", json!("tenant"), 400, "VALIDATION_FAILED"),
        ("ownerType", json!("nobody"), 400, "VALIDATION_FAILED"),
        ("reason", json!(" "), 400, "VALIDATION_FAILED"),
        ("surprise", json!(1), 400, "VALIDATION_FAILED"),
    ] {
        let mut body = issue.clone();
        body[field] = value.clone();
        let answer = parties.staff.post("/v1/credits/issue", &body).await?;
        assert_eq!((answer.status, answer.code()), (status, code), "{field} {value}: {}", answer.text);
    }
    // The owner sees its own and nobody else's; it neither issues nor names a price.
    let own = expect(parties.payer.get("/v1/credits/balance").await?, &[200])?;
    assert_eq!(own.body["available"]["total"], 5);
    let foreign = parties.payee.get(&format!("/v1/credits/balance?ownerId={}", parties.payer_id)).await?;
    assert_eq!((foreign.status, foreign.code()), (403, "POLICY_DENIED"));
    let purchase = json!({ "ownerId": credits.owner(), "units": 1, "price": { "amount": "1.00", "currency": "EUR" } });
    for (path, body) in
        [("/v1/credits/issue", &issue), ("/v1/credits/purchase", &purchase), ("/v1/credits/consume", &credits.consume(1, "platform"))]
    {
        let denied = parties.payer.post(path, body).await?;
        assert_eq!((denied.status, denied.code()), (403, "POLICY_DENIED"), "{path}: {}", denied.text);
    }
    // No wallet, no money.
    let poor = parties.staff.post("/v1/credits/purchase", &purchase).await?;
    assert_eq!((poor.status, poor.code()), (404, "WALLET_NOT_FOUND"), "{}", poor.text);
    credits.flow.fill("0.99").await?;
    credits.flow.wallet_has("0.99").await?;
    let poor = parties.staff.post("/v1/credits/purchase", &purchase).await?;
    assert_eq!((poor.status, poor.code()), (422, "INSUFFICIENT_FUNDS"), "{}", poor.text);
    // Another tenant's token reaches credits of its own tenant only.
    let other = Credits::new(&system)?;
    let nothing = other.service.post("/v1/credits/consume", &credits.consume(1, "platform")).await?;
    assert_eq!((nothing.status, nothing.code()), (422, "INSUFFICIENT_CREDITS"), "{}", nothing.text);
    assert_eq!(credits.balance(0).await?["available"]["total"], 5);
    system.verify()?;
    Ok(())
}
