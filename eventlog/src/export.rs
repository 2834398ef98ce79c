//! A tenant's log as lines of JSON, with all that is needed to verify it offline (docs/proof.md, "Export").

mod line;
mod verify;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use holdfast_domain::kernel::TenantId;

use crate::LogError;
use crate::db::Pool;
use crate::seal::{self, Hash, Seal};
use crate::types::StoredEvent;

pub use verify::{Verified, VerifyError, verify};

use line::{Footer, Header, HexHash};

/// Events per statement and per piece of the answer.
const PAGE: i64 = 500;

/// Which events are wanted in full; of all others only the hash is written, so that nothing can be left out unseen.
#[derive(Debug, Clone, Default)]
pub struct ExportFilter {
    /// Empty: all.
    pub types: BTreeSet<String>,
    /// Recorded at or after.
    pub from: Option<DateTime<Utc>>,
    /// Recorded before.
    pub to: Option<DateTime<Utc>>,
}

impl ExportFilter {
    fn wants(&self, event: &StoredEvent) -> bool {
        (self.types.is_empty() || self.types.contains(&event.event_type))
            && self.from.is_none_or(|from| event.recorded_at >= from)
            && self.to.is_none_or(|to| event.recorded_at < to)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("this log was not sealed yet: try again in some seconds")]
    NotSealed,
    #[error("must be 0 to {sealed}, the size of the newest seal")]
    After { sealed: i64 },
    #[error("the log or its tree is damaged: `holdfast audit check` tells where")]
    Damaged,
    #[error(transparent)]
    Log(#[from] LogError),
}

impl From<sqlx::Error> for ExportError {
    fn from(error: sqlx::Error) -> Self {
        Self::Log(error.into())
    }
}

/// An export under way. Each piece is read in a transaction of its own, so a slow reader holds nothing up.
#[derive(Debug)]
pub struct Export {
    pool: Pool,
    tenant_id: TenantId,
    filter: ExportFilter,
    seal: Seal,
    next: Next,
    written: i64,
    left_out: i64,
}

#[derive(Debug)]
enum Next {
    Header { after: i64, prefix: Vec<Hash> },
    Events { after: i64 },
    Nothing,
}

impl Export {
    /// Positions `after + 1` up to the newest seal. `pool` belongs to the role `auditor`.
    ///
    /// # Errors
    /// When nothing was sealed yet, `after` is out of range, or the database does not answer.
    pub async fn begin(pool: &Pool, tenant_id: TenantId, after: i64, filter: ExportFilter) -> Result<Self, ExportError> {
        let mut tx = pool.begin_tenant_read(tenant_id).await?;
        let seal = seal::newest_seal(&mut tx, tenant_id).await?.ok_or(ExportError::NotSealed)?;
        let size = u64::try_from(after).ok().filter(|_| after <= seal.size).ok_or(ExportError::After { sealed: seal.size })?;
        let prefix = seal::stored_prefix(&mut tx, tenant_id, size).await?.ok_or(ExportError::Damaged)?;
        tx.rollback().await?;
        let next = Next::Header { after, prefix };
        Ok(Self { pool: pool.clone(), tenant_id, filter, seal, next, written: 0, left_out: 0 })
    }

    #[must_use]
    pub fn seal(&self) -> &Seal {
        &self.seal
    }

    /// The next lines; none after the footer.
    ///
    /// # Errors
    /// When the database does not answer, or events are missing. What was written so far has no footer then, and is
    /// not taken for complete.
    pub async fn next(&mut self) -> Result<Option<String>, ExportError> {
        match std::mem::replace(&mut self.next, Next::Nothing) {
            Next::Header { after, prefix } => {
                self.next = Next::Events { after };
                let filter = &self.filter;
                let header = Header::new(self.tenant_id, after, self.seal.size, prefix, &filter.types, filter.from, filter.to);
                Ok(Some(line::text(&header)))
            }
            Next::Events { after } if after == self.seal.size => {
                let footer = Footer::new(self.written, self.left_out, self.seal.clone());
                Ok(Some(line::text(&footer)))
            }
            Next::Events { after } => {
                let text = self.page(after).await?;
                Ok(Some(text))
            }
            Next::Nothing => Ok(None),
        }
    }

    async fn page(&mut self, after: i64) -> Result<String, ExportError> {
        let mut tx = self.pool.begin_tenant_read(self.tenant_id).await?;
        let events = seal::page(&mut tx, self.tenant_id, after, self.seal.size, PAGE).await?;
        tx.rollback().await?;
        let mut text = String::new();
        let mut expected = after;
        for event in &events {
            expected += 1;
            if event.position != expected {
                return Err(ExportError::Damaged);
            }
            if self.filter.wants(event) {
                self.written += 1;
                text.push_str(&line::text(&line::Event::of(event)));
            } else {
                self.left_out += 1;
                let left_out = line::LeftOut { position: event.position, leaf_hash: HexHash(seal::leaf_hash(event)) };
                text.push_str(&line::text(&left_out));
            }
        }
        if events.is_empty() {
            return Err(ExportError::Damaged);
        }
        self.next = Next::Events { after: expected };
        Ok(text)
    }
}
