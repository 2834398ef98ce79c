//! Any history of any wallets against the books and a naive model (invariant 3, LED-60, LED-61, LED-68).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Poll, Waker};

use chrono::{DateTime, TimeDelta, Utc};
use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use proptest::prelude::*;
use uuid::Uuid;

use super::books::Books;
use super::samples::{TENANT, at, escrow as escrow_event};
use crate::bank_receipt::BankReceiptEvent;
use crate::escrow::{EscrowFact, FundingPart, Landing, Leg, LegParty, MoneySource, ReleaseMode};
use crate::event::AnyEvent;
use crate::kernel::{
    Actor, Context, Currency, DisputeId, EscrowId, EventId, HoldId, Money, Origin, PartyId, Role, TenantAggregate, WalletId,
    split_by_weights,
};
use crate::ledger::{Account, AccountCode};
use crate::tenant::TenantSettings;
use crate::wallet::{
    Credit, CreditPurpose, DebitPurpose, HoldPurpose, OwnerType, Wallet, WalletCommand, WalletError, WalletEvent, WalletFact, WalletOwner,
    WalletStatus,
};

const WALLETS: usize = 4;

#[derive(Debug, Clone)]
enum Step {
    /// Money arrives at the bank for a payer; `held`: for an escrow.
    Arrive {
        wallet: usize,
        minor: i128,
        held: bool,
    },
    Place {
        wallet: usize,
        minor: i128,
    },
    /// A case about settled money asks for so much (MNY-36).
    Contest {
        wallet: usize,
        minor: i128,
    },
    /// Funds an escrow with this share (percent) of a hold.
    Fund {
        hold: usize,
        percent: i128,
    },
    Lift {
        hold: usize,
    },
    /// Pays a share of an escrow out to payee, tenant and platform, clearing after so many hours.
    Release {
        escrow: usize,
        percent: i128,
        hours: i64,
    },
    Refund {
        escrow: usize,
    },
    Transfer {
        from: usize,
        to: usize,
        minor: i128,
    },
    Freeze {
        wallet: usize,
    },
    Unfreeze {
        wallet: usize,
    },
    Close {
        wallet: usize,
    },
    Wait {
        hours: i64,
    },
    /// Every money command that a reaction has ever sent is sent once more.
    Repeat,
}

fn step() -> impl Strategy<Value = Step> {
    let (wallet, minor, pick) = (|| 0..WALLETS, || 1_i128..5_000, || 0_usize..8);
    prop_oneof![
        4 => (wallet(), 1_i128..20_000, any::<bool>()).prop_map(|(wallet, minor, held)| Step::Arrive { wallet, minor, held }),
        4 => (wallet(), minor()).prop_map(|(wallet, minor)| Step::Place { wallet, minor }),
        2 => (wallet(), minor()).prop_map(|(wallet, minor)| Step::Contest { wallet, minor }),
        3 => (pick(), 0_i128..=100).prop_map(|(hold, percent)| Step::Fund { hold, percent }),
        2 => pick().prop_map(|hold| Step::Lift { hold }),
        4 => (pick(), 1_i128..=100, -1_i64..5).prop_map(|(escrow, percent, hours)| Step::Release { escrow, percent, hours }),
        1 => pick().prop_map(|escrow| Step::Refund { escrow }),
        4 => (wallet(), wallet(), minor()).prop_map(|(from, to, minor)| Step::Transfer { from, to, minor }),
        2 => wallet().prop_map(|wallet| Step::Freeze { wallet }),
        2 => wallet().prop_map(|wallet| Step::Unfreeze { wallet }),
        1 => wallet().prop_map(|wallet| Step::Close { wallet }),
        2 => (0_i64..4).prop_map(|hours| Step::Wait { hours }),
        1 => Just(Step::Repeat),
    ]
}

/// All wallets, the books, and what a bystander with a pencil would have noted: what each wallet has in all.
struct World {
    currency: Currency,
    now: DateTime<Utc>,
    wallets: BTreeMap<WalletId, Wallet>,
    owners: [WalletOwner; WALLETS],
    sequences: BTreeMap<Uuid, i64>,
    books: Books,
    noted: BTreeMap<WalletId, i128>,
    holds: Vec<(WalletOwner, HoldId)>,
    escrows: Vec<(EscrowId, i128, WalletOwner)>,
    sent: Vec<(WalletId, WalletCommand)>,
    made: u128,
}

impl World {
    fn new() -> Self {
        let currency: Currency = "EUR".parse().unwrap();
        let owner = |owner_type, n| WalletOwner { owner_type, owner_id: PartyId(Uuid::from_u128(n)), currency };
        let tenant = WalletOwner { owner_type: OwnerType::Tenant, owner_id: PartyId(TENANT.0), currency };
        Self {
            currency,
            now: at(),
            wallets: BTreeMap::new(),
            owners: [owner(OwnerType::User, 31), owner(OwnerType::User, 32), owner(OwnerType::Talent, 33), tenant],
            sequences: BTreeMap::new(),
            books: Books::default(),
            noted: BTreeMap::new(),
            holds: Vec::new(),
            escrows: Vec::new(),
            sent: Vec::new(),
            made: 1_000,
        }
    }

    fn next_id(&mut self) -> Uuid {
        self.made += 1;
        Uuid::from_u128(self.made)
    }

    fn money(&self, minor: i128) -> Money {
        Money::try_from_minor(minor, self.currency).unwrap()
    }

    fn available(&self, owner: WalletOwner) -> i128 {
        self.books.balance(&Account::wallet_available(owner), self.currency)
    }

    fn status(&self, owner: WalletOwner) -> WalletStatus {
        self.wallets.get(&owner.wallet_id(TENANT)).map_or(WalletStatus::Unopened, Wallet::wallet_status)
    }

    fn stored(&mut self, aggregate_type: &'static str, aggregate_id: Uuid, event: &AnyEvent) -> EventId {
        let sequence = self.sequences.entry(aggregate_id).or_default();
        *sequence += 1;
        let origin = Origin { tenant_id: TENANT, aggregate_type, aggregate_id, sequence: *sequence };
        self.books.book(&origin, event);
        origin.event_id()
    }

    /// The reactor's part: sends and remembers.
    fn send(&mut self, owner: WalletOwner, command: WalletCommand) -> Vec<WalletFact> {
        let id = owner.wallet_id(TENANT);
        self.sent.push((id, command.clone()));
        self.execute(id, command, Actor::system(PartyId(Uuid::nil()))).expect("commands of reactions are total")
    }

    fn by_staff(&mut self, owner: WalletOwner, command: WalletCommand) -> Result<Vec<WalletFact>, WalletError> {
        let mut actor = Actor::system(PartyId(Uuid::nil()));
        actor.kind = crate::kernel::ActorKind::User;
        actor.roles = [Role::Finance].into();
        self.execute(owner.wallet_id(TENANT), command, actor)
    }

    /// Handles the command, books its events and carries out what follows from them.
    fn execute(&mut self, id: WalletId, command: WalletCommand, actor: Actor) -> Result<Vec<WalletFact>, WalletError> {
        let context = Context { tenant_id: TENANT, actor, now: self.now, settings: Arc::new(TenantSettings::default()) };
        let sink = EventSink::default();
        let mut wallet = self.wallets.get(&id).cloned().unwrap_or_default();
        let before = wallet.clone();
        let result = ready(wallet.handle(command, &context, &sink));
        let events = ready(sink.collect());
        result.inspect_err(|_| assert!(events.is_empty(), "a refusal leaves no event"))?;
        let refolded = events.iter().cloned().fold(before, |mut wallet, event| {
            wallet.apply(event);
            wallet
        });
        assert_eq!(refolded, wallet);
        self.wallets.insert(id, wallet);
        for event in &events {
            assert_eq!(event.owner.wallet_id(TENANT), id);
            let event_id = self.stored(Wallet::TYPE, id.0, &event.clone().into());
            self.note(id, event, event_id);
        }
        self.wallet_and_books_agree(id);
        Ok(events.into_iter().map(|event| event.fact).collect())
    }

    fn note(&mut self, id: WalletId, event: &WalletEvent, event_id: EventId) {
        let sum = self.noted.entry(id).or_default();
        match &event.fact {
            WalletFact::Credited { amount, .. } => *sum += amount.minor(),
            WalletFact::HoldCaptured { captured, .. } => *sum -= captured.minor(),
            WalletFact::HoldPlaced { hold_id, .. } => self.holds.push((event.owner, *hold_id)),
            WalletFact::Debited { amount, purpose: DebitPurpose::Transfer { to, .. } } => {
                *sum -= amount.minor();
                let purpose = CreditPurpose::Transfer { from_wallet_id: id };
                self.credit(*to, amount.minor(), Landing { event_id, leg: 0 }, purpose, None, None);
            }
            WalletFact::Debited { amount, purpose: DebitPurpose::CreditPurchase { .. } } => *sum -= amount.minor(),
            WalletFact::CaseFrozen { hold_id, .. } => self.holds.push((event.owner, *hold_id)),
            // All else moves money only within the wallet.
            WalletFact::Opened
            | WalletFact::Cleared { .. }
            | WalletFact::HoldDeclined { .. }
            | WalletFact::HoldLifted { .. }
            | WalletFact::TransferRequested { .. }
            | WalletFact::TransferApproved { .. }
            | WalletFact::TransferRejected { .. }
            | WalletFact::TransferExpired { .. }
            | WalletFact::Frozen { .. }
            | WalletFact::Unfrozen { .. }
            | WalletFact::Closed => {}
        }
    }

    fn credit(
        &mut self,
        owner: WalletOwner,
        minor: i128,
        landing: Landing,
        purpose: CreditPurpose,
        clears_at: Option<DateTime<Utc>>,
        hold: Option<(HoldId, HoldPurpose)>,
    ) {
        let credit = Credit { owner, amount: self.money(minor), landing, purpose, clears_at, hold };
        self.send(owner, WalletCommand::Credit(credit));
    }

    /// Invariant 3: each balance of the aggregate is the balance of its account.
    fn wallet_and_books_agree(&self, id: WalletId) {
        let Some(wallet) = self.wallets.get(&id).filter(|wallet| wallet.exists()) else { return };
        let (owner, balances) = (wallet.owner().unwrap(), wallet.balances().unwrap());
        let booked = |account: Account| self.books.balance(&account, self.currency);
        assert!(balances.available.minor() >= 0);
        assert_eq!(booked(Account::wallet_available(owner)), balances.available.minor());
        assert_eq!(booked(Account::wallet_freeze(owner)), balances.frozen.minor());
        for (hold_id, amount) in wallet.holds() {
            assert_eq!(booked(Account::wallet_hold(owner, hold_id)), amount.minor());
        }
        for (item, amount, _) in wallet.pending_items() {
            assert_eq!(booked(Account::wallet_pending(owner, item)), amount.minor());
        }
        // No account of this owner holds more than the aggregate knows of.
        let mine = |code| -> i128 {
            let accounts = self.books.open(code).into_iter().filter(|(account, _)| account.owner_id == Some(owner.owner_id.0));
            accounts.map(|(account, _)| self.books.balance(account, self.currency)).sum()
        };
        assert_eq!(mine(Account::wallet_freeze(owner).code), balances.held.minor());
        assert_eq!(mine(AccountCode::L220), balances.pending.minor());
        let all = balances.available.minor() + balances.held.minor() + balances.pending.minor();
        assert_eq!(self.noted.get(&id).copied().unwrap_or_default(), all, "credits - debits - captures");
        if wallet.wallet_status() == WalletStatus::Frozen {
            assert_eq!(balances.available.minor(), 0);
        } else {
            assert_eq!(balances.frozen.minor(), 0);
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Arrive { wallet, minor, held } => {
                let (owner, receipt, escrow_id) = (self.owners[wallet], self.next_id(), EscrowId(self.next_id()));
                let event = BankReceiptEvent::Recorded {
                    bank_reference: receipt.to_string(),
                    amount: self.money(minor),
                    received_at: self.now,
                    payer_id: Some(owner.owner_id),
                    escrow_id: held.then_some(escrow_id),
                    remitter: None,
                };
                let event_id = self.stored("bank_receipt", receipt, &event.into());
                let hold = held.then(|| (HoldId(self.next_id()), HoldPurpose::EscrowFunding { escrow_id, attempt: 0 }));
                let purpose = CreditPurpose::BankReceipt { receipt_id: receipt.into(), escrow_id: held.then_some(escrow_id) };
                self.credit(owner, minor, Landing { event_id, leg: 0 }, purpose, None, hold);
            }
            Step::Place { wallet, minor } => {
                let (owner, hold_id) = (self.owners[wallet], HoldId(self.next_id()));
                let possible =
                    matches!(self.status(owner), WalletStatus::Unopened | WalletStatus::Active) && self.available(owner) >= minor;
                let purpose = HoldPurpose::EscrowFunding { escrow_id: EscrowId(self.next_id()), attempt: 1 };
                let facts = self.send(owner, WalletCommand::PlaceHold { owner, hold_id, amount: self.money(minor), purpose });
                let placed = facts.iter().any(|fact| matches!(fact, WalletFact::HoldPlaced { .. }));
                let declined = facts.iter().any(|fact| matches!(fact, WalletFact::HoldDeclined { .. }));
                assert_eq!((placed, declined), (possible, !possible));
            }
            Step::Contest { wallet, minor } => {
                let (owner, hold_id, amount) = (self.owners[wallet], HoldId(self.next_id()), self.money(minor));
                let (escrow_id, dispute_id) = (EscrowId(self.next_id()), DisputeId(self.next_id()));
                let all = self.wallets.get(&owner.wallet_id(TENANT)).and_then(Wallet::balances);
                let there = all.map_or(0, |all| all.available.minor() + all.pending.minor() + all.frozen.minor());
                let facts = self.send(owner, WalletCommand::FreezeForCase { owner, hold_id, amount, escrow_id, dispute_id });
                let frozen = facts.iter().find_map(WalletFact::frozen_for_case).map(Money::minor);
                assert_eq!(frozen, Some(minor.min(there)), "as much as there is, wherever it is");
            }
            Step::Fund { hold, percent } => self.fund(hold, percent),
            Step::Lift { hold } => {
                if let Some((owner, hold_id)) = self.holds.get(hold).copied() {
                    self.send(owner, WalletCommand::LiftHold { hold_id });
                }
            }
            Step::Release { escrow, percent, hours } => self.release(escrow, percent, hours),
            Step::Refund { escrow } => self.refund(escrow),
            Step::Transfer { from, to, minor } => {
                let (owner, to) = (self.owners[from], self.owners[to]);
                let possible = owner != to && self.status(owner) == WalletStatus::Active && self.available(owner) >= minor;
                let (amount, reason) = (self.money(minor), "correction".to_owned());
                let command = WalletCommand::Transfer { amount, to_wallet_id: to.wallet_id(TENANT), to, reason };
                assert_eq!(self.by_staff(owner, command).is_ok(), possible);
            }
            Step::Freeze { wallet } => {
                let possible = self.status(self.owners[wallet]) == WalletStatus::Active;
                let result = self.by_staff(self.owners[wallet], WalletCommand::Freeze { reason: "fraud".to_owned() });
                assert_eq!(result.is_ok(), possible);
            }
            Step::Unfreeze { wallet } => {
                let possible = self.status(self.owners[wallet]) == WalletStatus::Frozen;
                let result = self.by_staff(self.owners[wallet], WalletCommand::Unfreeze { reason: "cleared".to_owned() });
                assert_eq!(result.is_ok(), possible);
            }
            Step::Close { wallet } => {
                let owner = self.owners[wallet];
                let noted = self.noted.get(&owner.wallet_id(TENANT)).copied().unwrap_or_default();
                let possible = self.status(owner) == WalletStatus::Active && noted == 0;
                assert_eq!(self.by_staff(owner, WalletCommand::Close).is_ok(), possible);
            }
            Step::Wait { hours } => self.wait(hours),
            Step::Repeat => {
                for (id, command) in self.sent.clone() {
                    let actor = Actor::system(PartyId(Uuid::nil()));
                    assert_eq!(self.execute(id, command, actor), Ok(vec![]), "what is repeated changes nothing");
                }
            }
        }
    }

    fn fund(&mut self, hold: usize, percent: i128) {
        let Some((owner, hold_id)) = self.holds.get(hold).copied() else { return };
        let wallet_id = owner.wallet_id(TENANT);
        let Some(held) = self.wallets.get(&wallet_id).and_then(|wallet| wallet.held(hold_id)) else { return };
        let captured = self.money(held.minor() * percent / 100);
        let escrow_id = EscrowId(self.next_id());
        let part = FundingPart { leg: 0, attempt: 1, wallet_id, hold_id, held, captured };
        let event = escrow_event(EscrowFact::Funded { amount: captured, parts: vec![part] });
        let event_id = self.stored("escrow", escrow_id.0, &event);
        self.escrows.push((escrow_id, captured.minor(), owner));
        self.send(owner, WalletCommand::CaptureHold { hold_id, captured, landing: Landing { event_id, leg: 0 } });
    }

    fn release(&mut self, escrow: usize, percent: i128, hours: i64) {
        let Some((escrow_id, open, _)) = self.escrows.get(escrow).copied() else { return };
        let minor = open * percent / 100;
        self.escrows[escrow].1 -= minor;
        let shares = split_by_weights(minor, &[9_000, 800, 200]);
        let (payee, tenant) = (self.owners[2], self.owners[3]);
        let parties = [(LegParty::Payee(payee.owner_id), Some(payee)), (LegParty::Tenant, Some(tenant)), (LegParty::Platform, None)];
        let legs: Vec<_> = parties
            .into_iter()
            .zip(0..)
            .zip(&shares)
            .filter(|(_, share)| **share > 0)
            .map(|(((party, owner), leg), share)| Leg {
                leg,
                party,
                wallet_id: owner.map(|owner| owner.wallet_id(TENANT)),
                amount: self.money(*share),
            })
            .collect();
        let clears_at = self.now + TimeDelta::hours(hours);
        let event = escrow_event(EscrowFact::Released {
            source: MoneySource::Open,
            amount: self.money(minor),
            mode: ReleaseMode::Platform,
            legs: legs.clone(),
            clears_at,
        });
        let event_id = self.stored("escrow", escrow_id.0, &event);
        for leg in legs.iter().filter(|leg| leg.wallet_id.is_some()) {
            let owner = if leg.leg == 0 { payee } else { tenant };
            let landing = Landing { event_id, leg: leg.leg };
            self.credit(owner, leg.amount.minor(), landing, CreditPurpose::EscrowRelease { escrow_id }, Some(clears_at), None);
        }
    }

    fn refund(&mut self, escrow: usize) {
        let Some((escrow_id, open, owner)) = self.escrows.get(escrow).copied() else { return };
        if open == 0 {
            return;
        }
        self.escrows[escrow].1 = 0;
        let leg =
            Leg { leg: 0, party: LegParty::Payer(owner.owner_id), wallet_id: Some(owner.wallet_id(TENANT)), amount: self.money(open) };
        let fact = EscrowFact::Refunded { source: MoneySource::Open, amount: self.money(open), reason: None, legs: vec![leg] };
        let event_id = self.stored("escrow", escrow_id.0, &escrow_event(fact));
        self.credit(owner, open, Landing { event_id, leg: 0 }, CreditPurpose::EscrowRefund { escrow_id }, None, None);
    }

    fn wait(&mut self, hours: i64) {
        self.now += TimeDelta::hours(hours);
        let now = self.now;
        let due: Vec<_> = self
            .wallets
            .values()
            .flat_map(|wallet| wallet.pending_items().map(|(item, _, at)| (wallet.owner().unwrap(), item, at)))
            .filter(|(_, _, at)| *at <= now)
            .collect();
        for (owner, item, at) in due {
            let cleared = self.send(owner, WalletCommand::MeetDeadline { key: format!("clear:{item}"), at });
            assert_eq!(cleared.len(), 1);
        }
    }

    /// The words of the client-money equation: what is at the bank is owed to somebody or earned.
    fn end(&self) {
        assert!(self.books.open(AccountCode::L299).is_empty(), "every leg has landed");
        for id in self.wallets.keys() {
            self.wallet_and_books_agree(*id);
        }
        for (escrow_id, open, _) in &self.escrows {
            assert_eq!(self.books.balance(&Account::escrow_open(*escrow_id), self.currency), *open);
        }
        let open: i128 = self.escrows.iter().map(|(_, open, _)| open).sum();
        let owed = self.noted.values().sum::<i128>() + open + self.books.total(AccountCode::R400, self.currency);
        assert_eq!(self.books.total(AccountCode::A110, self.currency), owed);
    }
}

/// The domain never waits for anything.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match std::pin::pin!(future).poll(&mut std::task::Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("no handler waits"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn wallets_equal_their_accounts_after_every_event(steps in proptest::collection::vec(step(), 1..80)) {
        let mut world = World::new();
        for step in steps {
            world.take(step);
        }
        world.end();
    }
}
