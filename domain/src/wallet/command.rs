//! What can be asked of a wallet. Credits and holds name the owner, so that a wallet is opened on demand (MNY-01).

use chrono::{DateTime, Utc};

use crate::escrow::Landing;
use crate::kernel::{DisputeId, EscrowId, HoldId, Money, WalletId};
use crate::wallet::{CreditPurpose, HoldPurpose, WalletOwner};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credit {
    pub owner: WalletOwner,
    pub amount: Money,
    /// Which money in transit this is; the same landing is never booked twice.
    pub landing: Landing,
    pub purpose: CreditPurpose,
    /// Payees only: pending until then; at or before `now` it clears at once (MNY-24).
    pub clears_at: Option<DateTime<Utc>>,
    /// A bank receipt for an escrow: held for it in the same append (MNY-09), unless the wallet is frozen.
    pub hold: Option<(HoldId, HoldPurpose)>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum WalletCommand {
    Open(WalletOwner),
    /// Never refused; state decides only where it lands (MNY-01, MNY-51, MNY-52).
    Credit(Credit),
    /// Total: placed or declined with a reason, both as an event (MNY-07).
    PlaceHold {
        owner: WalletOwner,
        hold_id: HoldId,
        amount: Money,
        purpose: HoldPurpose,
    },
    /// The escrow took `captured`; the rest of the hold goes back.
    CaptureHold {
        hold_id: HoldId,
        captured: Money,
        landing: Landing,
    },
    LiftHold {
        hold_id: HoldId,
    },
    /// MNY-36: a case about settled money. Total: holds as much of `amount` as there is, pending money first.
    FreezeForCase {
        owner: WalletOwner,
        hold_id: HoldId,
        amount: Money,
        escrow_id: EscrowId,
        dispute_id: DisputeId,
    },
    /// LED-18, LED-57. Refused when available money is short, currencies differ or the wallet is frozen. Above a limit it
    /// only asks for the approval of a second person.
    Transfer {
        amount: Money,
        to_wallet_id: WalletId,
        to: WalletOwner,
        reason: String,
    },
    /// By somebody else than who asked (four eyes); funds are checked now.
    ApproveTransfer {
        transfer: i64,
    },
    /// Also by who asked: then it is withdrawn.
    RejectTransfer {
        transfer: i64,
        reason: String,
    },
    /// MNY-53: pays for a lot of credits of the wallet's owner. `price` is for all units.
    BuyCredits {
        units: i64,
        price: Money,
        expires_at: Option<DateTime<Utc>>,
    },
    Freeze {
        reason: String,
    },
    Unfreeze {
        reason: String,
    },
    Close,
    /// A pending item is due (`clear:<item>`), or a transfer waited too long (`transfer:<number>`).
    MeetDeadline {
        key: String,
        at: DateTime<Utc>,
    },
}
