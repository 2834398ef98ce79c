//! What can be asked of a tenant.

use crate::tenant::TenantSettings;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenantCommand {
    Create {
        name: String,
        slug: String,
        settings: TenantSettings,
    },
    ChangeSettings {
        settings: TenantSettings,
    },
    Suspend {
        reason: String,
    },
    Activate,
    /// An admin asks for another attempt at a step that was put aside; the log keeps who asked (protocols: dead letters).
    RedriveReaction {
        dead_letter_id: uuid::Uuid,
        reason: String,
    },
}
