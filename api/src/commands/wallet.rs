//! Commands on wallets, and transfers between them (LED-18, LED-30).

use actix_web::web;
use holdfast_domain::kernel::{Role, TenantId, WalletId};
use holdfast_domain::wallet::{Wallet, WalletCommand, WalletOwner};
use holdfast_projections::wallet::TransferId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::auth::Capability::{LedgerTransfer, WalletManage};
use crate::commands::answer::{Answered, CommandAnswer};
use crate::commands::facts::first_event;
use crate::commands::{Side, execute};
use crate::error::ApiError;
use crate::request::{AmountText, Caller, CommandBody, CurrencyCode, NoContent, PathId, Text, positive_amount};
use crate::routes::{AccessCase, Foreign, ForeignId, RouteSpec, post};
use crate::state::Shared;

pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec::money("/v1/wallets/{walletId}/freeze", &[WalletManage], || web::post().to(freeze_wallet)),
    RouteSpec::money("/v1/wallets/{walletId}/unfreeze", &[WalletManage], || web::post().to(unfreeze_wallet)),
    RouteSpec::money("/v1/wallets/{walletId}/close", &[WalletManage], || web::post().to(close_wallet)),
    RouteSpec::money("/v1/ledger/transfer", &[LedgerTransfer], || web::post().to(transfer)),
    RouteSpec::money("/v1/ledger/transfers/{transferId}/approve", &[LedgerTransfer], || web::post().to(approve_transfer)),
    RouteSpec::money("/v1/ledger/transfers/{transferId}/reject", &[LedgerTransfer], || web::post().to(reject_transfer)),
];

const REASON: &str = r#"{"reason":"isolation"}"#;

#[rustfmt::skip] // keeps the columns
pub(crate) const CASES: &[AccessCase] = &[
    post("/v1/ledger/transfers/{transferId}/approve", Role::TenantAdmin, Role::PlatformFinance, "{}", Foreign::Path(ForeignId::Unknown)),
    post("/v1/ledger/transfers/{transferId}/reject", Role::TenantAdmin, Role::PlatformFinance, REASON, Foreign::Path(ForeignId::Unknown)),
];

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Reason {
    /// Kept in the log as it stands, for ever: a reason of business that names no person.
    reason: Text,
}

/// Move all available money of a wallet into its freeze (MNY-51). Credits still arrive, into the freeze.
#[utoipa::path(post, path = "/v1/wallets/{walletId}/freeze", tag = "wallet", params(("walletId" = Uuid, Path)), request_body = Reason,
    responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn freeze_wallet(
    caller: Caller,
    id: PathId<WalletId>,
    body: CommandBody<Reason>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let command = WalletCommand::Freeze { reason: body.content.reason.into_string() };
    execute::<Wallet>(&shared, &side, caller, id.0.uuid(), command, body.fingerprint).await.map(Answered::ok)
}

/// Move what the freeze holds back to available (MNY-51).
#[utoipa::path(post, path = "/v1/wallets/{walletId}/unfreeze", tag = "wallet", params(("walletId" = Uuid, Path)), request_body = Reason,
    responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn unfreeze_wallet(
    caller: Caller,
    id: PathId<WalletId>,
    body: CommandBody<Reason>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let command = WalletCommand::Unfreeze { reason: body.content.reason.into_string() };
    execute::<Wallet>(&shared, &side, caller, id.0.uuid(), command, body.fingerprint).await.map(Answered::ok)
}

/// Close a wallet in which every balance is zero (LED-30, MNY-52).
#[utoipa::path(post, path = "/v1/wallets/{walletId}/close", tag = "wallet", params(("walletId" = Uuid, Path)), request_body = NoContent,
    responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn close_wallet(
    caller: Caller,
    id: PathId<WalletId>,
    body: CommandBody<NoContent>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    execute::<Wallet>(&shared, &side, caller, id.0.uuid(), WalletCommand::Close, body.fingerprint).await.map(Answered::ok)
}

/// LED-18.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Transfer {
    #[schema(value_type = Uuid)]
    from_wallet_id: WalletId,
    #[schema(value_type = Uuid)]
    to_wallet_id: WalletId,
    amount: AmountText,
    currency: CurrencyCode,
    /// Kept in the log as it stands, for ever: a reason of business that names no person.
    reason: Text,
}

/// What became of a transfer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TransferAnswer {
    #[serde(flatten)]
    answer: CommandAnswer,
    /// Of a transfer that waits for a second person: what approve and reject take.
    #[serde(skip_serializing_if = "Option::is_none")]
    transfer_id: Option<String>,
}

impl From<CommandAnswer> for TransferAnswer {
    fn from(answer: CommandAnswer) -> Self {
        let requested = answer.events.iter().find(|event| event.event_type == "wallet.transfer_requested");
        let transfer_id = requested.map(|event| TransferId { wallet_id: WalletId(answer.id), number: event.sequence }.to_string());
        Self { answer, transfer_id }
    }
}

/// Move money between two wallets of the tenant. Above the tenant's or the caller's limit nothing moves yet: the answer has
/// a `transferId` for a second person. Fails with `INSUFFICIENT_FUNDS`, `CURRENCY_MISMATCH` or `WALLET_FROZEN`.
#[utoipa::path(post, path = "/v1/ledger/transfer", tag = "ledger", request_body = Transfer, responses((status = 200, body = TransferAnswer)))]
pub(crate) async fn transfer(
    caller: Caller,
    body: CommandBody<Transfer>,
    shared: Shared,
    side: Side,
) -> Result<Answered<TransferAnswer>, ApiError> {
    let transfer = body.content;
    let amount = positive_amount(&transfer.amount, &transfer.currency)?;
    let to = owner_of(&shared, &side, caller.tenant_id, transfer.to_wallet_id).await?;
    let command = WalletCommand::Transfer { amount, to_wallet_id: transfer.to_wallet_id, to, reason: transfer.reason.into_string() };
    let accepted = execute::<Wallet>(&shared, &side, caller, transfer.from_wallet_id.uuid(), command, body.fingerprint).await?;
    Ok(Answered::ok(accepted).map(TransferAnswer::from))
}

/// Agree to a transfer that somebody else asked for; it is made now. Fails with `TRANSFER_NOT_FOUND`, `TRANSFER_EXPIRED`,
/// `FOUR_EYES_REQUIRED`, `APPROVAL_REQUIRED`, `INSUFFICIENT_FUNDS` or `WALLET_FROZEN`.
#[utoipa::path(post, path = "/v1/ledger/transfers/{transferId}/approve", tag = "ledger", params(("transferId" = String, Path)),
    request_body = NoContent, responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn approve_transfer(
    caller: Caller,
    id: PathId<String>,
    body: CommandBody<NoContent>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let TransferId { wallet_id, number } = transfer_id(&id.0)?;
    let command = WalletCommand::ApproveTransfer { transfer: number };
    execute::<Wallet>(&shared, &side, caller, wallet_id.uuid(), command, body.fingerprint).await.map(Answered::ok)
}

/// Refuse a transfer that waits, or withdraw one's own. Fails with `TRANSFER_NOT_FOUND`.
#[utoipa::path(post, path = "/v1/ledger/transfers/{transferId}/reject", tag = "ledger", params(("transferId" = String, Path)),
    request_body = Reason, responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn reject_transfer(
    caller: Caller,
    id: PathId<String>,
    body: CommandBody<Reason>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let TransferId { wallet_id, number } = transfer_id(&id.0)?;
    let command = WalletCommand::RejectTransfer { transfer: number, reason: body.content.reason.into_string() };
    execute::<Wallet>(&shared, &side, caller, wallet_id.uuid(), command, body.fingerprint).await.map(Answered::ok)
}

/// An id of another shape names nothing.
fn transfer_id(text: &str) -> Result<TransferId, ApiError> {
    text.parse().map_err(|_| ApiError::not_found("TRANSFER_NOT_FOUND", "transfer"))
}

/// Owner and currency of a wallet.
async fn owner_of(shared: &Shared, side: &Side, tenant_id: TenantId, wallet_id: WalletId) -> Result<WalletOwner, ApiError> {
    let opened = first_event::<Wallet>(shared, side, tenant_id, wallet_id.uuid()).await?;
    opened.map(|event| event.owner).ok_or_else(|| ApiError::not_found("WALLET_NOT_FOUND", "wallet"))
}
