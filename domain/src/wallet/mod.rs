//! Wallet: what one owner has in one currency: available, held, pending. Rules: docs/domain/wallet.md.

mod aggregate; // state and `apply`
mod command;
mod decide; // one short method per command
mod error;
mod event;
mod recent;
mod status; // the state machine as a table

pub use aggregate::{Balances, Wallet};
pub use command::{Credit, WalletCommand};
pub use error::WalletError;
pub use event::{CasePart, CreditPurpose, DebitPurpose, HoldPurpose, OwnerType, Place, WalletEvent, WalletFact, WalletOwner, wallet_id};
pub(crate) use recent::Recent;
pub use status::{TRANSITIONS, WalletAction, WalletStatus};

#[cfg(test)]
mod tests;
