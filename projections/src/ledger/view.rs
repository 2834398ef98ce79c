//! Rows of the ledger. An event that moves money is one entry with its lines; accounts add the lines up.

use chrono::{DateTime, Utc};
use holdfast_domain::credits::CreditsOwner;
use holdfast_domain::kernel::{Currency, EventId, PartyId, TenantId, derived_uuid};
use holdfast_domain::ledger::{Account, AccountCode, JournalLine, Side};
use holdfast_domain::wallet::DebitPurpose;
use holdfast_domain::wallet::{CreditPurpose, HoldPurpose, OwnerType, Wallet, WalletFact, wallet_id};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ledger::WalletBalanceRow;
use crate::runtime::{ApplyError, Event, Facts, Projection, Table, View};

pub const PROJECTION: &str = "ledger";

#[must_use]
pub fn projection() -> Projection {
    Projection::new(PROJECTION, 2).view::<AccountRow>().facts::<EntryRow>().facts::<LineRow>().series::<WalletBalanceRow>()
}

/// The entry that books the event.
#[must_use]
pub fn entry_id(tenant_id: TenantId, event_id: EventId) -> Uuid {
    derived_uuid(tenant_id, event_id.uuid(), "journal_entry", 0)
}

#[must_use]
pub fn account_id(tenant_id: TenantId, account: &Account, currency: Currency) -> Uuid {
    let purpose = format!("account:{}:{}:{}", account.code.code(), account.detail, currency.code());
    derived_uuid(tenant_id, account.owner_id.unwrap_or_default(), &purpose, 0)
}

/// Which of a wallet's balances an account is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WalletPlace {
    Available,
    Held,
    Pending,
}

/// The wallet that the account is part of, and which part; none for accounts that are nobody's wallet (docs/domain/escrow.md, "Words").
#[must_use]
pub fn wallet_account(tenant_id: TenantId, account: &Account, currency: Currency) -> Option<(Uuid, WalletPlace)> {
    let (owner_type, place) = match account.code {
        AccountCode::L200 => (OwnerType::User, WalletPlace::Available),
        AccountCode::L202 => (OwnerType::User, WalletPlace::Held),
        AccountCode::L220 => (OwnerType::Talent, WalletPlace::Pending),
        AccountCode::L225 => (OwnerType::Talent, WalletPlace::Available),
        AccountCode::L226 => (OwnerType::Talent, WalletPlace::Held),
        AccountCode::L240 => (OwnerType::Tenant, WalletPlace::Available),
        AccountCode::L241 => (OwnerType::Tenant, WalletPlace::Held),
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
        | AccountCode::X530 => return None,
    };
    let owner_id = PartyId(account.owner_id?);
    Some((wallet_id(tenant_id, owner_type, owner_id, currency).uuid(), place))
}

/// What a line of an entry belongs to.
#[derive(Debug)]
pub(crate) struct LineIds {
    pub(crate) account_id: Uuid,
    pub(crate) wallet: Option<(Uuid, WalletPlace)>,
}

impl LineIds {
    pub(crate) fn of(tenant_id: TenantId, line: &JournalLine) -> Self {
        let currency = line.amount.currency();
        Self { account_id: account_id(tenant_id, &line.account, currency), wallet: wallet_account(tenant_id, &line.account, currency) }
    }
}

pub(crate) const fn side_name(side: Side) -> &'static str {
    match side {
        Side::Debit => "debit",
        Side::Credit => "credit",
    }
}

/// One account with the sums of its lines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountRow {
    pub account_id: Uuid,
    pub code: String,
    pub name: String,
    pub kind: String,
    pub normal_side: Side,
    pub owner_id: Option<Uuid>,
    pub detail: String,
    pub currency: String,
    pub never_negative: bool,
    pub debits: Decimal,
    pub credits: Decimal,
    pub balance: Decimal,
    pub lines: i64,
    pub position: i64,
}

impl View for AccountRow {
    const TABLE: Table = Table {
        name: "accounts",
        key: &["account_id"],
        columns: &[
            "code",
            "name",
            "kind",
            "normal_side",
            "owner_id",
            "detail",
            "currency",
            "never_negative",
            "debits",
            "credits",
            "balance",
            "lines",
            "position",
        ],
        exact: &["debits", "credits", "balance"],
    };
    const REMEMBERED: bool = true;

    fn keys(event: &Event<'_>) -> Result<Vec<Uuid>, ApplyError> {
        let mut keys: Vec<Uuid> = event.lines()?.map(|(_, ids)| ids.account_id).collect();
        keys.sort_unstable();
        keys.dedup();
        Ok(keys)
    }

    /// The account in transit that is named after this event (MNY-01): whichever side comes first, the other one names it by the
    /// `Landing` that a reaction has read here, and so comes later.
    fn begins(event: &Event<'_>, id: Uuid) -> Result<bool, ApplyError> {
        let own = event.origin.event_id().0;
        let is_own = |line: &JournalLine| line.account.code == AccountCode::L299 && line.account.owner_id == Some(own);
        Ok(event.lines()?.any(|(line, ids)| ids.account_id == id && is_own(line)))
    }

    fn new(id: Uuid) -> Self {
        Self {
            account_id: id,
            code: String::new(),
            name: String::new(),
            kind: String::new(),
            normal_side: Side::Debit,
            owner_id: None,
            detail: String::new(),
            currency: String::new(),
            never_negative: false,
            debits: Decimal::ZERO,
            credits: Decimal::ZERO,
            balance: Decimal::ZERO,
            lines: 0,
            position: 0,
        }
    }

    fn id(&self) -> Uuid {
        self.account_id
    }

    fn apply(&mut self, event: &Event<'_>) -> Result<(), ApplyError> {
        let own = self.account_id;
        for (line, _) in event.lines()?.filter(|(_, ids)| ids.account_id == own) {
            if self.lines == 0 {
                self.open(&line.account, line.amount.currency());
            }
            match line.side {
                Side::Debit => self.debits += line.amount.amount(),
                Side::Credit => self.credits += line.amount.amount(),
            }
            self.lines += 1;
            self.position = event.position;
        }
        self.balance = match self.normal_side {
            Side::Debit => self.debits - self.credits,
            Side::Credit => self.credits - self.debits,
        };
        Ok(())
    }
}

impl AccountRow {
    fn open(&mut self, account: &Account, currency: Currency) {
        self.code = account.code.code().to_owned();
        self.name = account.code.name().to_owned();
        self.kind = account.code.kind().to_owned();
        self.normal_side = account.code.normal_side();
        self.never_negative = account.code.never_negative();
        self.owner_id = account.owner_id;
        self.detail.clone_from(&account.detail);
        self.currency = currency.code().to_owned();
    }
}

/// One entry per event that moves money.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EntryRow {
    pub position: i64,
    pub entry_id: Uuid,
    pub event_id: Uuid,
    pub kind: &'static str,
    pub aggregate_type: &'static str,
    pub aggregate_id: Uuid,
    pub ref_type: &'static str,
    pub ref_id: Uuid,
    pub occurred_at: DateTime<Utc>,
    pub recorded_at: DateTime<Utc>,
}

impl Facts for EntryRow {
    const TABLE: Table = Table {
        name: "journal_entries",
        key: &["position"],
        columns: &["entry_id", "event_id", "kind", "aggregate_type", "aggregate_id", "ref_type", "ref_id", "occurred_at", "recorded_at"],
        exact: &[],
    };

    fn rows(event: &Event<'_>) -> Result<Vec<Self>, ApplyError> {
        let Some(entry) = event.entry()? else { return Ok(Vec::new()) };
        let (ref_type, ref_id) = reference(event);
        Ok(vec![Self {
            position: event.position,
            entry_id: entry_id(event.origin.tenant_id, event.id()),
            event_id: event.id().uuid(),
            kind: entry.kind(),
            aggregate_type: event.origin.aggregate_type,
            aggregate_id: event.origin.aggregate_id,
            ref_type,
            ref_id,
            occurred_at: event.metadata.occurred_at,
            recorded_at: event.recorded_at,
        }])
    }
}

/// One line of an entry.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LineRow {
    pub position: i64,
    pub line: usize,
    pub entry_id: Uuid,
    pub account_id: Uuid,
    pub code: &'static str,
    pub owner_id: Option<Uuid>,
    pub detail: String,
    pub wallet_id: Option<Uuid>,
    pub place: Option<WalletPlace>,
    pub ref_type: &'static str,
    pub ref_id: Uuid,
    pub side: Side,
    pub amount: Decimal,
    pub currency: &'static str,
    pub occurred_at: DateTime<Utc>,
    pub recorded_at: DateTime<Utc>,
}

impl Facts for LineRow {
    const TABLE: Table = Table {
        name: "journal_lines",
        key: &["position", "line"],
        columns: &[
            "entry_id",
            "account_id",
            "code",
            "owner_id",
            "detail",
            "wallet_id",
            "place",
            "ref_type",
            "ref_id",
            "side",
            "amount",
            "currency",
            "occurred_at",
            "recorded_at",
        ],
        exact: &["amount"],
    };

    fn rows(event: &Event<'_>) -> Result<Vec<Self>, ApplyError> {
        let tenant_id = event.origin.tenant_id;
        let (ref_type, ref_id) = reference(event);
        let entry_id = entry_id(tenant_id, event.id());
        let row = |(index, (line, ids)): (usize, (&JournalLine, &LineIds))| {
            let currency = line.amount.currency();
            Self {
                position: event.position,
                line: index + 1,
                entry_id,
                account_id: ids.account_id,
                code: line.account.code.code(),
                owner_id: line.account.owner_id,
                detail: line.account.detail.clone(),
                wallet_id: ids.wallet.map(|(wallet_id, _)| wallet_id),
                place: ids.wallet.map(|(_, place)| place),
                ref_type,
                ref_id,
                side: line.side,
                amount: line.amount.amount(),
                currency: currency.code(),
                occurred_at: event.metadata.occurred_at,
                recorded_at: event.recorded_at,
            }
        };
        Ok(event.lines()?.enumerate().map(row).collect())
    }
}

/// The business object that the movement is about (LED-75); the aggregate itself where the event names no other.
fn reference(event: &Event<'_>) -> (&'static str, Uuid) {
    let own = (event.origin.aggregate_type, event.origin.aggregate_id);
    let Some(wallet) = event.event.of::<Wallet>() else { return own };
    match &wallet.fact {
        WalletFact::Credited { purpose, .. } => match purpose {
            CreditPurpose::EscrowRelease { escrow_id }
            | CreditPurpose::EscrowRefund { escrow_id }
            | CreditPurpose::EscrowPenalty { escrow_id } => ("escrow", escrow_id.uuid()),
            CreditPurpose::BankReceipt { receipt_id, .. } => ("bank_receipt", receipt_id.uuid()),
            CreditPurpose::Transfer { from_wallet_id } => ("wallet", from_wallet_id.uuid()),
            CreditPurpose::CreditsRefund { credits_id } | CreditPurpose::CreditsUse { credits_id } => ("credits", credits_id.uuid()),
        },
        WalletFact::Debited { purpose, .. } => match purpose {
            DebitPurpose::Transfer { to_wallet_id, .. } => ("wallet", to_wallet_id.uuid()),
            DebitPurpose::CreditPurchase { .. } => ("credits", CreditsOwner::from(wallet.owner).credits_id(event.origin.tenant_id).uuid()),
        },
        WalletFact::HoldPlaced {
            purpose: HoldPurpose::EscrowFunding { escrow_id, .. } | HoldPurpose::SettledCase { escrow_id, .. },
            ..
        }
        | WalletFact::CaseFrozen { escrow_id, .. } => ("escrow", escrow_id.uuid()),
        WalletFact::HoldCaptured { hold_id, .. } | WalletFact::HoldLifted { hold_id, .. } => ("hold", hold_id.uuid()),
        WalletFact::Opened
        | WalletFact::Cleared { .. }
        | WalletFact::HoldDeclined { .. }
        | WalletFact::TransferRequested { .. }
        | WalletFact::TransferApproved { .. }
        | WalletFact::TransferRejected { .. }
        | WalletFact::TransferExpired { .. }
        | WalletFact::Frozen { .. }
        | WalletFact::Unfrozen { .. }
        | WalletFact::Closed => own,
    }
}
