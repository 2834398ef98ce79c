//! A batch as the arrays that the statement takes.

use std::collections::{BTreeMap, HashMap};

use holdfast_domain::kernel::TenantId;
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::db::Session;
use crate::json::JsonText;
use crate::port::{AppendRows, ClaimRow, EventRow, ReceiptRow, TenantRow};
use crate::types::{Batch, HeadMove, NewClaim, ReceiptKey};

/// Where a unit's events go, counted from the head's position before the batch.
pub(super) struct Selected {
    pub(super) unit: usize,
    pub(super) gated: bool,
    /// Events of the tenant before this unit's, when the gate is open.
    pub(super) after_all: i64,
    /// The same when it is shut.
    pub(super) after_ungated: i64,
}

#[derive(Default)]
pub(super) struct Rows<'a> {
    pub(super) selected: Vec<Selected>,
    tenants: Tenants,
    events: Events<'a>,
    receipts: Receipts<'a>,
    claims: Claims<'a>,
}

#[derive(Default)]
struct Tenants {
    tenant_id: Vec<Uuid>,
    known: Vec<i64>,
    all_events: Vec<i64>,
    ungated_events: Vec<i64>,
}

#[derive(Default)]
struct Events<'a> {
    tenant_id: Vec<Uuid>,
    aggregate_type: Vec<&'a str>,
    aggregate_id: Vec<Uuid>,
    sequence: Vec<i64>,
    event_type: Vec<&'a str>,
    event_version: Vec<&'a str>,
    payload: Vec<JsonText<'a>>,
    metadata: Vec<JsonText<'a>>,
    gated: Vec<bool>,
    nth_of_all: Vec<i64>,
    nth_of_ungated: Vec<i64>,
}

#[derive(Default)]
struct Receipts<'a> {
    tenant_id: Vec<Uuid>,
    key_owner: Vec<&'a str>,
    idempotency_key: Vec<&'a str>,
    request_hash: Vec<&'a [u8]>,
    answer: Vec<JsonText<'a>>,
    gated: Vec<bool>,
    nth_of_all: Vec<i64>,
    nth_of_ungated: Vec<i64>,
}

#[derive(Default)]
struct Claims<'a> {
    tenant_id: Vec<Uuid>,
    aggregate_type: Vec<&'a str>,
    aggregate_id: Vec<Uuid>,
    kind: Vec<&'a str>,
    value: Vec<&'a str>,
    take: Vec<bool>,
    gated: Vec<bool>,
}

impl<'a> Rows<'a> {
    pub(super) fn of(batch: &'a Batch, selected: &[usize], known: &HashMap<TenantId, i64>) -> Self {
        let mut rows = Self::default();
        let mut counts: BTreeMap<TenantId, (i64, i64)> = BTreeMap::new();
        for &index in selected {
            let unit = &batch.units[index];
            let (all, ungated) = counts.entry(unit.stream.tenant_id).or_default();
            // Without events there is no sequence whose key would refuse a stale decision.
            let gated = unit.gated || unit.events.is_empty();
            let place = Selected { unit: index, gated, after_all: *all, after_ungated: *ungated };
            let added = rows.add(unit, &place);
            *all += added;
            *ungated += if gated { 0 } else { added };
            rows.selected.push(place);
        }
        for (tenant_id, (all, ungated)) in counts {
            rows.tenants.tenant_id.push(tenant_id.uuid());
            rows.tenants.known.push(known.get(&tenant_id).copied().unwrap_or(-1)); // unknown: nothing gated is current
            rows.tenants.all_events.push(all);
            rows.tenants.ungated_events.push(ungated);
        }
        rows
    }

    /// Returns the number of events.
    fn add(&mut self, unit: &'a crate::types::Unit, place: &Selected) -> i64 {
        let tenant_id = unit.stream.tenant_id.uuid();
        let mut nth = 0;
        for event in &unit.events {
            self.events.tenant_id.push(tenant_id);
            self.events.aggregate_type.push(unit.stream.aggregate_type);
            self.events.aggregate_id.push(unit.stream.aggregate_id);
            self.events.sequence.push(unit.first_sequence + nth);
            nth += 1;
            self.events.event_type.push(&event.event_type);
            self.events.event_version.push(&event.event_version);
            self.events.payload.push(JsonText(&event.payload));
            self.events.metadata.push(JsonText(&event.metadata));
            self.events.gated.push(place.gated);
            self.events.nth_of_all.push(place.after_all + nth);
            self.events.nth_of_ungated.push(place.after_ungated + nth);
        }
        for receipt in &unit.receipts {
            // A command without events stands where it was decided: at the head before the batch.
            let offset = |after: i64| if receipt.events_through == 0 { 0 } else { after + receipt.events_through };
            self.receipts.tenant_id.push(tenant_id);
            self.receipts.key_owner.push(&receipt.key_owner);
            self.receipts.idempotency_key.push(&receipt.idempotency_key);
            self.receipts.request_hash.push(&receipt.request_hash);
            self.receipts.answer.push(JsonText(&receipt.answer));
            self.receipts.gated.push(place.gated);
            self.receipts.nth_of_all.push(offset(place.after_all));
            self.receipts.nth_of_ungated.push(offset(place.after_ungated));
        }
        for claim in net_claims(&unit.claims) {
            self.claims.tenant_id.push(tenant_id);
            self.claims.aggregate_type.push(unit.stream.aggregate_type);
            self.claims.aggregate_id.push(unit.stream.aggregate_id);
            self.claims.kind.push(claim.kind);
            self.claims.value.push(&claim.value);
            self.claims.take.push(claim.take);
            self.claims.gated.push(place.gated);
        }
        nth
    }

    /// Runs the append; the moves come back in no particular order.
    pub(super) async fn append(&self, session: Session<'_>) -> Result<Vec<(TenantId, HeadMove)>, sqlx::Error> {
        let connection = match session {
            Session::Postgres(connection) => connection,
            Session::Port(port) => return port.append(self.by_row()).await,
        };
        let (t, e, r, c) = (&self.tenants, &self.events, &self.receipts, &self.claims);
        let statement = if c.tenant_id.is_empty() { super::APPEND_WITHOUT_CLAIMS } else { super::APPEND };
        let mut query = sqlx::query(statement)
            .bind(&t.tenant_id)
            .bind(&t.known)
            .bind(&t.all_events)
            .bind(&t.ungated_events)
            .bind(&e.tenant_id)
            .bind(&e.aggregate_type)
            .bind(&e.aggregate_id)
            .bind(&e.sequence)
            .bind(&e.event_type)
            .bind(&e.event_version)
            .bind(&e.payload)
            .bind(&e.metadata)
            .bind(&e.gated)
            .bind(&e.nth_of_all)
            .bind(&e.nth_of_ungated)
            .bind(&r.tenant_id)
            .bind(&r.key_owner)
            .bind(&r.idempotency_key)
            .bind(&r.request_hash)
            .bind(&r.answer)
            .bind(&r.gated)
            .bind(&r.nth_of_all)
            .bind(&r.nth_of_ungated);
        if !c.tenant_id.is_empty() {
            query = query
                .bind(&c.tenant_id)
                .bind(&c.aggregate_type)
                .bind(&c.aggregate_id)
                .bind(&c.kind)
                .bind(&c.value)
                .bind(&c.take)
                .bind(&c.gated);
        }
        // `fetch_all` waits for the commit; `fetch_one` would not.
        let rows = query.fetch_all(connection).await?;
        rows.iter().map(head_move).collect()
    }

    fn by_row(&self) -> AppendRows {
        let (t, e, r, c) = (&self.tenants, &self.events, &self.receipts, &self.claims);
        let tenant = |at: usize| TenantRow {
            tenant_id: TenantId(t.tenant_id[at]),
            known: t.known[at],
            all_events: t.all_events[at],
            ungated_events: t.ungated_events[at],
        };
        let event = |at: usize| EventRow {
            tenant_id: TenantId(e.tenant_id[at]),
            aggregate_type: e.aggregate_type[at].to_owned(),
            aggregate_id: e.aggregate_id[at],
            sequence: e.sequence[at],
            event_type: e.event_type[at].to_owned(),
            event_version: e.event_version[at].to_owned(),
            payload: e.payload[at].0.to_owned(),
            metadata: e.metadata[at].0.to_owned(),
            gated: e.gated[at],
            nth_of_all: e.nth_of_all[at],
            nth_of_ungated: e.nth_of_ungated[at],
        };
        let receipt = |at: usize| ReceiptRow {
            key: ReceiptKey {
                tenant_id: TenantId(r.tenant_id[at]),
                key_owner: r.key_owner[at].to_owned(),
                idempotency_key: r.idempotency_key[at].to_owned(),
            },
            request_hash: r.request_hash[at].to_owned(),
            answer: r.answer[at].0.to_owned(),
            gated: r.gated[at],
            nth_of_all: r.nth_of_all[at],
            nth_of_ungated: r.nth_of_ungated[at],
        };
        let claim = |at: usize| ClaimRow {
            tenant_id: TenantId(c.tenant_id[at]),
            aggregate_type: c.aggregate_type[at].to_owned(),
            aggregate_id: c.aggregate_id[at],
            kind: c.kind[at].to_owned(),
            value: c.value[at].to_owned(),
            take: c.take[at],
            gated: c.gated[at],
        };
        AppendRows {
            tenants: (0..t.tenant_id.len()).map(tenant).collect(),
            events: (0..e.tenant_id.len()).map(event).collect(),
            receipts: (0..r.tenant_id.len()).map(receipt).collect(),
            claims: (0..c.tenant_id.len()).map(claim).collect(),
        }
    }
}

fn head_move(row: &PgRow) -> Result<(TenantId, HeadMove), sqlx::Error> {
    let moved = HeadMove { before: row.try_get(1)?, after: row.try_get(2)?, recorded_at: row.try_get(3)? };
    Ok((TenantId(row.try_get(0)?), moved))
}

/// What remains of the changes to each value: the last one.
pub(super) fn net_claims(claims: &[NewClaim]) -> Vec<&NewClaim> {
    // A booking of a month changes thousands of them at once.
    let last: HashMap<_, _> = claims.iter().enumerate().map(|(at, claim)| ((claim.kind, claim.value.as_str()), at)).collect();
    let is_last = |at: usize, claim: &NewClaim| last.get(&(claim.kind, claim.value.as_str())) == Some(&at);
    claims.iter().enumerate().filter(|(at, claim)| is_last(*at, claim)).map(|(_, claim)| claim).collect()
}
