//! The tenant's own rules.

use std::sync::Arc;

use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::kernel::{Claim, Context, Role, TenantAggregate};
use crate::tenant::{Hours, TenantCommand, TenantError, TenantEvent, TenantSettings};

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Tenant {
    status: TenantStatus,
    settings: Arc<TenantSettings>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TenantStatus {
    #[default]
    Unknown,
    Active,
    Suspended,
}

impl Tenant {
    #[must_use]
    pub fn settings(&self) -> Arc<TenantSettings> {
        Arc::clone(&self.settings)
    }

    #[must_use]
    pub fn tenant_status(&self) -> TenantStatus {
        self.status
    }

    fn decide(&self, command: TenantCommand, context: &Context) -> Result<Vec<TenantEvent>, TenantError> {
        let platform = context.actor.is_platform() || context.actor.is_system();
        match command {
            TenantCommand::Create { name, slug, settings } => {
                only(platform, TenantError::NotPlatform)?;
                only(self.status == TenantStatus::Unknown, TenantError::Exists)?;
                check(&settings)?;
                Ok(vec![TenantEvent::Created { name, slug, settings }])
            }
            TenantCommand::ChangeSettings { settings } => {
                self.must_exist()?;
                only(platform || context.actor.roles.contains(&Role::TenantAdmin), TenantError::NotAdmin)?;
                // ESC-75: the platform's part is not the tenant's to change.
                let same_platform_share = settings.escrow.split.platform_bp == self.settings.escrow.split.platform_bp;
                only(same_platform_share || context.actor.roles.contains(&Role::Superadmin), TenantError::PlatformShare)?;
                check(&settings)?;
                Ok(if *self.settings == settings { Vec::new() } else { vec![TenantEvent::SettingsChanged { settings }] })
            }
            TenantCommand::Suspend { reason } => {
                self.must_exist()?;
                only(platform, TenantError::NotPlatform)?;
                only(self.status == TenantStatus::Active, TenantError::NotAllowed { status: self.status() })?;
                Ok(vec![TenantEvent::Suspended { reason }])
            }
            TenantCommand::Activate => {
                self.must_exist()?;
                only(platform, TenantError::NotPlatform)?;
                only(self.status == TenantStatus::Suspended, TenantError::NotAllowed { status: self.status() })?;
                Ok(vec![TenantEvent::Activated])
            }
            TenantCommand::RedriveReaction { dead_letter_id, reason } => {
                self.must_exist()?;
                only(platform, TenantError::NotPlatform)?;
                Ok(vec![TenantEvent::ReactionRedriven { dead_letter_id, reason }])
            }
        }
    }

    fn must_exist(&self) -> Result<(), TenantError> {
        only(self.status != TenantStatus::Unknown, TenantError::NotFound)
    }
}

fn only(holds: bool, otherwise: TenantError) -> Result<(), TenantError> {
    if holds { Ok(()) } else { Err(otherwise) }
}

/// Every error names the setting.
fn check(settings: &TenantSettings) -> Result<(), TenantError> {
    let escrow = &settings.escrow;
    let split = escrow.split;
    let wrong = |field, problem| Err(TenantError::Setting { field, problem });
    if u64::from(split.payee_bp) + u64::from(split.tenant_bp) + u64::from(split.platform_bp) != 10_000 {
        return wrong("escrow.split", "the three parts must add up to 10000 basis points");
    }
    if escrow.tax.fee_tax_bp > 10_000 || escrow.tax.withholding_bp > 10_000 {
        return wrong("escrow.tax", "a rate may not exceed 10000 basis points");
    }
    if escrow.penalty.cap_bp > 10_000 {
        return wrong("escrow.penalty.capBp", "may not exceed 10000 basis points");
    }
    if escrow.random_audit_percent > 100 {
        return wrong("escrow.randomAuditPercent", "may not exceed 100");
    }
    let hours = [
        ("escrow.autoReleaseHours", escrow.auto_release_hours),
        ("escrow.disputeWindowHours", escrow.dispute_window_hours),
        ("escrow.settledDisputeHours", escrow.settled_dispute_hours),
        ("escrow.fundingHours", escrow.funding_hours),
        ("escrow.startHours", escrow.start_hours),
        ("escrow.bookingStartHours", escrow.booking_start_hours),
        ("escrow.slaHours", escrow.sla_hours),
        ("escrow.evidenceHours", escrow.evidence_hours),
        ("escrow.decisionHours", escrow.decision_hours),
        ("booking.holdHours", settings.booking.hold_hours),
        ("booking.otpHours", settings.booking.otp_hours),
        ("booking.payoutDelayHours", settings.booking.payout_delay_hours),
        ("clearanceHours", settings.clearance_hours),
    ];
    for (field, value) in hours {
        // No state without a way out (MNY-17): a deadline is never empty; only money's waiting times may be zero (MNY-24, MNY-36).
        let least = if matches!(field, "clearanceHours" | "booking.payoutDelayHours" | "escrow.settledDisputeHours") {
            Hours::whole(0).0
        } else {
            rust_decimal::Decimal::new(1, 4)
        };
        if value.0 < least || value > Hours::whole(87_600) {
            return wrong(field, "must be above zero and at most 87600 hours");
        }
    }
    Ok(())
}

impl cqrs_es::Aggregate for Tenant {
    const TYPE: &'static str = "tenant";
    type Command = TenantCommand;
    type Event = TenantEvent;
    type Error = TenantError;
    type Services = Context;

    async fn handle(&mut self, command: TenantCommand, context: &Context, sink: &EventSink<Self>) -> Result<(), TenantError> {
        for event in self.decide(command, context)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: TenantEvent) {
        match event {
            TenantEvent::Created { settings, .. } => {
                self.status = TenantStatus::Active;
                self.settings = Arc::new(settings);
            }
            TenantEvent::SettingsChanged { settings } => self.settings = Arc::new(settings),
            TenantEvent::Suspended { .. } => self.status = TenantStatus::Suspended,
            TenantEvent::Activated => self.status = TenantStatus::Active,
            TenantEvent::ReactionRedriven { .. } => {}
        }
    }
}

impl TenantAggregate for Tenant {
    const FOLD_VERSION: u32 = 1;

    fn exists(&self) -> bool {
        self.status != TenantStatus::Unknown
    }

    fn status(&self) -> &'static str {
        match self.status {
            TenantStatus::Unknown => "unknown",
            TenantStatus::Active => "active",
            TenantStatus::Suspended => "suspended",
        }
    }

    fn claim_taken(_claim: &Claim, _holder: Uuid) -> TenantError {
        TenantError::Exists
    }
}
