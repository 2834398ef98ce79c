//! What earlier batches wrote about a person goes when the batch with their erasure comes (ADM-25, CNF-33).
//!
//! The rows become those that a rebuild makes once the keys are destroyed: every opened value of theirs is null.

use std::collections::BTreeSet;

use holdfast_domain::kernel::{PartyId, TenantId};
use serde_json::{Map, Value};
use sqlx::PgConnection;

use crate::runtime::projection::FoldError;
use crate::runtime::reads::Reads;
use crate::runtime::{ApplyError, Table};

/// Reads the tenant's rows of the table once per person: erasures are rare. The side that a swap has put away holds values of
/// theirs too, and nobody folds it: it is blanked with the other.
pub(super) async fn erase(
    reads: &mut dyn Reads,
    tenant_id: TenantId,
    table: Table,
    personal: &[&str],
    subjects: &BTreeSet<PartyId>,
) -> Result<(), FoldError> {
    if personal.is_empty() || subjects.is_empty() {
        return Ok(());
    }
    let connection = reads.connection().await?;
    for side in ["", "shadow."] {
        erase_on(connection, tenant_id, &table.select_about(side, personal), &table.update_personal(side, personal), personal, subjects)
            .await?;
    }
    Ok(())
}

async fn erase_on(
    connection: &mut PgConnection,
    tenant_id: TenantId,
    select: &str,
    update: &str,
    personal: &[&str],
    subjects: &BTreeSet<PartyId>,
) -> Result<(), FoldError> {
    for subject in subjects {
        let id = subject.uuid().to_string();
        let stored: Vec<String> = sqlx::query_scalar(select).bind(tenant_id.uuid()).bind(&id).fetch_all(&mut *connection).await?;
        let mut changed = Vec::new();
        for text in stored {
            let mut row: Map<String, Value> = serde_json::from_str(&text).map_err(ApplyError::from)?;
            let mut blanked = false;
            for name in personal {
                blanked |= row.get_mut(*name).is_some_and(|value| blank(value, &id));
            }
            if blanked {
                changed.push(row);
            }
        }
        if changed.is_empty() {
            continue;
        }
        let rows = serde_json::to_string(&changed).map_err(ApplyError::from)?;
        sqlx::query(update).bind(tenant_id.uuid()).bind(rows).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Makes null the value of every `{"subject": .., "value": ..}` of theirs; true when there was one with a value.
fn blank(value: &mut Value, subject: &str) -> bool {
    match value {
        Value::Object(fields) => {
            let theirs = fields.len() == 2 && fields.get("subject").and_then(Value::as_str) == Some(subject);
            if theirs && let Some(held) = fields.get_mut("value") {
                return !std::mem::take(held).is_null();
            }
            fields.values_mut().map(|field| blank(field, subject)).filter(|blanked| *blanked).count() > 0
        }
        Value::Array(items) => items.iter_mut().map(|item| blank(item, subject)).filter(|blanked| *blanked).count() > 0,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_values_of_the_erased_go() {
        // CNF-33
        let mut texts = json!({ "n1": {"subject": "a", "value": "Ada"}, "n2": {"subject": "b", "value": {"x": 1}}, "list": [{"subject": "a", "value": [1]}] });
        assert!(blank(&mut texts, "a"));
        assert_eq!(
            texts,
            json!({ "n1": {"subject": "a", "value": null}, "n2": {"subject": "b", "value": {"x": 1}}, "list": [{"subject": "a", "value": null}] })
        );
        assert!(!blank(&mut texts, "a"), "again there is nothing left");
        assert!(!blank(&mut json!({"subject": "a", "value": "kept", "more": 1}), "a"), "another shape");
    }
}
