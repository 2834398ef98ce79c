//! May this be asked now, by this actor? What does not depend on the values in a command is decided here and only
//! here: `decide` asks before anything else, and the list of allowed actions asks the same question for every action.

use chrono::{DateTime, Utc};

use crate::escrow::decide::later;
use crate::escrow::{Escrow, EscrowAction, EscrowError, EscrowStatus, FundingSource, Hat, Terms};
use crate::kernel::{Actor, PartyId};

/// Work can be ordered anew this often (MNY-31).
pub(super) const MOST_REDOS: u32 = 2;

impl Escrow {
    /// What this actor could ask for now with some values. Uses the table, the matrix and the guards of `decide`. What was
    /// decided about a dispute is enforced by itself, so nobody is offered that.
    #[must_use]
    pub fn allowed_actions(&self, actor: &Actor, now: DateTime<Utc>) -> Vec<EscrowAction> {
        let asked_for = EscrowAction::ALL.iter().copied().filter(|action| *action != EscrowAction::Enforce);
        asked_for.filter(|action| self.permit(*action, actor, now).is_ok()).collect()
    }

    /// The hats that the actor wears here, in rank order.
    #[must_use]
    pub fn hats(&self, actor: &Actor) -> Vec<Hat> {
        if actor.is_system() {
            return vec![Hat::System];
        }
        let is = |party: fn(&Terms) -> PartyId| self.terms.as_ref().is_some_and(|terms| acts_for(actor, party(terms), terms));
        let hats = [
            (Hat::Talent, is(|terms| terms.payee_id)),
            (Hat::Payer, is(|terms| terms.payer_id)),
            (Hat::Tenant, actor.is_tenant_staff()),
            (Hat::Platform, actor.is_platform()),
        ];
        hats.into_iter().filter(|(_, worn)| *worn).map(|(hat, _)| hat).collect()
    }

    /// The hat in which the actor may ask for this now.
    ///
    /// # Errors
    /// In this order: the actor has no part in it (not found), the status does not allow it, the actor may not, something in
    /// the state is in the way.
    pub(super) fn permit(&self, action: EscrowAction, actor: &Actor, now: DateTime<Utc>) -> Result<Hat, EscrowError> {
        let hats = self.hats(actor);
        // Who has no part in this escrow learns nothing about it, not even its status.
        only(!hats.is_empty() || self.status == EscrowStatus::Unopened, EscrowError::NotFound)?;
        self.check_status(action)?;
        let counting = action.hats().iter().copied().filter(|hat| hats.contains(hat) && self.counts(action, *hat, &hats));
        let hat = counting.into_iter().next().ok_or(EscrowError::Denied { action })?;
        self.check_state(action, hat, &hats, actor, now)?;
        Ok(hat)
    }

    fn check_status(&self, action: EscrowAction) -> Result<(), EscrowError> {
        use EscrowAction::{Approve, Cancel, Create, Dispute, MakeReleasable, Refund, Release};
        use EscrowStatus::{
            DeliverySubmitted, Disputed, InProgress, Locked, PartialReleased, Refunded, Releasable, Released, ResolvedRefund, Unopened,
        };
        if self.status == Unopened && action != Create && !action.is_moot_without_escrow() {
            return Err(EscrowError::NotFound);
        }
        // ESC-39: without a delivery only where none is required.
        let needs_delivery = self.terms.as_ref().is_some_and(|terms| terms.rules.delivery_required);
        let skips_delivery = self.status == Locked && matches!(action, MakeReleasable | Approve | Release);
        if self.status.allows(action) && !(skips_delivery && needs_delivery) {
            return Ok(());
        }
        Err(match (action, self.status, self.dispute_id()) {
            (Refund | Cancel, InProgress | DeliverySubmitted, _) => EscrowError::WorkStarted,
            (Refund, Releasable | PartialReleased | Released, _) => EscrowError::RefundAfterApproval,
            (Dispute, Disputed, Some(dispute_id)) => EscrowError::DisputeAlreadyOpen { dispute_id },
            (Dispute, ResolvedRefund | Refunded, _) => EscrowError::DisputeWindowClosed { settled_at: self.ended_at },
            (action, status, _) => EscrowError::NotAllowed { status, action },
        })
    }

    /// Whether a hat that the matrix names counts for these people and this escrow.
    fn counts(&self, action: EscrowAction, hat: Hat, hats: &[Hat]) -> bool {
        use EscrowAction::{Approve, MakeReleasable, Release, ReleasePartial};
        let Some(terms) = &self.terms else { return true };
        // ESC-21: never the payee's side, whatever else they are here.
        if matches!(action, Approve | MakeReleasable | Release | ReleasePartial) && hats.contains(&Hat::Talent) {
            return false;
        }
        // ESC-50a: a payer approves when its organisation is the tenant.
        action != Approve || hat != Hat::Payer || is_the_tenant(terms.payer_id, terms)
    }

    fn check_state(&self, action: EscrowAction, hat: Hat, hats: &[Hat], actor: &Actor, now: DateTime<Utc>) -> Result<(), EscrowError> {
        use EscrowAction as A;
        match action {
            A::Fund => only(!self.awaits_wallet(), self.not_now(action)),
            A::Lock | A::StartWork | A::Cancel => only(!self.refund_requested, EscrowError::RefundRequested),
            A::MakeReleasable => self.check_releasable(hat),
            A::Approve | A::Release if self.status == EscrowStatus::Locked => self.check_releasable(hat),
            A::DeclineRefund => only(self.refund_requested, self.not_now(action)),
            A::ReleasePartial => only(self.partial_release_allowed(), EscrowError::PartialReleaseNotAllowed),
            A::Dispute => self.check_objection(hats, actor, now),
            A::WidenDispute => {
                only(self.dispute.is_some(), self.not_now(action))?;
                self.check_window(now)
            }
            A::ResolveRelease | A::ResolveRefund | A::ResolveSplit | A::Dismiss => self.check_decider(action, hat, hats, actor),
            A::Redo => {
                self.check_decider(action, hat, hats, actor)?;
                only(self.work.redos < MOST_REDOS, EscrowError::RedoLimitReached { limit: MOST_REDOS })
            }
            A::Concede => only(self.dispute.is_some(), self.not_now(action)),
            A::WithdrawDispute => {
                let dispute = self.dispute.as_ref().ok_or_else(|| self.not_now(action))?;
                let is_raiser = dispute.raised_by == actor.id || hats.contains(&dispute.raised_as);
                only(is_raiser, EscrowError::Denied { action })?;
                only(self.freeze_is_known(), self.not_now(action))
            }
            A::Create
            | A::AcceptFunding
            | A::FailFunding
            | A::SubmitDelivery
            | A::Approve
            | A::Release
            | A::Refund
            | A::MeetDeadline
            | A::RecordLanding
            | A::RecordCaseFrozen
            | A::RecordContractSigned
            | A::EndAgreement
            | A::RecordStartMoved
            | A::EscalateDispute
            | A::Enforce => Ok(()),
        }
    }

    /// MNY-20, MNY-26, MNY-32.
    fn check_objection(&self, hats: &[Hat], actor: &Actor, now: DateTime<Utc>) -> Result<(), EscrowError> {
        if let Some(dispute_id) = self.dispute_id() {
            return Err(EscrowError::DisputeAlreadyOpen { dispute_id });
        }
        let had_their_say = self.objections.iter().any(|objection| {
            objection.round == self.work.round && (objection.raised_by == actor.id || hats.contains(&objection.raised_as))
        });
        only(!had_their_say, EscrowError::DisputeAlreadyDecided)?;
        self.check_window(now)
    }

    /// ESC-43: once the work is approved, objections count only until the window's end. Before that, always (MNY-20).
    fn check_window(&self, now: DateTime<Utc>) -> Result<(), EscrowError> {
        if self.status == EscrowStatus::Closed {
            return self.check_settled_window(now);
        }
        let is_approved = matches!(self.status, EscrowStatus::Releasable | EscrowStatus::PartialReleased);
        let is_over = self.work.dispute_window_ends_at.is_none_or(|end| now >= end);
        only(!(is_approved && is_over), EscrowError::DisputeWindowClosed { settled_at: None })
    }

    /// MNY-36: released money, for some time after the settlement, which never comes before the completion.
    fn check_settled_window(&self, now: DateTime<Utc>) -> Result<(), EscrowError> {
        let hours = self.terms.as_ref().map(|terms| terms.rules.settled_dispute_hours).unwrap_or_default();
        let is_in_time = self.ended_at.is_some_and(|ended_at| now < later(ended_at, hours.duration()));
        let has_something = self.paid.less(self.contested_later).total() > 0;
        only(is_in_time && has_something, EscrowError::DisputeWindowClosed { settled_at: self.ended_at })
    }

    /// Until every wallet has said what it froze, a case about settled money cannot end: its freeze would come after it.
    fn freeze_is_known(&self) -> bool {
        self.open_settled_case().is_none_or(|case| case.legs.iter().all(|leg| leg.frozen.is_some()))
    }

    /// MNY-33: never a party's side, nor the raiser in person; once escalated, only the platform (MNY-17).
    fn check_decider(&self, action: EscrowAction, hat: Hat, hats: &[Hat], actor: &Actor) -> Result<(), EscrowError> {
        let dispute = self.dispute.as_ref().ok_or_else(|| self.not_now(action))?;
        let is_party = hats.contains(&Hat::Talent) || hats.contains(&Hat::Payer) || dispute.raised_by == actor.id;
        only(!is_party, EscrowError::ConflictOfInterest)?;
        only(hat == Hat::Platform || !dispute.escalated, EscrowError::Denied { action })?;
        only(self.freeze_is_known(), self.not_now(action))
    }

    /// A wallet has been asked and has not answered: asking again would hold the money twice (MNY-07).
    fn awaits_wallet(&self) -> bool {
        self.funding.request.as_ref().is_some_and(|request| request.source == FundingSource::Wallet)
    }

    fn partial_release_allowed(&self) -> bool {
        self.terms.as_ref().is_some_and(|terms| terms.rules.partial_release_allowed)
    }

    /// ESC-39: by hand a signed contract is needed where the rules say so, by the machinery always.
    fn check_releasable(&self, hat: Hat) -> Result<(), EscrowError> {
        only(!self.refund_requested, EscrowError::RefundRequested)?;
        let needs_contract = hat == Hat::System || self.terms.as_ref().is_some_and(|terms| terms.rules.contract_required);
        only(self.contract_signed || !needs_contract, EscrowError::ContractNotSigned)
    }

    /// True where the tenant itself is payer or payee, so that its staff may not decide between the parties.
    pub(super) fn tenant_is_party(&self) -> bool {
        self.terms.as_ref().is_some_and(|terms| is_the_tenant(terms.payer_id, terms) || is_the_tenant(terms.payee_id, terms))
    }

    fn not_now(&self, action: EscrowAction) -> EscrowError {
        EscrowError::NotAllowed { status: self.status, action }
    }
}

pub(super) fn only(holds: bool, otherwise: EscrowError) -> Result<(), EscrowError> {
    if holds { Ok(()) } else { Err(otherwise) }
}

fn acts_for(actor: &Actor, party: PartyId, terms: &Terms) -> bool {
    actor.id == party || (is_the_tenant(party, terms) && actor.is_tenant_staff())
}

fn is_the_tenant(party: PartyId, terms: &Terms) -> bool {
    party.0 == terms.tenant_id.0
}
