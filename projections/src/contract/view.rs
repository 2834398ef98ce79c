//! The columns by which templates, clauses and contracts are found, and their versions.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use holdfast_domain::contract::{Clause, Contract, ContractFact, Template};
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::contract::template::TemplateVersionRow;
use crate::document_table;
use crate::runtime::{ApplyError, Document, Documented, Event, Facts, Projection, Table, document_version};

pub const PROJECTION: &str = "contract";

#[must_use]
pub fn projection() -> Projection {
    // One number for three aggregates: it goes up when any of them folds anew.
    let version = document_version::<Contract>(1) + document_version::<Template>(0) + document_version::<Clause>(0);
    Projection::new(PROJECTION, version)
        .view::<Document<Template>>()
        .view::<Document<Clause>>()
        .view::<Document<Contract>>()
        .facts::<TemplateVersionRow>()
        .facts::<ContractVersionRow>()
}

fn named<const N: usize>(columns: [(&str, Value); N]) -> Map<String, Value> {
    columns.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

impl Documented for Template {
    const TABLE: Table = document_table!("contract_templates", "name");

    fn columns(&self) -> Map<String, Value> {
        named([("name", json!(self.current().map(|current| &current.name)))])
    }
}

impl Documented for Clause {
    const TABLE: Table = document_table!("clauses", "key", "title", "tags");

    fn columns(&self) -> Map<String, Value> {
        let text = self.text();
        named([
            ("key", json!(text.map(|text| &text.key))),
            ("title", json!(text.map(|text| &text.title))),
            ("tags", json!(text.map(|text| &text.tags))),
        ])
    }
}

impl Documented for Contract {
    const TABLE: Table = document_table!("contracts", "job_id", "booking_id", "template_id", "party_ids");

    fn columns(&self) -> Map<String, Value> {
        let terms = self.terms();
        let signers = self.signers().iter().filter_map(|entry| entry.signer.party_id);
        let parties: BTreeSet<_> = signers.chain(self.payer_id()).chain(self.payee_id()).collect();
        named([
            ("job_id", json!(terms.and_then(|terms| terms.job_id))),
            ("booking_id", json!(terms.and_then(|terms| terms.booking_id))),
            ("template_id", json!(terms.and_then(|terms| terms.template).map(|template| template.id))),
            ("party_ids", json!(parties)),
        ])
    }
}

/// CTR-04: one row per version of a contract's text, for ever.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ContractVersionRow {
    pub contract_id: Uuid,
    pub number: u32,
    pub position: i64,
    pub title: String,
    pub hash: String,
    pub body: Value,
    pub at: DateTime<Utc>,
}

impl Facts for ContractVersionRow {
    const TABLE: Table = Table {
        name: "contract_versions",
        key: &["contract_id", "number"],
        columns: &["position", "title", "hash", "body", "at"],
        exact: &[],
    };
    const PERSONAL: &'static [&'static str] = &["body"];

    fn rows(event: &Event<'_>) -> Result<Vec<Self>, ApplyError> {
        let Some(contract) = event.event.of::<Contract>() else { return Ok(Vec::new()) };
        let (ContractFact::Created { version, .. } | ContractFact::Edited { version, .. }) = &contract.fact else { return Ok(Vec::new()) };
        Ok(vec![Self {
            contract_id: event.origin.aggregate_id,
            number: version.number,
            position: event.position,
            title: version.title.clone(),
            hash: version.hash.clone(),
            body: json!({ "subject": version.body.sealed().subject, "value": event.open(&version.body)? }),
            at: contract.at,
        }])
    }
}
