//! What clients were told is what is in the log.

use std::collections::BTreeMap;

use holdfast_commands::{Accepted, Refusal};
use holdfast_domain::kernel::TenantId;
use serde_json::Value;

use super::{Raw, text};
use crate::client::{Sent, Told};
use crate::store::TenantLog;

pub(super) fn check(raws: &[Raw<'_>], log: &TenantLog, tenant_id: TenantId, told: &Told, wrong: &mut Vec<String>) {
    // By chain: what requests caused themselves, without what followed by reaction.
    let mut caused = BTreeMap::<&str, Vec<&Raw<'_>>>::new();
    for raw in raws.iter().filter(|raw| raw.metadata["causationId"].is_null()) {
        caused.entry(text(&raw.metadata, "correlationId")).or_default().push(raw);
    }
    let Ok(sent) = told.sent.lock() else { return };
    for sent in sent.iter().filter(|sent| sent.tenant_id == tenant_id) {
        let events = caused.remove(sent.correlation_id.to_string().as_str()).unwrap_or_default();
        if let Err(what) = one(sent, &events, log) {
            wrong.push(format!("{} {} ({}): {what}", sent.aggregate_type, sent.aggregate_id, sent.what));
        }
    }
    // Deadlines have chains of their own; nothing else may be there that nobody asked for.
    for events in caused.values() {
        for raw in events.iter().filter(|raw| raw.metadata["actor"]["kind"] != "system") {
            wrong.push(format!("{} was asked for by nobody", raw.id()));
        }
    }
}

fn one(sent: &Sent, events: &[&Raw<'_>], log: &TenantLog) -> Result<(), String> {
    let receipt = sent.key.as_ref().and_then(|key| log.receipts.get(key));
    let there: Vec<(String, i64)> = events.iter().map(|raw| (raw.stored.event_type.clone(), raw.stored.sequence)).collect();
    if events.iter().any(|raw| raw.stored.aggregate_type != sent.aggregate_type || raw.stored.aggregate_id != sent.aggregate_id) {
        return Err("wrote to another stream".to_owned());
    }
    let requests: std::collections::BTreeSet<&str> = events.iter().map(|raw| text(&raw.metadata, "requestId")).collect();
    if requests.len() > 1 {
        return Err(format!("was executed {} times", requests.len()));
    }
    if sent.key.is_some() && receipt.is_none() && !there.is_empty() {
        return Err("has events and no receipt".to_owned());
    }
    if let Some(receipt) = receipt {
        let answer: Value = serde_json::from_str(&receipt.answer).unwrap_or_default();
        let kept: Vec<(String, i64)> = answer["accepted"]["events"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|event| (text(event, "type").to_owned(), event["sequence"].as_i64().unwrap_or(-1)))
            .collect();
        if kept != there {
            return Err(format!("the receipt says {kept:?}, the log {there:?}"));
        }
    }
    match &sent.answer {
        None => {}
        Some(Ok(accepted)) => {
            let said: Vec<(String, i64)> = accepted.events.iter().map(|event| (event.event_type.clone(), event.sequence)).collect();
            if said != there {
                return Err(format!("answered with {said:?}, the log has {there:?}"));
            }
            if let Some(last) = events.last()
                && (last.stored.position != accepted.position || last.stored.sequence != accepted.version)
            {
                return Err(format!("answered with position {}, stands at {}", accepted.position, last.stored.position));
            }
            if accepted.position < sent.known_before {
                return Err(format!("decided at {}, after a client was told of {}", accepted.position, sent.known_before));
            }
            if sent.key.is_some() && receipt.is_none() {
                return Err("answered, and there is no receipt".to_owned());
            }
        }
        Some(Err(Refusal::Rejected { rejection, .. })) => {
            if !there.is_empty() {
                return Err(format!("rejected, and the log has {there:?}"));
            }
            if let Some(receipt) = receipt {
                if receipt.position < sent.known_before {
                    return Err(format!("rejected at {}, after a client was told of {}", receipt.position, sent.known_before));
                }
                rejected_rightly(sent, log, receipt.position, &rejection.code)?;
            } else if sent.key.is_some() {
                return Err("rejected, and there is no receipt".to_owned());
            }
        }
        Some(Err(refusal)) => {
            // Asked again, it may have been decided anew.
            let again = sent.in_doubt || !sent.repeats.is_empty();
            if (!there.is_empty() || receipt.is_some()) && !again {
                return Err(format!("refused ({refusal}), and the log has {there:?}"));
            }
            if let Refusal::VersionMismatch { actual, .. } = refusal {
                let stream = || log.stream(sent.aggregate_type, sent.aggregate_id);
                let before = stream().filter(|event| event.position <= sent.known_before).map(|event| event.sequence).max().unwrap_or(0);
                if *actual < before {
                    return Err(format!("told of version {actual}, after a client was told of {before}"));
                }
            }
        }
    }
    sent.repeats.iter().try_for_each(|repeat| same(sent.answer.as_ref(), repeat))
}

/// The domain says the same about the state that the rejection names: at the time of the question or of the answer.
fn rejected_rightly(sent: &Sent, log: &TenantLog, position: i64, code: &str) -> Result<(), String> {
    if code == "ESCROW_EXISTS" {
        return Ok(()); // by a claim, not by the stream
    }
    let times = [sent.sent_at, sent.answered_at];
    let said: Vec<_> = times.iter().map(|now| (sent.decide_again)(log, position, *now)).collect();
    if said.contains(&Some(code)) { Ok(()) } else { Err(format!("rejected with {code} at {position}, where the domain says {said:?}")) }
}

fn same(first: Option<&Result<Accepted, Refusal>>, repeat: &Result<Accepted, Refusal>) -> Result<(), String> {
    let is_same = match (first, repeat) {
        (Some(Ok(first)), Ok(repeat)) => Accepted { replayed: true, ..first.clone() } == *repeat,
        (Some(Err(Refusal::Rejected { rejection: first, .. })), Err(Refusal::Rejected { rejection, replayed: true })) => first == rejection,
        // Was not stored: it may be decided anew.
        (Some(Err(Refusal::VersionMismatch { .. } | Refusal::TenantSuspended)), _) => true,
        _ => false,
    };
    if is_same { Ok(()) } else { Err(format!("answered with {first:?}, and then with {repeat:?}")) }
}
