//! May this be asked now, by this actor? `decide` asks before anything else, and so does the list of allowed actions.

use chrono::{DateTime, Utc};

use crate::booking::{Booking, BookingAction, BookingError, BookingStatus, DisputeMark};
use crate::escrow::Hat;
use crate::kernel::{Actor, PartyId, TenantId};

/// More codes than anybody needs; the edge looks no further back.
pub const MOST_CODES: u32 = 100;

impl Booking {
    /// What this actor could ask for now with some values. What only the machinery does is left out.
    #[must_use]
    pub fn allowed_actions(&self, tenant_id: TenantId, actor: &Actor, now: DateTime<Utc>) -> Vec<BookingAction> {
        BookingAction::ALL.iter().copied().filter(|action| self.permit(*action, tenant_id, actor, now).is_ok()).collect()
    }

    /// The hats that the actor wears here, in rank order.
    #[must_use]
    pub fn hats(&self, tenant_id: TenantId, actor: &Actor) -> Vec<Hat> {
        if actor.is_system() {
            return vec![Hat::System];
        }
        let is = |party: Option<PartyId>| party.is_some_and(|party| acts_for(actor, party, tenant_id));
        let hats = [
            (Hat::Talent, is(self.parties.map(|parties| parties.talent_id))),
            (Hat::Payer, is(self.parties.and_then(|parties| parties.payer_id))),
            (Hat::Tenant, actor.is_tenant_staff()),
            (Hat::Platform, actor.is_platform()),
        ];
        hats.into_iter().filter(|(_, worn)| *worn).map(|(hat, _)| hat).collect()
    }

    /// # Errors
    /// In this order: the actor has no part in it (not found), the status does not allow it, the actor may not, something in
    /// the state is in the way.
    pub(super) fn permit(
        &self,
        action: BookingAction,
        tenant_id: TenantId,
        actor: &Actor,
        now: DateTime<Utc>,
    ) -> Result<BookingStatus, BookingError> {
        let hats = self.hats(tenant_id, actor);
        let opens = matches!(action, BookingAction::PlaceHold | BookingAction::Create);
        only(self.status != BookingStatus::Unopened || opens, BookingError::NotFound)?;
        only(self.status == BookingStatus::Unopened || !hats.is_empty(), BookingError::NotFound)?;
        // A hold is between the people who plan: to the talent there is nothing yet.
        let plans = hats.iter().any(|hat| matches!(hat, Hat::Tenant | Hat::Platform | Hat::System));
        only(plans || !self.is_hold(), BookingError::NotFound)?;
        let to = self.status.after(action).ok_or(BookingError::NotAllowed { status: self.status, action })?;
        only(action.hats().iter().any(|hat| hats.contains(hat)), BookingError::Denied { action })?;
        self.check_state(action, actor, now)?;
        Ok(to)
    }

    fn check_state(&self, action: BookingAction, actor: &Actor, now: DateTime<Utc>) -> Result<(), BookingError> {
        use BookingAction as A;
        match action {
            A::Create => only(self.hold_expires_at.is_none_or(|at| now < at), BookingError::HoldExpired),
            A::Accept => only(self.offer.as_ref().is_none_or(|offer| now < offer.answer_due_at), BookingError::AnswerOverdue),
            A::Start | A::Complete => {
                only(self.paid || !self.is_agreed(), BookingError::EscrowNotFunded)?;
                // What is disputed cannot be delivered.
                let open = self.dispute.filter(|dispute| dispute.status == DisputeMark::Open);
                open.map_or(Ok(()), |dispute| Err(BookingError::DisputeOpen { dispute_id: dispute.dispute_id }))
            }
            // Only the machinery reports money for what is confirmed.
            A::Confirm => {
                let again = self.status == BookingStatus::Confirmed && !actor.is_system();
                only(!again, BookingError::NotAllowed { status: self.status, action })
            }
            A::IssueOtp => {
                let number = self.otp.map_or(0, |otp| otp.number);
                only(number < MOST_CODES, BookingError::TooManyCodes { limit: MOST_CODES })
            }
            A::PublishCallSheet => only(self.call_sheet_draft.is_some(), BookingError::CallSheetUnchanged),
            A::PlaceHold
            | A::ReleaseHold
            | A::Cancel
            | A::Reschedule
            | A::SaveCallSheet
            | A::OrderRedo
            | A::RecordDispute
            | A::RecordEscrowEnded
            | A::MeetDeadline => Ok(()),
        }
    }

    /// The talent has accepted: there are a contract and an escrow.
    #[must_use]
    pub fn is_agreed(&self) -> bool {
        self.agreement.is_some()
    }

    /// It was never more than a hold.
    #[must_use]
    pub fn is_hold(&self) -> bool {
        matches!(self.status, BookingStatus::Held | BookingStatus::Released | BookingStatus::Expired)
    }
}

pub(super) fn only(holds: bool, otherwise: BookingError) -> Result<(), BookingError> {
    if holds { Ok(()) } else { Err(otherwise) }
}

/// The tenant's staff act for it where the tenant itself is a party.
fn acts_for(actor: &Actor, party: PartyId, tenant_id: TenantId) -> bool {
    actor.id == party || (party.0 == tenant_id.0 && actor.is_tenant_staff())
}
