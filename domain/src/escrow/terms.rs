//! What is agreed at creation and never changes: amount, parties, rules in force, entitlement per party.

use serde::{Deserialize, Serialize};

use crate::kernel::{BookingId, ContractId, Currency, MilestoneId, Money, PartyId, SponsorshipOrderId, TenantId};
use crate::tenant::{ApprovalMode, EscrowSettings, Hours, PenaltyRule, SplitPolicy, TaxPolicy};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Terms {
    pub tenant_id: TenantId,
    pub reference: Reference,
    pub payer_id: PartyId,
    pub payee_id: PartyId,
    pub amount: Money,
    pub rules: Rules,
    pub entitlements: Entitlements,
}

/// What the escrow is for; one live escrow per milestone, booking or order (MNY-05).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reference {
    pub contract_id: ContractId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milestone_id: Option<MilestoneId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booking_id: Option<BookingId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sponsorship_order_id: Option<SponsorshipOrderId>,
}

/// The tenant's settings at creation, as far as this escrow needs them (ESC-06).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rules {
    pub delivery_required: bool,
    pub contract_required: bool,
    pub approval_mode: ApprovalMode,
    pub random_audit_percent: u8,
    pub auto_release_hours: Hours,
    pub partial_release_allowed: bool,
    pub dispute_window_hours: Hours,
    pub penalty: PenaltyRule,
    pub funding_hours: Hours,
    pub start_hours: Hours,
    pub sla_hours: Hours,
    pub evidence_hours: Hours,
    pub decision_hours: Hours,
    pub clearance_hours: Hours,
    pub split: SplitPolicy,
    pub tax: TaxPolicy,
    pub automatic_refund_limit_minor: u64,
}

impl Rules {
    /// The tenant's settings, copied.
    #[must_use]
    pub fn of(settings: &EscrowSettings, clearance_hours: Hours, automatic_refund_limit_minor: u64) -> Self {
        Self {
            delivery_required: settings.delivery_required,
            contract_required: settings.contract_required,
            approval_mode: settings.approval_mode,
            random_audit_percent: settings.random_audit_percent,
            auto_release_hours: settings.auto_release_hours,
            partial_release_allowed: settings.partial_release_allowed,
            dispute_window_hours: settings.dispute_window_hours,
            penalty: settings.penalty,
            funding_hours: settings.funding_hours,
            start_hours: settings.start_hours,
            sla_hours: settings.sla_hours,
            evidence_hours: settings.evidence_hours,
            decision_hours: settings.decision_hours,
            clearance_hours,
            split: settings.split,
            tax: settings.tax,
            automatic_refund_limit_minor,
        }
    }
}

/// How the full amount is divided, in minor units: once, at creation (MNY-03, MNY-04). Adds up to the amount.
/// The order of the fields is the rank that breaks ties.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entitlements {
    pub payee: i64,
    pub tenant: i64,
    pub platform: i64,
    pub tax: i64,
    pub withholding: i64,
}

impl Entitlements {
    #[must_use]
    pub fn as_array(self) -> [i128; 5] {
        [self.payee.into(), self.tenant.into(), self.platform.into(), self.tax.into(), self.withholding.into()]
    }

    #[must_use]
    pub fn total(self) -> i128 {
        self.as_array().iter().sum()
    }

    /// As money of `currency`, in rank order.
    #[must_use]
    pub fn money(self, currency: Currency) -> [Money; 5] {
        self.as_array().map(|minor| Money::try_from_minor(minor, currency).unwrap_or(Money::zero(currency)))
    }
}
