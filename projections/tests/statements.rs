//! Statements over histories of several months (LED-19, LED-20, LED-71, MNY-55).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use chrono::{DateTime, TimeDelta, Utc};
use holdfast_domain::escrow::Landing;
use holdfast_domain::kernel::{EscrowId, EventId, HoldId, Money, WalletId};
use holdfast_domain::wallet::{CreditPurpose, DebitPurpose, HoldPurpose, OwnerType, Place, WalletFact};
use holdfast_eventlog::db::Pool;
use holdfast_projections::query::{ByKey, Page};
use holdfast_projections::statement::{self, Month, Statement, StatementId, StatementSummary, StatementsWanted};
use holdfast_projections::wallet::{self, AsOf, EntryFilter, WalletEntry, WalletFilter};
use rust_decimal::Decimal;
use support::{Database, History, PAYEE, PAYER, eur, party, tenant, with};
use uuid::Uuid;

/// Small numbers that are the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

fn cents(minor: u64) -> Money {
    Money::try_from_minor(i128::from(minor), eur("0").currency()).unwrap()
}

/// A payer and a payee with money that comes, is held, goes and clears, over some five months of recorded time.
fn history(seed: u64) -> History {
    let mut dice = Dice(seed);
    let mut history = History::new(tenant(0x5));
    let (payer, payee) = (history.owner(OwnerType::User, PAYER, eur("1")), history.owner(OwnerType::Talent, PAYEE, eur("1")));
    let escrow_id = EscrowId(Uuid::from_u128(5));
    let (mut available, mut holds, mut pending, mut item) = (0, Vec::new(), Vec::new(), 0);
    for n in 0..60_u128 {
        match dice.roll(6) {
            0 | 1 => {
                let amount = dice.roll(5_000) + 1;
                history.deposit(0x1000 + n, cents(amount));
                available += amount;
            }
            2 if available > 0 => {
                let amount = dice.roll(available) + 1;
                let (hold_id, purpose) = (HoldId(Uuid::from_u128(0x2000 + n)), HoldPurpose::EscrowFunding { escrow_id, attempt: 1 });
                history.wallet(payer, WalletFact::HoldPlaced { hold_id, amount: cents(amount), purpose });
                available -= amount;
                holds.push((hold_id, amount));
            }
            3 if !holds.is_empty() => {
                let (hold_id, held) = holds.remove(0);
                let captured = dice.roll(held + 1);
                let landing = Landing { event_id: EventId(Uuid::from_u128(0x3000 + n)), leg: 0 };
                let (taken, released) = (cents(captured), cents(held - captured));
                history.wallet(payer, WalletFact::HoldCaptured { hold_id, captured: taken, released, landing, to: Place::Available });
                available += held - captured;
            }
            4 if available > 0 => {
                let amount = cents(dice.roll(available) + 1);
                available -= u64::try_from(amount.minor()).unwrap();
                let purpose = DebitPurpose::Transfer { to_wallet_id: payee.wallet_id(history.tenant), to: payee, reason: "gift".into() };
                let event_id = history.wallet(payer, WalletFact::Debited { amount, purpose });
                item += 1;
                let to = Place::Pending { item, clears_at: history.now() };
                let purpose = CreditPurpose::Transfer { from_wallet_id: payer.wallet_id(history.tenant) };
                history.wallet(payee, WalletFact::Credited { amount, landing: Landing { event_id, leg: 0 }, to, purpose });
                pending.push((item, amount));
            }
            5 if !pending.is_empty() => {
                let (item, amount) = pending.remove(0);
                history.wallet(payee, WalletFact::Cleared { item, amount, to: Place::Available });
            }
            _ => {}
        }
    }
    // Recorded time as the log sets it: never before that of the position before; value dates stay where they are.
    let mut at = history.events[0].recorded_at;
    for event in &mut history.events {
        at += TimeDelta::seconds(i64::try_from(dice.roll(150 * 86_400 / 80 * 2)).unwrap());
        event.recorded_at = at;
    }
    history
}

async fn whole(pool: &Pool, history: &History, wallet_id: Uuid, now: DateTime<Utc>) -> Vec<StatementSummary> {
    let wanted = StatementsWanted::OfWallet(WalletId(wallet_id), None);
    let mut all = Vec::new();
    let mut cursor = None;
    loop {
        let page = Page::try_new(Some(2), cursor).unwrap();
        let list = statement::list(pool, history.tenant, wanted, None, now, &page).await.unwrap().value;
        all.extend(list.items);
        cursor = list.next_cursor;
        if cursor.is_none() {
            all.reverse();
            return all;
        }
    }
}

async fn detail(pool: &Pool, history: &History, id: &str, now: DateTime<Utc>) -> Statement {
    let page = Page::try_new(Some(200), None).unwrap();
    statement::statement(pool, history.tenant, id.parse().unwrap(), None, false, now, &page).await.unwrap().value.unwrap()
}

fn credited(line: &WalletEntry) -> Decimal {
    if line.direction == "credit" { line.amount } else { -line.amount }
}

#[tokio::test]
async fn every_statement_opens_with_the_closing_before_it_and_its_lines_make_the_difference() {
    // LED-19, LED-20, MNY-55, LED-61
    for seed in 1..=4 {
        with(move |database| async move {
            let history = history(seed);
            database.project(&history, 7).await;
            let pool = database.reader().await;
            let end = history.events.last().unwrap().recorded_at;
            let now = Month::of(end).end() + TimeDelta::days(40);
            let wallets = wallet::list(&pool, history.tenant, &WalletFilter::default(), &Page::default()).await.unwrap().value.items;
            assert_eq!(wallets.len(), 2);
            for wallet in wallets {
                let months = whole(&pool, &history, wallet.id, now).await;
                assert_eq!(months[0].period, Month::of(wallet.opened_at).to_string(), "from its opening");
                assert_eq!(months.last().unwrap().period, Month::of(now).previous().to_string(), "to the last complete one");
                assert!(months.len() >= 4);
                assert_eq!((months[0].opening.total, months[0].from_position), (eur("0").amount(), 1));
                let mut seen = Vec::new();
                for (before, month) in months.iter().zip(&months[1..]) {
                    assert_eq!((&before.closing, before.to, before.to_position + 1), (&month.opening, month.from, month.from_position));
                }
                for month in &months {
                    let shown = detail(&pool, &history, &month.id, now).await;
                    assert_eq!(&shown.summary, month);
                    let lines = &shown.lines.items;
                    let sum = |place: Option<&str>| -> Decimal {
                        lines.iter().filter(|line| place.is_none_or(|place| line.place == place)).map(credited).sum()
                    };
                    let (opening, closing) = (&month.opening, &month.closing);
                    assert_eq!(sum(None), closing.total - opening.total);
                    assert_eq!(sum(Some("available")), closing.available - opening.available);
                    assert_eq!(sum(Some("held")), closing.held - opening.held);
                    assert_eq!(sum(Some("pending")), closing.pending - opening.pending);
                    assert_eq!(shown.total_in - shown.total_out, closing.total - opening.total);
                    let kinds: Decimal = shown.totals.iter().map(|total| total.came - total.went).sum();
                    assert_eq!(kinds, closing.total - opening.total);
                    let mut running = opening.total;
                    for line in lines {
                        running += credited(line);
                        assert_eq!(line.balance, running, "{line:?}");
                        assert!((month.from..month.to).contains(&line.recorded_at));
                        assert!((month.from_position..=month.to_position).contains(&line.position));
                    }
                    seen.extend(lines.iter().map(|line| (line.position, line.line)));
                }
                assert!(seen.is_sorted());
                let last = months.last().unwrap();
                assert_eq!(
                    (last.closing.available, last.closing.held, last.closing.pending),
                    (wallet.available, wallet.held, wallet.pending)
                );
                assert_eq!(last.closing.total, on_accounts(&database, wallet.owner_id).await, "the books' own accounts");
            }
        })
        .await;
    }
}

/// What the trial balance has on all accounts of this owner.
async fn on_accounts(database: &Database, owner_id: Uuid) -> Decimal {
    sqlx::query_scalar(
        "SELECT coalesce(sum(balance), 0) FROM accounts WHERE owner_id = $1 AND code IN ('L200', 'L202', 'L220', 'L225', 'L226')",
    )
    .bind(owner_id)
    .fetch_one(&database.admin)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_rebuild_gives_the_same_bytes() {
    // LED-71, MNY-55
    let mut told = Vec::<Vec<String>>::new();
    for size in [1, 13, 500] {
        let (sender, receiver) = std::sync::mpsc::channel();
        with(move |database| async move {
            let history = history(9);
            database.project(&history, size).await;
            let pool = database.reader().await;
            let now = history.events.last().unwrap().recorded_at + TimeDelta::days(70);
            for wallet in wallet::list(&pool, history.tenant, &WalletFilter::default(), &Page::default()).await.unwrap().value.items {
                for month in whole(&pool, &history, wallet.id, now).await {
                    sender.send(serde_json::to_string(&detail(&pool, &history, &month.id, now).await).unwrap()).unwrap();
                }
            }
        })
        .await;
        told.push(receiver.try_iter().collect());
    }
    assert!(told[0].len() > 8);
    assert!(told.iter().all(|bytes| *bytes == told[0]));
}

#[tokio::test]
async fn the_running_month_is_shown_only_as_provisional_and_a_month_ends_when_the_ledger_has_passed_it() {
    // LED-71, MNY-55
    with(|database| async move {
        let history = history(3);
        database.project(&history, 50).await;
        let (pool, page) = (database.reader().await, Page::default());
        let end = history.events.last().unwrap().recorded_at;
        let wallet_id = history.owner(OwnerType::User, PAYER, eur("1")).wallet_id(history.tenant);
        let running = StatementId { wallet_id, month: Month::of(end) };
        let ask = async |id, provisional, now| {
            statement::statement(&pool, history.tenant, id, None, provisional, now, &page).await.unwrap().value
        };
        assert_eq!(ask(running, false, end).await, None);
        let shown = ask(running, true, end).await.unwrap();
        assert!(shown.summary.provisional);
        assert_eq!(
            shown.summary.closing.total,
            wallet::balance(&ByKey::new(pool.clone()), history.tenant, wallet_id, None)
                .await
                .unwrap()
                .value
                .map(|held| held.available + held.held + held.pending)
                .unwrap()
        );
        let coming = StatementId { month: running.month.next(), ..running };
        assert_eq!(ask(coming, true, end).await, None, "no month of the future");
        // Nothing has come after its end: an hour later nothing can.
        let over = running.month.end();
        assert_eq!(ask(running, false, over + TimeDelta::minutes(59)).await, None);
        assert!(!ask(running, false, over + TimeDelta::hours(1)).await.unwrap().summary.provisional);
        let before = StatementId { month: running.month.previous(), ..running };
        assert!(ask(before, false, end).await.is_some(), "the ledger has gone beyond it");
        // Nobody else's.
        let own =
            async |owner| statement::statement(&pool, history.tenant, before, Some(party(owner)), false, end, &page).await.unwrap().value;
        assert!(own(PAYER).await.is_some() && own(PAYEE).await.is_none());
        let unknown = StatementId { wallet_id: WalletId(Uuid::nil()), ..before };
        assert_eq!(ask(unknown, false, end).await, None);
    })
    .await;
}

#[tokio::test]
async fn a_month_lists_every_wallet_and_a_wallet_its_months() {
    // LED-19
    with(|database| async move {
        let history = history(4);
        database.project(&history, 50).await;
        let pool = database.reader().await;
        let end = history.events.last().unwrap().recorded_at;
        let month = Month::of(end).previous();
        let list = async |wanted, owner, limit, cursor| {
            let page = Page::try_new(Some(limit), cursor).unwrap();
            statement::list(&pool, history.tenant, wanted, owner, end, &page).await.unwrap().value
        };
        let all = list(StatementsWanted::OfMonth(month), None, 50, None).await;
        assert_eq!(all.items.len(), 2);
        let first = list(StatementsWanted::OfMonth(month), None, 1, None).await;
        let second = list(StatementsWanted::OfMonth(month), None, 1, first.next_cursor).await;
        assert_eq!([&first.items[0], &second.items[0]], [&all.items[0], &all.items[1]]);
        assert_eq!(second.next_cursor, None);
        let own = list(StatementsWanted::OfMonth(month), Some(party(PAYEE)), 50, None).await;
        assert!(own.items.iter().all(|row| row.owner_type == "talent") && own.items.len() == 1);
        assert_eq!(list(StatementsWanted::OfMonth(Month::of(end)), None, 50, None).await.items, [], "not over");
        let wallet_id = WalletId(all.items[0].wallet_id);
        let one = list(StatementsWanted::OfWallet(wallet_id, Some(month)), None, 50, None).await;
        assert_eq!(one.items, [all.items[0].clone()]);
        assert_eq!(list(StatementsWanted::OfWallet(wallet_id, None), Some(party(0x99)), 50, None).await.items, []);
    })
    .await;
}

#[tokio::test]
async fn a_balance_of_any_position_or_time_is_what_the_lines_until_then_make() {
    // LED-16, LED-17
    with(|database| async move {
        let history = history(6);
        database.project(&history, 11).await;
        let pool = database.reader().await;
        let wallet_id = history.owner(OwnerType::User, PAYER, eur("1")).wallet_id(history.tenant);
        let page = Page::try_new(Some(200), None).unwrap();
        let lines = wallet::entries(&pool, history.tenant, wallet_id, None, &EntryFilter::default(), &page).await.unwrap().value.unwrap();
        assert_eq!(lines.next_cursor, None);
        let held = async |as_of| wallet::balance_as_of(&pool, history.tenant, wallet_id, None, as_of).await.unwrap().value.unwrap();
        for event in &history.events {
            let until = |keep: &dyn Fn(&WalletEntry) -> bool, place: &str| -> Decimal {
                lines.items.iter().filter(|line| line.place == place && keep(line)).map(credited).sum()
            };
            let by_position = held(AsOf::Position(event.position)).await;
            let by_time = held(AsOf::Time(event.recorded_at)).await;
            for (balance, keep) in [
                (&by_position, &(|line: &WalletEntry| line.position <= event.position) as &dyn Fn(&WalletEntry) -> bool),
                (&by_time, &|line: &WalletEntry| line.recorded_at <= event.recorded_at),
            ] {
                assert_eq!((balance.available, balance.held), (until(keep, "available"), until(keep, "held")));
            }
            assert_eq!(by_position.as_of_position, event.position);
        }
        let before = held(AsOf::Time(history.events[0].recorded_at - TimeDelta::days(1))).await;
        assert_eq!((before.available, before.as_of_position), (eur("0").amount(), 0));
        // The ledger of a span of time is the same lines.
        let (from, to) = (history.events[20].recorded_at, history.events[40].recorded_at);
        let filter = EntryFilter { from: Some(from), to: Some(to), ..EntryFilter::default() };
        let span = wallet::entries(&pool, history.tenant, wallet_id, None, &filter, &page).await.unwrap().value.unwrap().items;
        let expected: Vec<_> = lines.items.iter().filter(|line| (from..to).contains(&line.recorded_at)).cloned().collect();
        assert!(!span.is_empty());
        assert_eq!(span, expected);
    })
    .await;
}
