//! The table is what the log says, nothing is due any more, nothing came too early, and each came once.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use holdfast_domain::kernel::TenantId;
use serde_json::Value;
use uuid::Uuid;

use super::Event;
use crate::store::{State, TenantLog};

pub(super) fn check(events: &[Event], log: &TenantLog, tenant_id: TenantId, state: &State, now: DateTime<Utc>, wrong: &mut Vec<String>) {
    let mut due = BTreeMap::<(String, Uuid, String), DateTime<Utc>>::new();
    let mut set = BTreeMap::<Name, Vec<i64>>::new();
    for event in events {
        for change in event.event.deadline_changes() {
            let name = (event.origin.aggregate_type.to_owned(), event.origin.aggregate_id, change.key);
            if let Some(at) = change.at {
                set.entry((name.1, name.2.clone(), at.timestamp_micros())).or_default().push(event.position);
                due.insert(name, at);
            } else {
                due.remove(&name);
            }
        }
    }
    let table: BTreeMap<_, _> = state
        .deadlines
        .iter()
        .filter(|((of, ..), _)| *of == tenant_id)
        .map(|((_, aggregate_type, id, key), deadline)| ((aggregate_type.clone(), *id, key.clone()), deadline.due_at))
        .collect();
    if due != table {
        wrong.push(format!("deadlines of {tenant_id}: the log says {due:?}, the table {table:?}"));
    }
    for ((aggregate_type, id, key), at) in due.iter().filter(|(_, at)| **at < now - TimeDelta::seconds(5)) {
        wrong.push(format!("deadline {key} of {aggregate_type} {id} was due at {at}"));
    }
    let mut met = BTreeMap::<Name, Vec<(i64, i64)>>::new();
    for ((owner, key), receipt) in &log.receipts {
        if owner != "system:deadlines" {
            continue;
        }
        let answer: Value = serde_json::from_str(&receipt.answer).unwrap_or_default();
        let events = answer["accepted"]["events"].as_array().map_or(0, Vec::len);
        if !answer["rejected"].is_null() {
            wrong.push(format!("deadline {key} was refused: {}", answer["rejected"]));
        }
        let Some(name) = name(key) else { continue };
        if events == 0 {
            continue;
        }
        let first = receipt.position + 1 - i64::try_from(events).unwrap_or(0);
        met.entry(name.clone()).or_default().push((first, receipt.position));
        let at = log.events.get(usize::try_from(receipt.position - 1).unwrap_or(usize::MAX));
        if at.is_some_and(|event| event.recorded_at.timestamp_micros() < name.2) {
            wrong.push(format!("deadline {key} was met too early"));
        }
        let occurred = at.and_then(|event| serde_json::from_str::<Value>(&event.metadata).ok());
        let occurred = occurred.and_then(|metadata| metadata["occurredAt"].as_str()?.parse::<DateTime<Utc>>().ok());
        if occurred.is_some_and(|occurred| occurred.timestamp_micros() < name.2) {
            wrong.push(format!("deadline {key} was decided at a time before it"));
        }
    }
    for (name, mut times) in met {
        times.sort_unstable();
        let mut from = 0;
        for (first, last) in times {
            // What one meeting sets may have the same instant as what was met.
            if !set.get(&name).is_some_and(|set| set.iter().any(|position| (from..first).contains(position))) {
                wrong.push(format!("deadline {name:?} was met at {last}, and not set since {from}"));
            }
            from = first;
        }
    }
}

/// Stream, key, microseconds.
type Name = (Uuid, String, i64);

/// `<id>/<key>/<microseconds>/<attempt>`.
fn name(key: &str) -> Option<Name> {
    let mut parts = key.splitn(2, '/');
    let id = parts.next()?.parse().ok()?;
    let mut rest = parts.next()?.rsplitn(3, '/');
    let _attempt = rest.next()?;
    let at = rest.next()?.parse().ok()?;
    Some((id, rest.next()?.to_owned(), at))
}
