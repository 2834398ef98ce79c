//! One tenant's log, tiles, seals and file against each other: everything is computed anew from the stored events.

use std::collections::{BTreeMap, HashMap};

use holdfast_domain::kernel::TenantId;
use serde::Serialize;
use sqlx::PgConnection;

use super::head::{Seal, SealKeys};
use super::leaf::leaf_hash;
use super::store;
use super::tiles::{Edge, Tiles};
use super::tree::Hash;
use crate::LogError;

const PAGE: i64 = 1_000;
const SEALS: i64 = 1_000;
/// Findings that are spelled out; the rest is counted.
const EXAMPLES: usize = 20;

/// What was looked at and what does not hold.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckReport {
    pub events: i64,
    pub seals: i64,
    /// Seals of the file outside the database.
    pub file_seals: i64,
    /// Events after the newest seal: nothing vouches for them yet.
    pub unsealed: i64,
    pub failed: i64,
    pub findings: Vec<String>,
}

impl CheckReport {
    #[must_use]
    pub fn ok(&self) -> bool {
        self.failed == 0
    }

    fn fail(&mut self, finding: String) {
        self.failed += 1;
        if self.findings.len() < EXAMPLES {
            self.findings.push(finding);
        }
    }
}

/// `outside`: the seals of the tenant that were kept outside the database. The connection sees the tenant's rows.
///
/// # Errors
/// When the database does not answer; what does not hold is in the report.
pub async fn check(connection: &mut PgConnection, tenant_id: TenantId, keys: &SealKeys, outside: &[Seal]) -> Result<CheckReport, LogError> {
    let mut report = CheckReport::default();
    // Seals before the head and the head before the events: what is written in between makes nothing look wrong.
    let sealed = all_seals(connection, tenant_id).await?;
    let head: Option<i64> = sqlx::query_scalar("SELECT position FROM tenant_heads WHERE tenant_id = $1")
        .bind(tenant_id.uuid())
        .fetch_optional(&mut *connection)
        .await?;
    let head = head.unwrap_or(0);
    let expected = roots_to_meet(&mut report, &sealed, outside, tenant_id, keys);
    let newest = sealed.last().map_or(0, |seal| seal.size);
    if newest > head {
        report.fail(format!("the log ends at position {head}, and {newest} events were sealed"));
    }
    let (mut edge, mut sealed_edge) = (Edge::default(), Edge::default());
    let mut after = 0;
    loop {
        let events = store::page(connection, tenant_id, after, i64::MAX, PAGE).await?;
        let Some(last) = events.last() else { break };
        for event in &events {
            after += 1;
            if event.position > head && after > head {
                // Written since we began, or beside the log: told apart below.
                break;
            }
            if event.position != after {
                report.fail(format!("position {after} is missing: {} follows {}", event.position, after - 1));
                return Ok(report);
            }
            edge.push(leaf_hash(event));
            if let Some(wanted) = expected.get(&after)
                && wanted.iter().any(|root| *root != edge.root())
            {
                report.fail(format!("the first {after} events are not those that were sealed"));
            }
            if after == newest {
                sealed_edge = edge.clone();
            }
        }
        if last.position > head {
            break;
        }
    }
    report.events = i64::try_from(edge.size).unwrap_or(i64::MAX);
    if report.events < head {
        report.fail(format!("the head stands at {head}, and the last event at {}", report.events));
    }
    for size in expected.range(report.events + 1..).map(|(size, _)| size) {
        report.fail(format!("{size} events were sealed, and {} are there", report.events));
    }
    let (top, head_now): (i64, i64) = sqlx::query_as(
        "SELECT coalesce((SELECT max(position) FROM events WHERE tenant_id = $1), 0),
                coalesce((SELECT position FROM tenant_heads WHERE tenant_id = $1), 0)",
    )
    .bind(tenant_id.uuid())
    .fetch_one(&mut *connection)
    .await?;
    if top != head_now || head_now < head {
        report.fail(format!("the head stands at {head_now}, and the last event at {top}"));
    }
    report.unsealed = (report.events - newest).max(0);
    check_tiles(connection, &mut report, tenant_id, sealed_edge, newest).await?;
    Ok(report)
}

/// Oldest first.
async fn all_seals(connection: &mut PgConnection, tenant_id: TenantId) -> Result<Vec<Seal>, LogError> {
    let mut all: Vec<Seal> = Vec::new();
    loop {
        let more = store::seals(connection, tenant_id, all.last().map(|seal| seal.size), SEALS).await?;
        if more.is_empty() {
            all.reverse();
            return Ok(all);
        }
        all.extend(more);
    }
}

/// Signatures and the order of the seals; what remains is to meet their roots.
fn roots_to_meet(
    report: &mut CheckReport,
    sealed: &[Seal],
    outside: &[Seal],
    tenant_id: TenantId,
    keys: &SealKeys,
) -> BTreeMap<i64, Vec<Hash>> {
    let mut roots: BTreeMap<i64, Vec<Hash>> = BTreeMap::new();
    let mut previous = 0;
    for seal in sealed {
        if seal.previous_size != previous {
            report.fail(format!("a seal is missing between {previous} and {} events", seal.size));
        }
        previous = seal.size;
    }
    let stored: HashMap<i64, &Seal> = sealed.iter().map(|seal| (seal.size, seal)).collect();
    for (seal, place) in sealed.iter().map(|seal| (seal, "stored")).chain(outside.iter().map(|seal| (seal, "outside"))) {
        if seal.tenant_id != tenant_id {
            continue;
        }
        if !keys.accept(seal) {
            report.fail(format!("the {place} seal of {} events is not signed by an accepted key", seal.size));
        }
        roots.entry(seal.size).or_default().push(seal.root);
        if place == "stored" {
            report.seals += 1;
        } else {
            report.file_seals += 1;
            if stored.get(&seal.size).is_none_or(|stored| **stored != *seal) && seal.size <= previous {
                report.fail(format!("the seal of {} events that is outside is not the stored one", seal.size));
            } else if seal.size > previous {
                report.fail(format!("the seal of {} events that is outside is not stored", seal.size));
            }
        }
    }
    roots
}

/// Every tile holds what the events give, and there is none besides.
async fn check_tiles(
    connection: &mut PgConnection,
    report: &mut CheckReport,
    tenant_id: TenantId,
    edge: Edge,
    newest: i64,
) -> Result<(), LogError> {
    let right = edge.into_tiles();
    let (mut level, mut tile, mut seen) = (-1, 0, 0);
    loop {
        let rows: Vec<(i32, i64)> = sqlx::query_as(
            "SELECT level, tile FROM seal_tiles WHERE tenant_id = $1 AND (level, tile) > ($2, $3) ORDER BY level, tile LIMIT 64",
        )
        .bind(tenant_id.uuid())
        .bind(level)
        .bind(tile)
        .fetch_all(&mut *connection)
        .await?;
        let Some(last) = rows.last() else { break };
        (level, tile) = *last;
        let key = |(level, tile): &(i32, i64)| (u32::try_from(*level).unwrap_or(u32::MAX), u64::try_from(*tile).unwrap_or(u64::MAX));
        let Tiles(stored) = store::load(connection, tenant_id, &rows.iter().map(key).collect()).await?;
        for (key, hashes) in stored {
            let wanted = right.get(&key);
            seen += usize::from(wanted.is_some());
            // A seal that was added meanwhile may have continued it.
            let whole = wanted.is_some_and(|wanted| hashes == *wanted);
            let begun = wanted.is_none_or(|wanted| hashes.starts_with(wanted));
            if !(whole || begun && has_grown(connection, tenant_id, newest).await?) {
                report.fail(format!("tile {} of level {} is not what the events give", key.1, key.0));
            }
        }
    }
    if seen < right.len() {
        report.fail(format!("{} tiles are missing", right.len() - seen));
    }
    Ok(())
}

async fn has_grown(connection: &mut PgConnection, tenant_id: TenantId, newest: i64) -> Result<bool, LogError> {
    Ok(store::newest_seal(connection, tenant_id).await?.is_some_and(|seal| seal.size > newest))
}
