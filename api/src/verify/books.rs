//! The log of one tenant folded from its beginning, twice over: by the aggregates, and by counting the amounts in the events.

use std::collections::{BTreeMap, HashMap};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use cqrs_es::Aggregate as _;
use holdfast_domain::contract::{Contract, ContractFact};
use holdfast_domain::escrow::{Escrow, EscrowEvent, EscrowFact, MoneySource};
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::{ActorKind, Currency, Money, Recorded, TenantId};
use holdfast_domain::ledger::{Account, AccountCode, JournalLine, Side, post};
use holdfast_domain::wallet::{OwnerType, Wallet};
use holdfast_eventlog::EventLog;
use uuid::Uuid;

use super::contexts::Contexts;
use super::read_models::Positions;
use super::{Findings, IN_FLIGHT_S, PAGE};

const READABLE: &str = "every event can be read";
const WHO: &str = "every event names its id, actor, role and request";
const CONSERVED: &str = "an escrow's money is conserved at every event";
const SAME_STORY: &str = "an escrow's amounts are those of its events";
const LEFT: &str = "what is left per party is what remains in the escrow";
const BALANCED: &str = "every entry sums to zero per currency";
const ALL_ZERO: &str = "all entries of a tenant sum to zero per currency";
const NEVER_NEGATIVE: &str = "no constrained account ever falls below zero";
const ESCROW_ACCOUNTS: &str = "L210 and L215 are what the escrow has open and contested";
const WALLET_ACCOUNTS: &str = "a wallet's accounts are its available, held and pending";
const WALLET_HOLDS: &str = "the holds of a wallet are their accounts";
const IN_TRANSIT: &str = "money in transit lands within a minute";
const CLIENT_MONEY: &str = "client money covers what is owed (A110 at least the liabilities)";

/// Codes on the right side of the client-money equation (docs/domain/ledger.md, MNY-56), of those that exist yet.
const OWED: &[AccountCode] = &[
    AccountCode::L200,
    AccountCode::L202,
    AccountCode::L205,
    AccountCode::L210,
    AccountCode::L215,
    AccountCode::L220,
    AccountCode::L225,
    AccountCode::L226,
    AccountCode::L240,
    AccountCode::L241,
    AccountCode::L266,
    AccountCode::L270,
    AccountCode::L272,
    AccountCode::L299,
];

/// One journal line as it must stand in the read model.
#[derive(Debug, Clone)]
pub(super) struct Booked {
    pub(super) position: i64,
    pub(super) line: JournalLine,
}

/// Debits and credits of an account, in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) debits: i128,
    pub(super) credits: i128,
    pub(super) lines: i64,
}

/// Where a stream of the read model stands: its state at the position that its projection has reached.
#[derive(Debug, Clone)]
pub(super) struct At<A> {
    pub(super) state: A,
    pub(super) position: i64,
}

/// Everything about one tenant.
pub(super) struct Books {
    pub(super) tenant_id: TenantId,
    pub(super) events: i64,
    pub(super) escrows: HashMap<Uuid, At<Escrow>>,
    pub(super) wallets: HashMap<Uuid, At<Wallet>>,
    /// Up to the position of the ledger's projection.
    pub(super) journal: Vec<Booked>,
    pub(super) accounts_shown: BTreeMap<(Account, Currency), Sums>,
    // The whole log:
    all_escrows: HashMap<Uuid, Escrow>,
    all_wallets: HashMap<Uuid, Wallet>,
    pub(super) contexts: Contexts,
    counted: HashMap<Uuid, Counted>,
    accounts: BTreeMap<(Account, Currency), Sums>,
    /// When money was last put on a clearing account.
    under_way_since: BTreeMap<(Account, Currency), DateTime<Utc>>,
    newest: DateTime<Utc>,
}

/// An escrow's amounts, counted from its events alone. Minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counted {
    funded: i128,
    open: i128,
    contested: i128,
    released: i128,
    refunded: i128,
    penalty: i128,
}

impl Books {
    /// Reads the whole log of the tenant. What read models are compared with is kept as of their own positions.
    pub(super) async fn fold(log: &EventLog, tenant_id: TenantId, shown: &Positions, findings: &mut Findings) -> anyhow::Result<Self> {
        let mut books = Self {
            tenant_id,
            events: 0,
            escrows: HashMap::new(),
            wallets: HashMap::new(),
            journal: Vec::new(),
            accounts_shown: BTreeMap::new(),
            all_escrows: HashMap::new(),
            all_wallets: HashMap::new(),
            contexts: Contexts::default(),
            counted: HashMap::new(),
            accounts: BTreeMap::new(),
            under_way_since: BTreeMap::new(),
            newest: DateTime::UNIX_EPOCH,
        };
        let mut after = 0;
        loop {
            let page = log.read(tenant_id, after, PAGE).await.context("cannot read the log")?;
            let Some(last) = page.last() else { return Ok(books) };
            after = last.position;
            for stored in &page {
                match stored.decode() {
                    Ok(event) => {
                        findings.expect(READABLE, true, String::new);
                        books.take(&event, shown, findings);
                    }
                    Err(error) => findings.expect(READABLE, false, || format!("{tenant_id}: position {}: {error}", stored.position)),
                }
            }
        }
    }

    fn take(&mut self, event: &Recorded<AnyEvent>, shown: &Positions, findings: &mut Findings) {
        self.events = event.position;
        self.newest = self.newest.max(event.recorded_at);
        self.check_metadata(event, findings);
        self.contexts.take(event);
        if let Some(escrow) = event.event.of::<Escrow>() {
            self.take_escrow(event, escrow, shown, findings);
        }
        if let Some(wallet) = event.event.of::<Wallet>() {
            let id = event.origin.aggregate_id;
            let state = self.all_wallets.entry(id).or_default();
            state.apply(wallet.clone());
            if event.position <= shown.wallet {
                self.wallets.insert(id, At { state: state.clone(), position: event.position });
            }
        }
        self.book(event, shown, findings);
    }

    fn check_metadata(&self, event: &Recorded<AnyEvent>, findings: &mut Findings) {
        let metadata = &event.metadata;
        // Who signs by a link acts as the signer and has no role (CTR-24).
        let signs = event
            .event
            .of::<Contract>()
            .is_some_and(|contract| matches!(contract.fact, ContractFact::SignatureRecorded { .. } | ContractFact::Signed { .. }));
        let has_role = metadata.actor.kind == ActorKind::System || !metadata.actor.roles.is_empty() || signs;
        let named = metadata.event_id == event.origin.event_id() && has_role && !metadata.request_id.uuid().is_nil();
        findings.expect(WHO, named, || format!("{}: position {}", self.tenant_id, event.position));
    }

    fn take_escrow(&mut self, event: &Recorded<AnyEvent>, escrow: &EscrowEvent, shown: &Positions, findings: &mut Findings) {
        let id = event.origin.aggregate_id;
        let state = self.all_escrows.entry(id).or_default();
        state.apply(escrow.clone());
        if event.position <= shown.escrow {
            self.escrows.insert(id, At { state: state.clone(), position: event.position });
        }
        let counted = self.counted.entry(id).or_default();
        counted.count(&escrow.fact);
        findings.expect(CONSERVED, counted.is_conserved(), || {
            format!("{}: escrow {id} after {}: {counted:?}", self.tenant_id, escrow.fact.name())
        });
    }

    fn book(&mut self, event: &Recorded<AnyEvent>, shown: &Positions, findings: &mut Findings) {
        let entry = match post(&event.origin, &event.event) {
            Ok(Some(entry)) => entry,
            Ok(None) => return,
            Err(error) => return findings.expect(BALANCED, false, || format!("{}: position {}: {error}", self.tenant_id, event.position)),
        };
        findings.expect(BALANCED, is_balanced(entry.lines()), || format!("{}: position {}", self.tenant_id, event.position));
        for line in entry.lines() {
            let key = (line.account.clone(), line.amount.currency());
            if line.account.code == AccountCode::L299 {
                self.under_way_since.insert(key.clone(), event.recorded_at);
            }
            if event.position <= shown.ledger {
                self.accounts_shown.entry(key.clone()).or_default().add(line);
                self.journal.push(Booked { position: event.position, line: line.clone() });
            }
            self.accounts.entry(key).or_default().add(line);
        }
        // Within an entry the order of lines means nothing, so the balance counts after it.
        for line in entry.lines().iter().filter(|line| line.account.code.never_negative()) {
            let balance = self.balance(&line.account, line.amount.currency());
            findings.expect(NEVER_NEGATIVE, balance >= 0, || {
                format!("{}: {:?} is {balance} after position {}", self.tenant_id, line.account, event.position)
            });
        }
    }

    /// On the account's normal side.
    fn balance(&self, account: &Account, currency: Currency) -> i128 {
        let sums = self.accounts.get(&(account.clone(), currency)).copied().unwrap_or_default();
        sums.on(account.code.normal_side())
    }

    /// What must hold at the end of the log.
    pub(super) fn check(&self, findings: &mut Findings) {
        self.check_escrows(findings);
        self.check_wallets(findings);
        self.check_totals(findings);
        self.check_transit(findings);
        let balance = |code: AccountCode, currency: Currency| {
            let of_code = self.accounts.iter().filter(|((account, of), _)| account.code == code && *of == currency);
            of_code.map(|(_, sums)| sums.on(code.normal_side())).sum()
        };
        self.contexts.check(self.tenant_id, &self.all_escrows, balance, findings);
    }

    fn check_escrows(&self, findings: &mut Findings) {
        for (id, escrow) in &self.all_escrows {
            let tenant = self.tenant_id;
            let (Some(amounts), Some(counted)) = (escrow.amounts(), self.counted.get(id)) else {
                findings.expect(SAME_STORY, false, || format!("{tenant}: escrow {id} has no terms"));
                continue;
            };
            let minor =
                [amounts.funded, amounts.open, amounts.contested, amounts.released, amounts.refunded, amounts.penalty].map(Money::minor);
            findings.expect(SAME_STORY, minor == counted.all(), || format!("{tenant}: escrow {id}: {amounts:?}, counted {counted:?}"));

            let shares = escrow.shares();
            let left: i128 = shares.iter().map(|share| share.left.minor()).sum();
            // Before the money is in, nobody has anything left.
            let sound = shares.iter().all(|share| {
                share.left.minor() >= 0
                    && share.released.minor() >= 0
                    && share.released.minor() + share.left.minor() <= share.entitlement.minor()
            });
            findings.expect(LEFT, sound && left == amounts.remainder.minor(), || {
                format!("{tenant}: escrow {id}: {shares:?} of {}", amounts.remainder)
            });

            if let (Some(escrow_id), Some(currency)) = (escrow.escrow_id(), escrow.currency()) {
                let booked =
                    [Account::escrow_open(escrow_id), Account::escrow_contested(escrow_id)].map(|account| self.balance(&account, currency));
                let own = [amounts.open.minor(), amounts.contested.minor()];
                findings.expect(ESCROW_ACCOUNTS, booked == own, || format!("{tenant}: escrow {id}: books {booked:?}, escrow {own:?}"));
            }
        }
    }

    fn check_wallets(&self, findings: &mut Findings) {
        let sums = self.wallet_sums();
        for (id, wallet) in &self.all_wallets {
            let (Some(owner), Some(balances)) = (wallet.owner(), wallet.balances()) else { continue };
            let booked = sums.get(&(owner.owner_type, owner.owner_id.uuid(), owner.currency)).copied().unwrap_or_default();
            let own = [balances.available, balances.held, balances.pending].map(Money::minor);
            let sound = booked == own && own.iter().all(|minor| *minor >= 0);
            findings.expect(WALLET_ACCOUNTS, sound, || format!("{}: wallet {id}: books {booked:?}, wallet {own:?}", self.tenant_id));
            for (hold_id, amount) in wallet.holds() {
                let booked = self.balance(&Account::wallet_hold(owner, hold_id), owner.currency);
                findings.expect(WALLET_HOLDS, booked == amount.minor(), || {
                    format!("{}: hold {hold_id} of wallet {id}: books {booked}", self.tenant_id)
                });
            }
        }
    }

    /// Available, held and pending of every owner, from the books alone (docs/domain/escrow.md, "Words").
    fn wallet_sums(&self) -> HashMap<(OwnerType, Uuid, Currency), [i128; 3]> {
        let mut sums = HashMap::<_, [i128; 3]>::new();
        for ((account, currency), booked) in &self.accounts {
            let (owner_type, place) = match account.code {
                AccountCode::L200 => (OwnerType::User, 0),
                AccountCode::L202 => (OwnerType::User, 1),
                AccountCode::L225 => (OwnerType::Talent, 0),
                AccountCode::L226 => (OwnerType::Talent, 1),
                AccountCode::L220 => (OwnerType::Talent, 2),
                AccountCode::L240 => (OwnerType::Tenant, 0),
                AccountCode::L241 => (OwnerType::Tenant, 1),
                AccountCode::A110
                | AccountCode::A120
                | AccountCode::L205
                | AccountCode::L210
                | AccountCode::L215
                | AccountCode::L260
                | AccountCode::L266
                | AccountCode::L270
                | AccountCode::L272
                | AccountCode::L299
                | AccountCode::R400
                | AccountCode::R401
                | AccountCode::R430
                | AccountCode::R440
                | AccountCode::R470
                | AccountCode::X530 => continue,
            };
            if let Some(owner_id) = account.owner_id {
                sums.entry((owner_type, owner_id, *currency)).or_default()[place] += booked.on(Side::Credit);
            }
        }
        sums
    }

    fn check_totals(&self, findings: &mut Findings) {
        let mut totals = BTreeMap::<Currency, i128>::new();
        let (mut bank, mut owed) = (BTreeMap::<Currency, i128>::new(), BTreeMap::<Currency, i128>::new());
        for ((account, currency), sums) in &self.accounts {
            *totals.entry(*currency).or_default() += sums.on(Side::Debit);
            if account.code == AccountCode::A110 {
                *bank.entry(*currency).or_default() += sums.on(Side::Debit);
            }
            if OWED.contains(&account.code) {
                *owed.entry(*currency).or_default() += sums.on(Side::Credit);
            }
        }
        for (currency, total) in totals {
            findings.expect(ALL_ZERO, total == 0, || {
                format!("{}: {total} minor units of {currency} too much on the debit side", self.tenant_id)
            });
            let (bank, owed) = (bank.get(&currency).copied().unwrap_or_default(), owed.get(&currency).copied().unwrap_or_default());
            findings.expect(CLIENT_MONEY, bank >= owed, || {
                format!("{}: {bank} minor units of {currency} in the bank, {owed} owed", self.tenant_id)
            });
        }
    }

    fn check_transit(&self, findings: &mut Findings) {
        for ((account, currency), since) in &self.under_way_since {
            let balance = self.balance(account, *currency);
            let age_s = (self.newest - *since).num_seconds().max(now_after(*since));
            findings.expect(IN_TRANSIT, balance == 0 || age_s <= IN_FLIGHT_S, || {
                let (event, leg) = (account.owner_id.unwrap_or_default(), &account.detail);
                format!("{}: event {event} leg {leg}: {balance} minor units of {currency} since {since}", self.tenant_id)
            });
        }
    }
}

/// Seconds since then, by this machine's clock.
fn now_after(since: DateTime<Utc>) -> i64 {
    (Utc::now() - since).num_seconds()
}

fn is_balanced(lines: &[JournalLine]) -> bool {
    let mut sums = BTreeMap::<Currency, i128>::new();
    for line in lines {
        *sums.entry(line.amount.currency()).or_default() += line.signed_minor();
    }
    lines.len() >= 2 && sums.values().all(|sum| *sum == 0)
}

impl Sums {
    fn add(&mut self, line: &JournalLine) {
        self.lines += 1;
        match line.side {
            Side::Debit => self.debits += line.amount.minor(),
            Side::Credit => self.credits += line.amount.minor(),
        }
    }

    pub(super) fn on(self, side: Side) -> i128 {
        match side {
            Side::Debit => self.debits - self.credits,
            Side::Credit => self.credits - self.debits,
        }
    }
}

impl Counted {
    fn all(self) -> [i128; 6] {
        [self.funded, self.open, self.contested, self.released, self.refunded, self.penalty]
    }

    /// Invariant 4; nothing below zero.
    fn is_conserved(self) -> bool {
        let gone = self.released + self.refunded + self.penalty;
        self.funded == gone + self.open + self.contested && self.all().iter().all(|minor| *minor >= 0)
    }

    fn count(&mut self, fact: &EscrowFact) {
        match fact {
            EscrowFact::Funded { amount, .. } => {
                self.funded += amount.minor();
                self.open += amount.minor();
            }
            EscrowFact::PartiallyReleased { amount, .. } => {
                self.open -= amount.minor();
                self.released += amount.minor();
            }
            EscrowFact::Released { source, amount, .. } => {
                self.take(*source, *amount);
                self.released += amount.minor();
            }
            EscrowFact::Refunded { source, amount, .. } => {
                self.take(*source, *amount);
                self.refunded += amount.minor();
            }
            EscrowFact::PenaltyTaken { amount, .. } => {
                self.contested -= amount.minor();
                self.penalty += amount.minor();
            }
            EscrowFact::Disputed { contested: amount, .. } | EscrowFact::DisputeWidened { amount, .. } => {
                self.open -= amount.minor();
                self.contested += amount.minor();
            }
            EscrowFact::RedoOrdered { returned, .. } | EscrowFact::DisputeDismissed { returned, .. } => {
                self.contested -= returned.minor();
                self.open += returned.minor();
            }
            EscrowFact::Created { .. }
            | EscrowFact::FundingRequested { .. }
            | EscrowFact::FundingFailed { .. }
            | EscrowFact::FundingShort { .. }
            | EscrowFact::FundingReturned { .. }
            | EscrowFact::Locked
            | EscrowFact::WorkStarted { .. }
            | EscrowFact::DeliverySubmitted { .. }
            | EscrowFact::DeliveryApproved { .. }
            | EscrowFact::MadeReleasable { .. }
            | EscrowFact::ReleaseAuthorized { .. }
            | EscrowFact::RefundRequested { .. }
            | EscrowFact::RefundDeclined { .. }
            | EscrowFact::Cancelled { .. }
            | EscrowFact::DisputeConceded { .. }
            | EscrowFact::EvidenceClosed { .. }
            | EscrowFact::DisputeEscalated { .. }
            | EscrowFact::DisputeResolved { .. }
            | EscrowFact::DecisionDeclined { .. }
            | EscrowFact::SettlementDisputed { .. }
            | EscrowFact::CaseFrozen { .. }
            | EscrowFact::SettledCaseReleased { .. }
            | EscrowFact::SettledCaseRefunded { .. }
            | EscrowFact::ContractSigned
            | EscrowFact::StartMoved { .. }
            | EscrowFact::LegLanded { .. }
            | EscrowFact::Closed { .. } => {}
        }
    }

    fn take(&mut self, source: MoneySource, amount: Money) {
        match source {
            MoneySource::Open => self.open -= amount.minor(),
            MoneySource::Contested => self.contested -= amount.minor(),
        }
    }
}
