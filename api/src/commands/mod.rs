//! Command routes: a request in, one command to a writer, its answer out. One file per context.

pub(crate) mod agreement; // texts of contracts
pub(crate) mod answer; // what an accepted command answers
pub(crate) mod asset;
pub(crate) mod bank_receipt;
pub(crate) mod batch; // many in one request
pub(crate) mod booking;
pub(crate) mod booking_work;
pub(crate) mod call_sheet;
pub(crate) mod contract;
pub(crate) mod credits;
pub(crate) mod dead_letter; // another attempt at a reaction
pub(crate) mod dispute;
mod dispute_id;
pub(crate) mod escrow;
pub(crate) mod escrow_end; // cancel, refund
mod escrow_reference; // its booking, its milestone
pub(crate) mod esign_webhook; // what signing providers tell us
pub(crate) mod facts; // of other streams, from the log
pub(crate) mod job;
pub(crate) mod person; // its erasure
pub(crate) mod projection; // orders about read models
pub(crate) mod session; // its end
pub(crate) mod signing; // in the app, or by a link
pub(crate) mod template; // and clauses
pub(crate) mod tenant;
pub(crate) mod wallet;

use actix_web::web::Data;
use holdfast_commands::personal::SealError;
use holdfast_commands::{Accepted, IdempotencyKey, KeyOwner, Request};
use holdfast_domain::kernel::{PartyId, Personal, TenantAggregate, derived_uuid};
use serde_json::json;
use uuid::Uuid;

use crate::error::ApiError;
use crate::request::{Caller, PersonalText};
use crate::state::{CommandSide, Shared};

/// The command side of the process that serves this request.
pub(crate) type Side = Data<CommandSide>;

/// Hands one command of `caller` to the writers and waits for the commit.
pub(crate) async fn execute<A: TenantAggregate>(
    shared: &Shared,
    side: &Side,
    caller: Caller,
    aggregate_id: Uuid,
    command: A::Command,
    fingerprint: Vec<u8>,
) -> Result<Accepted, ApiError> {
    let owner = KeyOwner::Actor(caller.actor.id);
    let key = caller.idempotency_key.map(|key| IdempotencyKey { owner, key, request_hash: fingerprint });
    let keyed = key.is_some();
    let request = Request::<A> {
        tenant_id: caller.tenant_id,
        aggregate_id,
        command,
        actor: caller.actor,
        request_id: caller.request_id,
        correlation_id: caller.correlation_id,
        causation_id: None,
        hops: 0,
        key,
        if_match: caller.if_match,
        not_before: None,
    };
    let writers = side.writers.clone();
    shared.tasks.run(async move { writers.execute(request).await.map_err(|refusal| ApiError::refused(refusal, keyed)) }).await
}

/// For a new stream. It follows from the key, so that a repeat after an unknown outcome meets the stream that it may have made.
pub(crate) fn new_id(caller: &Caller, purpose: &str) -> Uuid {
    let derived = |key: &String| derived_uuid(caller.tenant_id, caller.actor.id.uuid(), &format!("{purpose}:{key}"), 0);
    caller.idempotency_key.as_ref().map_or_else(Uuid::now_v7, derived)
}

/// A value could not be sealed: the person was erased, or the keys cannot be had now.
pub(crate) fn unsealed(error: &SealError, sentence: &'static str) -> ApiError {
    if matches!(error, SealError::Erased) {
        return ApiError::conflict("PERSON_ERASED", error.to_string(), json!({}));
    }
    tracing::error!(error = error as &dyn std::error::Error, "a value could not be sealed");
    ApiError::unavailable(sentence)
}

/// Seals what is personal under the key of `subject`, before any command sees it.
pub(crate) async fn seal(
    shared: &Shared,
    side: &Side,
    caller: &Caller,
    subject: PartyId,
    text: Option<PersonalText>,
) -> Result<Option<Personal<String>>, ApiError> {
    let Some(text) = text.map(PersonalText::into_plain) else { return Ok(None) };
    let (sealer, tenant_id) = (side.sealer.clone(), caller.tenant_id);
    let sealed = async move {
        sealer.seal(tenant_id, subject, &text).await.map_err(|error| unsealed(&error, "personal data cannot be sealed at the moment"))
    };
    shared.tasks.run(sealed).await.map(Some)
}
