//! Wallet: what one owner has in one currency: available, held, pending. Rules: docs/domain/wallet.md.

mod aggregate;
mod command;
mod decide;
mod error;
mod event;

pub use aggregate::{Wallet, WalletStatus};
pub use command::{Credit, WalletCommand};
pub use error::WalletError;
pub use event::{CreditPurpose, DebitPurpose, HoldPurpose, OwnerType, Place, WalletEvent, WalletFact, WalletOwner, wallet_id};
