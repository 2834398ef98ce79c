//! One client: draws what to do next, keeps the escrows that it made.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::call::{Call, Http, Outcome, id_of};
use super::cast::{Cast, Seat};
use super::escrow::Escrow;
use crate::rng::Rng;

const CURRENCIES: [&str; 2] = ["EUR", "USD"];
/// Tries of one command before it is left for later.
const TRIES: u64 = 4;
/// Escrows that a client works on at the same time.
const OPEN: usize = 6;

pub(super) struct Client {
    http: Arc<Http>,
    cast: Arc<Cast>,
    rng: Rng,
    escrows: Vec<Escrow>,
    calls: Vec<(Call, Outcome)>,
}

impl Client {
    pub(super) fn new(http: Arc<Http>, cast: Arc<Cast>, rng: Rng) -> Self {
        Self { http, cast, rng, escrows: Vec::new(), calls: Vec::new() }
    }

    pub(super) async fn run(mut self, stop: Arc<AtomicBool>) -> Vec<(Call, Outcome)> {
        while !stop.load(Ordering::Relaxed) {
            match self.rng.below(100) {
                0..20 => self.receive().await,
                20..26 => self.transfer().await,
                26..29 => self.freeze_and_unfreeze().await,
                29..32 => self.take_back_a_file().await,
                32..50 if self.escrows.len() < OPEN => self.create().await,
                _ => self.advance().await,
            }
            let pause = self.rng.millis(5, 120);
            tokio::time::sleep(pause).await;
        }
        self.calls
    }

    async fn command(&mut self, seat: &Seat, path: String, body: serde_json::Value) -> Outcome {
        self.send("POST", seat, path, body).await
    }

    /// Sends until there is an answer or patience ends; sometimes once more with the same key, as impatient clients do.
    async fn send(&mut self, method: &'static str, seat: &Seat, path: String, body: serde_json::Value) -> Outcome {
        let key = self.rng.uuid().to_string();
        let call = Call { method, path, seat: seat.clone(), key, body };
        let first = self.rng.below(2);
        let mut outcome = Outcome::Unknown;
        for attempt in 0..TRIES {
            outcome = self.http.send(&call, first + attempt).await;
            if !matches!(outcome, Outcome::Unknown) {
                break;
            }
            let pause = self.rng.millis(50, 600);
            tokio::time::sleep(pause).await;
        }
        if self.rng.percent(5) {
            self.http.send(&call, first + 1).await;
        }
        self.calls.push((call, outcome.clone()));
        outcome
    }

    fn amount(&mut self) -> String {
        let minor = self.rng.between(100, 9_999);
        format!("{}.{:02}", minor / 100, minor % 100)
    }

    fn currency(&mut self) -> &'static str {
        self.rng.pick::<&'static str>(&CURRENCIES)
    }

    /// A bank receipt for one of the payers.
    async fn receive(&mut self) {
        let cast = Arc::clone(&self.cast);
        let payer = self.rng.pick(&cast.payers).party;
        let reference = format!("TORTURE-{}", self.rng.uuid().simple());
        let body = json!({
            "bankReference": reference, "amount": format!("{}.00", self.rng.between(50, 500)), "currency": self.currency(),
            "receivedAt": "2026-01-02T03:04:05Z", "payerId": payer,
        });
        self.command(cast.staff("platform_finance"), "/v1/bank-receipts".to_owned(), body).await;
    }

    async fn wallet(&mut self, owner: uuid::Uuid, currency: &str) -> Option<String> {
        let path = format!("/v1/wallets?ownerId={owner}&currency={currency}");
        let wallets = self.http.get(self.cast.staff("tenant_admin"), &path).await?;
        wallets["items"][0]["id"].as_str().map(str::to_owned)
    }

    /// Between two payers; refused when there is too little, which must leave no trace.
    async fn transfer(&mut self) {
        let cast = Arc::clone(&self.cast);
        let (from, to) = (self.rng.pick(&cast.payers).party, self.rng.pick(&cast.payers).party);
        let (currency, amount) = (self.currency(), self.amount());
        let (Some(from), Some(to)) = (self.wallet(from, currency).await, self.wallet(to, currency).await) else { return };
        let body = json!({ "fromWalletId": from, "toWalletId": to, "amount": amount, "currency": currency, "reason": "torture" });
        self.command(cast.staff("platform_finance"), "/v1/ledger/transfer".to_owned(), body).await;
    }

    async fn freeze_and_unfreeze(&mut self) {
        let cast = Arc::clone(&self.cast);
        let (owner, currency) = (self.rng.pick(&cast.payees).party, self.currency());
        let Some(wallet) = self.wallet(owner, currency).await else { return };
        for action in ["freeze", "unfreeze"] {
            self.command(cast.staff("tenant_admin"), format!("/v1/wallets/{wallet}/{action}"), json!({ "reason": "torture" })).await;
        }
    }

    /// Announced and deleted before a byte has come: what deletes the bytes is an effect.
    async fn take_back_a_file(&mut self) {
        let cast = Arc::clone(&self.cast);
        let talent = self.rng.pick(&cast.payees);
        let body = json!({
            "ownerType": "talent_portfolio", "ownerId": talent.party, "kind": "headshot", "mime": "image/png", "size": 70,
        });
        if let Outcome::Ok(announced) = self.command(talent, "/v1/assets/presign-upload".to_owned(), body).await
            && let Some(id) = id_of(&announced)
        {
            self.send("DELETE", talent, format!("/v1/assets/{id}"), json!({})).await;
        }
    }

    async fn create(&mut self) {
        let cast = Arc::clone(&self.cast);
        let (payer, payee) = (self.rng.pick(&cast.payers).clone(), self.rng.pick(&cast.payees).clone());
        let body = json!({
            "contractId": self.rng.uuid(), "payerId": payer.party, "payeeId": payee.party, "amount": self.amount(),
            "currency": self.currency(),
        });
        let outcome = self.command(cast.staff("tenant_admin"), "/v1/escrows".to_owned(), body).await;
        if let Outcome::Ok(body) = outcome
            && let Some(id) = id_of(&body)
        {
            self.escrows.push(Escrow::new(id, payer, payee));
        }
    }

    /// The next step of one of its escrows.
    async fn advance(&mut self) {
        if self.escrows.is_empty() {
            return;
        }
        let index = usize::try_from(self.rng.below(self.escrows.len() as u64)).unwrap_or(0);
        let mut escrow = self.escrows.swap_remove(index);
        let cast = Arc::clone(&self.cast);
        let step = escrow.next(&cast, &mut self.rng);
        let outcome = self.command(&step.seat, step.path, step.body).await;
        if escrow.answered(step.after, &outcome) {
            self.escrows.push(escrow);
        }
    }
}
