//! What readers are told about one booking (JOB-04, JOB-24).

use chrono::{DateTime, Utc};
use holdfast_domain::booking::{Booking, Slot};
use holdfast_domain::escrow::Hat;
use holdfast_domain::kernel::{Actor, Money, TenantId};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::booking::BookingSummary;
use crate::runtime::Stored;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BookingDetail {
    #[serde(flatten)]
    pub summary: BookingSummary,
    /// None once the talent is erased.
    pub location: Option<String>,
    /// As the tenant's frontend keeps them.
    #[schema(value_type = Option<Object>)]
    pub terms: Option<serde_json::Value>,
    /// Frozen at creation (JOB-68).
    pub pricing_snapshot: Option<PricingSnapshot>,
    /// `escrow`.
    pub payment_mode: String,
    pub payment: PaymentView,
    /// None before the talent has accepted.
    pub agreement: Option<AgreementView>,
    /// By when the talent must answer; none once it has.
    pub answer_due_at: Option<DateTime<Utc>>,
    pub confirmed_at: Option<DateTime<Utc>>,
    pub started_at: Option<DateTime<Utc>>,
    pub cancellation: Option<CancellationView>,
    pub dispute: Option<BookingDisputeView>,
    /// How often the work was ordered anew (MNY-31).
    pub redos: u32,
    /// To the payer's side only.
    pub completion_code: Option<CompletionCode>,
    /// Version of the published call sheet.
    pub call_sheet_version: Option<u32>,
    /// What the caller may ask for now.
    pub allowed_actions: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleView {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
}

impl From<Slot> for ScheduleView {
    fn from(slot: Slot) -> Self {
        Self { from: slot.from, to: slot.to }
    }
}

/// Who gets what of the price, by the rules at creation (JOB-68). Amounts are in `currency`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PricingSnapshot {
    #[schema(value_type = String, example = "1000.00")]
    pub total_payable: Decimal,
    #[schema(value_type = String)]
    pub provider_share: Decimal,
    #[schema(value_type = String)]
    pub tenant_share: Decimal,
    #[schema(value_type = String)]
    pub platform_share: Decimal,
    #[schema(value_type = String)]
    pub tax: Decimal,
    #[schema(value_type = String)]
    pub withholding: Decimal,
    pub currency: String,
    /// Basis points: `{payeeBp, tenantBp, platformBp}`.
    #[schema(value_type = Object)]
    pub split_policy: serde_json::Value,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentView {
    /// None before the talent has accepted.
    pub escrow_id: Option<Uuid>,
    /// `none` (nothing is paid here), `awaiting` or `secured` (the escrow is funded).
    pub status: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgreementView {
    pub contract_id: Uuid,
    pub title: String,
    pub template_id: Option<Uuid>,
    pub template_version: u32,
    /// SHA-256 of the text, hex.
    pub document_hash: String,
    pub accepted_at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CancellationView {
    /// `asked`, `unanswered` or `escrow_ended`.
    pub cause: String,
    pub reason: String,
    pub at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BookingDisputeView {
    pub id: Uuid,
    /// `open`, `resolved_refunded` or `resolved_rejected`.
    pub status: String,
}

/// JOB-33: what the payer gives to the provider when the work is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CompletionCode {
    /// It replaces the ones before.
    pub number: u32,
    #[schema(example = "7H2KQ9TM")]
    pub code: String,
    pub expires_at: DateTime<Utc>,
}

/// JOB-28.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CallSheetView {
    pub booking_id: Uuid,
    pub version: u32,
    /// `draft` or `published`.
    pub status: String,
    /// None for a draft.
    pub published_at: Option<DateTime<Utc>>,
    #[schema(value_type = Object)]
    pub content: serde_json::Value,
}

/// `now` decides which actions are shown as allowed.
pub(super) fn page(tenant_id: TenantId, stored: &Stored<Booking>, actor: &Actor, now: DateTime<Utc>) -> Option<BookingDetail> {
    let booking = &stored.state;
    let (parties, offer) = (booking.parties()?, booking.offer());
    let agreement = booking.agreement().map(|agreed| AgreementView {
        contract_id: parties.contract_id(tenant_id).uuid(),
        title: agreed.title.clone(),
        template_id: agreed.template_id.map(holdfast_domain::kernel::TemplateId::uuid),
        template_version: agreed.template_version,
        document_hash: agreed.hash.clone(),
        accepted_at: agreed.at,
    });
    let work = booking.work();
    Some(BookingDetail {
        summary: BookingSummary::of(stored)?,
        location: stored.texts.open_some(offer.and_then(|offer| offer.location.as_ref())),
        terms: offer.map(|offer| offer.terms.clone()),
        pricing_snapshot: pricing(booking),
        payment_mode: "escrow".to_owned(),
        payment: payment(tenant_id, booking),
        agreement,
        answer_due_at: offer.map(|offer| offer.answer_due_at).filter(|_| booking.awaits_answer()),
        confirmed_at: work.confirmed_at,
        started_at: work.started_at,
        cancellation: booking.cancellation().map(|cancelled| CancellationView {
            cause: named(&cancelled.cause),
            reason: cancelled.reason.clone(),
            at: cancelled.at,
        }),
        dispute: booking.dispute().map(|dispute| BookingDisputeView { id: dispute.dispute_id.uuid(), status: named(&dispute.status) }),
        redos: work.redos,
        completion_code: code(tenant_id, booking, actor),
        call_sheet_version: booking.call_sheet().map(|sheet| sheet.version),
        allowed_actions: booking.allowed_actions(tenant_id, actor, now).into_iter().map(|action| action.to_string()).collect(),
    })
}

/// Which code counts, for the payer's side; the code itself is the server's to add. Never to the provider, who must be given it.
fn code(tenant_id: TenantId, booking: &Booking, actor: &Actor) -> Option<CompletionCode> {
    let hats = booking.hats(tenant_id, actor);
    let may_see = hats.contains(&Hat::Payer) && !hats.contains(&Hat::Talent);
    let otp = booking.otp().filter(|_| may_see && booking.can_be_completed())?;
    Some(CompletionCode { number: otp.number, code: String::new(), expires_at: otp.expires_at })
}

fn pricing(booking: &Booking) -> Option<PricingSnapshot> {
    let pricing = booking.offer()?.pricing;
    let currency = pricing.total.currency();
    let [provider_share, tenant_share, platform_share, tax, withholding] = pricing.entitlements.money(currency).map(Money::amount);
    Some(PricingSnapshot {
        total_payable: pricing.total.amount(),
        provider_share,
        tenant_share,
        platform_share,
        tax,
        withholding,
        currency: currency.code().to_owned(),
        split_policy: serde_json::to_value(pricing.split).unwrap_or_default(),
    })
}

fn payment(tenant_id: TenantId, booking: &Booking) -> PaymentView {
    let escrow_id = booking.parties().filter(|_| booking.is_agreed()).map(|parties| parties.escrow_id(tenant_id).uuid());
    let status = match (escrow_id, booking.is_paid()) {
        (None, _) => "none",
        (Some(_), false) => "awaiting",
        (Some(_), true) => "secured",
    };
    PaymentView { escrow_id, status: status.to_owned() }
}

/// The stable name of a state, as in JSON.
pub(super) fn named(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
