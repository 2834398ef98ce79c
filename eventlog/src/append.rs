//! The append: one statement, one commit.
//!
//! Every row of a tenant is written behind its head row, in sorted order of tenants, so that batches of several processes
//! wait for each other but never in a circle. Unique keys decide who was first. When one refuses, a second statement asks
//! what is taken, those units are left out and reported, and the others are appended again: what the reads say may be
//! stale, the keys never are.

mod checked;
mod locked;
mod rows;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use holdfast_domain::kernel::TenantId;

use crate::db;
use crate::error::{Failure, failure};
use crate::types::{Appended, Batch, HeadMove, Unit, UnitOutcome};
use crate::{AppendError, EventLog, retry};

pub use checked::TAKEN;
pub use locked::LockedTenant;
use rows::{Rows, Selected};

macro_rules! append {
    ($claims:literal) => {
        concat!(
            "
WITH t AS MATERIALIZED (
    SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[]) AS t (tenant_id, known, all_events, ungated_events)
), h AS (
    INSERT INTO tenant_heads AS th (tenant_id, position, previous, recorded_at)
    SELECT tenant_id, CASE WHEN known > 0 THEN 0 WHEN known = 0 THEN all_events ELSE ungated_events END, 0, clock_timestamp()
    FROM t ORDER BY tenant_id
    ON CONFLICT (tenant_id) DO UPDATE SET
        position = th.position
            + (SELECT CASE WHEN th.position < t.known THEN 0 WHEN th.position = t.known THEN t.all_events ELSE t.ungated_events END
               FROM t WHERE t.tenant_id = th.tenant_id),
        previous = th.position,
        recorded_at = greatest(clock_timestamp(), th.recorded_at + interval '1 microsecond')
    RETURNING tenant_id, previous, position, recorded_at
), g AS MATERIALIZED (
    SELECT h.tenant_id, h.previous, h.recorded_at, h.previous = t.known AS current
    FROM h JOIN t ON t.tenant_id = h.tenant_id
    WHERE h.previous >= t.known
), new_events AS (
    INSERT INTO events (tenant_id, aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata, position, recorded_at)
    SELECT g.tenant_id, e.aggregate_type, e.aggregate_id, e.sequence, e.event_type, e.event_version, e.payload, e.metadata,
           g.previous + CASE WHEN g.current THEN e.nth_of_all ELSE e.nth_of_ungated END, g.recorded_at
    FROM unnest($5::uuid[], $6::text[], $7::uuid[], $8::bigint[], $9::text[], $10::text[], $11::json[], $12::json[], $13::bool[],
                $14::bigint[], $15::bigint[])
         AS e (tenant_id, aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata, gated, nth_of_all, nth_of_ungated)
    JOIN g ON g.tenant_id = e.tenant_id
    WHERE g.current OR NOT e.gated
), new_receipts AS (
    INSERT INTO receipts (tenant_id, key_owner, idempotency_key, request_hash, answer, position, recorded_at)
    SELECT g.tenant_id, r.key_owner, r.idempotency_key, r.request_hash, r.answer,
           g.previous + CASE WHEN g.current THEN r.nth_of_all ELSE r.nth_of_ungated END, g.recorded_at
    FROM unnest($16::uuid[], $17::text[], $18::text[], $19::bytea[], $20::json[], $21::bool[], $22::bigint[], $23::bigint[])
         AS r (tenant_id, key_owner, idempotency_key, request_hash, answer, gated, nth_of_all, nth_of_ungated)
    JOIN g ON g.tenant_id = r.tenant_id
    WHERE g.current OR NOT r.gated
",
            $claims,
            "), notified AS MATERIALIZED (
    SELECT pg_notify('holdfast_log', string_agg(tenant_id || ':' || position, ',')) FROM h WHERE position > previous HAVING count(*) BETWEEN 1 AND 140
)
SELECT tenant_id, previous, position, recorded_at, (SELECT count(*) FROM notified) AS notified FROM h"
        )
    };
}

/// Heads first: their locks give the tenants' commits an order, and only the locked row knows the position before the
/// batch (a plain read in this statement may be older than a lock that it waited for). `current` is the gate: nobody else
/// has written since the batch was decided. A head below `known` is another history than the one that the batch was decided
/// on (a restored backup, a standby that lacked commits): nothing is written there. Returns a row per tenant.
pub const APPEND: &str = append!(
    "), changes AS (
    SELECT c.*
    FROM unnest($24::uuid[], $25::text[], $26::uuid[], $27::text[], $28::text[], $29::bool[], $30::bool[])
         AS c (tenant_id, aggregate_type, aggregate_id, kind, value, take, gated)
    JOIN g ON g.tenant_id = c.tenant_id
    WHERE g.current OR NOT c.gated
), given_back AS (
    DELETE FROM claims USING changes AS c
    WHERE NOT c.take AND claims.tenant_id = c.tenant_id AND claims.kind = c.kind AND claims.value = c.value
      AND claims.aggregate_type = c.aggregate_type AND claims.aggregate_id = c.aggregate_id
    RETURNING 1
), taken AS (
    INSERT INTO claims (tenant_id, kind, value, aggregate_type, aggregate_id)
    SELECT tenant_id, kind, value, aggregate_type, aggregate_id FROM changes
    WHERE take AND (SELECT count(*) FROM given_back) >= 0 -- after those
"
);

/// The same for batches that change no claims, as most do not: three parts less to set up.
pub const APPEND_WITHOUT_CLAIMS: &str = append!("");

/// Rounds of append and check; what is still refused then is reported as stale and decided again by its writer.
const ROUNDS: usize = 4;

impl EventLog {
    /// Writes the batch in one statement in autocommit.
    ///
    /// # Errors
    /// `Unknown` when the answer was lost, `Failed` when nothing was written. Refusals are not errors: see [`Appended`].
    pub async fn append(&self, batch: &Batch) -> Result<Appended, AppendError> {
        let mut attempt = Attempt::new(batch);
        let everything: Vec<usize> = (0..batch.units.len()).collect();
        self.append_units(&mut attempt, everything).await?;
        let appended = attempt.finish();
        if let Some(fresh) = &self.fresh {
            fresh.tell(batch, &appended);
        }
        Ok(appended)
    }

    /// Appends the named units, leaves out and notes what is taken. What is undecided after all rounds stays out, as stale:
    /// one statement has stored everything or nothing, so an error never hides something that was committed.
    async fn append_units(&self, attempt: &mut Attempt<'_>, mut selected: Vec<usize>) -> Result<(), AppendError> {
        for _ in 0..ROUNDS {
            if selected.is_empty() {
                break;
            }
            match self.append_once(attempt, &selected).await? {
                Stored::All => break,
                Stored::KeyTaken => {
                    let mut connection = self.pool.autocommit().await.map_err(AppendError::Failed)?;
                    let taken = checked::taken(connection.session(), attempt.batch, &selected).await.map_err(AppendError::Failed)?;
                    selected.retain(|unit| !taken.contains_key(unit));
                    attempt.note(taken);
                }
            }
        }
        Ok(())
    }

    /// One statement, repeated while the server says that it did nothing and that trying again may help.
    async fn append_once(&self, attempt: &mut Attempt<'_>, selected: &[usize]) -> Result<Stored, AppendError> {
        let rows = Rows::of(attempt.batch, selected, &attempt.known);
        let mut retries = retry::Retries::new(Duration::from_secs(8));
        loop {
            let mut connection = self.pool.autocommit().await.map_err(AppendError::Failed)?;
            match rows.append(connection.session()).await {
                Ok(heads) => {
                    connection.answered();
                    attempt.stored(&rows.selected, &heads);
                    return Ok(Stored::All);
                }
                Err(error) => match failure(&error) {
                    Failure::KeyTaken => return Ok(Stored::KeyTaken),
                    Failure::Transient if retries.again().await => tracing::debug!(%error, "append repeated"),
                    Failure::Transient | Failure::Definite => return Err(AppendError::Failed(error)),
                    Failure::Lost => return Err(AppendError::Unknown(error)),
                },
            }
        }
    }
}

enum Stored {
    All,
    /// A unique key refused; nothing was written.
    KeyTaken,
}

/// What a tenant's head says to units that were decided at `known`; as in the statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    /// Nobody else has written.
    Open,
    /// Somebody has: only what does not depend on that is stored.
    Shut,
    /// The log lacks what they were decided on: nothing is stored.
    OtherHistory,
}

impl Gate {
    fn of(known: Option<i64>, before: i64) -> Self {
        match known {
            Some(known) if before == known => Self::Open,
            Some(known) if before < known => Self::OtherHistory,
            Some(_) | None => Self::Shut,
        }
    }
}

/// What is known so far about a batch that may need several statements.
struct Attempt<'a> {
    batch: &'a Batch,
    /// As the batch says; moved on over our own earlier statements.
    known: HashMap<TenantId, i64>,
    heads: BTreeMap<TenantId, HeadMove>,
    outcomes: Vec<Option<UnitOutcome>>,
}

impl<'a> Attempt<'a> {
    fn new(batch: &'a Batch) -> Self {
        Self { batch, known: batch.known.clone(), heads: BTreeMap::new(), outcomes: vec![None; batch.units.len()] }
    }

    fn note(&mut self, outcomes: HashMap<usize, UnitOutcome>) {
        for (unit, outcome) in outcomes {
            self.outcomes[unit] = Some(outcome);
        }
    }

    fn stored(&mut self, selected: &[Selected], heads: &[(TenantId, HeadMove)]) {
        let mut places = HashMap::new();
        for (tenant_id, moved) in heads {
            let gate = Gate::of(self.known.get(tenant_id).copied(), moved.before);
            let is_current = gate == Gate::Open;
            places.insert(*tenant_id, (gate, moved.before));
            if is_current {
                self.known.insert(*tenant_id, moved.after);
            }
            // Of several statements the caller is told of the last one that found a foreign write, else of the whole move.
            let before = match self.heads.get(tenant_id) {
                Some(earlier) if is_current => earlier.before,
                _ => moved.before,
            };
            self.heads.insert(*tenant_id, HeadMove { before, ..*moved });
        }
        for place in selected {
            let unit = &self.batch.units[place.unit];
            let outcome = match places.get(&unit.stream.tenant_id) {
                Some((Gate::Open, before)) => UnitOutcome::Stored { first_position: first_position(unit, *before, place.after_all) },
                Some((Gate::Shut, before)) if !place.gated => {
                    UnitOutcome::Stored { first_position: first_position(unit, *before, place.after_ungated) }
                }
                Some((Gate::Shut | Gate::OtherHistory, _)) | None => UnitOutcome::Stale,
            };
            self.outcomes[place.unit] = Some(outcome);
        }
    }

    fn finish(self) -> Appended {
        let units = self.outcomes.into_iter().map(|outcome| outcome.unwrap_or(UnitOutcome::Stale)).collect();
        Appended { heads: self.heads, units }
    }
}

/// A unit without events stands where it was decided: at the head before the batch.
fn first_position(unit: &Unit, before: i64, events_before: i64) -> i64 {
    if unit.events.is_empty() { before } else { before + events_before + 1 }
}

/// Appends inside a transaction whose lock on the tenant's head row makes every read current.
async fn append_under_lock(tx: &mut db::Tx, batch: &Batch) -> Result<Appended, AppendError> {
    let mut attempt = Attempt::new(batch);
    let mut selected: Vec<usize> = (0..batch.units.len()).collect();
    let taken = checked::taken(tx.session(), batch, &selected).await.map_err(AppendError::Failed)?;
    selected.retain(|unit| !taken.contains_key(unit));
    attempt.note(taken);
    if !selected.is_empty() {
        let rows = Rows::of(batch, &selected, &attempt.known);
        // Nothing is committed yet, so even a lost connection has a certain outcome.
        let heads = rows.append(tx.session()).await.map_err(AppendError::Failed)?;
        attempt.stored(&rows.selected, &heads);
    }
    Ok(attempt.finish())
}
