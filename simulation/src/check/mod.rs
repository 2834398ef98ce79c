//! What must be true when all has come to rest. Everything here reads raw rows; only where the question is what the domain
//! would have said is the domain asked.

mod answers;
mod books;
mod deadlines;
mod reactions;
mod snapshots;

use std::collections::BTreeMap;

use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::{Recorded, TenantId};
use holdfast_eventlog::StoredEvent;
use serde_json::Value;

use crate::client::Told;
use crate::recorder;
use crate::store::State;
use crate::world::World;

pub(crate) type Event = Recorded<AnyEvent>;

/// An event as its text says, and nothing else.
pub(crate) struct Raw<'a> {
    pub(crate) stored: &'a StoredEvent,
    pub(crate) payload: Value,
    pub(crate) metadata: Value,
}

impl Raw<'_> {
    pub(crate) fn id(&self) -> &str {
        text(&self.metadata, "eventId")
    }

    /// Name and content of the fact, of events that have one.
    pub(crate) fn fact(&self) -> (&str, &Value) {
        match &self.payload["fact"] {
            Value::Object(fact) => fact.iter().next().map_or(("", &Value::Null), |(name, fact)| (name, fact)),
            Value::String(name) => (name, &Value::Null),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => ("", &Value::Null),
        }
    }
}

pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// Minor units of an amount `{"amount":"12.34","currency":"EUR"}`.
pub(crate) fn minor(money: &Value) -> i64 {
    let text = text(money, "amount");
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{part:0<2}");
    digits.parse().unwrap_or(i64::MIN / 4)
}

/// All that is wrong; empty when all is well.
#[must_use]
pub fn check(world: &World, told: &Told) -> Vec<String> {
    let mut wrong = told.broken.lock().map(|broken| broken.clone()).unwrap_or_default();
    let state = world.store.state();
    wrong.extend(state.broken.iter().cloned());
    for tenant_id in &world.tenants {
        let Some(log) = state.tenants.get(tenant_id) else {
            wrong.push(format!("{tenant_id} is not there"));
            continue;
        };
        let raws: Vec<Raw<'_>> = log
            .events
            .iter()
            .map(|stored| Raw {
                stored,
                payload: serde_json::from_str(&stored.payload).unwrap_or_default(),
                metadata: serde_json::from_str(&stored.metadata).unwrap_or_default(),
            })
            .collect();
        let mut decoded = Vec::with_capacity(log.events.len());
        for stored in &log.events {
            match stored.decode() {
                Ok(event) => decoded.push(event),
                Err(error) => wrong.push(format!("position {} cannot be read: {error}", stored.position)),
            }
        }
        gapless(&raws, log.position(), &mut wrong);
        legal(&raws, &mut wrong);
        books::check(&raws, *tenant_id, &mut wrong);
        answers::check(&raws, log, *tenant_id, told, &mut wrong);
        reactions::check(&raws, &decoded, log, *tenant_id, &state, &mut wrong);
        deadlines::check(&decoded, log, *tenant_id, &state, world.store.now(), &mut wrong);
        snapshots::check(&decoded, *tenant_id, &state, &mut wrong);
        recorded(&raws, *tenant_id, &state, &mut wrong);
    }
    published(world, &state, &mut wrong);
    wrong
}

fn gapless(raws: &[Raw<'_>], head: i64, wrong: &mut Vec<String>) {
    let mut streams = BTreeMap::new();
    let mut ids = std::collections::BTreeSet::new();
    for (due, raw) in (1..).zip(raws) {
        let stored = raw.stored;
        if stored.position != due {
            wrong.push(format!("position {} stands where {due} should", stored.position));
        }
        let version: &mut i64 = streams.entry((&stored.aggregate_type, stored.aggregate_id)).or_default();
        *version += 1;
        if stored.sequence != *version {
            wrong.push(format!(
                "sequence {} of {} {} stands where {version} should",
                stored.sequence, stored.aggregate_type, stored.aggregate_id
            ));
        }
        if !ids.insert(raw.id()) {
            wrong.push(format!("event {} is there twice", raw.id()));
        }
    }
    if head != i64::try_from(raws.len()).unwrap_or(0) {
        wrong.push(format!("the head is at {head}, the log has {} events", raws.len()));
    }
    let rising = raws.windows(2).all(|pair| pair[0].stored.recorded_at <= pair[1].stored.recorded_at);
    if !rising {
        wrong.push("the log's times fall".to_owned());
    }
}

/// Every escrow event begins where the one before it ended.
fn legal(raws: &[Raw<'_>], wrong: &mut Vec<String>) {
    let mut status = BTreeMap::new();
    for raw in raws {
        if raw.stored.aggregate_type == "escrow" {
            let before = status.insert(raw.stored.aggregate_id, text(&raw.payload, "to"));
            if before.is_some_and(|before| before != text(&raw.payload, "from")) {
                wrong.push(format!("escrow {}: {} after {before:?}", raw.stored.aggregate_id, raw.payload));
            }
        }
    }
}

/// The subscriber was given every event once, in order.
fn recorded(raws: &[Raw<'_>], tenant_id: TenantId, state: &State, wrong: &mut Vec<String>) {
    let given: Vec<(i64, String)> =
        state.recorded.get(&tenant_id).into_iter().flatten().map(|(position, id)| (*position, id.to_string())).collect();
    let due: Vec<(i64, String)> = raws.iter().map(|raw| (raw.stored.position, raw.id().to_owned())).collect();
    if given != due {
        wrong.push(format!(
            "{}: the subscriber of {tenant_id} was given {} events of {}, or others",
            recorder::SUBSCRIPTION,
            given.len(),
            due.len()
        ));
    }
}

/// The stream has every event; per tenant each position is there for the first time after the one before it.
fn published(world: &World, state: &State, wrong: &mut Vec<String>) {
    let mut furthest = BTreeMap::<TenantId, i64>::new();
    let mut ids = std::collections::BTreeSet::new();
    for message in world.messages.all() {
        let Ok(event) = holdfast_eventlog::nats::decode(&message.payload) else {
            wrong.push(format!("message {} cannot be read", message.id));
            continue;
        };
        let there =
            state.tenants.get(&event.tenant_id).and_then(|log| log.events.get(usize::try_from(event.position - 1).unwrap_or(usize::MAX)));
        if there.is_none_or(|there| **there != event) {
            wrong.push(format!("message {} is not the event of the log", message.id));
        }
        let last = furthest.entry(event.tenant_id).or_default();
        if event.position > *last + 1 {
            wrong.push(format!("message {} comes after position {last}", message.id));
        }
        *last = event.position.max(*last);
        if !ids.insert(message.id.clone()) {
            wrong.push(format!("message {} is there twice", message.id));
        }
    }
    for tenant_id in &world.tenants {
        let head = state.tenants.get(tenant_id).map_or(0, crate::store::TenantLog::position);
        let last = furthest.get(tenant_id).copied().unwrap_or(0);
        if last != head {
            wrong.push(format!("the stream ends at {last} of {tenant_id}, the log at {head}"));
        }
    }
}
