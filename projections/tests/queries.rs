//! Answers over a typical history.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;

use holdfast_domain::kernel::{Actor, ActorKind, EscrowId, Role, WalletId};
use holdfast_domain::ledger::Side;
use holdfast_domain::wallet::OwnerType;
use holdfast_projections::escrow::{self, AccountFilter, DueFilter, DueKind, EscrowFilter, EscrowSort, Settlement, TransactionFilter};
use holdfast_projections::query::{ByKey, Page, QueryError};
use holdfast_projections::wallet::{self, EntryFilter, WalletFilter};
use holdfast_projections::{audit, ledger};
use support::{History, PAYEE, PAYER, eur, party, tenant, with};
use uuid::Uuid;

const TENANT: u128 = 0x77;

fn escrow_id(n: u128) -> EscrowId {
    EscrowId(Uuid::from_u128(n))
}

fn staff() -> Actor {
    Actor { id: party(0x5), kind: ActorKind::User, roles: [Role::Finance].into(), amount_limits: Vec::new() }
}

#[tokio::test]
async fn the_detail_page_shows_amounts_parties_timeline_and_what_the_caller_may_do() {
    with(|database| async move {
        let history = History::typical(tenant(TENANT));
        database.project(&history, 7).await;
        let (pool, tenant) = (database.reader().await, history.tenant);
        let read = escrow::detail(&pool, tenant, escrow_id(0xE1), None, &staff(), history.now()).await.unwrap();
        assert_eq!(read.position, history.head());
        let settled = read.value.unwrap();
        assert_eq!((settled.summary.status.as_str(), settled.summary.outcome.as_deref()), ("closed", Some("settled")));
        assert_eq!(settled.summary.settlement, Settlement::Settled);
        assert_eq!(settled.summary.released_amount.to_string(), "1000.00");
        assert_eq!(settled.summary.legacy_status.flow.as_deref(), Some("SETTLED"));
        let payee = &settled.parties[0];
        assert_eq!(
            (payee.party.as_str(), payee.released.to_string().as_str(), payee.left.to_string().as_str()),
            ("payee", "950.00", "0.00")
        );
        let types: Vec<&str> = settled.events.iter().map(|event| event.event_type.as_str()).collect();
        assert_eq!(types.first(), Some(&"escrow.created"));
        assert_eq!(types.last(), Some(&"escrow.closed"));
        let delivered = settled.events.iter().find(|event| event.event_type == "escrow.delivery_submitted").unwrap();
        assert_eq!(delivered.documented_name.as_deref(), Some("DELIVERY_SUBMITTED"));
        assert_eq!(delivered.details["note"], "all done");
        let json = serde_json::to_value(&settled).unwrap();
        assert_eq!(json["amount"], "1000.00");
        assert_eq!(json["events"][0]["type"], "escrow.created");
        assert!(json["events"][0].get("personal").is_none());
        assert_eq!(settled.allowed_actions, ["dispute"], "MNY-36: for a while after the settlement");

        let created =
            escrow::detail(&pool, tenant, escrow_id(0xE3), Some(party(PAYER)), &staff(), history.now()).await.unwrap().value.unwrap();
        assert!(created.allowed_actions.contains(&"cancel".to_owned()), "{:?}", created.allowed_actions);
        assert_eq!(created.summary.next_deadline.unwrap().action, "cancel");
        let foreign = escrow::detail(&pool, tenant, escrow_id(0xE3), Some(party(0x99)), &staff(), history.now()).await.unwrap();
        assert_eq!(foreign.value, None);
        let missing = escrow::detail(&pool, support::tenant(1), escrow_id(0xE1), None, &staff(), history.now()).await.unwrap();
        assert_eq!((missing.position, missing.value), (0, None));
    })
    .await;
}

#[tokio::test]
async fn lists_filter_and_every_sort_walks_all_rows_once() {
    with(|database| async move {
        let mut history = History::typical(tenant(TENANT));
        for n in 0..9_u128 {
            history.create(0xE100 + n, eur(if n % 2 == 0 { "50.00" } else { "49.99" }));
        }
        database.project(&history, 100).await;
        let (pool, tenant) = (database.reader().await, history.tenant);
        for sort in ["created_at:desc", "created_at:asc", "amount:asc", "amount:desc", "auto_release_at:asc", "auto_release_at:desc"] {
            let sort: EscrowSort = sort.parse().unwrap();
            let (mut seen, mut cursor) = (Vec::new(), None);
            loop {
                let page = Page::try_new(Some(5), cursor).unwrap();
                let list = escrow::list(&pool, tenant, &EscrowFilter::default(), sort, &page).await.unwrap().value;
                seen.extend(list.items.into_iter().map(|escrow| (escrow.amount, escrow.id)));
                cursor = list.next_cursor;
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!(seen.len(), 12, "{sort}");
            assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 12, "{sort}");
            if sort.to_string() == "amount:asc" {
                assert!(seen.is_sorted());
            }
        }
        let of = async |filter: EscrowFilter| {
            escrow::list(&pool, tenant, &filter, EscrowSort::default(), &Page::default()).await.unwrap().value.items.len()
        };
        assert_eq!(of(EscrowFilter { status: Some(holdfast_domain::escrow::EscrowStatus::Disputed), ..EscrowFilter::default() }).await, 1);
        assert_eq!(of(EscrowFilter { payer_id: Some(party(PAYEE)), ..EscrowFilter::default() }).await, 0);
        assert_eq!(of(EscrowFilter { party: Some(party(PAYEE)), ..EscrowFilter::default() }).await, 12);
        assert_eq!(of(EscrowFilter { party: Some(party(0x99)), ..EscrowFilter::default() }).await, 0);
        assert_eq!(of(EscrowFilter { from: Some(history.now()), ..EscrowFilter::default() }).await, 0);
        assert_eq!(
            of(EscrowFilter { contract_id: Some(support::reference(0).contract_id), to: Some(history.now()), ..EscrowFilter::default() })
                .await,
            12
        );

        let first = escrow::list(&pool, tenant, &EscrowFilter::default(), EscrowSort::default(), &Page::try_new(Some(1), None).unwrap())
            .await
            .unwrap();
        let page = Page::try_new(Some(1), first.value.next_cursor).unwrap();
        let by_amount = escrow::list(&pool, tenant, &EscrowFilter::default(), "amount:asc".parse().unwrap(), &page).await;
        assert!(matches!(by_amount, Err(QueryError::InvalidCursor)));
        assert!("amount:up".parse::<EscrowSort>().is_err());
    })
    .await;
}

#[tokio::test]
async fn money_views_of_escrows_agree_with_the_ledger() {
    // ESC-03, ESC-04, LED-10.
    with(|database| async move {
        let mut history = History::typical(tenant(TENANT));
        history.create(0xE4, eur("10.00"));
        history.fund(0xE4, eur("10.00"));
        database.project(&history, 5).await;
        let (pool, tenant, all) = (database.reader().await, history.tenant, Page::default());
        let view = escrow::ledger(&pool, tenant, escrow_id(0xE1), Some(party(PAYEE))).await.unwrap().value.unwrap();
        let kinds: Vec<&str> = view.entries.iter().map(|entry| entry.kind.as_str()).collect();
        assert_eq!(kinds, ["escrow_funded", "escrow_released"]);
        assert_eq!(view.entries[1].lines.len(), 3);
        assert!(escrow::ledger(&pool, tenant, escrow_id(0xE1), Some(party(0x99))).await.unwrap().value.is_none());

        let transactions = escrow::transactions(&pool, tenant, &TransactionFilter::default(), &all).await.unwrap().value.items;
        let kinds: Vec<&str> = transactions.iter().map(|row| row.kind.as_str()).collect();
        assert_eq!(kinds, ["fund", "release", "fund", "fund"]);
        assert_eq!(transactions[1].ledger_entry_id, view.entries[1].entry_id);

        let accounts =
            escrow::accounts(&pool, tenant, &AccountFilter { funded_only: true, ..AccountFilter::default() }, &all).await.unwrap();
        let shown: Vec<_> =
            accounts.value.items.iter().map(|row| (row.escrow_id, row.balance.to_string(), row.locked_balance.to_string())).collect();
        assert_eq!(
            shown,
            [
                (Uuid::from_u128(0xE2), "250.50".to_owned(), "250.50".to_owned()),
                (Uuid::from_u128(0xE4), "10.00".to_owned(), "0.00".to_owned())
            ]
        );

        let due = async |kind| {
            let filter = DueFilter { kind, ..DueFilter::default() };
            escrow::due(&pool, tenant, &filter, &Page::default()).await.unwrap().value.items.len()
        };
        assert_eq!((due(DueKind::Any).await, due(DueKind::AutoRelease).await, due(DueKind::Sla).await), (2, 0, 0));
    })
    .await;
}

#[tokio::test]
async fn wallets_show_balances_and_lines_with_running_balances() {
    // LED-01, LED-03, LED-15..17, LED-75, LED-80.
    with(|database| async move {
        let history = History::typical(tenant(TENANT));
        database.project(&history, 4).await;
        let (pool, tenant) = (database.reader().await, history.tenant);
        let wallets = wallet::list(&pool, tenant, &WalletFilter::default(), &Page::default()).await.unwrap().value.items;
        let shown: Vec<_> = wallets.iter().map(|row| (row.owner_type.as_str(), row.available.to_string(), row.held.to_string())).collect();
        assert_eq!(shown, [("user", "3749.50".to_owned(), "0.00".to_owned()), ("talent", "950.00".to_owned(), "0.00".to_owned())]);
        let of_payee = WalletFilter { owner_type: Some(OwnerType::Talent), owner_id: Some(party(PAYEE)), ..WalletFilter::default() };
        assert_eq!(wallet::list(&pool, tenant, &of_payee, &Page::default()).await.unwrap().value.items.len(), 1);

        let (id, by_key) = (WalletId(wallets[0].id), ByKey::new(pool.clone()));
        let balance = wallet::balance(&by_key, tenant, id, Some(party(PAYER))).await.unwrap().value.unwrap();
        assert_eq!((balance.available.to_string(), balance.as_of_position), ("3749.50".to_owned(), history.head()));
        assert!(wallet::balance(&by_key, tenant, id, Some(party(PAYEE))).await.unwrap().value.is_none());

        // A hold is two lines within the wallet; pages of three walk over all of them with the same running balances.
        let all = wallet::entries(&pool, tenant, id, None, &EntryFilter::default(), &Page::default()).await.unwrap().value.unwrap().items;
        assert_eq!(all[0].balance.to_string(), "3749.50");
        assert_eq!(all.last().unwrap().balance.to_string(), "5000.00");
        let (mut paged, mut cursor) = (Vec::new(), None);
        loop {
            let page = Page::try_new(Some(3), cursor).unwrap();
            let list = wallet::entries(&pool, tenant, id, None, &EntryFilter::default(), &page).await.unwrap().value.unwrap();
            paged.extend(list.items);
            cursor = list.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(paged, all);
        let filter = EntryFilter { direction: Some(Side::Credit), ref_type: Some("bank_receipt".to_owned()), ..EntryFilter::default() };
        let credits = wallet::entries(&pool, tenant, id, None, &filter, &Page::default()).await.unwrap().value.unwrap().items;
        assert_eq!(credits.len(), 1);
        assert_eq!(credits[0].amount.to_string(), "5000.00");
        assert!(wallet::entries(&pool, tenant, id, Some(party(PAYEE)), &filter, &Page::default()).await.unwrap().value.is_none());
    })
    .await;
}

#[tokio::test]
async fn the_ledger_balances_and_the_audit_log_names_everybody() {
    // LED-02, LED-25, LED-61, LED-80.
    with(|database| async move {
        let history = History::typical(tenant(TENANT));
        database.project(&history, 4).await;
        let (pool, tenant) = (database.reader().await, history.tenant);
        let health = ledger::health(&pool, tenant, Some(history.head() + 3)).await.unwrap().value;
        assert!(health.balanced && !health.stopped);
        assert_eq!(health.lag, Some(3));
        let euros = &health.currencies[0];
        assert_eq!((euros.currency.as_str(), euros.difference.to_string()), ("EUR", "0.00".to_owned()));
        let balance = |code: &str| euros.accounts.iter().find(|account| account.code == code).unwrap().balance.to_string();
        assert_eq!([balance("A110"), balance("L215"), balance("L299"), balance("R400")], ["5000.00", "250.50", "0.00", "50.00"]);
        assert_eq!(ledger::trial_balance(&pool, tenant).await.unwrap().value.currencies, health.currencies);
        assert!(ledger::health(&pool, support::tenant(1), None).await.unwrap().value.currencies.is_empty());

        let log = audit::list(&pool, tenant, &audit::AuditFilter::default(), &Page::try_new(Some(200), None).unwrap()).await.unwrap();
        assert_eq!(i64::try_from(log.value.items.len()).unwrap(), history.head());
        assert_eq!(log.value.items[0].position, history.head());
        assert_eq!(log.value.items[0].actor_roles.0, ["finance"]);
        let of_escrow =
            audit::AuditFilter { entity_id: Some(Uuid::from_u128(0xE2)), action: Some("escrow.disputed".into()), ..Default::default() };
        let one = audit::list(&pool, tenant, &of_escrow, &Page::default()).await.unwrap().value.items;
        assert_eq!(one.len(), 1);
        assert_eq!(one[0].change.as_ref().unwrap()["after"]["status"], "disputed");
    })
    .await;
}

#[tokio::test]
async fn many_readers_of_single_rows_each_get_their_own_and_of_their_tenant_alone() {
    // LED-16; what queues is asked for together.
    with(|database| async move {
        let (history, other) = (History::typical(tenant(TENANT)), History::typical(tenant(TENANT + 1)));
        database.project(&history, 4).await;
        database.project(&other, 4).await;
        let by_key = ByKey::new(database.reader().await);
        let owners = [(OwnerType::User, PAYER), (OwnerType::Talent, PAYEE)];
        let wallet = |history: &History, at: usize| {
            let (owner_type, owner) = owners[at % 2];
            history.owner(owner_type, owner, eur("1")).wallet_id(history.tenant)
        };
        let readings = (0..200).map(|at| {
            let (of, wallets_of) = if at % 3 == 0 { (&other, &other) } else { (&history, if at % 5 == 0 { &other } else { &history }) };
            let (by_key, id, foreign, tenant) = (by_key.clone(), wallet(wallets_of, at), of.tenant != wallets_of.tenant, of.tenant);
            async move {
                let read = wallet::balance(&by_key, tenant, id, None).await.unwrap();
                assert_eq!(read.value.as_ref().map(|balance| WalletId(balance.wallet_id)), (!foreign).then_some(id));
                read.position
            }
        });
        let positions = futures::future::join_all(readings).await;
        assert!(positions.iter().all(|position| *position == history.head()));
        // Somebody who has gone takes nobody with him.
        let gone = (0..50).map(|at| tokio::time::timeout(std::time::Duration::ZERO, by_key.find(history.tenant, Uuid::from_u128(at))));
        futures::future::join_all(gone).await;
        assert!(wallet::balance(&by_key, history.tenant, wallet(&history, 0), None).await.unwrap().value.is_some());
        let nobodys = WalletId(Uuid::from_u128(7));
        assert!(wallet::balance(&by_key, history.tenant, nobodys, None).await.unwrap().value.is_none());
    })
    .await;
}

#[tokio::test]
async fn readers_of_single_rows_are_told_when_the_database_is_gone_and_the_next_ones_ask_anew() {
    with(|database| async move {
        let history = History::typical(tenant(TENANT));
        database.project(&history, 4).await;
        let pool = database.reader().await;
        let by_key = ByKey::new(pool.clone());
        let id = history.owner(OwnerType::User, PAYER, eur("1")).wallet_id(history.tenant);
        assert!(wallet::balance(&by_key, history.tenant, id, None).await.unwrap().value.is_some());
        pool.close().await;
        for _ in 0..2 {
            let failed = (0..20).map(|_| wallet::balance(&by_key, history.tenant, id, None));
            for failed in futures::future::join_all(failed).await {
                assert!(matches!(failed, Err(QueryError::Together(_))), "{failed:?}");
            }
        }
    })
    .await;
}
