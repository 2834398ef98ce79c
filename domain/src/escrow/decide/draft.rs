//! A decision in the making: the events so far, and the state after them, from which the next step is decided.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use cqrs_es::Aggregate;

use crate::escrow::view::money;
use crate::escrow::{
    Deadline, DeadlineAction, Deadlines, Escrow, EscrowAction, EscrowError, EscrowEvent, EscrowFact, EscrowStatus, Leg, LegParty, Outcome,
    Terms,
};
use crate::kernel::{Context, Currency, Money, PartyId, WalletId};
use crate::tenant::Hours;
use crate::wallet::{OwnerType, wallet_id};

pub(super) struct Draft<'a> {
    pub(super) terms: &'a Terms,
    pub(super) context: &'a Context,
    pub(super) state: Escrow,
    events: Vec<EscrowEvent>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(state: &Escrow, terms: &'a Terms, context: &'a Context) -> Self {
        Self { terms, context, state: state.clone(), events: Vec::new() }
    }

    pub(super) fn into_events(self) -> Vec<EscrowEvent> {
        self.events
    }

    /// One step; `action` names the row of the table that allows it.
    pub(super) fn emit(&mut self, action: EscrowAction, to: EscrowStatus, deadlines: Deadlines, fact: EscrowFact) {
        let from = self.state.status;
        debug_assert!(from.leads_to(action, to), "no row for {from} {action} {to}");
        let event = EscrowEvent { reference: self.terms.reference, from, to, deadlines, at: self.context.now, fact };
        self.state.apply(event.clone());
        self.events.push(event);
    }

    /// A step that changes neither status nor deadlines.
    pub(super) fn note(&mut self, action: EscrowAction, fact: EscrowFact) {
        self.emit(action, self.state.status, self.state.deadlines, fact);
    }

    /// Nothing is held and nothing is in transit (MNY-01).
    pub(super) fn close_when_done(&mut self) {
        let is_over = self.state.status.is_final() && self.state.in_transit.is_empty();
        if !is_over || matches!(self.state.status, EscrowStatus::Cancelled | EscrowStatus::Closed) {
            return;
        }
        let outcome = self.state.outcome().unwrap_or(Outcome::Settled);
        self.emit(EscrowAction::RecordLanding, EscrowStatus::Closed, Deadlines::default(), EscrowFact::Closed { outcome });
    }

    pub(super) fn not_allowed(&self, action: EscrowAction) -> EscrowError {
        EscrowError::NotAllowed { status: self.state.status, action }
    }

    // Deadlines.

    /// The open part's next step is due in `hours`; the dispute's clock runs on.
    pub(super) fn next_step(&self, action: DeadlineAction, hours: Hours) -> Deadlines {
        Deadlines { progress: Some(Deadline { at: after(self.context.now, hours), action }), ..self.state.deadlines }
    }

    /// MNY-17: work must have begun by then, counted from the booked time where there is one, else from funding.
    pub(super) fn start_due(&self, starts_at: Option<DateTime<Utc>>) -> Deadlines {
        let rules = &self.terms.rules;
        let now = self.context.now;
        let at = match starts_at {
            Some(starts_at) => after(starts_at.max(now), rules.booking_start_hours),
            None => after(now, rules.start_hours),
        };
        Deadlines { progress: Some(Deadline { at, action: DeadlineAction::Refund }), ..self.state.deadlines }
    }

    /// The dispute's next step is due in `hours`; the open part's clock runs on.
    pub(super) fn next_dispute_step(&self, action: DeadlineAction, hours: Hours) -> Deadlines {
        Deadlines { dispute: Some(Deadline { at: after(self.context.now, hours), action }), ..self.state.deadlines }
    }

    // Amounts.

    pub(super) fn currency(&self) -> Currency {
        self.terms.amount.currency()
    }

    pub(super) fn money(&self, minor: impl Into<i128>) -> Money {
        money(minor.into(), self.currency())
    }

    pub(super) fn open(&self) -> Money {
        self.money(self.state.balances.open)
    }

    pub(super) fn contested(&self) -> Money {
        self.money(self.state.balances.contested)
    }

    /// A part of what is open.
    ///
    /// # Errors
    /// `CurrencyMismatch`, `AmountInvalid`, `AmountExceedsEscrow`.
    pub(super) fn check_open_amount(&self, amount: Money) -> Result<(), EscrowError> {
        self.check_currency(amount)?;
        if !amount.is_positive() {
            return Err(EscrowError::AmountInvalid);
        }
        if amount.minor() > self.open().minor() {
            return Err(EscrowError::AmountExceedsEscrow { open: self.open() });
        }
        Ok(())
    }

    pub(super) fn check_currency(&self, amount: Money) -> Result<(), EscrowError> {
        let (expected, found) = (self.currency(), amount.currency());
        if expected == found { Ok(()) } else { Err(EscrowError::CurrencyMismatch { expected, found }) }
    }

    // Legs.

    /// Divides a release among the parties by what each may still get (MNY-03).
    pub(super) fn release_legs(&self, amount: Money) -> Vec<Leg> {
        let [payee, tenant, platform, tax, withholding] = self.state.left.share_of(amount.minor()).money(self.currency());
        self.legs([
            (self.payee(), payee),
            (self.tenant(), tenant),
            ((LegParty::Platform, None), platform),
            ((LegParty::Tax, None), tax),
            ((LegParty::Withholding, None), withholding),
        ])
    }

    pub(super) fn single_leg(&self, to: (LegParty, Option<WalletId>), amount: Money) -> Vec<Leg> {
        self.legs([(to, amount)])
    }

    /// Numbers the legs; those of zero are left out (MNY-02).
    fn legs<const N: usize>(&self, parts: [((LegParty, Option<WalletId>), Money); N]) -> Vec<Leg> {
        let with_money = parts.into_iter().filter(|(_, amount)| amount.is_positive());
        (0_u16..).zip(with_money).map(|(leg, ((party, wallet_id), amount))| Leg { leg, party, wallet_id, amount }).collect()
    }

    pub(super) fn payer(&self) -> (LegParty, Option<WalletId>) {
        (LegParty::Payer(self.terms.payer_id), Some(self.wallet(OwnerType::User, self.terms.payer_id)))
    }

    pub(super) fn payee(&self) -> (LegParty, Option<WalletId>) {
        (LegParty::Payee(self.terms.payee_id), Some(self.wallet(OwnerType::Talent, self.terms.payee_id)))
    }

    pub(super) fn tenant(&self) -> (LegParty, Option<WalletId>) {
        (LegParty::Tenant, Some(self.wallet(OwnerType::Tenant, PartyId(self.terms.tenant_id.0))))
    }

    pub(super) fn wallet(&self, owner_type: OwnerType, owner_id: PartyId) -> WalletId {
        wallet_id(self.terms.tenant_id, owner_type, owner_id, self.currency())
    }

    /// When released money becomes the payee's to use. What a booking brings waits for the payout's delay, which runs from
    /// its completion: the delivery (MNY-24).
    pub(super) fn clears_at(&self) -> DateTime<Utc> {
        let rules = &self.terms.rules;
        let completed_at = self.state.work.delivered_at.filter(|_| self.terms.reference.booking_id.is_some());
        let eligible_at = completed_at.map_or(self.context.now, |at| after(at, rules.payout_delay_hours));
        after(eligible_at.max(self.context.now), rules.clearance_hours)
    }
}

pub(super) fn after(now: DateTime<Utc>, hours: Hours) -> DateTime<Utc> {
    later(now, hours.duration())
}

/// An instant as deadlines are kept: microseconds, what Postgres stores, so that what it returns compares equal.
pub(in crate::escrow) fn later(at: DateTime<Utc>, by: TimeDelta) -> DateTime<Utc> {
    stored(at.checked_add_signed(by).unwrap_or(DateTime::<Utc>::MAX_UTC))
}

pub(super) fn stored(at: DateTime<Utc>) -> DateTime<Utc> {
    at.trunc_subsecs(6)
}
