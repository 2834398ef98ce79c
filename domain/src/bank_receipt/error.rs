//! Why a command about a bank receipt is refused.

use crate::kernel::{DomainError, ErrorKind};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BankReceiptError {
    #[error("only platform staff may book bank receipts")]
    NotPlatform,
    #[error("this bank receipt does not exist")]
    NotFound,
    #[error("a receipt with this bank reference was recorded with other content")]
    RecordedDifferently,
    #[error("this receipt already belongs to a payer")]
    AlreadyAssigned,
    #[error("an amount must be above zero")]
    NotPositive,
    #[error("a receipt for an escrow must name its payer")]
    PayerMissing,
}

impl DomainError for BankReceiptError {
    fn describe(&self) -> (ErrorKind, &'static str) {
        match self {
            Self::NotPlatform => (ErrorKind::Forbidden, "POLICY_DENIED"),
            Self::NotFound => (ErrorKind::NotFound, "BANK_RECEIPT_NOT_FOUND"),
            Self::RecordedDifferently => (ErrorKind::Conflict, "BANK_RECEIPT_DIFFERS"),
            Self::AlreadyAssigned => (ErrorKind::Conflict, "INVALID_BANK_RECEIPT_TRANSITION"),
            Self::NotPositive => (ErrorKind::Invalid, "AMOUNT_INVALID"),
            Self::PayerMissing => (ErrorKind::Invalid, "PAYER_MISSING"),
        }
    }
}
