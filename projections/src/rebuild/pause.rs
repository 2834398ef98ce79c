//! Telling the projector to leave a projection alone, and to go on.

use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::db::Pool;
use uuid::Uuid;

/// All tenants, or one: nothing of theirs is taken until [`resume`]; they stay readable. False when it was paused already.
/// `pool`: the read database as `holdfast_projector`.
///
/// # Errors
/// When the database does not answer.
pub async fn pause(pool: &Pool, projection: &'static str, tenant: Option<TenantId>, by: &str) -> Result<bool, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let paused =
        sqlx::query("INSERT INTO rebuild.projection_pauses (projection, tenant_id, paused_by) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
            .bind(projection)
            .bind(tenant.map_or(Uuid::nil(), TenantId::uuid))
            .bind(by)
            .execute(&mut *connection)
            .await?;
    Ok(paused.rows_affected() > 0)
}

/// Takes a pause back and lets the projection try the event again at which it has stopped, for all tenants or for one.
/// Gives how many pauses and stops there were. `pool`: as for [`pause`].
///
/// # Errors
/// When the database does not answer.
pub async fn resume(pool: &Pool, projection: &'static str, tenant: Option<TenantId>) -> Result<(u64, u64), sqlx::Error> {
    let tenant = tenant.map(TenantId::uuid);
    let mut tx = pool.begin().await?;
    // Without a tenant everything goes on, also what was paused one by one.
    let pauses = sqlx::query("DELETE FROM rebuild.projection_pauses WHERE projection = $1 AND ($2::uuid IS NULL OR tenant_id = $2)")
        .bind(projection)
        .bind(tenant)
        .execute(&mut *tx)
        .await?;
    let stops = sqlx::query("DELETE FROM projection_failures WHERE projection = $1 AND ($2::uuid IS NULL OR tenant_id = $2)")
        .bind(projection)
        .bind(tenant)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok((pauses.rows_affected(), stops.rows_affected()))
}
