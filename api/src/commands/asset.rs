//! Files on their way in: the ticket, the confirmation, the deletion (TAL-19, TAL-20, TAL-31). The bytes themselves go by
//! `crate::files` or straight to the bucket (docs/files.md).

mod owner; // of the file: who they are, and who may add to it

use std::collections::BTreeMap;

use actix_web::web;
use chrono::{DateTime, Utc};
use holdfast_domain::asset::{Announce, Asset, AssetCommand, AssetKind, AssetOwner, AssetStatus, OwnerType};
use holdfast_domain::kernel::{AssetId, Role, derived_uuid};
use holdfast_files::{Checksum, Confirmed, ContentType, Expected, Refusal, UploadTicket};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::Capability::AssetsUpload;
use crate::commands::answer::{Answered, CommandAnswer};
use crate::commands::facts::load;
use crate::commands::{Side, execute, seal};
use crate::error::ApiError;
use crate::files::refused;
use crate::request::{Caller, CommandBody, NoContent, PathId, PersonalText};
use crate::routes::{AccessCase, Foreign, ForeignId, RouteSpec, post, with};
use crate::state::Shared;

pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec::command("POST", "/v1/assets/presign-upload", &[AssetsUpload], || web::post().to(presign_upload)),
    RouteSpec::command("POST", "/v1/assets/confirm-upload", &[AssetsUpload], || web::post().to(confirm_upload)),
    RouteSpec::command("DELETE", "/v1/assets/{assetId}", &[AssetsUpload], || web::delete().to(delete_asset)),
];

#[rustfmt::skip] // keeps the columns
pub(crate) const CASES: &[AccessCase] = &[
    post("/v1/assets/presign-upload", Role::Viewer, Role::Talent, NEW_ASSET, Foreign::Body),
    post("/v1/assets/confirm-upload", Role::Auditor, Role::Talent, r#"{"assetId":"{asset}"}"#, Foreign::Body),
    with("DELETE", "/v1/assets/{assetId}", Role::Auditor, Role::TenantAdmin, "{}", Foreign::Path(ForeignId::Asset)),
];

const NEW_ASSET: &str = r#"{"ownerType":"delivery_artifact","ownerId":"{escrow}","kind":"photo","mime":"image/png","size":70}"#;

/// TAL-19.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PresignUpload {
    /// `talent_portfolio`, `dispute_evidence`, `delivery_artifact` (of an escrow) or `job_brief`.
    #[schema(value_type = String, example = "talent_portfolio")]
    owner_type: OwnerType,
    owner_id: Uuid,
    /// What the owner calls it: 1 to 50 of `a-z 0-9 - _`.
    #[schema(value_type = String, example = "headshot")]
    kind: AssetKind,
    #[schema(example = "image/png")]
    mime: String,
    /// Bytes, exactly.
    #[schema(example = 70)]
    size: u64,
    /// Under which it is downloaded; at most 255 characters.
    #[schema(value_type = Option<String>, example = "me.png")]
    file_name: Option<PersonalText>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TicketAnswer {
    #[serde(flatten)]
    pub command: CommandAnswer,
    pub upload: TicketView,
}

/// How to send the bytes: whoever has this can, until it expires.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TicketView {
    #[schema(example = "PUT")]
    pub method: &'static str,
    pub url: String,
    /// To be sent exactly so.
    #[schema(value_type = BTreeMap<String, String>)]
    pub headers: BTreeMap<&'static str, &'static str>,
    pub expires_at: DateTime<Utc>,
}

impl From<UploadTicket> for TicketView {
    fn from(ticket: UploadTicket) -> Self {
        let UploadTicket { method, url, headers, expires_at } = ticket;
        Self { method, url, headers: headers.into_iter().collect(), expires_at }
    }
}

/// Get a ticket to upload one file (TAL-19). The same key again gives the same asset a new ticket. Fails with
/// `FILE_TYPE_NOT_ALLOWED`, `FILE_TOO_LARGE`, `FILE_EMPTY`, `RATE_LIMITED`, or as its owner does when it is not there.
#[utoipa::path(post, path = "/v1/assets/presign-upload", tag = "assets", request_body = PresignUpload,
    responses((status = 201, body = TicketAnswer), (status = 429, description = "`RATE_LIMITED`: too many tickets for one person")))]
pub(crate) async fn presign_upload(
    caller: Caller,
    body: CommandBody<PresignUpload>,
    shared: Shared,
    side: Side,
) -> Result<Answered<TicketAnswer>, ApiError> {
    side.tickets.admit(&caller)?;
    let PresignUpload { owner_type, owner_id, kind, mime, size, file_name } = body.content;
    let content_type = ContentType::of(&mime).map_err(|refusal| ApiError::by_rule(&refusal))?;
    let file_name = file_name.map(short_name).transpose()?;
    let owner = AssetOwner { owner_type, owner_id };
    let shared_with = owner::parties(&shared, &side, &caller, owner).await?;
    let id = new_asset_id(&caller);
    let ticket = ticket(&shared, &side, &caller, id, content_type, size).await?;
    let file_name = seal(&shared, &side, &caller, caller.actor.id, file_name).await?;
    let mime = content_type.mime().to_owned();
    let announce = Announce { owner, kind, mime, size, file_name, shared_with, expires_at: ticket.expires_at };
    let command = AssetCommand::Announce(Box::new(announce));
    let accepted = execute::<Asset>(&shared, &side, caller, id.uuid(), command, body.fingerprint).await?;
    Ok(Answered::created(accepted).map(|command| TicketAnswer { command, upload: ticket.into() }))
}

fn short_name(name: PersonalText) -> Result<PersonalText, ApiError> {
    if name.satisfies(|name| name.chars().count() <= 255) {
        Ok(name)
    } else {
        Err(ApiError::validation("fileName", "must be at most 255 characters"))
    }
}

/// The id follows from the key, so that a repeat after an unknown outcome meets the stream that it may have made.
fn new_asset_id(caller: &Caller) -> AssetId {
    let derived = |key: &String| derived_uuid(caller.tenant_id, caller.actor.id.uuid(), &format!("asset.announce:{key}"), 0);
    AssetId(caller.idempotency_key.as_ref().map_or_else(Uuid::now_v7, derived))
}

async fn ticket(
    shared: &Shared,
    side: &Side,
    caller: &Caller,
    id: AssetId,
    content_type: ContentType,
    size: u64,
) -> Result<UploadTicket, ApiError> {
    let (files, tenant_id) = (side.files.clone(), caller.tenant_id);
    let signed = async move { files.presign_upload(tenant_id, id, content_type, size, Utc::now()).await.map_err(refused) };
    shared.tasks.run(signed).await
}

/// TAL-20.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ConfirmUpload {
    #[schema(value_type = Uuid)]
    asset_id: AssetId,
    /// SHA-256 of what was sent, 64 hexadecimal digits.
    #[schema(value_type = Option<String>)]
    checksum: Option<Checksum>,
}

/// Say that the file is uploaded, as its uploader: it is looked at and kept (TAL-20). Fails with `ASSET_NOT_UPLOADED`,
/// `FILE_SIZE_DIFFERS`, `FILE_CHECKSUM_DIFFERS`, `FILE_TYPE_DIFFERS` (the ticket can be used again), `INVALID_ASSET_TRANSITION`.
#[utoipa::path(post, path = "/v1/assets/confirm-upload", tag = "assets", request_body = ConfirmUpload,
    responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn confirm_upload(
    caller: Caller,
    body: CommandBody<ConfirmUpload>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let ConfirmUpload { asset_id, checksum } = body.content;
    let tenant_id = caller.tenant_id;
    let asset: Asset = load(&shared, &side, tenant_id, asset_id.uuid()).await?.ok_or_else(not_found)?;
    let about = asset.to_confirm(&caller.actor).map_err(|refusal| ApiError::by_rule(&refusal))?;
    let (mime, size) = (about.mime.clone(), about.size);
    let known = asset.sha256().and_then(|sha256| sha256.parse::<Checksum>().ok());
    let looked_at = match known {
        Some(known) if checksum.is_some_and(|given| given != known) => return Err(ApiError::by_rule(&Refusal::ChecksumDiffers)),
        // The storage has said so before.
        Some(known) => (known, None),
        None => {
            let content_type = ContentType::of(&mime).map_err(|refusal| ApiError::by_rule(&refusal))?;
            let confirmed = look_at(&shared, &side, &caller, asset_id, Expected { content_type, size, sha256: checksum }).await?;
            (confirmed.sha256, Some(confirmed))
        }
    };
    let (sha256, kept) = looked_at;
    let command = AssetCommand::Confirm { sha256: sha256.to_string(), mime, size };
    let answer = execute::<Asset>(&shared, &side, caller, asset_id.uuid(), command, body.fingerprint).await;
    if let (Err(_), Some(confirmed)) = (&answer, kept) {
        forget_if_over(&shared, &side, confirmed, asset_id).await;
    }
    answer.map(Answered::ok)
}

async fn look_at(shared: &Shared, side: &Side, caller: &Caller, id: AssetId, expected: Expected) -> Result<Confirmed, ApiError> {
    let (files, tenant_id) = (side.files.clone(), caller.tenant_id);
    shared.tasks.run(async move { files.confirm(tenant_id, id, expected).await.map_err(refused) }).await
}

/// It was deleted or expired while it was looked at: nothing will ever lead to what was kept.
async fn forget_if_over(shared: &Shared, side: &Side, confirmed: Confirmed, id: AssetId) {
    let asset = load::<Asset>(shared, side, confirmed.key.tenant_id(), id.uuid()).await;
    let status = asset.ok().flatten().map(|asset| asset.asset_status());
    if matches!(status, Some(AssetStatus::Deleted | AssetStatus::Expired)) {
        let files = side.files.clone();
        let deleted = async move { files.delete(&confirmed.key).await.map_err(refused) };
        // What cannot be deleted now was logged, costs space and shows nothing to anybody.
        let _ = shared.tasks.run(deleted).await;
    }
}

/// Delete a file, as its uploader or the tenant's administrator. Fails with `ASSET_IN_USE` when it is kept as a proof (DSP-38).
#[utoipa::path(delete, path = "/v1/assets/{assetId}", tag = "assets", params(("assetId" = Uuid, Path)), request_body = NoContent,
    responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn delete_asset(
    caller: Caller,
    id: PathId<AssetId>,
    body: CommandBody<NoContent>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    execute::<Asset>(&shared, &side, caller, id.0.uuid(), AssetCommand::Delete, body.fingerprint).await.map(Answered::ok)
}

fn not_found() -> ApiError {
    ApiError::not_found("ASSET_NOT_FOUND", "asset")
}
