//! Tenant: the customer itself. Its stream holds what decisions of all other aggregates read: is it active, and
//! how does it configure escrow (ESC-70..76). Rules: docs/domain/tenant.md.

mod aggregate;
mod command;
mod error;
mod event;
mod settings;

pub use aggregate::{Tenant, TenantStatus};
pub use command::TenantCommand;
pub use error::TenantError;
pub use event::TenantEvent;
pub use settings::{
    ApprovalMode, BookingSettings, ContractSettings, EscrowSettings, Hours, PenaltyBeneficiary, PenaltyRule, SplitPolicy, TaxPolicy,
    TenantSettings, TransferSettings,
};

#[cfg(test)]
mod tests;
