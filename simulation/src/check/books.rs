//! Money, counted from the texts of the events by rules of its own. What leaves one place is owed to another by the id of the
//! event and the number of its leg, arrives once, as the same amount, and nothing arrives that was not owed.

use std::collections::BTreeMap;

use holdfast_domain::kernel::TenantId;
use serde_json::Value;

use super::{Raw, minor, text};

/// Event id and leg.
type Landing = (String, i64);

#[derive(Default)]
struct Books {
    wallets: BTreeMap<String, i64>,
    escrows: BTreeMap<String, i64>,
    /// Platform, taxes, withholding.
    outside: i64,
    received: i64,
    /// Towards a wallet, and the amount.
    owed_to_wallets: BTreeMap<Landing, (String, i64)>,
    /// From a wallet's hold, by an escrow that counts on it.
    owed_by_wallets: BTreeMap<Landing, (String, i64)>,
    wrong: Vec<String>,
}

pub(super) fn check(raws: &[Raw<'_>], tenant_id: TenantId, wrong: &mut Vec<String>) {
    let mut books = Books::default();
    for raw in raws {
        match raw.stored.aggregate_type.as_str() {
            "bank_receipt" => books.receipt(raw),
            "wallet" => books.wallet(raw),
            "escrow" => books.escrow(raw),
            _ => {}
        }
    }
    for (landing, (wallet, amount)) in &books.owed_to_wallets {
        books.wrong.push(format!("{amount} of {landing:?} never came to wallet {wallet}"));
    }
    for (landing, (wallet, amount)) in &books.owed_by_wallets {
        books.wrong.push(format!("{amount} of {landing:?} was never taken from wallet {wallet}"));
    }
    for (wallet, balance) in books.wallets.iter().filter(|(_, balance)| **balance < 0) {
        books.wrong.push(format!("wallet {wallet} has {balance}"));
    }
    for (escrow, balance) in books.escrows.iter().filter(|(_, balance)| **balance < 0) {
        books.wrong.push(format!("escrow {escrow} has {balance}"));
    }
    let there: i64 = books.wallets.values().sum::<i64>() + books.escrows.values().sum::<i64>() + books.outside;
    if there != books.received {
        books.wrong.push(format!("{} came in and {there} is there", books.received));
    }
    wrong.extend(books.wrong.into_iter().map(|what| format!("books of {tenant_id}: {what}")));
}

impl Books {
    fn receipt(&mut self, raw: &Raw<'_>) {
        let Some((_, receipt)) = raw.payload.as_object().and_then(|fact| fact.iter().next()) else { return };
        self.received += minor(&receipt["amount"]);
        self.owed_to_wallets.insert((raw.id().to_owned(), 0), (String::new(), minor(&receipt["amount"])));
    }

    fn wallet(&mut self, raw: &Raw<'_>) {
        let id = raw.stored.aggregate_id.to_string();
        let (name, fact) = raw.fact();
        let balance = self.wallets.entry(id.clone()).or_default();
        let amount = minor(&fact["amount"]);
        match name {
            "credited" => {
                *balance += amount;
                arrive(&mut self.owed_to_wallets, &fact["landing"], &id, amount, &mut self.wrong);
            }
            "debited" => {
                *balance -= amount;
                let to = text(&fact["purpose"]["transfer"], "toWalletId").to_owned();
                self.owed_to_wallets.insert((raw.id().to_owned(), 0), (to, amount));
            }
            "hold_captured" => {
                let captured = minor(&fact["captured"]);
                *balance -= captured;
                arrive(&mut self.owed_by_wallets, &fact["landing"], &id, captured, &mut self.wrong);
            }
            _ => {}
        }
    }

    fn escrow(&mut self, raw: &Raw<'_>) {
        let id = raw.stored.aggregate_id.to_string();
        let (name, fact) = raw.fact();
        let amount = minor(&fact["amount"]);
        match name {
            "funded" => {
                let mut captured = 0;
                for part in fact["parts"].as_array().into_iter().flatten() {
                    captured += minor(&part["captured"]);
                    if minor(&part["captured"]) > 0 {
                        self.takes(raw, part, minor(&part["captured"]));
                    }
                }
                self.same(raw, captured, amount);
                *self.escrows.entry(id).or_default() += amount;
            }
            "partially_released" | "released" | "refunded" | "penalty_taken" => {
                let legs = self.legs(raw, &fact["legs"]);
                self.same(raw, legs, amount);
                *self.escrows.entry(id).or_default() -= amount;
            }
            "settled_case_refunded" => {
                let mut taken = 0;
                for leg in fact["taken"].as_array().into_iter().flatten().filter(|leg| minor(&leg["amount"]) > 0) {
                    taken += minor(&leg["amount"]);
                    self.takes(raw, leg, minor(&leg["amount"]));
                }
                let returned: i64 = fact["returned"].as_array().into_iter().flatten().map(|leg| minor(&leg["amount"])).sum();
                self.outside -= returned;
                let legs = self.legs(raw, &fact["legs"]);
                self.same(raw, taken + returned, legs);
            }
            _ => {}
        }
    }

    fn takes(&mut self, raw: &Raw<'_>, leg: &Value, amount: i64) {
        let landing = (raw.id().to_owned(), leg["leg"].as_i64().unwrap_or(-1));
        self.owed_by_wallets.insert(landing, (text(leg, "walletId").to_owned(), amount));
    }

    /// Their sum.
    fn legs(&mut self, raw: &Raw<'_>, legs: &Value) -> i64 {
        let mut sum = 0;
        for leg in legs.as_array().into_iter().flatten() {
            let amount = minor(&leg["amount"]);
            sum += amount;
            match leg["walletId"].as_str() {
                Some(wallet) => {
                    let landing = (raw.id().to_owned(), leg["leg"].as_i64().unwrap_or(-1));
                    if self.owed_to_wallets.insert(landing, (wallet.to_owned(), amount)).is_some() {
                        self.wrong.push(format!("two legs of {} have one number", raw.id()));
                    }
                }
                None => self.outside += amount,
            }
        }
        sum
    }

    fn same(&mut self, raw: &Raw<'_>, parts: i64, whole: i64) {
        if parts != whole {
            self.wrong.push(format!("{} {}: parts of {parts}, a whole of {whole}", raw.stored.event_type, raw.id()));
        }
    }
}

fn arrive(owed: &mut BTreeMap<Landing, (String, i64)>, landing: &Value, wallet: &str, amount: i64, wrong: &mut Vec<String>) {
    let landing = (text(landing, "eventId").to_owned(), landing["leg"].as_i64().unwrap_or(-1));
    match owed.remove(&landing) {
        Some((to, due)) if due == amount && (to.is_empty() || to == wallet) => {}
        Some((to, due)) => wrong.push(format!("{landing:?}: {amount} at wallet {wallet}, owed {due} at {to}")),
        None => wrong.push(format!("{landing:?}: {amount} at wallet {wallet} that nobody owed, or twice")),
    }
}
