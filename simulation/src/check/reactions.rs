//! What follows from an event has been done, once, under the key that only the machinery can use.

use std::collections::BTreeMap;

use holdfast_commands::reaction::{self, Reaction};
use holdfast_domain::kernel::TenantId;
use serde_json::Value;

use super::{Event, Raw, text};
use crate::store::{State, TenantLog};

pub(super) fn check(raws: &[Raw<'_>], events: &[Event], log: &TenantLog, tenant_id: TenantId, state: &State, wrong: &mut Vec<String>) {
    let reactions = reaction::all();
    // What each step has put into the log, by the event that it answers and the stream that it changed.
    let mut done = BTreeMap::<(String, String), usize>::new();
    for raw in raws {
        if let Some(cause) = raw.metadata["causationId"].as_str() {
            *done.entry((cause.to_owned(), raw.stored.aggregate_id.to_string())).or_default() += 1;
        }
    }
    for recorded in events {
        for Reaction { name, on, steps } in &reactions {
            if !on.contains(&recorded.event.name()) {
                continue;
            }
            for step in steps(recorded) {
                let key = format!("{}/{}/1", recorded.metadata.event_id, step.name);
                let Some(receipt) = log.receipts.get(&(format!("system:{name}"), key.clone())) else {
                    wrong.push(format!("{name} has not answered {} with {}", recorded.metadata.event_id, step.name));
                    continue;
                };
                let answer: Value = serde_json::from_str(&receipt.answer).unwrap_or_default();
                let events = answer["accepted"]["events"].as_array().map_or(0, Vec::len);
                let count = done.entry((recorded.metadata.event_id.to_string(), step.aggregate_id.to_string())).or_default();
                match count.checked_sub(events) {
                    Some(left) => *count = left,
                    None => wrong.push(format!("{name} {key}: the receipt tells of {events} events that are not there")),
                }
                let put_aside = state.letters.values().any(|letter| {
                    letter.row.tenant_id == tenant_id.uuid()
                        && letter.row.reaction == *name
                        && letter.row.event_id == recorded.metadata.event_id.uuid()
                });
                if !answer["rejected"].is_null() && !put_aside {
                    wrong.push(format!("{name} {key} was refused ({}) and nobody knows", text(&answer["rejected"], "code")));
                }
            }
        }
    }
    for ((cause, stream), count) in done.into_iter().filter(|(_, count)| *count > 0) {
        wrong.push(format!("{count} events of {stream} say that {cause} caused them, and no receipt does"));
    }
    for letter in state.letters.values().filter(|letter| letter.row.tenant_id == tenant_id.uuid()) {
        wrong.push(format!("{} was refused at position {}: {}", letter.row.reaction, letter.row.event_position, letter.row.reason));
    }
}
