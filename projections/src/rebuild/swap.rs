//! Both sides change places in one transaction (protocols 8.1, 8.3).

use std::time::Duration;

use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::db::Tx;
use holdfast_eventlog::failpoint;

use crate::rebuild::fold::live_positions;
use crate::rebuild::run::Run;
use crate::rebuild::{RebuildError, passes};

const TRIES: u32 = 40;

impl Run {
    pub(super) async fn exchange(&mut self) -> Result<(), RebuildError> {
        for attempt in 0..TRIES {
            for (tenant_id, position) in self.wanted().await? {
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
        Ok(())
    }
}
