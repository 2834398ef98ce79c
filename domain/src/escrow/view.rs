//! What read models and answers show of an escrow.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::escrow::aggregate::SettledCase;
use crate::escrow::{
    Deadline, DeadlineAction, Deadlines, Entitlements, Escrow, EscrowStatus, FundingFailure, Landing, LegacyStatus, OpenDispute, Outcome,
    Terms,
};
use crate::kernel::{Currency, DisputeId, EscrowId, Money};

/// At every event: funded = released + refunded + penalty + open + contested (invariant 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Amounts {
    /// What was agreed.
    pub amount: Money,
    pub funded: Money,
    pub open: Money,
    pub contested: Money,
    /// open + contested: the `locked_amount` of ESC-01.
    pub remainder: Money,
    /// Gross: with fees and taxes.
    pub released: Money,
    pub refunded: Money,
    pub penalty: Money,
    /// Left this escrow, has not reached its wallet yet (MNY-01).
    pub in_transit: Money,
}

/// MNY-03: what the escrow shows per party.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PartyShare {
    /// `payee`, `tenant`, `platform`, `tax` or `withholding`.
    pub party: &'static str,
    /// Of the full amount, as agreed.
    pub entitlement: Money,
    pub released: Money,
    /// Of what remains.
    pub left: Money,
}

/// MNY-07, MNY-10.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FundingView {
    /// Stands on hold or was taken.
    pub received: Money,
    pub missing: Money,
    pub attempt: u32,
    pub failure: Option<FundingFailure>,
}

/// MNY-36: the last case about money that had been released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SettledCaseView {
    pub dispute_id: DisputeId,
    /// Gross.
    pub contested: Money,
    /// In the wallets of payee and tenant, as far as these have answered.
    pub frozen: Money,
    /// What these wallets should have frozen and no longer had.
    pub shortfall: Money,
    pub refunded: Money,
}

impl Escrow {
    #[must_use]
    pub fn status(&self) -> EscrowStatus {
        self.status
    }

    /// How many events it has.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.version
    }

    #[must_use]
    pub fn terms(&self) -> Option<&Terms> {
        self.terms.as_ref()
    }

    #[must_use]
    pub fn escrow_id(&self) -> Option<EscrowId> {
        self.terms.as_ref().map(|terms| terms.escrow_id)
    }

    #[must_use]
    pub fn currency(&self) -> Option<Currency> {
        self.terms.as_ref().map(|terms| terms.amount.currency())
    }

    /// Known as soon as nothing remains (MNY-29).
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        if !self.status.is_final() {
            return None;
        }
        if self.status == EscrowStatus::Cancelled {
            return Some(Outcome::Cancelled);
        }
        Some(Outcome::over(self.balances.released, self.balances.refunded, self.balances.penalty))
    }

    /// ESC-49.
    #[must_use]
    pub fn legacy_status(&self) -> LegacyStatus {
        self.status.legacy_status(self.outcome())
    }

    #[must_use]
    pub fn amounts(&self) -> Option<Amounts> {
        let terms = self.terms.as_ref()?;
        let money = |minor: i64| money(minor.into(), terms.amount.currency());
        let in_transit = self.in_transit.iter().map(|leg| leg.amount.minor()).sum();
        Some(Amounts {
            amount: terms.amount,
            funded: money(self.balances.funded),
            open: money(self.balances.open),
            contested: money(self.balances.contested),
            remainder: money(self.remainder()),
            released: money(self.balances.released),
            refunded: money(self.balances.refunded),
            penalty: money(self.balances.penalty),
            in_transit: self::money(in_transit, terms.amount.currency()),
        })
    }

    /// In rank order; empty before creation.
    #[must_use]
    pub fn shares(&self) -> Vec<PartyShare> {
        let Some(terms) = &self.terms else { return Vec::new() };
        let currency = terms.amount.currency();
        let [entitlements, released, left] = [terms.entitlements, self.paid, self.left].map(|parts| parts.money(currency));
        (0..Entitlements::PARTIES.len())
            .map(|rank| PartyShare {
                party: Entitlements::PARTIES[rank],
                entitlement: entitlements[rank],
                released: released[rank],
                left: left[rank],
            })
            .collect()
    }

    #[must_use]
    pub fn funding(&self) -> Option<FundingView> {
        let amount = self.terms.as_ref()?.amount;
        let received = if self.balances.funded > 0 { amount } else { money(self.received(), amount.currency()) };
        let missing = money(amount.minor() - received.minor(), amount.currency());
        Some(FundingView { received, missing, attempt: self.funding.attempt, failure: self.funding.failure })
    }

    /// On hold for this escrow, in minor units.
    pub(super) fn received(&self) -> i128 {
        self.funding.parts.iter().map(|part| part.held.minor()).sum()
    }

    #[must_use]
    pub fn deadlines(&self) -> Deadlines {
        self.deadlines
    }

    /// MNY-17.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Deadline> {
        self.deadlines.next()
    }

    /// MNY-19: when the open part is approved or settled by itself; none while no such time runs.
    #[must_use]
    pub fn auto_release_at(&self) -> Option<DateTime<Utc>> {
        let deadline = self.deadlines.progress?;
        matches!(deadline.action, DeadlineAction::Approve | DeadlineAction::Settle).then_some(deadline.at)
    }

    #[must_use]
    pub fn sla_due_at(&self) -> Option<DateTime<Utc>> {
        let deadline = self.deadlines.progress?;
        matches!(deadline.action, DeadlineAction::RaiseDispute).then_some(deadline.at)
    }

    #[must_use]
    pub fn dispute_window_ends_at(&self) -> Option<DateTime<Utc>> {
        self.work.dispute_window_ends_at
    }

    #[must_use]
    pub fn created_at(&self) -> Option<DateTime<Utc>> {
        self.created_at
    }

    #[must_use]
    pub fn work_started_at(&self) -> Option<DateTime<Utc>> {
        self.work.started_at
    }

    #[must_use]
    pub fn delivery_submitted_at(&self) -> Option<DateTime<Utc>> {
        self.work.delivered_at
    }

    #[must_use]
    pub fn approved_at(&self) -> Option<DateTime<Utc>> {
        self.work.approved_at
    }

    /// When nothing was left to decide.
    #[must_use]
    pub fn ended_at(&self) -> Option<DateTime<Utc>> {
        self.ended_at
    }

    /// The round of work: 0 before it starts, 1, and one more per redo.
    #[must_use]
    pub fn round(&self) -> u32 {
        self.work.round
    }

    #[must_use]
    pub fn redos(&self) -> u32 {
        self.work.redos
    }

    #[must_use]
    pub fn is_approved(&self) -> bool {
        self.work.approved_at.is_some()
    }

    #[must_use]
    pub fn refund_requested(&self) -> bool {
        self.refund_requested
    }

    #[must_use]
    pub fn dispute(&self) -> Option<&OpenDispute> {
        self.dispute.as_ref()
    }

    #[must_use]
    pub fn dispute_id(&self) -> Option<DisputeId> {
        self.dispute.map(|dispute| dispute.dispute_id)
    }

    #[must_use]
    pub fn settled_case(&self) -> Option<SettledCaseView> {
        let case = self.settled_case.as_ref()?;
        let answered = case.legs.iter().filter_map(|leg| Some((leg.asked.amount.minor(), leg.frozen?.minor())));
        let (asked, frozen) = answered.fold((0, 0), |sums, leg| (sums.0 + leg.0, sums.1 + leg.1));
        let money = |minor| money(minor, case.contested.currency());
        let (frozen, shortfall) = (money(frozen), money(asked - frozen));
        Some(SettledCaseView { dispute_id: case.dispute_id, contested: case.contested, frozen, shortfall, refunded: case.refunded })
    }

    pub(super) fn open_settled_case(&self) -> Option<&SettledCase> {
        self.settled_case.as_ref().filter(|case| Some(case.dispute_id) == self.dispute_id())
    }

    /// What the open case is about, in minor units: contested here, or where it landed (MNY-36).
    pub(super) fn at_stake(&self) -> i128 {
        self.open_settled_case().map_or(self.balances.contested.into(), |case| case.contested.minor())
    }

    /// MNY-22: what somebody has authorised, while neither the open amount nor anything else has changed since.
    #[must_use]
    pub fn authorized(&self) -> Option<Money> {
        let authorization = self.authorization?;
        (authorization.version == self.version).then_some(authorization.amount)
    }

    /// The legs that no wallet has booked yet.
    pub fn landings_awaited(&self) -> impl Iterator<Item = Landing> {
        self.in_transit.iter().map(|leg| leg.landing)
    }
}

impl Outcome {
    /// Over the whole life; amounts of one currency in minor units (MNY-29).
    #[must_use]
    pub fn over(released: i64, refunded: i64, penalty: i64) -> Self {
        match (released > 0, refunded > 0, penalty > 0) {
            (_, false, false) => Self::Settled,
            (false, true, false) => Self::Refunded,
            _ => Self::Split,
        }
    }
}

/// Sums of one escrow's amounts are at most its own amount, so they always fit.
pub(super) fn money(minor: i128, currency: Currency) -> Money {
    Money::try_from_minor(minor, currency).unwrap_or(Money::zero(currency))
}
