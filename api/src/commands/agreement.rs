//! Texts of contracts: rendered here, hashed and sealed, so that neither the domain nor the log ever sees them plain.

use std::collections::BTreeMap;

use holdfast_domain::booking::Agreement;
use holdfast_domain::contract::{
    Clause, Contract, RenderError, STANDARD_AGREEMENT, Template, TemplateError, TemplateEvent, TemplateRef, Variable, clause_id,
    clauses_of, document_hash, render, standard_variables, values_for,
};
use holdfast_domain::kernel::{ContractId, PartyId, Personal, TemplateId};
use serde::Serialize;

use crate::commands::facts::{history, load};
use crate::commands::{Side, unsealed};
use crate::error::ApiError;
use crate::request::Caller;
use crate::state::Shared;

/// What a booking knows for the text of its contract.
pub(crate) struct BookedTerms {
    /// The contract that acceptance makes (`BookingParties::contract_id`): its key seals the text.
    pub(crate) contract_id: ContractId,
    /// None: the standard text.
    pub(crate) template_id: Option<TemplateId>,
    pub(crate) title: String,
    /// By name; the standard text asks for `payer`, `talent`, `title`, `from`, `to`, `price`, `currency` and takes `location`.
    /// A template takes what it declares of them.
    pub(crate) variables: BTreeMap<String, String>,
}

/// The text that both sides of a booking agree to (CTR-46).
///
/// # Errors
/// `TEMPLATE_NOT_FOUND`, `TEMPLATE_NOT_PUBLISHED`, `MISSING_VARIABLE` (names all), `CLAUSE_UNKNOWN`.
pub(crate) async fn agreement_for(shared: &Shared, side: &Side, caller: &Caller, booked: BookedTerms) -> Result<Agreement, ApiError> {
    let BookedTerms { contract_id, template_id, title, mut variables } = booked;
    let source = Source::load(shared, side, caller, template_id).await?;
    variables.retain(|name, _| source.variables.iter().any(|variable| variable.name == *name));
    let text = source.render(shared, side, caller, &variables).await?;
    let body = seal_for_contract(shared, side, caller, contract_id, &text.body).await?;
    let template = source.template;
    Ok(Agreement {
        title,
        template_id: template.map(|template| template.id),
        template_version: template.map_or(0, |template| template.version),
        body,
        hash: text.hash,
    })
}

/// Where a text comes from.
pub(crate) struct Source {
    /// None: the standard text.
    pub(crate) template: Option<TemplateRef>,
    pub(crate) name: String,
    pub(crate) body_md: String,
    pub(crate) variables: Vec<Variable>,
}

/// A text that can be signed.
pub(crate) struct RenderedText {
    pub(crate) body: String,
    pub(crate) hash: String,
}

impl Source {
    /// The current version of the template, which must be published (CTR-30), or the standard text.
    pub(crate) async fn load(shared: &Shared, side: &Side, caller: &Caller, template_id: Option<TemplateId>) -> Result<Self, ApiError> {
        let Some(id) = template_id else {
            let (name, body_md) = ("Booking agreement".to_owned(), STANDARD_AGREEMENT.to_owned());
            return Ok(Self { template: None, name, body_md, variables: standard_variables() });
        };
        let template = load::<Template>(shared, side, caller.tenant_id, id.uuid()).await?;
        let template = template.ok_or_else(|| ApiError::by_rule(&TemplateError::NotFound))?;
        let current = template.published().map_err(|refusal| ApiError::by_rule(&refusal))?.clone();
        let template = Some(TemplateRef { id, version: current.version });
        Ok(Self { template, name: current.name, body_md: current.body_md, variables: current.variables })
    }

    /// What a contract was made of: the same version, whatever has become of the template since.
    pub(crate) async fn of_contract(shared: &Shared, side: &Side, caller: &Caller, contract: &Contract) -> Result<Self, ApiError> {
        let Some(template) = contract.terms().and_then(|terms| terms.template) else {
            return Self::load(shared, side, caller, None).await;
        };
        let history = history::<Template>(shared, side, caller.tenant_id, template.id.uuid()).await?;
        let version = history.into_iter().find_map(|event| match event {
            TemplateEvent::Created(version) | TemplateEvent::Updated(version) => {
                Some(version).filter(|found| found.version == template.version)
            }
        });
        let version = version.ok_or_else(|| ApiError::by_rule(&TemplateError::NotFound))?;
        Ok(Self { template: Some(template), name: version.name, body_md: version.body_md, variables: version.variables })
    }

    /// With the clauses of the library and a value for every variable.
    pub(crate) async fn render(
        &self,
        shared: &Shared,
        side: &Side,
        caller: &Caller,
        given: &BTreeMap<String, String>,
    ) -> Result<RenderedText, ApiError> {
        let clauses = clauses(shared, side, caller, &self.body_md).await?;
        let by_rule = |refusal: RenderError| ApiError::by_rule(&refusal);
        let values = values_for(&self.variables, given).map_err(by_rule)?;
        let body = render(&self.body_md, &values, &clauses).map_err(by_rule)?;
        Ok(RenderedText { hash: document_hash(&body), body })
    }
}

/// Texts of the clauses that `text` asks for, by key. A key that is not there is left out.
async fn clauses(shared: &Shared, side: &Side, caller: &Caller, text: &str) -> Result<BTreeMap<String, String>, ApiError> {
    let mut clauses = BTreeMap::new();
    for key in clauses_of(text) {
        let id = clause_id(caller.tenant_id, key);
        if let Some(clause) = load::<Clause>(shared, side, caller.tenant_id, id.uuid()).await?
            && let Some(text) = clause.text()
        {
            clauses.insert(key.to_owned(), text.body_md.clone());
        }
    }
    Ok(clauses)
}

/// Under the contract's own key, so that the text outlives the keys of the persons that it names.
pub(crate) async fn seal_for_contract<T: Serialize + Clone + Send + Sync + 'static>(
    shared: &Shared,
    side: &Side,
    caller: &Caller,
    contract_id: ContractId,
    value: &T,
) -> Result<Personal<T>, ApiError> {
    let (sealer, tenant_id, value) = (side.sealer.clone(), caller.tenant_id, value.clone());
    let sealed = async move {
        let sealed = sealer.seal(tenant_id, PartyId(contract_id.uuid()), &value).await;
        sealed.map_err(|error| unsealed(&error, "texts cannot be sealed at the moment"))
    };
    shared.tasks.run(sealed).await
}
