//! Why a command is refused, in order of precedence: the first that applies is the one reported.

use serde_json::json;

use crate::kernel::{Currency, DomainError, ErrorKind, Money};
use crate::wallet::{WalletAction, WalletStatus};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WalletError {
    /// Money comes and goes by reactions only; people transfer, freeze and close.
    #[error("this actor may not do this to a wallet")]
    NotPermitted,
    #[error("an amount must be above zero")]
    AmountInvalid,
    #[error("this wallet does not exist")]
    NotFound,
    #[error("a wallet of {wallet} cannot take or give {given}")]
    CurrencyMismatch { wallet: Currency, given: Currency },
    /// The wallet's id follows from its owner, so this is a caller that mixed two wallets up.
    #[error("the named owner is not the owner of that wallet")]
    OwnerMismatch,
    #[error("a wallet cannot transfer to itself")]
    ToItself,
    #[error("this wallet is frozen")]
    Frozen,
    #[error("a wallet that is {status} cannot {action}")]
    NotAllowed { status: WalletStatus, action: WalletAction },
    /// LED-30, MNY-52.
    #[error("only an empty wallet can be closed: {available} available, {held} held, {pending} pending")]
    NotEmpty { available: Money, held: Money, pending: Money },
    #[error("units must be a whole number from 1 to {most}")]
    UnitsInvalid { most: i64 },
    #[error("an expiry must lie in the future")]
    ExpiryInvalid,
    #[error("this transfer does not wait for an approval")]
    TransferNotFound,
    #[error("this transfer has waited too long")]
    TransferExpired,
    /// LED-18.
    #[error("who asked for a transfer cannot approve it")]
    FourEyesRequired,
    /// IDN-70.
    #[error("{amount} is above your limit: somebody with a higher one must approve")]
    ApprovalRequired { amount: Money },
    #[error("at most {limit} transfers of a wallet can wait for an approval")]
    TooManyTransfers { limit: usize },
    #[error("{requested} requested, {available} available")]
    InsufficientFunds { available: Money, requested: Money },
    /// The escrow took more than was held for it: books that disagree, to be looked at by a person.
    #[error("{requested} to be captured, {held} held")]
    HoldTooSmall { held: Money, requested: Money },
    #[error("this {kind} belongs to another stream")]
    ClaimTaken { kind: &'static str },
}

impl DomainError for WalletError {
    fn describe(&self) -> (ErrorKind, &'static str) {
        match self {
            Self::NotPermitted => (ErrorKind::Forbidden, "POLICY_DENIED"),
            Self::AmountInvalid => (ErrorKind::Invalid, "AMOUNT_INVALID"),
            Self::NotFound => (ErrorKind::NotFound, "WALLET_NOT_FOUND"),
            Self::CurrencyMismatch { .. } => (ErrorKind::Invalid, "CURRENCY_MISMATCH"),
            Self::OwnerMismatch => (ErrorKind::Invalid, "WALLET_OWNER_MISMATCH"),
            Self::ToItself => (ErrorKind::Invalid, "TRANSFER_TO_ITSELF"),
            Self::Frozen => (ErrorKind::Conflict, "WALLET_FROZEN"),
            Self::NotAllowed { .. } => (ErrorKind::Conflict, "INVALID_WALLET_TRANSITION"),
            Self::NotEmpty { .. } => (ErrorKind::Conflict, "WALLET_NOT_EMPTY"),
            Self::UnitsInvalid { .. } => (ErrorKind::Invalid, "UNITS_INVALID"),
            Self::ExpiryInvalid => (ErrorKind::Invalid, "EXPIRY_INVALID"),
            Self::TransferNotFound => (ErrorKind::NotFound, "TRANSFER_NOT_FOUND"),
            Self::TransferExpired => (ErrorKind::Conflict, "TRANSFER_EXPIRED"),
            Self::FourEyesRequired => (ErrorKind::Forbidden, "FOUR_EYES_REQUIRED"),
            Self::ApprovalRequired { .. } => (ErrorKind::Forbidden, "APPROVAL_REQUIRED"),
            Self::TooManyTransfers { .. } => (ErrorKind::Conflict, "TOO_MANY_TRANSFERS"),
            Self::InsufficientFunds { .. } => (ErrorKind::Invalid, "INSUFFICIENT_FUNDS"),
            Self::HoldTooSmall { .. } => (ErrorKind::Conflict, "HOLD_TOO_SMALL"),
            Self::ClaimTaken { .. } => (ErrorKind::Conflict, "ALREADY_TAKEN"),
        }
    }

    fn details(&self) -> serde_json::Value {
        match self {
            Self::CurrencyMismatch { wallet, given } => json!({ "wallet": wallet, "given": given }),
            Self::NotAllowed { status, action } => json!({ "status": status, "action": action }),
            Self::NotEmpty { available, held, pending } => json!({ "available": available, "held": held, "pending": pending }),
            Self::InsufficientFunds { available, requested } => json!({ "available": available, "requested": requested }),
            Self::HoldTooSmall { held, requested } => json!({ "held": held, "requested": requested }),
            Self::ClaimTaken { kind } => json!({ "kind": kind }),
            Self::UnitsInvalid { most } => json!({ "most": most }),
            Self::ApprovalRequired { amount } => json!({ "amount": amount }),
            Self::TooManyTransfers { limit } => json!({ "limit": limit }),
            Self::NotPermitted
            | Self::AmountInvalid
            | Self::NotFound
            | Self::OwnerMismatch
            | Self::ToItself
            | Self::Frozen
            | Self::ExpiryInvalid
            | Self::TransferNotFound
            | Self::TransferExpired
            | Self::FourEyesRequired => json!({}),
        }
    }
}
