//! Naive books of one escrow, kept from the events' amounts alone: what any reader of the log could compute.

use std::collections::BTreeMap;

use crate::escrow::{Escrow, EscrowEvent, EscrowFact, EscrowStatus, Landing, Leg, MoneySource};
use crate::kernel::{EscrowId, Money, TenantId, event_id};

#[derive(Debug, Default, Clone)]
pub(super) struct Model {
    status: EscrowStatus,
    sequence: i64,
    stream: Option<(TenantId, EscrowId)>,
    funded: i128,
    released: i128,
    refunded: i128,
    penalty: i128,
    open: i128,
    contested: i128,
    in_transit: BTreeMap<Landing, i128>,
    /// A case about settled money is open (MNY-36).
    settled_case: bool,
    contested_later: i128,
}

impl Model {
    pub(super) fn record(&mut self, event: &EscrowEvent) {
        assert_eq!(event.from, self.status, "an event begins where the one before ended");
        self.status = event.to;
        self.sequence += 1;
        match &event.fact {
            EscrowFact::Created { terms } => {
                self.stream = Some((terms.tenant_id, terms.escrow_id));
                assert_eq!(terms.entitlements.total(), terms.amount.minor(), "entitlements add up to the amount");
                assert!(terms.entitlements.as_array().iter().all(|part| *part >= 0));
            }
            EscrowFact::FundingShort { part, received, missing, .. } => {
                assert!(part.captured.is_zero() && received.is_positive() && missing.is_positive());
            }
            EscrowFact::FundingReturned { part } => assert!(part.captured.is_zero()),
            EscrowFact::Funded { amount, parts } => {
                assert_eq!(self.funded, 0, "funded once");
                assert_eq!(parts.iter().map(|part| part.captured.minor()).sum::<i128>(), amount.minor());
                assert!(parts.iter().all(|part| part.captured.minor() >= 0 && part.captured.minor() <= part.held.minor()));
                self.funded = amount.minor();
                self.open = amount.minor();
            }
            EscrowFact::PartiallyReleased { amount, legs, .. } => {
                self.take(MoneySource::Open, *amount, legs);
                self.released += amount.minor();
            }
            EscrowFact::Released { source, amount, legs, .. } => {
                self.take(*source, *amount, legs);
                self.released += amount.minor();
            }
            EscrowFact::Refunded { source, amount, legs, .. } => {
                self.take(*source, *amount, legs);
                self.refunded += amount.minor();
            }
            EscrowFact::PenaltyTaken { amount, legs, .. } => {
                self.take(MoneySource::Contested, *amount, legs);
                self.penalty += amount.minor();
            }
            EscrowFact::Disputed { contested: amount, .. } | EscrowFact::DisputeWidened { amount, .. } => {
                assert!(amount.is_positive());
                self.open -= amount.minor();
                self.contested += amount.minor();
            }
            EscrowFact::RedoOrdered { returned, .. } | EscrowFact::DisputeDismissed { returned, .. } => {
                assert_eq!(returned.is_positive(), !self.settled_case, "of settled money nothing comes back here");
                self.open += returned.minor();
                self.contested -= returned.minor();
            }
            EscrowFact::SettlementDisputed { contested, parts, legs, .. } => {
                self.settled_case = true;
                self.contested_later += contested.minor();
                assert!(contested.is_positive() && self.contested_later <= self.released, "no more than was released, once");
                assert_eq!(parts.total(), contested.minor());
                assert!(parts.as_array().iter().all(|part| *part >= 0));
                assert_eq!(legs.iter().map(|leg| leg.amount.minor()).sum::<i128>(), i128::from(parts.payee + parts.tenant));
            }
            EscrowFact::SettledCaseReleased { .. } => self.settled_case = false,
            EscrowFact::SettledCaseRefunded { refund, taken, returned, legs, .. } => {
                self.settled_case = false;
                let given = taken.iter().map(|leg| leg.amount.minor()).chain(returned.iter().map(|leg| leg.amount.minor())).sum::<i128>();
                assert_eq!(legs.iter().map(|leg| leg.amount.minor()).sum::<i128>(), given, "the payer gets what is given");
                assert!(given <= refund.minor());
                self.send(legs);
            }
            EscrowFact::LegLanded { landing } => {
                self.in_transit.remove(landing).expect("lands once");
            }
            EscrowFact::Closed { .. } => {
                assert!(self.in_transit.is_empty() && self.open == 0 && self.contested == 0);
            }
            EscrowFact::FundingRequested { .. }
            | EscrowFact::FundingFailed { .. }
            | EscrowFact::Locked
            | EscrowFact::WorkStarted { .. }
            | EscrowFact::DeliverySubmitted { .. }
            | EscrowFact::DeliveryApproved { .. }
            | EscrowFact::MadeReleasable { .. }
            | EscrowFact::ReleaseAuthorized { .. }
            | EscrowFact::RefundRequested { .. }
            | EscrowFact::RefundDeclined { .. }
            | EscrowFact::Cancelled { .. }
            | EscrowFact::DisputeConceded { .. }
            | EscrowFact::EvidenceClosed { .. }
            | EscrowFact::DisputeEscalated { .. }
            | EscrowFact::DisputeResolved { .. }
            | EscrowFact::DecisionDeclined { .. }
            | EscrowFact::CaseFrozen { .. }
            | EscrowFact::ContractSigned
            | EscrowFact::StartMoved { .. } => {}
        }
        assert!(self.open >= 0 && self.contested >= 0, "no balance below zero: {self:?}");
        let spread = self.released + self.refunded + self.penalty + self.open + self.contested;
        assert_eq!(self.funded, spread, "invariant 4: {self:?}");
    }

    fn take(&mut self, source: MoneySource, amount: Money, legs: &[Leg]) {
        assert!(amount.is_positive(), "nothing moves nothing");
        assert!(legs.iter().all(|leg| leg.amount.is_positive()), "no empty or negative leg: {legs:?}");
        assert_eq!(legs.iter().map(|leg| leg.amount.minor()).sum::<i128>(), amount.minor(), "legs add up: {legs:?}");
        match source {
            MoneySource::Open => self.open -= amount.minor(),
            MoneySource::Contested => self.contested -= amount.minor(),
        }
        self.send(legs);
    }

    fn send(&mut self, legs: &[Leg]) {
        let (tenant_id, escrow_id) = self.stream.expect("created first");
        let event_id = event_id(tenant_id, "escrow", escrow_id.0, self.sequence);
        for leg in legs.iter().filter(|leg| leg.wallet_id.is_some()) {
            let earlier = self.in_transit.insert(Landing { event_id, leg: leg.leg }, leg.amount.minor());
            assert!(earlier.is_none(), "legs of an event have different numbers");
        }
    }

    /// What the aggregate believes is what the books say.
    pub(super) fn compare(&self, escrow: &Escrow) {
        assert_eq!(escrow.status(), self.status);
        assert_eq!(escrow.version(), self.sequence);
        let Some(amounts) = escrow.amounts() else { return };
        let theirs = [amounts.funded, amounts.released, amounts.refunded, amounts.penalty, amounts.open, amounts.contested];
        let ours = [self.funded, self.released, self.refunded, self.penalty, self.open, self.contested];
        assert_eq!(theirs.map(Money::minor), ours);
        assert_eq!(amounts.in_transit.minor(), self.in_transit.values().sum::<i128>());
        assert_eq!(amounts.remainder.minor(), self.open + self.contested);

        // MNY-03, MNY-56: what is left per party is never negative and adds up to the remainder; all releases are paid out.
        let shares = escrow.shares();
        assert!(shares.iter().all(|share| share.left.minor() >= 0 && share.released.minor() >= 0));
        assert_eq!(shares.iter().map(|share| share.left.minor()).sum::<i128>(), self.open + self.contested);
        assert_eq!(shares.iter().map(|share| share.released.minor()).sum::<i128>(), self.released);
        assert!(shares.iter().all(|share| share.left.minor() + share.released.minor() <= share.entitlement.minor()));

        // MNY-27, MNY-28, MNY-29: what the status says about the money.
        assert_eq!(self.status == EscrowStatus::Disputed, self.contested > 0 && self.open == 0, "{self:?}");
        let is_over = self.status.is_final();
        assert!(!is_over || self.open + self.contested == 0, "an ended escrow holds nothing");
        assert!(is_over || self.funded == 0 || self.open + self.contested > 0, "a live escrow holds something");
    }

    /// True between commands, not between the events of one.
    pub(super) fn compare_at_rest(&self, escrow: &Escrow) {
        assert_eq!(escrow.dispute().is_some(), self.contested > 0 || self.settled_case, "a case is open while something is contested");
        // MNY-17: no state without a way out.
        let is_over = self.status.is_final() || self.status == EscrowStatus::Unopened;
        assert_eq!(escrow.next_deadline().is_none(), is_over && !self.settled_case, "{:?}", escrow.status());
        let is_settled = is_over && self.in_transit.is_empty();
        let stays = matches!(self.status, EscrowStatus::Unopened | EscrowStatus::Cancelled | EscrowStatus::Closed);
        assert!(!is_settled || stays, "MNY-01: closed when nothing is in transit");
    }
}
