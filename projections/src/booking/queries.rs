//! Questions about bookings, holds and call sheets (JOB-22, JOB-24, JOB-28, JOB-80).

use chrono::{DateTime, Utc};
use holdfast_domain::booking::{Booking, BookingStatus, DisputeMark, PayoutStatus};
use holdfast_domain::escrow::Hat;
use holdfast_domain::kernel::{Actor, BookingId, JobId, Money, PartyId, TenantId};
use holdfast_eventlog::db::Pool;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sqlx::{Postgres, QueryBuilder};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::booking::detail::{named, page as detail_page};
use crate::booking::{BookingDetail, CallSheetView, PROJECTION, ScheduleView};
use crate::query::{Direction, List, Page, QueryError, Read, Reading};
use crate::runtime::{self, Stored};

/// Who sees a booking as its own, for `a`, an event of it: nobody what is or was no more than a hold.
pub(crate) const PARTIES: &str =
    "SELECT ARRAY[b.talent_id, b.payer_id] FROM bookings b
     WHERE b.tenant_id = a.tenant_id AND b.id = a.entity_id AND b.status NOT IN ('held', 'released', 'expired') AND a.action <> 'hold.placed'";

/// Every field narrows the list.
#[derive(Debug, Clone, Default)]
pub struct BookingFilter {
    pub status: Option<BookingStatus>,
    pub job_id: Option<JobId>,
    pub talent_id: Option<PartyId>,
    pub payer_id: Option<PartyId>,
    /// Booked time ends after.
    pub from: Option<DateTime<Utc>>,
    /// Booked time begins before.
    pub to: Option<DateTime<Utc>>,
    pub payout_status: Option<PayoutStatus>,
    pub dispute_status: Option<DisputeMark>,
    /// Completed, without an open dispute, and its payout may go at this time (JOB-80).
    pub payout_due_at: Option<DateTime<Utc>>,
    /// Only those of this talent or payer: what somebody without `bookings.read` may see.
    pub party: Option<PartyId>,
    pub direction: Direction,
}

#[derive(Debug, Clone, Default)]
pub struct HoldFilter {
    pub job_id: Option<JobId>,
    pub talent_id: Option<PartyId>,
    /// Held time ends after.
    pub from: Option<DateTime<Utc>>,
    /// Held time begins before.
    pub to: Option<DateTime<Utc>>,
}

/// JOB-22.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BookingSummary {
    pub id: Uuid,
    pub version: i64,
    /// `pending`, `awaiting_payment`, `confirmed`, `in_progress`, `completed` or `cancelled`.
    pub status: String,
    pub job_id: Uuid,
    pub talent_id: Uuid,
    pub payer_id: Option<Uuid>,
    pub schedule: ScheduleView,
    #[schema(value_type = Option<String>, example = "1000.00")]
    pub price: Option<Decimal>,
    pub currency: Option<String>,
    /// `not_completed_yet` until payouts exist.
    pub payout_status: String,
    /// `none`, `open`, `resolved_refunded` or `resolved_rejected`.
    pub dispute_status: String,
    pub completed_at: Option<DateTime<Utc>>,
    /// JOB-61.
    pub eligible_for_release_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// JOB-03.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HoldEntry {
    pub id: Uuid,
    pub version: i64,
    /// `held`.
    pub status: String,
    pub job_id: Uuid,
    pub talent_id: Uuid,
    pub schedule: ScheduleView,
    pub expires_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

/// Bookings by creation, a page at a time. Holds are no bookings yet.
///
/// # Errors
/// `InvalidCursor`, or when the database does not answer.
pub async fn list(pool: &Pool, tenant_id: TenantId, filter: &BookingFilter, page: &Page) -> Result<Read<List<BookingSummary>>, QueryError> {
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION]).await?;
    let narrow = |sql: &mut QueryBuilder<'_, Postgres>| {
        sql.push(" AND status NOT IN ('held', 'released', 'expired')");
        filter.narrow(sql);
    };
    let rows = runtime::list::<Booking>(&mut reading, page, filter.direction, narrow).await?;
    let items = rows.items.iter().filter_map(BookingSummary::of).collect();
    reading.end(List { items, next_cursor: rows.next_cursor }).await
}

/// Time that is held now, newest first.
///
/// # Errors
/// `InvalidCursor`, or when the database does not answer.
pub async fn holds(pool: &Pool, tenant_id: TenantId, filter: &HoldFilter, page: &Page) -> Result<Read<List<HoldEntry>>, QueryError> {
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION]).await?;
    let narrow = |sql: &mut QueryBuilder<'_, Postgres>| {
        sql.push(" AND status = 'held'");
        let HoldFilter { job_id, talent_id, from, to } = filter.clone();
        BookingFilter { job_id, talent_id, from, to, ..BookingFilter::default() }.narrow(sql);
    };
    let rows = runtime::list::<Booking>(&mut reading, page, Direction::Desc, narrow).await?;
    let items = rows.items.iter().filter_map(HoldEntry::of).collect();
    reading.end(List { items, next_cursor: rows.next_cursor }).await
}

/// None when the tenant has no such booking, or `party` is neither its talent nor its payer.
///
/// # Errors
/// When the database does not answer.
pub async fn detail(
    pool: &Pool,
    tenant_id: TenantId,
    booking_id: BookingId,
    party: Option<PartyId>,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<Read<Option<BookingDetail>>, QueryError> {
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION]).await?;
    let stored = find(&mut reading, booking_id, party).await?;
    reading.end(stored.and_then(|stored| detail_page(tenant_id, &stored, actor, now))).await
}

/// The call sheet that the actor may see: staff the newest, drafts too; the talent and the payer what is published. None
/// where there is none, or as for [`detail`].
///
/// # Errors
/// When the database does not answer.
pub async fn call_sheet(
    pool: &Pool,
    tenant_id: TenantId,
    booking_id: BookingId,
    party: Option<PartyId>,
    actor: &Actor,
) -> Result<Read<Option<CallSheetView>>, QueryError> {
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION]).await?;
    let stored = find(&mut reading, booking_id, party).await?;
    let sheet = stored.and_then(|stored| {
        let sees_drafts = stored.state.hats(tenant_id, actor).iter().any(|hat| matches!(hat, Hat::Tenant | Hat::Platform));
        shown_sheet(&stored, sees_drafts)
    });
    reading.end(sheet).await
}

fn shown_sheet(stored: &Stored<Booking>, sees_drafts: bool) -> Option<CallSheetView> {
    let booking = &stored.state;
    let draft = booking.call_sheet_draft().filter(|_| sees_drafts).map(|draft| (draft.version, None, &draft.content));
    let published = || booking.call_sheet().map(|sheet| (sheet.version, Some(sheet.published_at), &sheet.content));
    let (version, published_at, content) = draft.or_else(published)?;
    let text: String = stored.texts.open(content)?;
    let status = if published_at.is_some() { "published" } else { "draft" };
    Some(CallSheetView {
        booking_id: stored.id,
        version,
        status: status.to_owned(),
        published_at,
        content: serde_json::from_str(&text).ok()?,
    })
}

async fn find(reading: &mut Reading, booking_id: BookingId, party: Option<PartyId>) -> Result<Option<Stored<Booking>>, QueryError> {
    let stored = runtime::find::<Booking>(reading, booking_id.uuid()).await?;
    let is_party = |booking: &Booking| {
        let parties = booking.parties();
        party.is_none_or(|party| parties.is_some_and(|parties| parties.talent_id == party || parties.payer_id == Some(party)))
    };
    Ok(stored.filter(|stored| !stored.state.is_hold() && is_party(&stored.state)))
}

impl BookingFilter {
    fn narrow(&self, sql: &mut QueryBuilder<'_, Postgres>) {
        let ids = [
            ("job_id", self.job_id.map(JobId::uuid)),
            ("talent_id", self.talent_id.map(PartyId::uuid)),
            ("payer_id", self.payer_id.map(PartyId::uuid)),
        ];
        for (column, id) in ids {
            if let Some(id) = id {
                sql.push(format!(" AND {column} = ")).push_bind(id);
            }
        }
        let names = [
            ("status", self.status.map(|status| status.to_string())),
            ("payout_status", self.payout_status.map(|status| status.to_string())),
            ("dispute_status", self.dispute_status.map(|status| named(&status))),
        ];
        for (column, name) in names {
            if let Some(name) = name {
                sql.push(format!(" AND {column} = ")).push_bind(name);
            }
        }
        if let Some(from) = self.from {
            sql.push(" AND to_ts > ").push_bind(from);
        }
        if let Some(to) = self.to {
            sql.push(" AND from_ts < ").push_bind(to);
        }
        if let Some(at) = self.payout_due_at {
            sql.push(" AND dispute_status <> 'open' AND payout_due_at <= ").push_bind(at);
        }
        if let Some(party) = self.party {
            sql.push(" AND (talent_id = ").push_bind(party.uuid()).push(" OR payer_id = ").push_bind(party.uuid()).push(")");
        }
    }
}

impl BookingSummary {
    /// None for a row that is no booking.
    pub(super) fn of(stored: &Stored<Booking>) -> Option<Self> {
        let booking = &stored.state;
        let parties = booking.parties()?;
        let price = booking.offer().map(|offer| offer.pricing.total);
        Some(Self {
            id: stored.id,
            version: stored.version,
            status: booking.status().to_string(),
            job_id: parties.job_id.uuid(),
            talent_id: parties.talent_id.uuid(),
            payer_id: parties.payer_id.map(PartyId::uuid),
            schedule: booking.slot()?.into(),
            price: price.map(Money::amount),
            currency: price.map(|price| price.currency().code().to_owned()),
            payout_status: booking.payout_status().to_string(),
            dispute_status: named(&booking.dispute_status()),
            completed_at: booking.work().completed_at,
            eligible_for_release_at: booking.work().eligible_for_release_at,
            created_at: stored.created_at,
            updated_at: stored.updated_at,
        })
    }
}

impl HoldEntry {
    fn of(stored: &Stored<Booking>) -> Option<Self> {
        let (booking, parties) = (&stored.state, stored.state.parties()?);
        Some(Self {
            id: stored.id,
            version: stored.version,
            status: booking.status().to_string(),
            job_id: parties.job_id.uuid(),
            talent_id: parties.talent_id.uuid(),
            schedule: booking.slot()?.into(),
            expires_at: booking.hold_expires_at(),
            created_at: stored.created_at,
        })
    }
}
