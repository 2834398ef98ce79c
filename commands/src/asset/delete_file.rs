//! An asset is deleted, or nobody confirmed it in time → its bytes go (TAL-31).

use futures::FutureExt as _;
use futures::future::BoxFuture;
use holdfast_domain::asset::Asset;
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::{AssetId, Recorded};
use holdfast_files::StorageKey;

use crate::effect::{Effect, EffectError, Ports, load};
use crate::reaction::Step;

pub(crate) const EFFECT: Effect = Effect { name: "delete_file", on: &["asset.deleted", "asset.expired"], run };

fn run<'a>(ports: &'a Ports, event: &'a Recorded<AnyEvent>) -> BoxFuture<'a, Result<Vec<Step>, EffectError>> {
    deleted(ports, event).boxed()
}

async fn deleted(ports: &Ports, event: &Recorded<AnyEvent>) -> Result<Vec<Step>, EffectError> {
    let (tenant_id, asset_id) = (event.origin.tenant_id, AssetId(event.origin.aggregate_id));
    let Some(asset) = load::<Asset>(ports, tenant_id, asset_id.uuid()).await? else { return Ok(Vec::new()) };
    ports.files.discard_upload(tenant_id, asset_id).await.map_err(EffectError::ours)?;
    if let Some(sha256) = asset.sha256().and_then(|sha256| sha256.parse().ok()) {
        ports.files.delete(&StorageKey::ready(tenant_id, asset_id, sha256)).await.map_err(EffectError::ours)?;
    }
    Ok(Vec::new())
}
