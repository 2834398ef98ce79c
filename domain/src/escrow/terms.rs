//! What is agreed at creation and never changes: amount, parties, rules in force, entitlement per party.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::escrow::{CreateEscrow, EscrowError, Leg, LegParty};
use crate::kernel::{BookingId, ContractId, Currency, EscrowId, MilestoneId, Money, PartyId, SponsorshipOrderId, TenantId};
use crate::kernel::{round_half_up_bp, split_by_weights};
use crate::tenant::{ApprovalMode, Hours, PenaltyRule, SplitPolicy, TaxPolicy, TenantSettings};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Terms {
    pub tenant_id: TenantId,
    /// The escrow's own id: disputes, holds and landings derive theirs from it.
    pub escrow_id: EscrowId,
    pub reference: Reference,
    pub payer_id: PartyId,
    pub payee_id: PartyId,
    pub amount: Money,
    pub rules: Rules,
    pub entitlements: Entitlements,
    /// When the booked work begins, as far as that is known (MNY-17).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<DateTime<Utc>>,
}

/// What the escrow is for; one live escrow per milestone, booking or order (MNY-05).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
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

impl Reference {
    /// What no other live escrow of the tenant may be for: every milestone, booking or order named, else the contract.
    #[must_use]
    pub fn claimed_ids(&self) -> Vec<String> {
        let named = [
            self.milestone_id.map(|id| id.to_string()),
            self.booking_id.map(|id| id.to_string()),
            self.sponsorship_order_id.map(|id| id.to_string()),
        ];
        let named: Vec<_> = named.into_iter().flatten().collect();
        if named.is_empty() { vec![self.contract_id.to_string()] } else { named }
    }
}

/// The tenant's settings at creation, as far as this escrow needs them (ESC-06).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rules {
    pub delivery_required: bool,
    pub contract_required: bool,
    pub approval_mode: ApprovalMode,
    pub random_audit_percent: u8,
    pub auto_release_hours: Hours,
    pub partial_release_allowed: bool,
    pub dispute_window_hours: Hours,
    /// MNY-36: how long after the settlement its money can be disputed.
    #[serde(default = "settled_dispute_hours")]
    pub settled_dispute_hours: Hours,
    pub penalty: PenaltyRule,
    pub funding_hours: Hours,
    pub start_hours: Hours,
    /// After the booked time, where there is one.
    pub booking_start_hours: Hours,
    pub sla_hours: Hours,
    pub evidence_hours: Hours,
    pub decision_hours: Hours,
    pub clearance_hours: Hours,
    /// MNY-24: what a booking brings clears no earlier than this long after its completion.
    pub payout_delay_hours: Hours,
    pub split: SplitPolicy,
    pub tax: TaxPolicy,
    pub automatic_refund_limit_minor: u64,
}

impl Rules {
    /// The tenant's settings, copied.
    #[must_use]
    pub fn of(tenant: &TenantSettings) -> Self {
        let settings = &tenant.escrow;
        Self {
            delivery_required: settings.delivery_required,
            contract_required: settings.contract_required,
            approval_mode: settings.approval_mode,
            random_audit_percent: settings.random_audit_percent,
            auto_release_hours: settings.auto_release_hours,
            partial_release_allowed: settings.partial_release_allowed,
            dispute_window_hours: settings.dispute_window_hours,
            settled_dispute_hours: settings.settled_dispute_hours,
            penalty: settings.penalty,
            funding_hours: settings.funding_hours,
            start_hours: settings.start_hours,
            booking_start_hours: settings.booking_start_hours,
            sla_hours: settings.sla_hours,
            evidence_hours: settings.evidence_hours,
            decision_hours: settings.decision_hours,
            clearance_hours: tenant.clearance_hours,
            payout_delay_hours: tenant.booking.payout_delay_hours,
            split: settings.split,
            tax: settings.tax,
            automatic_refund_limit_minor: tenant.automatic_refund_limit_minor,
        }
    }

    /// With what the creator asked for, which may only be stricter (ESC-76). Work on a booking is always delivered: its
    /// completion is the delivery (MNY-18). A milestone has the split of its contract (MNY-03).
    ///
    /// # Errors
    /// `RuleNotStricter` names the rule.
    pub fn narrowed(mut self, wanted: &CreateEscrow) -> Result<Self, EscrowError> {
        if wanted.delivery_required == Some(false) && self.delivery_required {
            return Err(EscrowError::RuleNotStricter { rule: "deliveryRequired" });
        }
        if wanted.partial_release_allowed == Some(true) && !self.partial_release_allowed {
            return Err(EscrowError::RuleNotStricter { rule: "partialReleaseAllowed" });
        }
        let is_booked = wanted.reference.booking_id.is_some();
        self.delivery_required = is_booked || wanted.delivery_required.unwrap_or(self.delivery_required);
        self.partial_release_allowed = wanted.partial_release_allowed.unwrap_or(self.partial_release_allowed);
        if let Some(share) = wanted.share {
            (self.split, self.tax) = (share.split, share.tax);
        }
        Ok(self)
    }
}

/// Of escrows that were created before there was such a rule.
fn settled_dispute_hours() -> Hours {
    Hours::whole(48)
}

/// How the full amount is divided, in minor units: once, at creation (MNY-03, MNY-04). Adds up to the amount.
/// The order of the fields is the rank that breaks ties.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Entitlements {
    pub payee: i64,
    pub tenant: i64,
    pub platform: i64,
    pub tax: i64,
    pub withholding: i64,
}

impl Entitlements {
    /// Names of the fields, in rank order.
    pub const PARTIES: [&'static str; 5] = ["payee", "tenant", "platform", "tax", "withholding"];

    /// The one division of the full amount (MNY-04). Each tax is rounded once, half up.
    ///
    /// # Errors
    /// `SplitBelowTax` when a party's part does not cover the taxes that it bears.
    pub fn of(amount: Money, split: SplitPolicy, tax: TaxPolicy) -> Result<Self, EscrowError> {
        let weights = [split.payee_bp.into(), split.tenant_bp.into(), split.platform_bp.into()];
        let shares = split_by_weights(amount.minor(), &weights);
        let [payee, tenant, platform] = [shares[0], shares[1], shares[2]];
        let tax_on = |minor: i128| Money::try_from_minor(minor, amount.currency()).map_or(0, |fee| round_half_up_bp(fee, tax.fee_tax_bp));

        let platform_tax = tax_on(platform);
        let tenant_charges_fee = split.tenant_bp > 0;
        let tenant_tax = if tenant_charges_fee && tax.tenant_registered { tax_on(tenant + platform) } else { 0 };
        let withholding = round_half_up_bp(amount, tax.withholding_bp);
        let (payee, tenant) = if tenant_charges_fee {
            (payee - tenant_tax - withholding, tenant + tenant_tax - platform_tax)
        } else {
            (payee - platform_tax - withholding, tenant)
        };

        let parts = [payee, tenant, platform, platform_tax, withholding];
        match parts.iter().zip(Self::PARTIES).find(|(part, _)| **part < 0) {
            Some((part, party)) => {
                let missing = Money::try_from_minor(-part, amount.currency()).unwrap_or(amount);
                Err(EscrowError::SplitBelowTax { party, missing })
            }
            None => Ok(Self::from_array(parts)),
        }
    }

    /// A division that was made elsewhere, of exactly this amount (MNY-03).
    ///
    /// # Errors
    /// `ShareMismatch`.
    pub fn checked_for(self, amount: Money) -> Result<Self, EscrowError> {
        let is_whole = self.as_array().iter().all(|part| *part >= 0);
        if is_whole && self.total() == amount.minor() { Ok(self) } else { Err(EscrowError::ShareMismatch) }
    }

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

    /// What each party gets when `total` of this is paid out, or keeps when it shrinks to `total` (MNY-03).
    /// No part is negative or exceeds what is here, and the whole gives exactly the whole.
    #[must_use]
    pub fn share_of(self, total: i128) -> Self {
        let shares = split_by_weights(total, &self.as_array());
        Self::from_array([shares[0], shares[1], shares[2], shares[3], shares[4]])
    }

    #[must_use]
    pub fn plus(self, legs: &[Leg]) -> Self {
        self.moved(legs, 1)
    }

    #[must_use]
    pub fn minus(self, legs: &[Leg]) -> Self {
        self.moved(legs, -1)
    }

    /// Part by part.
    #[must_use]
    pub(super) fn with(self, other: Self) -> Self {
        self.combined(other, 1)
    }

    /// Part by part.
    #[must_use]
    pub(super) fn less(self, other: Self) -> Self {
        self.combined(other, -1)
    }

    fn combined(self, other: Self, sign: i128) -> Self {
        let (mine, theirs) = (self.as_array(), other.as_array());
        Self::from_array(std::array::from_fn(|rank| mine[rank] + sign * theirs[rank]))
    }

    fn moved(self, legs: &[Leg], sign: i128) -> Self {
        let mut parts = self.as_array();
        for leg in legs {
            let rank = match leg.party {
                LegParty::Payee(_) => 0,
                LegParty::Tenant => 1,
                LegParty::Platform => 2,
                LegParty::Tax => 3,
                LegParty::Withholding => 4,
                LegParty::Payer(_) => continue, // a refund is nobody's entitlement
            };
            parts[rank] += sign * leg.amount.minor();
        }
        Self::from_array(parts)
    }

    fn from_array(parts: [i128; 5]) -> Self {
        let [payee, tenant, platform, tax, withholding] = parts.map(fit);
        Self { payee, tenant, platform, tax, withholding }
    }
}

/// Minor units as stored. `MAX_MINOR` keeps every amount far inside; beyond it the nearest value stands.
pub(super) fn fit(minor: i128) -> i64 {
    i64::try_from(minor).unwrap_or(if minor < 0 { i64::MIN } else { i64::MAX })
}
