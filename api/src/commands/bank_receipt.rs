//! Money that arrived on the client account (postings rows 1, 2, 28 of docs/domain/ledger.md): recorded by platform staff only.

use actix_web::web;
use chrono::{DateTime, Utc};
use holdfast_domain::bank_receipt::{BankReceipt, BankReceiptCommand, bank_receipt_id};
use holdfast_domain::escrow::Escrow;
use holdfast_domain::kernel::{BankReceiptId, EscrowId, PartyId};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::auth::Capability::BankReceiptsRecord;
use crate::commands::answer::{Answered, CommandAnswer};
use crate::commands::facts::first_event;
use crate::commands::{Side, execute, seal};
use crate::error::ApiError;
use crate::request::{AmountText, Caller, CommandBody, CurrencyCode, PathId, PersonalText, Text, positive_amount};
use crate::routes::RouteSpec;
use crate::state::Shared;

pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec::money("/v1/bank-receipts", &[BankReceiptsRecord], || web::post().to(record_bank_receipt)),
    RouteSpec::money("/v1/bank-receipts/{bankReceiptId}/assign", &[BankReceiptsRecord], || web::post().to(assign_bank_receipt)),
];

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RecordBankReceipt {
    /// The bank's own reference; the same one with the same content again changes nothing.
    #[schema(value_type = String, example = "FT-2026-000123")]
    bank_reference: Text,
    amount: AmountText,
    currency: CurrencyCode,
    received_at: DateTime<Utc>,
    /// None: it waits until somebody says whose it is.
    #[schema(value_type = Option<Uuid>)]
    payer_id: Option<PartyId>,
    /// The money is held for this escrow at once (MNY-10).
    #[schema(value_type = Option<Uuid>)]
    escrow_id: Option<EscrowId>,
    remitter_name: Option<PersonalText>,
}

/// Record money that the bank reports. Idempotent by bank reference; fails with `BANK_RECEIPT_DIFFERS`.
#[utoipa::path(post, path = "/v1/bank-receipts", tag = "bank receipts", request_body = RecordBankReceipt,
    responses((status = 201, body = CommandAnswer)))]
pub(crate) async fn record_bank_receipt(
    caller: Caller,
    body: CommandBody<RecordBankReceipt>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let receipt = body.content;
    let amount = positive_amount(&receipt.amount, &receipt.currency)?;
    must_exist(&shared, &side, &caller, receipt.escrow_id).await?;
    let bank_reference = receipt.bank_reference.into_string();
    let id = bank_receipt_id(caller.tenant_id, &bank_reference);
    // Nobody knows yet whose the name is when no payer is: its key then hangs on the receipt.
    let subject = receipt.payer_id.unwrap_or(PartyId(id.uuid()));
    let remitter = seal(&shared, &side, &caller, subject, receipt.remitter_name).await?;
    let command = BankReceiptCommand::Record {
        bank_reference,
        amount,
        received_at: receipt.received_at,
        payer_id: receipt.payer_id,
        escrow_id: receipt.escrow_id,
        remitter,
    };
    execute::<BankReceipt>(&shared, &side, caller, id.uuid(), command, body.fingerprint).await.map(Answered::created)
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AssignBankReceipt {
    #[schema(value_type = Uuid)]
    payer_id: PartyId,
    #[schema(value_type = Option<Uuid>)]
    escrow_id: Option<EscrowId>,
}

/// Say whose an unapplied receipt is; its money goes to that payer's wallet.
#[utoipa::path(post, path = "/v1/bank-receipts/{bankReceiptId}/assign", tag = "bank receipts", params(("bankReceiptId" = Uuid, Path)),
    request_body = AssignBankReceipt, responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn assign_bank_receipt(
    caller: Caller,
    id: PathId<BankReceiptId>,
    body: CommandBody<AssignBankReceipt>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    must_exist(&shared, &side, &caller, body.content.escrow_id).await?;
    let command = BankReceiptCommand::Assign { payer_id: body.content.payer_id, escrow_id: body.content.escrow_id };
    execute::<BankReceipt>(&shared, &side, caller, id.0.uuid(), command, body.fingerprint).await.map(Answered::ok)
}

/// Money held for an escrow that is not there would wait for ever.
async fn must_exist(shared: &Shared, side: &Side, caller: &Caller, escrow_id: Option<EscrowId>) -> Result<(), ApiError> {
    let Some(escrow_id) = escrow_id else { return Ok(()) };
    let created = first_event::<Escrow>(shared, side, caller.tenant_id, escrow_id.uuid()).await?;
    created.map(drop).ok_or_else(|| ApiError::not_found("ESCROW_NOT_FOUND", "escrow"))
}
