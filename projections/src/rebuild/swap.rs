//! Both sides change places in one transaction (protocols 8.1, 8.3).

use std::time::Duration;

use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::db::Tx;
use holdfast_eventlog::failpoint;
use uuid::Uuid;

use crate::rebuild::fold::live_positions;
use crate::rebuild::run::Run;
use crate::rebuild::runs::{self, OtherSide};
use crate::rebuild::{RebuildError, passes};

const TRIES: u32 = 40;

impl Run {
    pub(super) async fn swap_back(mut self) -> Result<(), RebuildError> {
        let may = self.may_swap_back().await;
        self.record(may).await?;
        self.swap().await
    }

    pub(super) async fn swap_prepared(mut self, prepared: Uuid) -> Result<(), RebuildError> {
        let may = self.may_swap(prepared).await;
        self.record(may).await?;
        self.swap().await
    }

    async fn may_swap_back(&self) -> Result<(), RebuildError> {
        match runs::other_side(&self.rebuilder.live, self.name(), self.tenant, false).await? {
            (OtherSide::Former, _) => self.same_version().await,
            (OtherSide::Rebuilt | OtherSide::Nothing, _) => Err(RebuildError::NothingKept),
        }
    }

    /// Nothing has touched the shadow side since, not even for one tenant.
    async fn may_swap(&self, prepared: Uuid) -> Result<(), RebuildError> {
        let of_any = self.tenant.is_none();
        match runs::other_side(&self.rebuilder.live, self.name(), self.tenant, of_any).await? {
            (OtherSide::Rebuilt, Some(last)) if last == prepared => self.same_version().await,
            (OtherSide::Rebuilt | OtherSide::Former | OtherSide::Nothing, _) => Err(RebuildError::NotPrepared(prepared)),
        }
    }

    async fn same_version(&self) -> Result<(), RebuildError> {
        let mut connection = self.rebuilder.live.acquire().await?;
        let kept: Option<i32> = sqlx::query_scalar(
            "SELECT version FROM shadow.projection_checkpoints
             WHERE projection = $1 AND ($2::uuid IS NULL OR tenant_id = $2) AND version <> $3 LIMIT 1",
        )
        .bind(self.name())
        .bind(self.tenant.map(TenantId::uuid))
        .bind(self.version())
        .fetch_optional(&mut *connection)
        .await?;
        kept.map_or(Ok(()), |kept| Err(RebuildError::OtherVersion { kept, ours: self.version() }))
    }

    pub(super) async fn exchange(&mut self) -> Result<(), RebuildError> {
        for attempt in 0..TRIES {
            let wanted = self.wanted().await?;
            self.folder.log_reaches(&wanted).await?;
            for (tenant_id, position) in wanted {
                match self.folder.fold(tenant_id, position).await {
                    // What the side that is read has not seen either stops the new side there, as it would have stopped the old.
                    Err(RebuildError::DoesNotFit { .. }) if self.to_heads => {}
                    folded => folded?,
                }
            }
            self.holds_its_lock().await?;
            // A projector that holds a row or a table we want is let go first: `lock_timeout`, and again.
            let mut tx = self.rebuilder.live.begin_with("BEGIN; SET LOCAL idle_in_transaction_session_timeout = '60s'").await?;
            match self.exchange_in(&mut tx).await {
                Ok(()) => {
                    failpoint::reached("swap.before_commit");
                    tx.commit().await?;
                    failpoint::reached("swap.after_commit");
                    return Ok(());
                }
                Err(RebuildError::Database(error)) if passes(&error) => {
                    tx.rollback().await?;
                    tokio::time::sleep(Duration::from_millis(50 * u64::from(attempt.min(10)))).await;
                }
                Err(error) => {
                    tx.rollback().await?;
                    return Err(error);
                }
            }
        }
        Err(RebuildError::InUse)
    }

    /// Checkpoints are locked before tables; with them locked no batch of these tenants is under way.
    async fn exchange_in(&self, tx: &mut Tx) -> Result<(), RebuildError> {
        for (tenant_id, position) in live_positions(tx, self.name(), self.tenant, true).await? {
            self.folder.fold(tenant_id, position).await?; // the few events since
        }
        let tenant = self.tenant.map(TenantId::uuid);
        sqlx::query(
            "SELECT FROM shadow.projection_checkpoints WHERE projection = $1 AND ($2::uuid IS NULL OR tenant_id = $2) ORDER BY tenant_id FOR UPDATE",
        )
        .bind(self.name())
        .bind(tenant)
        .execute(&mut **tx)
        .await?;
        let names: Vec<&str> = self.tables.iter().map(|table| table.name).collect();
        let differences: Vec<String> =
            sqlx::query_scalar("SELECT difference FROM rebuild.differences($1) AS difference").bind(&names).fetch_all(&mut **tx).await?;
        if !differences.is_empty() {
            return Err(RebuildError::Shape(differences));
        }
        match tenant {
            None => sqlx::query("SELECT rebuild.swap_sides($1, $2, $3)").bind(self.name()).bind(self.version()).bind(&names),
            Some(tenant) => {
                sqlx::query("SELECT rebuild.swap_tenant($1, $2, $3, $4)").bind(self.name()).bind(self.version()).bind(tenant).bind(&names)
            }
        }
        .execute(&mut **tx)
        .await?;
        // In the same transaction: what is on record as swapped is swapped, and nothing else is.
        Ok(runs::end(tx, self.id, "swapped", None).await?)
    }
}
