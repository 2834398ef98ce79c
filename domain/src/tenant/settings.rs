//! What a tenant configures (ESC-70..76). Read when an escrow is created and kept in its first event, so that a
//! later change never touches a running escrow. There is no key that switches escrow off or forces a release (ESC-76).

use chrono::TimeDelta;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize};

use crate::contract::ESignProvider;

/// All settings of a tenant. Unknown keys are refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TenantSettings {
    pub escrow: EscrowSettings,
    /// Hours that released money stays pending before the payee may use it (MNY-24).
    pub clearance_hours: Hours,
    /// Refunds of a funded escrow up to this many minor units of its currency are granted at once (MNY-14).
    pub automatic_refund_limit_minor: u64,
    pub booking: BookingSettings,
    pub contract: ContractSettings,
    pub transfer: TransferSettings,
}

/// Holds, answers and completion of bookings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BookingSettings {
    /// A hold that names no end of its own expires after this long (JOB-03).
    pub hold_hours: Hours,
    /// A completion code counts until this long after the booked time (JOB-33).
    pub otp_hours: Hours,
    /// JOB-61: from completion to eligibility for the payout.
    pub payout_delay_hours: Hours,
}

impl Default for BookingSettings {
    fn default() -> Self {
        Self { hold_hours: Hours::whole(72), otp_hours: Hours::whole(336), payout_delay_hours: Hours::whole(48) }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ContractSettings {
    /// CTR-40: legal acceptance depends on the jurisdiction.
    pub signing_provider: ESignProvider,
}

/// Internal transfers (LED-18, LED-57).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TransferSettings {
    /// Above this many minor units of its currency a second person must approve; none: no limit.
    pub approval_above_minor: Option<u64>,
}

/// The escrow part (EW8). Amounts are basis points, times are hours; the defaults are those of ESC-70 and MNY-17.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EscrowSettings {
    /// ESC-70: silence after delivery approves after this long.
    pub auto_release_hours: Hours,
    /// ESC-71.
    pub partial_release_allowed: bool,
    /// ESC-72: objections are accepted until then.
    pub dispute_window_hours: Hours,
    /// MNY-36: settled money can be disputed for this long after the settlement; zero: not at all.
    pub settled_dispute_hours: Hours,
    /// ESC-73.
    pub penalty: PenaltyRule,
    /// ESC-74.
    pub approval_mode: ApprovalMode,
    /// ESC-74: share of automatic approvals that a person must make instead, in hybrid mode; 0..=100.
    pub random_audit_percent: u8,
    /// ESC-75.
    pub split: SplitPolicy,
    /// MNY-04: taxes on the fees; zero unless the tenant says otherwise.
    pub tax: TaxPolicy,
    /// MNY-17.
    pub funding_hours: Hours,
    pub start_hours: Hours,
    /// MNY-17: work on a booking must have started this long after the booked time.
    pub booking_start_hours: Hours,
    pub sla_hours: Hours,
    pub evidence_hours: Hours,
    pub decision_hours: Hours,
    /// ESC-06: work must be delivered before money can be released.
    pub delivery_required: bool,
    /// ESC-06: a signed contract is needed before `make_releasable`.
    pub contract_required: bool,
}

impl Default for EscrowSettings {
    fn default() -> Self {
        Self {
            auto_release_hours: Hours::whole(48),
            partial_release_allowed: true,
            dispute_window_hours: Hours::whole(48),
            settled_dispute_hours: Hours::whole(48),
            penalty: PenaltyRule::default(),
            approval_mode: ApprovalMode::Auto,
            random_audit_percent: 0,
            split: SplitPolicy { payee_bp: 9_500, tenant_bp: 0, platform_bp: 500 },
            tax: TaxPolicy::default(),
            funding_hours: Hours::whole(168),
            start_hours: Hours::whole(336),
            booking_start_hours: Hours::whole(24),
            sla_hours: Hours::whole(720),
            evidence_hours: Hours::whole(72),
            decision_hours: Hours::whole(168),
            delivery_required: true,
            contract_required: false,
        }
    }
}

/// How long, in hours; fractions are allowed ("0.5"). JSON: a decimal string.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Hours(pub Decimal);

impl Hours {
    #[must_use]
    pub fn whole(hours: i64) -> Self {
        Self(Decimal::from(hours))
    }

    /// To the millisecond; out of range values count as the largest that a calendar can hold here (100 years).
    #[must_use]
    pub fn duration(self) -> TimeDelta {
        const HUNDRED_YEARS_MS: i64 = 100 * 366 * 24 * 3_600_000;
        let exact = self.0.checked_mul(Decimal::from(3_600_000));
        let milliseconds = exact.and_then(|milliseconds| milliseconds.trunc().to_i64()).unwrap_or(HUNDRED_YEARS_MS);
        TimeDelta::milliseconds(milliseconds.clamp(0, HUNDRED_YEARS_MS))
    }
}

/// Who gets what of the agreed price, in basis points; they add up to 10,000 (ESC-61, ESC-75).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SplitPolicy {
    pub payee_bp: u32,
    pub tenant_bp: u32,
    pub platform_bp: u32,
}

/// Taxes on the fees, in basis points (MNY-04). What a rate must be is a question for a local accountant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TaxPolicy {
    /// On the fees charged to the payee (t1) and on the platform's fee (t2).
    pub fee_tax_bp: u32,
    /// False: the tenant charges no tax of its own, so t1 is zero.
    pub tenant_registered: bool,
    /// Withheld from the payee, of the full amount (postings row 4b).
    pub withholding_bp: u32,
}

/// ESC-59.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalMode {
    /// Silence approves.
    Auto,
    /// Only a person approves; silence leads to a dispute (MNY-21).
    Manual,
    /// Silence approves but for a random sample, which is treated as manual.
    Hybrid,
}

/// MNY-30.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PenaltyRule {
    pub beneficiary: PenaltyBeneficiary,
    /// The most that a decision may deduct, of the contested amount.
    pub cap_bp: u32,
}

impl Default for PenaltyRule {
    fn default() -> Self {
        Self { beneficiary: PenaltyBeneficiary::Payer, cap_bp: 10_000 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PenaltyBeneficiary {
    Payer,
    Payee,
    Tenant,
    Platform,
}
