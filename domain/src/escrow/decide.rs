//! The rules. Pure: the same state, command and context always give the same events or the same refusal.

use crate::escrow::{Escrow, EscrowCommand, EscrowError, EscrowEvent};
use crate::kernel::Context;

impl Escrow {
    pub(super) fn decide(&self, _command: EscrowCommand, _context: &Context) -> Result<Vec<EscrowEvent>, EscrowError> {
        Err(EscrowError::NotFound)
    }
}
