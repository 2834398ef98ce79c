//! Commands on credits (LED-21, LED-22, MNY-53, MNY-54). Every body names the owner; the stream's id follows from it.

use actix_web::web;
use chrono::{DateTime, Utc};
use holdfast_domain::credits::{Credits, CreditsCommand, CreditsOwner, LotKind, Provider, Reference, Usage};
use holdfast_domain::kernel::{Money, PartyId, ReservationId, Role, TenantId};
use holdfast_domain::wallet::{OwnerType, Wallet, WalletCommand};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::Capability::{CreditsConsume, CreditsIssue, CreditsPurchase, CreditsRevoke};
use crate::commands::answer::{Answered, CommandAnswer};
use crate::commands::{Side, execute};
use crate::error::ApiError;
use crate::request::{AmountText, Caller, CommandBody, CurrencyCode, PathId, Text, positive_amount};
use crate::routes::{AccessCase, Foreign, ForeignId, RouteSpec, post};
use crate::state::Shared;

pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec::money("/v1/credits/issue", &[CreditsIssue], || web::post().to(issue_credits)),
    RouteSpec::money("/v1/credits/revoke", &[CreditsRevoke], || web::post().to(revoke_credits)),
    RouteSpec::money("/v1/credits/purchase", &[CreditsPurchase], || web::post().to(purchase_credits)),
    RouteSpec::money("/v1/credits/consume", &[CreditsConsume], || web::post().to(consume_credits)),
    RouteSpec::money("/v1/credits/reservations", &[CreditsConsume], || web::post().to(reserve_credits)),
    RouteSpec::money("/v1/credits/reservations/{reservationId}/consume", &[CreditsConsume], || web::post().to(consume_reserved_credits)),
    RouteSpec::money("/v1/credits/reservations/{reservationId}/release", &[CreditsConsume], || web::post().to(release_credits)),
];

const ISSUE: &str = r#"{"ownerId":"{party}","units":1,"reason":"isolation"}"#;
const PURCHASE: &str = r#"{"ownerId":"{party}","units":1,"price":{"amount":"1","currency":"EUR"}}"#;
const CONSUME: &str = r#"{"ownerId":"{party}","units":1,"refType":"campaign","refId":"00000000-0000-4000-8000-000000000004"}"#;
const RESERVE: &str = r#"{"reservationId":"00000000-0000-4000-8000-000000000005","ownerId":"{party}","units":1,"until":"2036-01-01T00:00:00Z","refType":"campaign","refId":"00000000-0000-4000-8000-000000000004"}"#;
const OWNER: &str = r#"{"ownerId":"{party}"}"#;

#[rustfmt::skip] // keeps the columns
pub(crate) const CASES: &[AccessCase] = &[
    post("/v1/credits/issue", Role::Service, Role::Finance, ISSUE, Foreign::Body),
    post("/v1/credits/revoke", Role::Service, Role::Finance, ISSUE, Foreign::Body),
    post("/v1/credits/purchase", Role::Service, Role::Finance, PURCHASE, Foreign::Body),
    post("/v1/credits/consume", Role::Finance, Role::Service, CONSUME, Foreign::Body),
    post("/v1/credits/reservations", Role::Finance, Role::Service, RESERVE, Foreign::Body),
    post("/v1/credits/reservations/{reservationId}/consume", Role::Finance, Role::Service, CONSUME, Foreign::Path(ForeignId::Unknown)),
    post("/v1/credits/reservations/{reservationId}/release", Role::Finance, Role::Service, OWNER, Foreign::Path(ForeignId::Unknown)),
];

/// Whose credits: `user` unless the type is named; the tenant's own are those of its id.
pub(crate) fn owner_of(owner_type: Option<OwnerType>, owner_id: PartyId, tenant_id: TenantId) -> Result<CreditsOwner, ApiError> {
    let owner_type = owner_type.unwrap_or(OwnerType::User);
    if owner_type == OwnerType::Tenant && owner_id.uuid() != tenant_id.uuid() {
        return Err(ApiError::validation("ownerId", "must be the tenant's id"));
    }
    Ok(CreditsOwner { owner_type, owner_id })
}

/// LED-21.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct IssueCredits {
    /// `user` (the default), `talent` or `tenant`.
    #[schema(value_type = Option<String>)]
    owner_type: Option<OwnerType>,
    #[schema(value_type = Uuid)]
    owner_id: PartyId,
    /// A whole number above zero; `amount` is understood too.
    #[serde(alias = "amount")]
    units: i64,
    /// None: they do not expire.
    expires_at: Option<DateTime<Utc>>,
    /// Kept in the log as it stands, for ever: a reason of business that names no person.
    reason: Text,
}

/// Give credits: units only, no money behind them (MNY-53).
#[utoipa::path(post, path = "/v1/credits/issue", tag = "credits", request_body = IssueCredits, responses((status = 201, body = CommandAnswer)))]
pub(crate) async fn issue_credits(
    caller: Caller,
    body: CommandBody<IssueCredits>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let IssueCredits { owner_type, owner_id, units, expires_at, reason } = body.content;
    let owner = owner_of(owner_type, owner_id, caller.tenant_id)?;
    let command = CreditsCommand::Issue { owner, units, expires_at, reason: reason.into_string() };
    create(&shared, &side, caller, owner, command, body.fingerprint).await
}

/// LED-22.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RevokeCredits {
    /// `user` (the default), `talent` or `tenant`.
    #[schema(value_type = Option<String>)]
    owner_type: Option<OwnerType>,
    #[schema(value_type = Uuid)]
    owner_id: PartyId,
    /// A whole number above zero; `amount` is understood too.
    #[serde(alias = "amount")]
    units: i64,
    /// `promo` or `sold`: only of these; none: in the order of consumption.
    #[schema(value_type = Option<String>)]
    kind: Option<LotKind>,
    /// Kept in the log as it stands, for ever: a reason of business that names no person.
    reason: Text,
}

/// Take unreserved credits back; sold ones are refunded to the owner's wallet. Fails with `INSUFFICIENT_CREDITS`.
#[utoipa::path(post, path = "/v1/credits/revoke", tag = "credits", request_body = RevokeCredits, responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn revoke_credits(
    caller: Caller,
    body: CommandBody<RevokeCredits>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let RevokeCredits { owner_type, owner_id, units, kind, reason } = body.content;
    let owner = owner_of(owner_type, owner_id, caller.tenant_id)?;
    let command = CreditsCommand::Revoke { owner, units, kind, reason: reason.into_string() };
    send(&shared, &side, caller, owner, command, body.fingerprint).await
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AmountBody {
    amount: AmountText,
    currency: CurrencyCode,
}

impl AmountBody {
    fn money(&self) -> Result<Money, ApiError> {
        positive_amount(&self.amount, &self.currency)
    }
}

/// Row 15 of the postings, from the wallet.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PurchaseCredits {
    /// `user` (the default), `talent` or `tenant`.
    #[schema(value_type = Option<String>)]
    owner_type: Option<OwnerType>,
    #[schema(value_type = Uuid)]
    owner_id: PartyId,
    /// A whole number above zero.
    units: i64,
    /// For all units together, out of the owner's wallet in that currency.
    price: AmountBody,
    /// None: they do not expire.
    expires_at: Option<DateTime<Utc>>,
}

/// Sell credits for money of the owner's wallet. Staff name the price. The answer is the wallet's; the units are there a moment
/// later. Fails with `INSUFFICIENT_FUNDS` or `WALLET_FROZEN`.
#[utoipa::path(post, path = "/v1/credits/purchase", tag = "credits", request_body = PurchaseCredits, responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn purchase_credits(
    caller: Caller,
    body: CommandBody<PurchaseCredits>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let PurchaseCredits { owner_type, owner_id, units, price, expires_at } = body.content;
    let price = price.money()?;
    let wallet = owner_of(owner_type, owner_id, caller.tenant_id)?.wallet(price.currency());
    let wallet_id = wallet.wallet_id(caller.tenant_id).uuid();
    let command = WalletCommand::BuyCredits { units, price, expires_at };
    execute::<Wallet>(&shared, &side, caller, wallet_id, command, body.fingerprint).await.map(Answered::ok)
}

/// What units are spent on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ConsumeCredits {
    /// `user` (the default), `talent` or `tenant`.
    #[schema(value_type = Option<String>)]
    owner_type: Option<OwnerType>,
    #[schema(value_type = Uuid)]
    owner_id: PartyId,
    /// A whole number above zero.
    units: i64,
    ref_type: Slug,
    ref_id: Uuid,
    /// Whose service it is: `platform` (the default) or `tenant`, whose wallet is then credited.
    #[schema(value_type = Option<String>)]
    provider: Option<Provider>,
    /// What a given unit counts; needed when the tenant is to be paid for given units.
    unit_value: Option<AmountBody>,
}

impl ConsumeCredits {
    fn usage(&self) -> Result<Usage, ApiError> {
        Ok(Usage {
            reference: self.ref_type.about(self.ref_id),
            provider: self.provider.unwrap_or(Provider::Platform),
            unit_value: self.unit_value.as_ref().map(AmountBody::money).transpose()?,
        })
    }
}

/// Spend credits: soonest expiry first, then given ones, then older. Fails with `INSUFFICIENT_CREDITS`.
#[utoipa::path(post, path = "/v1/credits/consume", tag = "credits", request_body = ConsumeCredits, responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn consume_credits(
    caller: Caller,
    body: CommandBody<ConsumeCredits>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let owner = owner_of(body.content.owner_type, body.content.owner_id, caller.tenant_id)?;
    let command = CreditsCommand::Consume { owner, units: body.content.units, usage: body.content.usage()? };
    send(&shared, &side, caller, owner, command, body.fingerprint).await
}

/// Units set apart until an end.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ReserveCredits {
    /// Made by the caller: the same id with the same content again changes nothing.
    #[schema(value_type = Uuid)]
    reservation_id: ReservationId,
    /// `user` (the default), `talent` or `tenant`.
    #[schema(value_type = Option<String>)]
    owner_type: Option<OwnerType>,
    #[schema(value_type = Uuid)]
    owner_id: PartyId,
    /// A whole number above zero.
    units: i64,
    /// When it ends by itself: at the latest 24 hours after what it is for, and at most 366 days from now.
    until: DateTime<Utc>,
    ref_type: Slug,
    ref_id: Uuid,
}

/// Set credits apart; they outlive their expiry while they are reserved (MNY-54). Fails with `INSUFFICIENT_CREDITS`.
#[utoipa::path(post, path = "/v1/credits/reservations", tag = "credits", request_body = ReserveCredits, responses((status = 201, body = CommandAnswer)))]
pub(crate) async fn reserve_credits(
    caller: Caller,
    body: CommandBody<ReserveCredits>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let ReserveCredits { reservation_id, owner_type, owner_id, units, until, ref_type, ref_id } = body.content;
    let owner = owner_of(owner_type, owner_id, caller.tenant_id)?;
    let command = CreditsCommand::Reserve { owner, reservation_id, units, until, reference: ref_type.about(ref_id) };
    create(&shared, &side, caller, owner, command, body.fingerprint).await
}

/// Spend units of a reservation. Fails with `RESERVATION_NOT_FOUND`, `RESERVATION_ENDED` or `INSUFFICIENT_CREDITS`.
#[utoipa::path(post, path = "/v1/credits/reservations/{reservationId}/consume", tag = "credits",
    params(("reservationId" = Uuid, Path)), request_body = ConsumeCredits, responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn consume_reserved_credits(
    caller: Caller,
    id: PathId<ReservationId>,
    body: CommandBody<ConsumeCredits>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let owner = owner_of(body.content.owner_type, body.content.owner_id, caller.tenant_id)?;
    let (units, usage) = (body.content.units, body.content.usage()?);
    let command = CreditsCommand::ConsumeReserved { owner, reservation_id: id.0, units, usage };
    send(&shared, &side, caller, owner, command, body.fingerprint).await
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ReleaseCredits {
    /// `user` (the default), `talent` or `tenant`.
    #[schema(value_type = Option<String>)]
    owner_type: Option<OwnerType>,
    #[schema(value_type = Uuid)]
    owner_id: PartyId,
}

/// End a reservation: its units can be spent again, those that have expired meanwhile are gone (MNY-54).
#[utoipa::path(post, path = "/v1/credits/reservations/{reservationId}/release", tag = "credits",
    params(("reservationId" = Uuid, Path)), request_body = ReleaseCredits, responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn release_credits(
    caller: Caller,
    id: PathId<ReservationId>,
    body: CommandBody<ReleaseCredits>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let owner = owner_of(body.content.owner_type, body.content.owner_id, caller.tenant_id)?;
    let command = CreditsCommand::Release { owner, reservation_id: id.0 };
    send(&shared, &side, caller, owner, command, body.fingerprint).await
}

async fn send(
    shared: &Shared,
    side: &Side,
    caller: Caller,
    owner: CreditsOwner,
    command: CreditsCommand,
    fingerprint: Vec<u8>,
) -> Result<Answered, ApiError> {
    let id = owner.credits_id(caller.tenant_id).uuid();
    execute::<Credits>(shared, side, caller, id, command, fingerprint).await.map(Answered::ok)
}

async fn create(
    shared: &Shared,
    side: &Side,
    caller: Caller,
    owner: CreditsOwner,
    command: CreditsCommand,
    fingerprint: Vec<u8>,
) -> Result<Answered, ApiError> {
    let id = owner.credits_id(caller.tenant_id).uuid();
    execute::<Credits>(shared, side, caller, id, command, fingerprint).await.map(Answered::created)
}

/// A short name: 1 to 40 lower case letters, digits and underscores.
#[derive(Debug, Clone, ToSchema)]
#[schema(value_type = String, example = "campaign", pattern = "^[a-z][a-z0-9_]{0,39}$")]
pub(crate) struct Slug(String);

impl Slug {
    fn about(&self, ref_id: Uuid) -> Reference {
        Reference { ref_type: self.0.clone(), ref_id }
    }
}

impl<'de> Deserialize<'de> for Slug {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let plain = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        let short = (1..=40).contains(&text.len()) && text.starts_with(|c: char| c.is_ascii_lowercase());
        if plain && short {
            return Ok(Self(text));
        }
        Err(serde::de::Error::custom("must be 1 to 40 lower case letters, digits and underscores, a letter first"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_units_are_for_is_a_short_plain_name() {
        assert!(serde_json::from_str::<Slug>(r#""ad_campaign2""#).is_ok());
        for text in ["", "Campaign", "a b", "=1+1", "2a", "_a", &"a".repeat(41)] {
            assert!(serde_json::from_value::<Slug>(serde_json::json!(text)).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_tenants_own_credits_are_those_of_its_id() {
        let (tenant, other) = (TenantId(Uuid::from_u128(1)), PartyId(Uuid::from_u128(2)));
        assert!(owner_of(Some(OwnerType::Tenant), PartyId(tenant.0), tenant).is_ok());
        assert!(owner_of(Some(OwnerType::Tenant), other, tenant).is_err());
        assert_eq!(owner_of(None, other, tenant).unwrap().owner_type, OwnerType::User);
    }
}
