//! Read models that have seen events which the log does not have (protocols 8.5).
//!
//! It happens when the two databases are put back to different points, or when the log's standby was promoted without having
//! everything. Such rows are rebuilt from the log as it is now.

use std::collections::HashMap;

use holdfast_domain::kernel::TenantId;
use uuid::Uuid;

use crate::rebuild::runs::Kind;
use crate::rebuild::{RebuildError, Rebuilder};

/// No projection has this version: the projector leaves such rows alone, and they are rebuilt.
const OF_ANOTHER_LOG: i32 = -1;

/// A place that the log has never reached.
#[derive(Debug, sqlx::FromRow)]
struct Ahead {
    tenant_id: Uuid,
    projection: String,
    position: i64,
}

impl Rebuilder {
    /// Marks every read model that stands beyond the end of its log, so that nobody goes on with it. Returns how many there are.
    ///
    /// # Errors
    /// When one of the databases does not answer.
    pub async fn mark_what_is_ahead(&self) -> Result<usize, RebuildError> {
        let suspects = self.beyond(&self.heads().await?).await?;
        if suspects.is_empty() {
            return Ok(0);
        }
        // Read models may have moved on while we asked; heads never go back, so what is beyond a later one is beyond all.
        let heads = self.heads().await?;
        let mut marked = 0;
        for Ahead { tenant_id, projection, position } in suspects {
            let head = heads.get(&tenant_id).copied().unwrap_or_default();
            if position > head {
                metrics::counter!("holdfast_projection_ahead_total", "projection" => projection.clone()).increment(1);
                tracing::error!(projection, %tenant_id, position, head, "a read model knows events that the log does not have: it is rebuilt");
                self.mark(tenant_id, &projection, head).await?;
                marked += 1;
            }
        }
        Ok(marked)
    }

    async fn heads(&self) -> Result<HashMap<Uuid, i64>, RebuildError> {
        Ok(self.log.heads().await?.into_iter().map(|(tenant_id, (head, _))| (tenant_id.uuid(), head)).collect())
    }

    async fn beyond(&self, heads: &HashMap<Uuid, i64>) -> Result<Vec<Ahead>, RebuildError> {
        let (tenants, positions): (Vec<Uuid>, Vec<i64>) = heads.iter().map(|(tenant_id, head)| (*tenant_id, *head)).unzip();
        Ok(sqlx::query_as(
            "SELECT c.tenant_id, c.projection, c.position FROM projection_checkpoints c
             LEFT JOIN unnest($1::uuid[], $2::bigint[]) AS h (tenant_id, position) ON h.tenant_id = c.tenant_id
             WHERE c.position > coalesce(h.position, 0)",
        )
        .bind(tenants)
        .bind(positions)
        .fetch_all(&mut *self.live.acquire().await?)
        .await?)
    }

    /// It stands at the end of the log from now on, with rows that are not to be gone on with.
    async fn mark(&self, tenant_id: Uuid, projection: &str, head: i64) -> Result<(), RebuildError> {
        sqlx::query(
            "WITH unstopped AS (DELETE FROM projection_failures WHERE tenant_id = $1 AND projection = $2 AND position > $3)
             UPDATE projection_checkpoints SET position = $3, version = $4 WHERE tenant_id = $1 AND projection = $2 AND position > $3",
        )
        .bind(tenant_id)
        .bind(projection)
        .bind(head)
        .bind(OF_ANOTHER_LOG)
        .execute(&mut *self.live.acquire().await?)
        .await?;
        Ok(())
    }

    /// Rebuilds what is marked, tenant by tenant, to the end of the log.
    pub(super) async fn rebuild_what_was_ahead(&self, projection: &str) -> Result<(), RebuildError> {
        let marked: Vec<Uuid> = sqlx::query_scalar("SELECT tenant_id FROM projection_checkpoints WHERE projection = $1 AND version = $2")
            .bind(projection)
            .bind(OF_ANOTHER_LOG)
            .fetch_all(&mut *self.live.acquire().await?)
            .await?;
        for tenant_id in marked {
            let mut run = self.begin(projection, Some(TenantId(tenant_id)), Kind::Rebuild, "ahead of the log").await?;
            run.to_heads = true;
            run.prepare().await?;
            run.swap().await?;
            tracing::info!(projection, %tenant_id, "rebuilt from the log as it is now");
        }
        Ok(())
    }
}
