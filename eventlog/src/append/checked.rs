//! Which units of a refused batch are to blame.

use std::collections::{HashMap, HashSet};

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::rows::net_claims;
use crate::db::Session;
use crate::port::Asked;
use crate::types::{Batch, ReceiptKey, StreamId, Unit, UnitOutcome};

/// A row per sequence, key or claim that is taken; `nth` is the place in the arrays.
pub const TAKEN: &str = "
SELECT 'stream' AS what, s.nth, NULL::uuid AS holder
FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::bigint[]) WITH ORDINALITY AS s (tenant_id, aggregate_type, aggregate_id, sequence, nth)
WHERE EXISTS (SELECT FROM events e WHERE e.tenant_id = s.tenant_id AND e.aggregate_type = s.aggregate_type
              AND e.aggregate_id = s.aggregate_id AND e.sequence = s.sequence)
UNION ALL
SELECT 'key', k.nth, NULL
FROM unnest($5::uuid[], $6::text[], $7::text[]) WITH ORDINALITY AS k (tenant_id, key_owner, idempotency_key, nth)
WHERE EXISTS (SELECT FROM receipts r WHERE r.tenant_id = k.tenant_id AND r.key_owner = k.key_owner AND r.idempotency_key = k.idempotency_key)
UNION ALL
SELECT 'claim', c.nth, h.aggregate_id
FROM unnest($8::uuid[], $9::text[], $10::text[]) WITH ORDINALITY AS c (tenant_id, kind, value, nth)
JOIN LATERAL (SELECT aggregate_id FROM claims h
              WHERE h.tenant_id = c.tenant_id AND h.kind = c.kind AND h.value = c.value OFFSET 0) AS h ON true";

/// The selected units that cannot be stored and why; also those that collide with an earlier unit of the same batch.
pub(super) async fn taken(session: Session<'_>, batch: &Batch, selected: &[usize]) -> Result<HashMap<usize, UnitOutcome>, sqlx::Error> {
    let found = Found::ask(session, batch, selected).await?;
    let mut earlier =
        Earlier { given_back: selected.iter().flat_map(|index| gives_back(&batch.units[*index])).collect(), ..Earlier::default() };
    let mut outcomes = HashMap::new();
    for &index in selected {
        let unit = &batch.units[index];
        match blame(unit, &found, &earlier) {
            Some(outcome) => {
                outcomes.insert(index, outcome);
            }
            None => earlier.add(unit),
        }
    }
    Ok(outcomes)
}

fn blame(unit: &Unit, found: &Found, earlier: &Earlier) -> Option<UnitOutcome> {
    if found.streams.contains(&unit.stream) || earlier.streams.contains(&unit.stream) {
        return Some(UnitOutcome::SequenceTaken);
    }
    let keys: Vec<ReceiptKey> = keys(unit).filter(|key| found.keys.contains(key) || earlier.keys.contains(key)).collect();
    if !keys.is_empty() {
        return Some(UnitOutcome::KeysTaken(keys));
    }
    takes(unit).find_map(|claim| {
        let in_log = found.claims.get(&claim).filter(|holder| !earlier.given_back.contains(&(claim.clone(), **holder))).copied();
        let holder = earlier.claims.get(&claim).copied().or(in_log)?;
        Some(UnitOutcome::ClaimTaken { kind: claim.1.to_owned(), value: claim.2, holder })
    })
}

/// Tenant, kind, value.
type ClaimName = (Uuid, &'static str, String);

fn keys(unit: &Unit) -> impl Iterator<Item = ReceiptKey> + '_ {
    unit.receipts.iter().map(|receipt| ReceiptKey {
        tenant_id: unit.stream.tenant_id,
        key_owner: receipt.key_owner.clone(),
        idempotency_key: receipt.idempotency_key.clone(),
    })
}

fn takes(unit: &Unit) -> impl Iterator<Item = ClaimName> + '_ {
    let tenant_id = unit.stream.tenant_id.uuid();
    net_claims(&unit.claims).into_iter().filter(|claim| claim.take).map(move |claim| (tenant_id, claim.kind, claim.value.clone()))
}

fn gives_back(unit: &Unit) -> impl Iterator<Item = (ClaimName, Uuid)> + '_ {
    let tenant_id = unit.stream.tenant_id.uuid();
    let given_back = net_claims(&unit.claims).into_iter().filter(|claim| !claim.take);
    given_back.map(move |claim| ((tenant_id, claim.kind, claim.value.clone()), unit.stream.aggregate_id))
}

/// What the units before this one would write.
#[derive(Default)]
struct Earlier {
    streams: HashSet<StreamId>,
    keys: HashSet<ReceiptKey>,
    claims: HashMap<ClaimName, Uuid>,
    /// By any unit of the batch: the statement gives back before it takes.
    given_back: HashSet<(ClaimName, Uuid)>,
}

impl Earlier {
    fn add(&mut self, unit: &Unit) {
        if !unit.events.is_empty() {
            self.streams.insert(unit.stream);
        }
        self.keys.extend(keys(unit));
        self.claims.extend(takes(unit).map(|claim| (claim, unit.stream.aggregate_id)));
    }
}

/// What the log already holds.
#[derive(Default)]
struct Found {
    streams: HashSet<StreamId>,
    keys: HashSet<ReceiptKey>,
    claims: HashMap<ClaimName, Uuid>,
}

impl Found {
    async fn ask(session: Session<'_>, batch: &Batch, selected: &[usize]) -> Result<Self, sqlx::Error> {
        let units = || selected.iter().map(|index| &batch.units[*index]);
        let streams: Vec<&Unit> = units().filter(|unit| !unit.events.is_empty()).collect();
        let keys: Vec<ReceiptKey> = units().flat_map(keys).collect();
        let claims: Vec<ClaimName> = units().flat_map(takes).collect();
        let taken = match session {
            Session::Port(port) => {
                let streams: Vec<_> = streams.iter().map(|unit| (unit.stream, unit.first_sequence)).collect();
                port.taken(Asked { streams: &streams, keys: &keys, claims: &claims }).await?
            }
            Session::Postgres(connection) => Self::query(connection, &streams, &keys, &claims).await?,
        };
        let mut found = Self::default();
        for (what, nth, holder) in taken {
            let place = usize::try_from(nth - 1).unwrap_or_default();
            match (what, holder) {
                ("stream", _) => _ = found.streams.insert(streams[place].stream),
                ("key", _) => _ = found.keys.insert(keys[place].clone()),
                (_, Some(holder)) => _ = found.claims.insert(claims[place].clone(), holder),
                _ => {}
            }
        }
        Ok(found)
    }

    async fn query(
        connection: &mut PgConnection,
        streams: &[&Unit],
        keys: &[ReceiptKey],
        claims: &[ClaimName],
    ) -> Result<Vec<(&'static str, i64, Option<Uuid>)>, sqlx::Error> {
        let rows = sqlx::query(TAKEN)
            .bind(streams.iter().map(|unit| unit.stream.tenant_id.uuid()).collect::<Vec<_>>())
            .bind(streams.iter().map(|unit| unit.stream.aggregate_type).collect::<Vec<_>>())
            .bind(streams.iter().map(|unit| unit.stream.aggregate_id).collect::<Vec<_>>())
            .bind(streams.iter().map(|unit| unit.first_sequence).collect::<Vec<_>>())
            .bind(keys.iter().map(|key| key.tenant_id.uuid()).collect::<Vec<_>>())
            .bind(keys.iter().map(|key| key.key_owner.as_str()).collect::<Vec<_>>())
            .bind(keys.iter().map(|key| key.idempotency_key.as_str()).collect::<Vec<_>>())
            .bind(claims.iter().map(|claim| claim.0).collect::<Vec<_>>())
            .bind(claims.iter().map(|claim| claim.1).collect::<Vec<_>>())
            .bind(claims.iter().map(|claim| claim.2.as_str()).collect::<Vec<_>>())
            .fetch_all(connection)
            .await?;
        let taken = |row: &PgRow| {
            let what = match row.try_get(0)? {
                "stream" => "stream",
                "key" => "key",
                _ => "claim",
            };
            Ok((what, row.try_get(1)?, row.try_get(2)?))
        };
        rows.iter().map(taken).collect()
    }
}
