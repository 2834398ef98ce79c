//! The rules. Pure: the same state, command and context always give the same events or the same refusal.
//!
//! Every command is first put to `permit` (status, hat, state); what follows checks the values and says what happens.
//! One file per story: `funding` (money in), `work` (from funded to approved), `release` (money out), `refund` (money
//! back before the work), `dispute`, `settled` (a dispute after the release), `deadline` (time has come). `draft` holds the events so far and the state after them.

mod agreement;
mod deadline;
mod dispute;
mod draft;
mod funding;
mod refund;
mod release;
mod settled;
mod work;

use draft::Draft;
pub(super) use draft::later;

use crate::escrow::{
    CreateEscrow, Deadline, DeadlineAction, Deadlines, Entitlements, Escrow, EscrowAction, EscrowCommand, EscrowError, EscrowEvent,
    EscrowFact, EscrowStatus, Hat, Rules, Terms,
};
use crate::kernel::{Context, Money};

impl Escrow {
    pub(super) fn decide(&self, command: EscrowCommand, context: &Context) -> Result<Vec<EscrowEvent>, EscrowError> {
        let command = self.as_meant(command);
        let hat = self.permit(command.action(), &context.actor, context.now)?;
        if let EscrowCommand::Create(create) = command {
            return created(create, context).map(|event| vec![event]);
        }
        let Some(terms) = &self.terms else { return Ok(Vec::new()) }; // what `permit` lets through is moot here
        let mut draft = Draft::new(self, terms, context);
        draft.carry_out(command, hat)?;
        draft.close_when_done();
        Ok(draft.into_events())
    }

    /// A partial release of exactly all that is open is a release (MNY-22).
    fn as_meant(&self, command: EscrowCommand) -> EscrowCommand {
        let is_all = |amount: Money| amount.is_positive() && self.amounts().is_some_and(|amounts| amounts.open == amount);
        if let EscrowCommand::ReleasePartial { amount, reason } = &command
            && self.status.allows(EscrowAction::ReleasePartial)
            && is_all(*amount)
        {
            return EscrowCommand::Release { amount: Some(*amount), reason: reason.clone() };
        }
        command
    }
}

impl Draft<'_> {
    fn carry_out(&mut self, command: EscrowCommand, hat: Hat) -> Result<(), EscrowError> {
        match command {
            EscrowCommand::Create(_) => return Err(self.not_allowed(EscrowAction::Create)),
            EscrowCommand::Fund { source } => self.fund(source),
            EscrowCommand::AcceptFunding { attempt, wallet_id, hold_id, amount } => {
                self.accept_funding(attempt, wallet_id, hold_id, amount);
            }
            EscrowCommand::FailFunding { attempt, reason } => self.fail_funding(attempt, reason),
            EscrowCommand::Lock => self.lock(),
            EscrowCommand::StartWork => self.start_work(),
            EscrowCommand::SubmitDelivery { artifacts, note, gps } => self.submit_delivery(artifacts, note, gps)?,
            EscrowCommand::Approve { note } => self.approve(note, hat)?,
            EscrowCommand::MakeReleasable => self.record_releasable(),
            EscrowCommand::Release { amount, reason } => self.release(amount, reason, hat)?,
            EscrowCommand::ReleasePartial { amount, reason } => self.release_partial(amount, reason, hat)?,
            EscrowCommand::Refund { reason } => self.refund(reason),
            EscrowCommand::DeclineRefund { reason } => self.decline_refund(reason),
            EscrowCommand::Cancel { reason } => self.cancel(reason),
            EscrowCommand::Dispute { amount, kind, reason } => self.raise_dispute(amount, kind, reason, hat)?,
            EscrowCommand::WidenDispute { dispute_id, amount } => {
                self.check_case(dispute_id, EscrowAction::WidenDispute)?;
                self.widen_dispute(amount)?;
            }
            EscrowCommand::Decide { decision, rationale } => self.decide_dispute(decision, rationale, hat)?,
            EscrowCommand::Concede { dispute_id, refund } => {
                self.check_case(dispute_id, EscrowAction::Concede)?;
                self.concede(refund)?;
            }
            EscrowCommand::WithdrawDispute { dispute_id } => {
                self.check_case(dispute_id, EscrowAction::WithdrawDispute)?;
                self.dismiss(true, None)?;
            }
            EscrowCommand::MeetDeadline { key, at } => self.meet_deadline(&key, at)?,
            EscrowCommand::RecordLanding { event_id, leg } => self.record_landing(event_id, leg),
            EscrowCommand::RecordCaseFrozen { hold_id, frozen } => self.record_case_frozen(hold_id, frozen),
            EscrowCommand::RecordContractSigned => self.record_contract_signed(),
            EscrowCommand::EndAgreement { reason } => self.end_agreement(reason),
            EscrowCommand::RecordStartMoved { starts_at } => self.move_start(starts_at),
            EscrowCommand::EscalateDispute { dispute_id } => self.escalate_dispute(dispute_id),
            EscrowCommand::Enforce { dispute_id, decision, contested, rationale } => {
                self.enforce(dispute_id, decision, contested, rationale);
            }
        }
        Ok(())
    }
}

/// ESC-30, MNY-04.
fn created(create: CreateEscrow, context: &Context) -> Result<EscrowEvent, EscrowError> {
    if !create.amount.is_positive() {
        return Err(EscrowError::AmountInvalid);
    }
    let rules = Rules::of(&context.settings).narrowed(&create)?;
    let entitlements = match create.share {
        Some(share) => share.entitlements.checked_for(create.amount)?,
        None => Entitlements::of(create.amount, rules.split, rules.tax)?,
    };
    let funding_due = Deadline { at: draft::after(context.now, rules.funding_hours), action: DeadlineAction::Cancel };
    let CreateEscrow { escrow_id, reference, payer_id, payee_id, amount, starts_at, .. } = create;
    let tenant_id = context.tenant_id;
    let terms = Terms { tenant_id, escrow_id, reference, payer_id, payee_id, amount, rules, entitlements, starts_at };
    Ok(EscrowEvent {
        reference,
        from: EscrowStatus::Unopened,
        to: EscrowStatus::Created,
        deadlines: Deadlines { progress: Some(funding_due), dispute: None },
        at: context.now,
        fact: EscrowFact::Created { terms: Box::new(terms) },
    })
}
