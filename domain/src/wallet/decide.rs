//! The rules. Pure: the same state, command and context always give the same events or the same refusal.

use crate::kernel::Context;
use crate::wallet::{Wallet, WalletCommand, WalletError, WalletEvent};

impl Wallet {
    pub(super) fn decide(&self, _command: WalletCommand, _context: &Context) -> Result<Vec<WalletEvent>, WalletError> {
        Err(WalletError::NotFound)
    }
}
