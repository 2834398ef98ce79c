//! One row per wallet. Balances are what the domain's `post` books on the wallet's own accounts, so that a wallet and
//! its ledger accounts cannot tell two stories.

use chrono::{DateTime, Utc};
use holdfast_domain::ledger::Account;
use holdfast_domain::wallet::{OwnerType, Wallet, WalletFact, WalletOwner, WalletStatus};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ledger::WalletPlace;
use crate::runtime::{ApplyError, Event, Projection, Table, View};
use crate::wallet::TransferRow;

pub const PROJECTION: &str = "wallet";

#[must_use]
pub fn projection() -> Projection {
    Projection::new(PROJECTION, 2).view::<WalletRow>().view::<TransferRow>()
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WalletRow {
    pub wallet_id: Uuid,
    pub version: i64,
    pub position: i64,
    pub owner_type: OwnerType,
    pub owner_id: Uuid,
    pub currency: String,
    pub status: WalletStatus,
    pub available: Decimal,
    pub held: Decimal,
    pub pending: Decimal,
    pub frozen: Decimal,
    pub opened_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl View for WalletRow {
    const TABLE: Table = Table {
        name: "wallets",
        key: &["wallet_id"],
        columns: &[
            "version",
            "position",
            "owner_type",
            "owner_id",
            "currency",
            "status",
            "available",
            "held",
            "pending",
            "frozen",
            "opened_at",
            "updated_at",
        ],
        exact: &["available", "held", "pending", "frozen"],
    };
    const REMEMBERED: bool = true;

    fn keys(event: &Event<'_>) -> Result<Vec<Uuid>, ApplyError> {
        Ok(event.event.of::<Wallet>().map(|_| event.origin.aggregate_id).into_iter().collect())
    }

    fn new(id: Uuid) -> Self {
        Self {
            wallet_id: id,
            version: 0,
            position: 0,
            owner_type: OwnerType::User,
            owner_id: Uuid::nil(),
            currency: String::new(),
            status: WalletStatus::Unopened,
            available: Decimal::ZERO,
            held: Decimal::ZERO,
            pending: Decimal::ZERO,
            frozen: Decimal::ZERO,
            opened_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
        }
    }

    fn id(&self) -> Uuid {
        self.wallet_id
    }

    fn apply(&mut self, event: &Event<'_>) -> Result<(), ApplyError> {
        let Some(wallet) = event.event.of::<Wallet>() else { return Ok(()) };
        if self.version == 0 {
            self.open(wallet.owner, wallet.at);
        }
        self.version = event.origin.sequence;
        self.position = event.position;
        self.updated_at = wallet.at;
        self.status = match wallet.fact {
            WalletFact::Opened | WalletFact::Unfrozen { .. } => WalletStatus::Active,
            WalletFact::Frozen { .. } => WalletStatus::Frozen,
            WalletFact::Closed => WalletStatus::Closed,
            WalletFact::Credited { .. }
            | WalletFact::Cleared { .. }
            | WalletFact::Debited { .. }
            | WalletFact::HoldPlaced { .. }
            | WalletFact::HoldDeclined { .. }
            | WalletFact::HoldCaptured { .. }
            | WalletFact::HoldLifted { .. }
            | WalletFact::CaseFrozen { .. }
            | WalletFact::TransferRequested { .. }
            | WalletFact::TransferApproved { .. }
            | WalletFact::TransferRejected { .. }
            | WalletFact::TransferExpired { .. } => self.status,
        };
        let freeze = Account::wallet_freeze(wallet.owner);
        for (line, ids) in event.lines()? {
            let credited = -Decimal::from_i128_with_scale(line.signed_minor(), line.amount.currency().exponent());
            if let Some((_, place)) = ids.wallet.filter(|(wallet_id, _)| *wallet_id == self.wallet_id) {
                *self.balance_mut(place) += credited;
            }
            if line.account == freeze {
                self.frozen += credited;
            }
        }
        Ok(())
    }
}

impl WalletRow {
    fn open(&mut self, owner: WalletOwner, at: DateTime<Utc>) {
        self.owner_type = owner.owner_type;
        self.owner_id = owner.owner_id.uuid();
        self.currency = owner.currency.code().to_owned();
        self.opened_at = at;
    }

    fn balance_mut(&mut self, place: WalletPlace) -> &mut Decimal {
        match place {
            WalletPlace::Available => &mut self.available,
            WalletPlace::Held => &mut self.held,
            WalletPlace::Pending => &mut self.pending,
        }
    }
}
