//! What can be asked of somebody's credits. Every command but deadlines names the owner: the stream's id follows from it.

use chrono::{DateTime, Utc};

use crate::credits::{CreditsOwner, LotKind, Provider, Reference, Worth};
use crate::escrow::Landing;
use crate::kernel::{Money, ReservationId, WalletId};

#[derive(Debug, Clone, PartialEq)]
pub enum CreditsCommand {
    /// A promo lot (LED-21).
    Issue {
        owner: CreditsOwner,
        units: i64,
        expires_at: Option<DateTime<Utc>>,
        reason: String,
    },
    /// Total: the wallet has paid, so the lot is made (row 15).
    Sell(Sale),
    Consume {
        owner: CreditsOwner,
        units: i64,
        usage: Usage,
    },
    /// The same reservation again changes nothing.
    Reserve {
        owner: CreditsOwner,
        reservation_id: ReservationId,
        units: i64,
        until: DateTime<Utc>,
        reference: Reference,
    },
    ConsumeReserved {
        owner: CreditsOwner,
        reservation_id: ReservationId,
        units: i64,
        usage: Usage,
    },
    Release {
        owner: CreditsOwner,
        reservation_id: ReservationId,
    },
    /// Unreserved units only; of sold ones it is a refund (LED-22).
    Revoke {
        owner: CreditsOwner,
        units: i64,
        kind: LotFilter,
        reason: String,
    },
    /// `expire:<lot>` or `reservation:<id>` is due.
    MeetDeadline {
        key: String,
        at: DateTime<Utc>,
    },
}

/// Lots of one kind; none: of any.
pub type LotFilter = Option<LotKind>;

/// What was bought, and the money in transit that pays it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sale {
    pub owner: CreditsOwner,
    pub units: i64,
    pub worth: Worth,
    pub expires_at: Option<DateTime<Utc>>,
    pub landing: Landing,
    pub wallet_id: WalletId,
}

/// What units are spent on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    pub reference: Reference,
    pub provider: Provider,
    /// What a given (promo) unit counts; needed when the tenant must be paid for it (row 18).
    pub unit_value: Option<Money>,
}
