//! The sealer: at a fixed rhythm every tenant whose log grew gets a new seal, unless what was sealed has changed.
//!
//! One is active, by advisory lock. Two for a moment do no harm: the line of seals cannot fork.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use chrono::Utc;
use holdfast_domain::kernel::TenantId;
use sqlx::PgConnection;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::announce::Announcer;
use super::head::{Seal, SealKeys, SealingKey};
use super::leaf::leaf_hash;
use super::patrol::patrol;
use super::tiles::Edge;
use super::{certificate, sink, store};
use crate::db::Pool;
use crate::nats::Nats;
use crate::relay::leadership::Leadership;
use crate::{LogError, failpoint, retry};

/// A sealer that says nothing for longer is taken for dead. One that lives harms nothing: the keys of seals make one line.
const LONGEST_ROUND: Duration = Duration::from_secs(60);
/// "seals of" in ASCII: one sealer per write database.
const LOCK: i64 = 0x7365_616c_7320_6f66;
const PAGE: i64 = 1_000;

#[derive(Debug, Clone)]
pub struct SealerSettings {
    pub every: Duration,
    /// Where seals are kept outside the database.
    pub file: Option<PathBuf>,
    /// Sealed events of a tenant that are read again before each of its seals: all of a smaller log, the next so many of a larger one.
    pub patrol: i64,
}

impl Default for SealerSettings {
    fn default() -> Self {
        Self { every: Duration::from_secs(5), file: None, patrol: 2_048 }
    }
}

/// What was sealed is not what is there: somebody has to look. Nothing is signed for this tenant until it is again.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("the log ends at position {head}, and {sealed} events were sealed")]
    Shorter { head: i64, sealed: i64 },
    #[error("a seal of {known} events is known, and the newest stored one is of {stored}")]
    SealGone { known: i64, stored: i64 },
    #[error("the seal of {0} events is not signed by an accepted key, or not the one that is known")]
    SealChanged(i64),
    #[error("the hashes of the first {0} events are not those that were sealed")]
    TreeChanged(i64),
    #[error("an event from position {0} on is not the one that was sealed")]
    EventChanged(i64),
    #[error("position {0} is missing")]
    Gap(i64),
    #[error(transparent)]
    Log(#[from] LogError),
}

impl From<sqlx::Error> for Refused {
    fn from(error: sqlx::Error) -> Self {
        Self::Log(error.into())
    }
}

/// Runs until `shutdown`. `pool` belongs to the role `relay`; `accepted` holds the public key of `key` and those of before.
pub async fn run(
    pool: Pool,
    nats: Option<Nats>,
    key: SealingKey,
    accepted: SealKeys,
    settings: SealerSettings,
    shutdown: CancellationToken,
) {
    let every = settings.every;
    let silence = every + LONGEST_ROUND;
    let mut sealer = Sealer::new(pool.clone(), nats, key, accepted, settings);
    let mut failures = 0;
    while !shutdown.is_cancelled() {
        let leadership = tokio::select! {
            leadership = Leadership::wait(&pool, LOCK, silence) => leadership,
            () = shutdown.cancelled() => return,
        };
        let mut leadership = match leadership {
            Ok(leadership) => leadership,
            Err(error) => {
                tracing::warn!(%error, "the sealer cannot ask for the leadership");
                tokio::select! {
                    () = sleep(retry::backoff(failures)) => failures += 1,
                    () = shutdown.cancelled() => return,
                }
                continue;
            }
        };
        failures = 0;
        tracing::info!("this sealer is active");
        while !shutdown.is_cancelled() && leadership.check().await.is_ok() {
            if let Err(error) = sealer.round().await {
                tracing::warn!(%error, "a round of seals was cut short");
            }
            tokio::select! {
                () = sleep(every) => {}
                () = shutdown.cancelled() => {}
            }
        }
        leadership.give_up().await;
    }
}

/// What the sealer remembers between rounds.
pub struct Sealer {
    pool: Pool,
    announcer: Announcer,
    key: SealingKey,
    accepted: SealKeys,
    settings: SealerSettings,
    tenants: HashMap<TenantId, Known>,
    /// The file was compared with the database.
    caught_up: bool,
}

#[derive(Default)]
struct Known {
    /// From this process's memory or the file: the database must have it still.
    seal: Option<Seal>,
    /// Where the patrol goes on.
    patrolled: i64,
    refused: Option<String>,
    /// The size of the seal up to which erasures have their certificates.
    certified: i64,
}

#[derive(Debug, thiserror::Error)]
pub enum RoundError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    File(#[from] sink::SinkError),
}

impl Sealer {
    #[must_use]
    pub fn new(pool: Pool, nats: Option<Nats>, key: SealingKey, accepted: SealKeys, settings: SealerSettings) -> Self {
        Self { pool, announcer: Announcer::new(nats), key, accepted, settings, tenants: HashMap::new(), caught_up: false }
    }

    /// Seals every log that grew. Returns the new seals; a tenant that is refused is logged and the others go on.
    ///
    /// # Errors
    /// When the database does not answer, or the file cannot be read or written.
    pub async fn round(&mut self) -> Result<Vec<Seal>, RoundError> {
        self.catch_up().await?;
        let heads = self.heads().await?;
        let mut made = Vec::new();
        for (tenant_id, head, sealed) in heads {
            let mut known = self.tenants.remove(&tenant_id).unwrap_or_default();
            let outcome = self.tenant(tenant_id, head, sealed.as_ref(), &mut known).await;
            match outcome {
                Ok(seal) => {
                    if known.refused.take().is_some() {
                        tracing::warn!(%tenant_id, "the log is again what was sealed");
                    }
                    known.seal = seal.clone().or(known.seal);
                    self.certify(seal.as_ref().or(sealed.as_ref()), &mut known).await;
                    made.extend(seal);
                }
                Err(Refused::Log(error)) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(%tenant_id, error, "this log is sealed in a later round");
                }
                Err(refused) => {
                    let why = refused.to_string();
                    if known.refused.as_ref() != Some(&why) {
                        tracing::error!(%tenant_id, why, "SEAL REFUSED: the log is not what was sealed");
                        metrics::counter!("holdfast_seal_refused_total").increment(1);
                    }
                    known.refused = Some(why);
                }
            }
            self.tenants.insert(tenant_id, known);
        }
        let refused = self.tenants.values().filter(|known| known.refused.is_some()).count();
        metrics::gauge!("holdfast_seal_refused_tenants").set(u32::try_from(refused).unwrap_or(u32::MAX));
        metrics::counter!("holdfast_seals_total").increment(made.len() as u64);
        self.publish(&made).await?;
        Ok(made)
    }

    /// Certificates for the erasures that the seal covers; what fails is tried again in the next round.
    async fn certify(&self, newest: Option<&Seal>, known: &mut Known) {
        let Some(seal) = newest.filter(|seal| seal.size > known.certified) else { return };
        let certified = async { certificate::certify(&mut *self.pool.acquire().await?, &self.key, seal).await };
        match certified.await {
            Ok(_) => known.certified = seal.size,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(tenant_id = %seal.tenant_id, error, "certificates of erasure are written in a later round");
            }
        }
    }

    /// Every tenant with a log, with seals, or known to us, with its head and its newest seal.
    async fn heads(&self) -> Result<Vec<(TenantId, i64, Option<Seal>)>, LogError> {
        let connection = &mut *self.pool.acquire().await?;
        let rows: Vec<(Uuid, i64)> = sqlx::query_as("SELECT tenant_id, position FROM tenant_heads").fetch_all(&mut *connection).await?;
        let mut heads: HashMap<TenantId, i64> = rows.into_iter().map(|(tenant_id, head)| (TenantId(tenant_id), head)).collect();
        for tenant_id in store::tenants_with_seals(connection).await?.into_iter().chain(self.tenants.keys().copied()) {
            heads.entry(tenant_id).or_insert(0);
        }
        let mut all = Vec::with_capacity(heads.len());
        for (tenant_id, head) in heads {
            all.push((tenant_id, head, store::newest_seal(connection, tenant_id).await?));
        }
        Ok(all)
    }

    /// The new seal; none when the log stands where it stood.
    async fn tenant(&self, tenant_id: TenantId, head: i64, sealed: Option<&Seal>, known: &mut Known) -> Result<Option<Seal>, Refused> {
        let size = sealed.map_or(0, |seal| seal.size);
        if let Some(known) = &known.seal {
            if known.size > size {
                return Err(Refused::SealGone { known: known.size, stored: size });
            }
            if known.size == size && Some(known) != sealed {
                return Err(Refused::SealChanged(size));
            }
        }
        if head < size {
            return Err(Refused::Shorter { head, sealed: size });
        }
        if head == size && known.refused.is_none() {
            return Ok(None);
        }
        let mut connection = self.pool.acquire().await?;
        let edge = self.sealed_edge(&mut connection, tenant_id, sealed).await?;
        known.patrolled = patrol(&mut connection, sealed, known.patrolled, self.settings.patrol).await?;
        drop(connection);
        if head == size {
            return Ok(None);
        }
        self.seal(tenant_id, edge, size, head).await.map(Some)
    }

    /// The tree as it was sealed, from its tiles; it must have the signed root.
    async fn sealed_edge(&self, connection: &mut PgConnection, tenant_id: TenantId, sealed: Option<&Seal>) -> Result<Edge, Refused> {
        let Some(seal) = sealed else { return Ok(Edge::default()) };
        if !self.accepted.accept(seal) {
            return Err(Refused::SealChanged(seal.size));
        }
        let size = u64::try_from(seal.size).unwrap_or(0);
        let tiles = store::load(connection, tenant_id, &Edge::needed(size)).await?;
        Edge::after(size, &tiles).filter(|edge| edge.root() == seal.root).ok_or(Refused::TreeChanged(seal.size))
    }

    async fn seal(&self, tenant_id: TenantId, mut edge: Edge, size: i64, head: i64) -> Result<Seal, Refused> {
        let mut after = size;
        while after < head {
            let events = store::page(&mut *self.pool.acquire().await?, tenant_id, after, head, PAGE).await?;
            if events.is_empty() {
                return Err(Refused::Gap(after + 1));
            }
            for event in events {
                after += 1;
                if event.position != after {
                    return Err(Refused::Gap(after));
                }
                edge.push(leaf_hash(&event));
            }
        }
        let seal = self.key.sign(tenant_id, head, edge.root(), size, Utc::now());
        let mut tx = self.pool.begin().await?;
        store::write(&mut tx, &seal, edge.into_tiles()).await?;
        failpoint::reached("seal.before_commit");
        tx.commit().await?;
        failpoint::reached("seal.after_commit");
        Ok(seal)
    }

    /// Once: what the file knows, the database must have; what the file lacks, it gets.
    async fn catch_up(&mut self) -> Result<(), RoundError> {
        let Some(path) = self.settings.file.clone().filter(|_| !self.caught_up) else { return Ok(()) };
        let in_file = sink::newest_seals(&path)?;
        let connection = &mut *self.pool.acquire().await.map_err(LogError::from)?;
        for tenant_id in store::tenants_with_seals(connection).await? {
            let mut after = in_file.get(&tenant_id).map_or(0, |seal| seal.size);
            loop {
                let page = store::seals_after(connection, tenant_id, after, PAGE).await?;
                let Some(last) = page.last() else { break };
                after = last.size;
                sink::append(&path, &page).await?;
            }
        }
        for (tenant_id, seal) in in_file {
            let known = self.tenants.entry(tenant_id).or_default();
            if known.seal.as_ref().is_none_or(|known| known.size < seal.size) {
                known.seal = Some(seal);
            }
        }
        self.caught_up = true;
        Ok(())
    }

    /// To NATS and the file.
    async fn publish(&mut self, seals: &[Seal]) -> Result<(), RoundError> {
        self.announcer.announce(seals).await;
        if seals.is_empty() {
            return Ok(());
        }
        if let Some(path) = &self.settings.file {
            let written = sink::append(path, seals).await;
            self.caught_up = written.is_ok();
            written?;
        }
        Ok(())
    }
}
