//! Commands on contracts (CTR-17, CTR-19..21, CTR-23, CTR-26). Signing has files of its own.

use std::collections::BTreeMap;

use actix_web::web;
use chrono::{DateTime, Utc};
use holdfast_domain::booking::{Booking, BookingParties};
use holdfast_domain::contract::{
    Contract, ContractCommand, ContractError, ContractTerms, ContractVersion, CreateContract, MAX_BODY_BYTES, NewMilestone, NewSigner,
    PartyType, RenderError, document_hash,
};
use holdfast_domain::job::Job;
use holdfast_domain::kernel::{BookingId, ContractId, JobId, MilestoneId, PartyId, SignerId, TemplateId};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::auth::Capability::{ContractsCreate, ContractsSend, ContractsVoid};
use crate::commands::agreement::{Source, seal_for_contract};
use crate::commands::answer::{Answered, CommandAnswer};
use crate::commands::facts::load;
use crate::commands::{Side, execute, new_id, seal};
use crate::error::ApiError;
use crate::request::{AmountText, Caller, CommandBody, CurrencyCode, PathId, PathIds, PersonalText, Text, positive_amount};
use crate::routes::{AccessCase, Foreign, ForeignId, RouteSpec, post, with};
use crate::state::Shared;

pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec::command("POST", "/v1/contracts", &[ContractsCreate], || web::post().to(create_contract)),
    RouteSpec::command("PATCH", "/v1/contracts/{contractId}", &[ContractsCreate], || web::patch().to(edit_contract)),
    RouteSpec::command("POST", "/v1/contracts/{contractId}/signers", &[ContractsCreate], || web::post().to(add_signer)),
    RouteSpec::command("POST", "/v1/contracts/{contractId}/send", &[ContractsSend], || web::post().to(send_contract)),
    // Ends what escrows stand on: money moves.
    RouteSpec::money("/v1/contracts/{contractId}/void", &[ContractsVoid], || web::post().to(void_contract)),
    RouteSpec::command("POST", "/v1/contracts/{contractId}/milestones/{milestoneId}/reached", &[ContractsCreate], || {
        web::post().to(reach_milestone)
    }),
];

use holdfast_domain::kernel::Role::{Casting, Ops, TalentManager, TenantAdmin, Viewer};

const CONTRACT: Foreign = Foreign::Path(ForeignId::Contract);

#[rustfmt::skip] // keeps the columns
pub(crate) const CASES: &[AccessCase] = &[
    post("/v1/contracts", Viewer, Casting, r#"{"jobId":"{party}","variables":{}}"#, Foreign::Body),
    with("PATCH", "/v1/contracts/{contractId}", Viewer, Casting, r#"{"title":"isolation"}"#, CONTRACT),
    post("/v1/contracts/{contractId}/signers", Viewer, Casting, r#"{"partyType":"witness","partyId":"{party}"}"#, CONTRACT),
    post("/v1/contracts/{contractId}/send", Casting, TalentManager, "{}", CONTRACT),
    post("/v1/contracts/{contractId}/void", Ops, TenantAdmin, r#"{"reason":"isolation"}"#, CONTRACT),
    post("/v1/contracts/{contractId}/milestones/{milestoneId}/reached", Viewer, Casting, "{}", CONTRACT),
];

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct MilestoneWanted {
    #[schema(value_type = String)]
    title: Text,
    #[schema(value_type = String, example = "400.00")]
    amount: AmountText,
    #[schema(value_type = String, example = "EUR")]
    currency: CurrencyCode,
    due_at: Option<DateTime<Utc>>,
    /// Kept in the log as they stand, for ever: they name no person.
    #[schema(value_type = Option<String>)]
    conditions: Option<Text>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SignerWanted {
    /// Somebody who can log in; without one there must be an e-mail address.
    #[schema(value_type = Option<Uuid>)]
    party_id: Option<PartyId>,
    #[schema(value_type = String, example = "talent")]
    party_type: PartyType,
    #[schema(value_type = Option<String>)]
    name: Option<PersonalText>,
    #[schema(value_type = Option<String>)]
    email: Option<PersonalText>,
    /// Lower numbers sign first; without one, any time.
    order: Option<u32>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ContractWanted {
    /// This or `jobId`.
    #[schema(value_type = Option<Uuid>)]
    booking_id: Option<BookingId>,
    #[schema(value_type = Option<Uuid>)]
    job_id: Option<JobId>,
    /// None: the standard text.
    #[schema(value_type = Option<Uuid>)]
    template_id: Option<TemplateId>,
    /// The template's name when none is given.
    #[schema(value_type = Option<String>)]
    title: Option<Text>,
    /// A value for each required variable of the template.
    #[serde(default)]
    variables: BTreeMap<String, String>,
    /// Those of the booking when none are given.
    #[schema(value_type = Option<Uuid>)]
    payer_id: Option<PartyId>,
    #[schema(value_type = Option<Uuid>)]
    payee_id: Option<PartyId>,
    #[serde(default)]
    milestones: Vec<MilestoneWanted>,
    #[serde(default)]
    signers: Vec<SignerWanted>,
}

/// Draft a contract from a published template (CTR-17). Fails with `TEMPLATE_NOT_FOUND`, `TEMPLATE_NOT_PUBLISHED`,
/// `MISSING_VARIABLE`, which names all that are missing, or `SPLIT_BELOW_TAX`.
#[utoipa::path(post, path = "/v1/contracts", tag = "contracts", request_body = ContractWanted,
    responses((status = 201, body = CommandAnswer)))]
pub(crate) async fn create_contract(
    caller: Caller,
    body: CommandBody<ContractWanted>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let wanted = body.content;
    let booked = subject(&shared, &side, &caller, wanted.booking_id, wanted.job_id).await?;
    let contract_id = ContractId(new_id(&caller, "contract.create"));
    let source = Source::load(&shared, &side, &caller, wanted.template_id).await?;
    let text = source.render(&shared, &side, &caller, &wanted.variables).await?;
    let version = ContractVersion {
        number: 0,
        title: wanted.title.map_or(source.name, Text::into_string),
        body: seal_for_contract(&shared, &side, &caller, contract_id, &text.body).await?,
        variables: Some(seal_for_contract(&shared, &side, &caller, contract_id, &wanted.variables).await?),
        hash: text.hash,
    };
    let terms = ContractTerms {
        job_id: wanted.job_id.or(booked.map(|booked| booked.job_id)),
        booking_id: wanted.booking_id,
        template: source.template,
        payer_id: wanted.payer_id.or(booked.and_then(|booked| booked.payer_id)),
        payee_id: wanted.payee_id.or(booked.map(|booked| booked.talent_id)),
    };
    let mut signers = Vec::new();
    for (number, signer) in wanted.signers.into_iter().enumerate() {
        signers.push(new_signer(&shared, &side, &caller, signer, number).await?);
    }
    let milestones = milestones(&caller, wanted.milestones)?;
    let create = CreateContract { contract_id, terms, version, milestones, signers, send: false };
    let command = ContractCommand::Create(Box::new(create));
    execute::<Contract>(&shared, &side, caller, contract_id.uuid(), command, body.fingerprint).await.map(Answered::created)
}

/// What the contract is about must be there.
async fn subject(
    shared: &Shared,
    side: &Side,
    caller: &Caller,
    booking_id: Option<BookingId>,
    job_id: Option<JobId>,
) -> Result<Option<BookingParties>, ApiError> {
    if booking_id.is_none() && job_id.is_none() {
        return Err(ApiError::validation("bookingId", "bookingId or jobId is needed"));
    }
    if let Some(id) = job_id {
        let job = load::<Job>(shared, side, caller.tenant_id, id.uuid()).await?;
        job.ok_or_else(|| ApiError::not_found("JOB_NOT_FOUND", "job"))?;
    }
    let Some(id) = booking_id else { return Ok(None) };
    let booking = load::<Booking>(shared, side, caller.tenant_id, id.uuid()).await?;
    let booking = booking.ok_or_else(|| ApiError::not_found("BOOKING_NOT_FOUND", "booking"))?;
    Ok(booking.parties().copied())
}

fn milestones(caller: &Caller, wanted: Vec<MilestoneWanted>) -> Result<Vec<NewMilestone>, ApiError> {
    let milestone = |(number, wanted): (usize, MilestoneWanted)| {
        Ok(NewMilestone {
            milestone_id: MilestoneId(new_id(caller, &format!("contract.milestone.{number}"))),
            title: wanted.title.into_string(),
            amount: positive_amount(&wanted.amount, &wanted.currency)?,
            due_at: wanted.due_at,
            conditions: wanted.conditions.map(Text::into_string),
        })
    };
    wanted.into_iter().enumerate().map(milestone).collect()
}

async fn new_signer(shared: &Shared, side: &Side, caller: &Caller, wanted: SignerWanted, number: usize) -> Result<NewSigner, ApiError> {
    let signer_id = SignerId(new_id(caller, &format!("contract.signer.{number}")));
    // Whose name it is; without an account, nobody else's key than the signer's own.
    let subject = wanted.party_id.unwrap_or(PartyId(signer_id.uuid()));
    if wanted.email.as_ref().is_some_and(|email| !email.satisfies(looks_like_an_address)) {
        return Err(ApiError::validation("email", "is no e-mail address"));
    }
    Ok(NewSigner {
        signer_id,
        party_id: wanted.party_id,
        party_type: wanted.party_type,
        name: seal(shared, side, caller, subject, wanted.name).await?,
        email: seal(shared, side, caller, subject, wanted.email).await?,
        order: wanted.order,
    })
}

/// Whether mail arrives is found out by sending some.
fn looks_like_an_address(text: &str) -> bool {
    let parts = text.split_once('@');
    let plain = !text.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | ',' | ';'));
    plain && text.len() <= 254 && parts.is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'))
}

/// What is given replaces what was there and makes the next version.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ContractEdit {
    #[schema(value_type = Option<String>)]
    title: Option<Text>,
    /// Joined with those that the text was made with; it is made anew from the same version of the template.
    variables: Option<BTreeMap<String, String>>,
    /// Instead of a text made from the template; taken as it stands.
    body_md: Option<String>,
    /// In place of those that are there (MNY-06).
    milestones: Option<Vec<MilestoneWanted>>,
}

/// Change a draft (CTR-19, CTR-43). Fails with `CONTRACT_NOT_DRAFT`, `MISSING_VARIABLE` or, when its milestones have an escrow
/// under way, `CONTRACT_HAS_ESCROW`.
#[utoipa::path(patch, path = "/v1/contracts/{contractId}", tag = "contracts", params(("contractId" = Uuid, Path)),
    request_body = ContractEdit, responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn edit_contract(
    caller: Caller,
    id: PathId<ContractId>,
    body: CommandBody<ContractEdit>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let edit = body.content;
    if edit.variables.is_some() && edit.body_md.is_some() {
        return Err(ApiError::validation("bodyMd", "give variables or a text, not both"));
    }
    let contract = load::<Contract>(&shared, &side, caller.tenant_id, id.0.uuid()).await?;
    let contract = contract.ok_or_else(|| ApiError::by_rule(&ContractError::NotFound))?;
    let current = contract.current_version().ok_or_else(|| ApiError::by_rule(&ContractError::NotFound))?;
    let mut version = current.clone();
    if let Some(title) = edit.title {
        version.title = title.into_string();
    }
    if let Some(text) = edit.body_md {
        if text.trim().is_empty() || text.len() > MAX_BODY_BYTES {
            return Err(ApiError::by_rule(&RenderError::TooLong));
        }
        version.hash = document_hash(&text);
        version.body = seal_for_contract(&shared, &side, &caller, id.0, &text).await?;
    }
    if let Some(given) = edit.variables {
        let source = Source::of_contract(&shared, &side, &caller, &contract).await?;
        let mut variables = opened(&shared, &side, &caller, current).await?;
        variables.extend(given);
        let text = source.render(&shared, &side, &caller, &variables).await?;
        version.hash = text.hash;
        version.body = seal_for_contract(&shared, &side, &caller, id.0, &text.body).await?;
        version.variables = Some(seal_for_contract(&shared, &side, &caller, id.0, &variables).await?);
    }
    let milestones = edit.milestones.map(|wanted| milestones(&caller, wanted)).transpose()?;
    let command = ContractCommand::Edit { version, milestones };
    execute::<Contract>(&shared, &side, caller, id.0.uuid(), command, body.fingerprint).await.map(Answered::ok)
}

/// What the text was made with.
async fn opened(shared: &Shared, side: &Side, caller: &Caller, version: &ContractVersion) -> Result<BTreeMap<String, String>, ApiError> {
    let Some(variables) = version.variables.clone() else { return Ok(BTreeMap::new()) };
    let (sealer, tenant_id) = (side.sealer.clone(), caller.tenant_id);
    let opened = async move {
        sealer.open(tenant_id, &variables).await.map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "a contract's variables could not be opened");
            ApiError::unavailable("texts cannot be opened at the moment")
        })
    };
    Ok(shared.tasks.run(opened).await?.unwrap_or_default())
}

/// Name somebody who is to sign (CTR-23). Fails with `CONTRACT_NOT_DRAFT`, `SIGNER_EXISTS` or `SIGNER_UNREACHABLE`.
#[utoipa::path(post, path = "/v1/contracts/{contractId}/signers", tag = "contracts", params(("contractId" = Uuid, Path)),
    request_body = SignerWanted, responses((status = 201, body = CommandAnswer)))]
pub(crate) async fn add_signer(
    caller: Caller,
    id: PathId<ContractId>,
    body: CommandBody<SignerWanted>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let signer = new_signer(&shared, &side, &caller, body.content, 0).await?;
    let command = ContractCommand::AddSigner(signer);
    execute::<Contract>(&shared, &side, caller, id.0.uuid(), command, body.fingerprint).await.map(Answered::created)
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SendContract {
    /// To the signers.
    #[schema(value_type = Option<String>)]
    message: Option<PersonalText>,
}

/// Ask the signers to sign; the text is frozen from now on (CTR-20). Fails with `NO_SIGNERS` or `INVALID_CONTRACT_TRANSITION`.
#[utoipa::path(post, path = "/v1/contracts/{contractId}/send", tag = "contracts", params(("contractId" = Uuid, Path)),
    request_body = SendContract, responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn send_contract(
    caller: Caller,
    id: PathId<ContractId>,
    body: CommandBody<SendContract>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let message = seal(&shared, &side, &caller, PartyId(id.0.uuid()), body.content.message).await?;
    let command = ContractCommand::Send { message };
    execute::<Contract>(&shared, &side, caller, id.0.uuid(), command, body.fingerprint).await.map(Answered::ok)
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct VoidContract {
    /// Kept in the log as it stands, for ever: a reason of business that names no person.
    #[schema(value_type = String)]
    reason: Text,
}

/// Void a contract that is not signed yet; escrows that stand on it end (CTR-21, MNY-06). Fails with `CONTRACT_NOT_VOIDABLE`.
#[utoipa::path(post, path = "/v1/contracts/{contractId}/void", tag = "contracts", params(("contractId" = Uuid, Path)),
    request_body = VoidContract, responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn void_contract(
    caller: Caller,
    id: PathId<ContractId>,
    body: CommandBody<VoidContract>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let command = ContractCommand::Void { reason: body.content.reason.into_string() };
    execute::<Contract>(&shared, &side, caller, id.0.uuid(), command, body.fingerprint).await.map(Answered::ok)
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ReachMilestone {
    /// What shows it.
    #[schema(value_type = Option<String>)]
    evidence: Option<PersonalText>,
}

/// Record that a milestone of a signed contract is reached (CTR-26). Fails with `MILESTONE_NOT_FOUND` or
/// `MILESTONE_ALREADY_REACHED`.
#[utoipa::path(post, path = "/v1/contracts/{contractId}/milestones/{milestoneId}/reached", tag = "contracts",
    params(("contractId" = Uuid, Path), ("milestoneId" = Uuid, Path)), request_body = ReachMilestone,
    responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn reach_milestone(
    caller: Caller,
    ids: PathIds<ContractId, MilestoneId>,
    body: CommandBody<ReachMilestone>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let PathIds(id, milestone_id) = ids;
    let evidence = seal(&shared, &side, &caller, PartyId(id.uuid()), body.content.evidence).await?;
    let command = ContractCommand::ReachMilestone { milestone_id, evidence };
    execute::<Contract>(&shared, &side, caller, id.uuid(), command, body.fingerprint).await.map(Answered::ok)
}
