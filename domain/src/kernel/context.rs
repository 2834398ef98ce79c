//! Who acts, for which tenant, when: all that a decision may know besides state and command.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::kernel::{Money, PartyId, TenantId};
use crate::tenant::TenantSettings;

/// Handed to every `handle`; the same state, command and context always give the same events (invariant 10).
#[derive(Debug, Clone)]
pub struct Context {
    pub tenant_id: TenantId,
    pub actor: Actor,
    /// Never before the last event of the stream.
    pub now: DateTime<Utc>,
    /// The settings that the tenant's own stream holds at this position.
    pub settings: Arc<TenantSettings>,
}

/// Who acts. Stored with every event as a snapshot (invariant 9, IDN-74).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Actor {
    pub id: PartyId,
    pub kind: ActorKind,
    pub roles: Roles,
    /// The largest release that the actor may authorise alone (IDN-70); none: no limit of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amount_limits: Vec<Money>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// A person or client with a token.
    User,
    /// Reactions, deadlines and the platform's own machinery; no request can claim it.
    System,
}

pub type Roles = BTreeSet<Role>;

/// System roles (IDN-68). Capabilities hang on them at the HTTP edge; the domain asks only for hats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    TenantAdmin,
    Finance,
    Ops,
    TalentManager,
    Casting,
    Talent,
    Payer,
    Viewer,
    Auditor,
    Superadmin,
    PlatformAdmin,
    BillingAdmin,
    PlatformOps,
    PlatformFinance,
    TrustSafety,
    Service,
}

impl Role {
    pub const ALL: &'static [Self] = &[
        Self::TenantAdmin,
        Self::Finance,
        Self::Ops,
        Self::TalentManager,
        Self::Casting,
        Self::Talent,
        Self::Payer,
        Self::Viewer,
        Self::Auditor,
        Self::Superadmin,
        Self::PlatformAdmin,
        Self::BillingAdmin,
        Self::PlatformOps,
        Self::PlatformFinance,
        Self::TrustSafety,
        Self::Service,
    ];

    /// Staff of the platform operator, who may move money (ESC-50b).
    #[must_use]
    pub const fn is_platform(self) -> bool {
        matches!(self, Self::Superadmin | Self::PlatformAdmin | Self::PlatformFinance | Self::TrustSafety | Self::PlatformOps)
    }

    /// Staff of the tenant.
    #[must_use]
    pub const fn is_tenant_staff(self) -> bool {
        matches!(self, Self::TenantAdmin | Self::Finance | Self::Ops | Self::TalentManager | Self::Casting)
    }
}

impl Actor {
    /// The machinery of Holdfast itself, acting for nobody.
    #[must_use]
    pub fn system(id: PartyId) -> Self {
        Self { id, kind: ActorKind::System, roles: Roles::new(), amount_limits: Vec::new() }
    }

    #[must_use]
    pub fn is_system(&self) -> bool {
        self.kind == ActorKind::System
    }

    #[must_use]
    pub fn is_platform(&self) -> bool {
        self.roles.iter().any(|role| role.is_platform())
    }

    #[must_use]
    pub fn is_tenant_staff(&self) -> bool {
        self.roles.iter().any(|role| role.is_tenant_staff())
    }
}
