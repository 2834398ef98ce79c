//! May this be asked now, by this actor? What does not depend on the values in a command is decided here and only here.

use chrono::{DateTime, Utc};

use crate::dispute::aggregate::Case;
use crate::dispute::{Dispute, DisputeAction, DisputeError, DisputeStatus};
use crate::escrow::Hat;
use crate::kernel::{Actor, PartyId, TenantId};

impl Dispute {
    /// What this actor could ask for now with some values. Uses the table, the matrix and the guards of `decide`.
    #[must_use]
    pub fn allowed_actions(&self, actor: &Actor, tenant_id: TenantId, now: DateTime<Utc>) -> Vec<DisputeAction> {
        DisputeAction::ALL.iter().copied().filter(|action| self.permit(*action, actor, tenant_id, now).is_ok()).collect()
    }

    /// The hats that the actor wears in this case, in rank order; none: the case does not exist for them.
    #[must_use]
    pub fn hats(&self, actor: &Actor, tenant_id: TenantId) -> Vec<Hat> {
        if actor.is_system() {
            return vec![Hat::System];
        }
        let acts_for = |party: PartyId| actor.id == party || (party.0 == tenant_id.0 && actor.is_tenant_staff());
        let is = |party: fn(&Case) -> PartyId| self.case.as_ref().is_some_and(|case| acts_for(party(case)));
        let hats = [
            (Hat::Talent, is(|case| case.facts.payee_id)),
            (Hat::Payer, is(|case| case.facts.payer_id)),
            (Hat::Tenant, actor.is_tenant_staff()),
            (Hat::Platform, actor.is_platform()),
        ];
        hats.into_iter().filter(|(_, worn)| *worn).map(|(hat, _)| hat).collect()
    }

    /// The hat in which the actor may ask for this now.
    ///
    /// # Errors
    /// In this order: the actor has no part in it (not found), the status does not allow it, the actor may not, something
    /// in the state is in the way.
    pub(super) fn permit(
        &self,
        action: DisputeAction,
        actor: &Actor,
        tenant_id: TenantId,
        now: DateTime<Utc>,
    ) -> Result<Hat, DisputeError> {
        let hats = self.hats(actor, tenant_id);
        let exists = self.status != DisputeStatus::Unopened || action.is_total();
        // Who has no part in this case learns nothing about it, not even its status.
        only(exists && !hats.is_empty(), DisputeError::NotFound)?;
        self.check_status(action)?;
        let hat = action.hats().iter().copied().find(|hat| hats.contains(hat)).ok_or(DisputeError::Denied { action })?;
        self.check_state(action, hat, &hats, actor, now)?;
        Ok(hat)
    }

    fn check_status(&self, action: DisputeAction) -> Result<(), DisputeError> {
        use DisputeStatus::{Closed, Decided};
        if self.status.allows(action) {
            return Ok(());
        }
        Err(match (action, self.status) {
            (DisputeAction::AddEvidence, Decided | Closed) => DisputeError::EvidenceClosed,
            (action, status) => DisputeError::NotAllowed { status, action },
        })
    }

    fn check_state(&self, action: DisputeAction, hat: Hat, hats: &[Hat], actor: &Actor, now: DateTime<Utc>) -> Result<(), DisputeError> {
        use DisputeAction as A;
        let Some(case) = &self.case else { return Ok(()) };
        match action {
            A::AddEvidence => only(!self.evidence_closed && now < case.facts.evidence_due_at, DisputeError::EvidenceClosed),
            A::Assign | A::RequestDecision | A::Decide | A::Close => self.check_decider(case, action, hat, hats, actor),
            A::Escalate => {
                only(self.escalated_at.is_none(), DisputeError::AlreadyEscalated)?;
                // DSP-17: the tenant may pass it on; a party may when the tenant has had its time, or could never decide.
                let tenant_had_its_time = self.evidence_closed || now >= case.facts.evidence_due_at || case.facts.tenant_is_party;
                let is_party = hats.contains(&Hat::Talent) || hats.contains(&Hat::Payer);
                only(!is_party || tenant_had_its_time, DisputeError::Denied { action })
            }
            A::Open
            | A::RecordWidened
            | A::RecordConceded
            | A::RecordEvidenceClosed
            | A::RecordEscalated
            | A::RecordOutcome
            | A::RecordDeclined => Ok(()),
        }
    }

    /// MNY-33: never a party's side, nor the raiser in person; where the tenant is a party, or once escalated, the platform.
    fn check_decider(&self, case: &Case, action: DisputeAction, hat: Hat, hats: &[Hat], actor: &Actor) -> Result<(), DisputeError> {
        let is_party = hats.contains(&Hat::Talent) || hats.contains(&Hat::Payer) || case.raised_by == actor.id;
        only(!is_party, DisputeError::ConflictOfInterest)?;
        only(hat == Hat::Platform || !case.facts.tenant_is_party, DisputeError::ConflictOfInterest)?;
        only(hat == Hat::Platform || self.escalated_at.is_none(), DisputeError::Denied { action })
    }
}

pub(super) fn only(holds: bool, otherwise: DisputeError) -> Result<(), DisputeError> {
    if holds { Ok(()) } else { Err(otherwise) }
}
