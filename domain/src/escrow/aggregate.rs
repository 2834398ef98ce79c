//! State, and how events change it.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::escrow::terms::fit;
use crate::escrow::{
    CaseLeg, Deadline, Deadlines, DisputeKind, Entitlements, EscrowCommand, EscrowError, EscrowEvent, EscrowFact, EscrowStatus,
    FundingFailure, FundingPart, FundingSource, Hat, Landing, Leg, MoneySource, Terms,
};
use crate::kernel::{Claim, ClaimChange, Context, DisputeId, EscrowId, EventId, HoldId, Money, PartyId, TenantAggregate, event_id};

/// What some decision or some reader needs to know; read models store it as it is and ask its getters (`view.rs`).
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Escrow {
    pub(super) version: i64,
    pub(super) status: EscrowStatus,
    pub(super) terms: Option<Terms>,
    pub(super) deadlines: Deadlines,
    pub(super) balances: Balances,
    /// What each party may still get of the remainder; always adds up to it (MNY-03).
    pub(super) left: Entitlements,
    /// What each party has got.
    pub(super) paid: Entitlements,
    pub(super) funding: Funding,
    pub(super) work: Work,
    /// CTR-44: the contract is signed.
    pub(super) contract_signed: bool,
    /// MNY-14: start, lock and `make_releasable` wait for the answer.
    pub(super) refund_requested: bool,
    pub(super) authorization: Option<Authorization>,
    pub(super) dispute: Option<OpenDispute>,
    /// MNY-36: the last case about settled money; it is open while it is the dispute.
    pub(super) settled_case: Option<SettledCase>,
    /// What cases about settled money have contested so far, by party.
    pub(super) contested_later: Entitlements,
    /// Disputes so far; numbers the next one.
    pub(super) cases: u32,
    /// MNY-32: who has had an objection dismissed or has withdrawn it, in which round.
    pub(super) objections: Vec<Objection>,
    /// While everything is contested: what waits (MNY-27).
    pub(super) paused: Option<Paused>,
    /// Legs that their wallets have not booked yet (MNY-01).
    pub(super) in_transit: Vec<InTransit>,
    pub(super) created_at: Option<DateTime<Utc>>,
    pub(super) ended_at: Option<DateTime<Utc>>,
}

/// Minor units. At every event: funded = released + refunded + penalty + open + contested (invariant 4).
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub(super) struct Balances {
    pub(super) funded: i64,
    pub(super) open: i64,
    pub(super) contested: i64,
    pub(super) released: i64,
    pub(super) refunded: i64,
    pub(super) penalty: i64,
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Funding {
    /// The number of the last attempt; 0: none yet.
    pub(super) attempt: u32,
    /// Asked, not answered.
    pub(super) request: Option<FundingRequest>,
    /// Money on hold for this escrow, in order of arrival.
    pub(super) parts: Vec<FundingPart>,
    /// Every hold that has been answered, so that a repeated report does nothing.
    pub(super) answered: BTreeSet<HoldId>,
    pub(super) failure: Option<FundingFailure>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FundingRequest {
    pub(super) source: FundingSource,
    pub(super) hold_id: HoldId,
}

/// The current round of work.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Work {
    /// 1 when work starts; a redo begins the next.
    pub(super) round: u32,
    pub(super) redos: u32,
    /// The booked time (MNY-17).
    pub(super) starts_at: Option<DateTime<Utc>>,
    pub(super) started_at: Option<DateTime<Utc>>,
    pub(super) delivered_at: Option<DateTime<Utc>>,
    pub(super) approved_at: Option<DateTime<Utc>>,
    pub(super) dispute_window_ends_at: Option<DateTime<Utc>>,
}

/// MNY-22: stands while neither the open amount nor the version has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub(super) struct Authorization {
    pub(super) amount: Money,
    pub(super) version: i64,
}

/// The open case (MNY-25).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpenDispute {
    pub dispute_id: DisputeId,
    pub case_no: u32,
    pub kind: DisputeKind,
    pub raised_by: PartyId,
    pub raised_as: Hat,
    pub raised_at: DateTime<Utc>,
    pub evidence_closed: bool,
    /// Nobody decided in time: the platform must (MNY-17).
    pub escalated: bool,
    /// What had been released when it was raised, in minor units: tells whether something was released since (MNY-32).
    pub(super) released_before: i64,
}

/// A case about money that had been released (MNY-36).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SettledCase {
    pub(super) dispute_id: DisputeId,
    pub(super) contested: Money,
    pub(super) parts: Entitlements,
    pub(super) legs: Vec<FreezingLeg>,
    /// What went back to the payer.
    pub(super) refunded: Money,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub(super) struct FreezingLeg {
    pub(super) asked: CaseLeg,
    /// None before the wallet has answered.
    pub(super) frozen: Option<Money>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Objection {
    pub(super) round: u32,
    pub(super) raised_by: PartyId,
    pub(super) raised_as: Hat,
}

impl OpenDispute {
    fn raised(
        dispute_id: DisputeId,
        case_no: u32,
        kind: DisputeKind,
        raised_by: PartyId,
        raised_as: Hat,
        raised_at: DateTime<Utc>,
    ) -> Self {
        let (evidence_closed, escalated) = (false, false);
        Self { dispute_id, case_no, kind, raised_by, raised_as, raised_at, evidence_closed, escalated, released_before: 0 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub(super) struct Paused {
    pub(super) status: EscrowStatus,
    pub(super) deadline: Option<Deadline>,
    pub(super) since: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub(super) struct InTransit {
    pub(super) landing: Landing,
    pub(super) amount: Money,
}

impl cqrs_es::Aggregate for Escrow {
    const TYPE: &'static str = "escrow";
    type Command = EscrowCommand;
    type Event = EscrowEvent;
    type Error = EscrowError;
    type Services = Context;

    async fn handle(&mut self, command: EscrowCommand, context: &Context, sink: &EventSink<Self>) -> Result<(), EscrowError> {
        for event in self.decide(command, context)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    /// Records what happened: never refuses, lists every fact.
    fn apply(&mut self, event: EscrowEvent) {
        self.version += 1;
        self.pause_or_resume(&event);
        self.status = event.to;
        self.deadlines = event.deadlines;
        if event.to.is_final() && self.ended_at.is_none() {
            self.ended_at = Some(event.at);
        }
        let at = event.at;
        match event.fact {
            EscrowFact::Created { terms } => {
                self.created_at = Some(at);
                self.work.starts_at = terms.starts_at;
                self.terms = Some(*terms);
            }
            EscrowFact::FundingRequested { attempt, source, hold_id, .. } => {
                self.funding.attempt = attempt;
                self.funding.request = Some(FundingRequest { source, hold_id });
                self.funding.failure = None;
            }
            EscrowFact::FundingFailed { reason, returned, .. } => {
                self.funding.request = None;
                self.funding.failure = Some(reason);
                self.give_back(&returned);
            }
            EscrowFact::FundingShort { attempt, part, .. } => {
                self.funding.attempt = attempt;
                self.answer_hold(part.hold_id);
                self.funding.parts.push(part);
            }
            EscrowFact::FundingReturned { part } => self.answer_hold(part.hold_id),
            EscrowFact::Funded { amount, parts } => {
                for part in &parts {
                    self.answer_hold(part.hold_id);
                }
                self.funding.parts = parts;
                self.funding.request = None;
                self.funding.failure = None;
                self.balances.funded = minor(amount);
                self.balances.open = minor(amount);
                self.left = self.terms.as_ref().map(|terms| terms.entitlements).unwrap_or_default();
            }
            EscrowFact::Locked => {}
            EscrowFact::WorkStarted { round } => {
                self.work.round = round;
                self.work.started_at = Some(at);
            }
            EscrowFact::DeliverySubmitted { dispute_window_ends_at, .. } => {
                self.work.delivered_at = Some(at);
                self.work.dispute_window_ends_at = Some(dispute_window_ends_at);
            }
            EscrowFact::DeliveryApproved { .. } => self.work.approved_at = Some(at),
            EscrowFact::MadeReleasable { dispute_window_ends_at } => self.work.dispute_window_ends_at = Some(dispute_window_ends_at),
            EscrowFact::ReleaseAuthorized { amount, .. } => {
                self.authorization = Some(Authorization { amount, version: self.version });
            }
            EscrowFact::PartiallyReleased { amount, legs, .. } => self.pay_out(MoneySource::Open, amount, &legs),
            EscrowFact::Released { source, amount, legs, .. } => self.pay_out(source, amount, &legs),
            EscrowFact::RefundRequested { .. } => self.refund_requested = true,
            EscrowFact::RefundDeclined { .. } => self.refund_requested = false,
            EscrowFact::Refunded { source, amount, legs, .. } => {
                self.refund_requested = false;
                self.balances.refunded += minor(amount);
                self.take_from(source, amount);
                self.send(&legs);
                self.left = self.left.share_of(self.remainder().into());
            }
            EscrowFact::PenaltyTaken { amount, legs, .. } => {
                self.balances.penalty += minor(amount);
                self.take_from(MoneySource::Contested, amount);
                self.send(&legs);
                self.left = self.left.share_of(self.remainder().into());
            }
            EscrowFact::Cancelled { returned, .. } => {
                self.funding.request = None;
                self.give_back(&returned);
            }
            EscrowFact::Disputed { dispute_id, case_no, contested, kind, raised_by, raised_as, .. } => {
                self.open_case(OpenDispute::raised(dispute_id, case_no, kind, raised_by, raised_as, at));
                self.freeze(contested);
            }
            EscrowFact::SettlementDisputed { dispute_id, case_no, contested, kind, raised_by, raised_as, parts, legs, .. } => {
                self.open_case(OpenDispute::raised(dispute_id, case_no, kind, raised_by, raised_as, at));
                self.contested_later = self.contested_later.with(parts);
                let legs = legs.into_iter().map(|asked| FreezingLeg { asked, frozen: None }).collect();
                let refunded = Money::zero(contested.currency());
                self.settled_case = Some(SettledCase { dispute_id, contested, parts, legs, refunded });
            }
            EscrowFact::CaseFrozen { hold_id, frozen, .. } => {
                let legs = self.settled_case.iter_mut().flat_map(|case| &mut case.legs);
                for leg in legs.filter(|leg| leg.asked.hold_id == hold_id) {
                    leg.frozen = Some(frozen);
                }
            }
            EscrowFact::SettledCaseReleased { .. } => {}
            EscrowFact::SettledCaseRefunded { legs, .. } => {
                self.send(&legs);
                if let (Some(case), Some(leg)) = (&mut self.settled_case, legs.first()) {
                    case.refunded = leg.amount;
                }
            }
            EscrowFact::DisputeWidened { amount, .. } => self.freeze(amount),
            EscrowFact::EvidenceClosed { .. } => {
                if let Some(dispute) = &mut self.dispute {
                    dispute.evidence_closed = true;
                }
            }
            EscrowFact::DisputeEscalated { .. } => {
                if let Some(dispute) = &mut self.dispute {
                    dispute.escalated = true;
                }
            }
            EscrowFact::DisputeResolved { .. } => self.dispute = None,
            EscrowFact::RedoOrdered { round, returned, .. } => {
                self.dispute = None;
                self.thaw(returned);
                let started_at = self.work.started_at.or(Some(at));
                self.work = Work { round, redos: self.work.redos + 1, starts_at: self.work.starts_at, started_at, ..Work::default() };
                self.refund_requested = false;
            }
            EscrowFact::DisputeDismissed { returned, .. } => {
                // The machinery must be able to ask again, or a silent escrow would never end (MNY-17).
                if let Some(dispute) = self.dispute.take().filter(|dispute| dispute.raised_as != Hat::System) {
                    let OpenDispute { raised_by, raised_as, .. } = dispute;
                    self.objections.push(Objection { round: self.work.round, raised_by, raised_as });
                }
                self.thaw(returned);
            }
            EscrowFact::DisputeConceded { .. } | EscrowFact::DecisionDeclined { .. } => {}
            EscrowFact::ContractSigned => self.contract_signed = true,
            EscrowFact::StartMoved { starts_at } => self.work.starts_at = Some(starts_at),
            EscrowFact::LegLanded { landing } => self.in_transit.retain(|leg| leg.landing != landing),
            EscrowFact::Closed { .. } => {}
        }
    }
}

impl Escrow {
    /// The id of this aggregate's latest event.
    fn latest_event_id(&self) -> Option<EventId> {
        let terms = self.terms.as_ref()?;
        Some(event_id(terms.tenant_id, <Self as cqrs_es::Aggregate>::TYPE, terms.escrow_id.0, self.version))
    }

    pub(super) fn remainder(&self) -> i64 {
        self.balances.open + self.balances.contested
    }

    fn open_case(&mut self, mut dispute: OpenDispute) {
        dispute.released_before = self.balances.released;
        self.cases = dispute.case_no;
        self.dispute = Some(dispute);
    }

    fn pause_or_resume(&mut self, event: &EscrowEvent) {
        if event.to == EscrowStatus::Disputed && event.from != EscrowStatus::Disputed {
            self.paused = Some(Paused { status: event.from, deadline: self.deadlines.progress, since: event.at });
        } else if event.to != EscrowStatus::Disputed {
            self.paused = None;
        }
    }

    fn answer_hold(&mut self, hold_id: HoldId) {
        self.funding.answered.insert(hold_id);
        self.funding.request.take_if(|request| request.hold_id == hold_id);
    }

    fn give_back(&mut self, returned: &[FundingPart]) {
        self.funding.parts.retain(|part| returned.iter().all(|gone| gone.hold_id != part.hold_id));
    }

    fn pay_out(&mut self, source: MoneySource, amount: Money, legs: &[Leg]) {
        self.balances.released += minor(amount);
        self.take_from(source, amount);
        self.send(legs);
        self.left = self.left.minus(legs);
        self.paid = self.paid.plus(legs);
    }

    fn take_from(&mut self, source: MoneySource, amount: Money) {
        match source {
            MoneySource::Open => self.balances.open -= minor(amount),
            MoneySource::Contested => self.balances.contested -= minor(amount),
        }
    }

    fn freeze(&mut self, amount: Money) {
        self.balances.open -= minor(amount);
        self.balances.contested += minor(amount);
    }

    fn thaw(&mut self, amount: Money) {
        self.balances.contested -= minor(amount);
        self.balances.open += minor(amount);
    }

    fn send(&mut self, legs: &[Leg]) {
        let Some(event_id) = self.latest_event_id() else { return };
        let on_their_way = legs.iter().filter(|leg| leg.wallet_id.is_some());
        self.in_transit.extend(on_their_way.map(|leg| InTransit { landing: Landing { event_id, leg: leg.leg }, amount: leg.amount }));
    }
}

fn minor(money: Money) -> i64 {
    fit(money.minor())
}

/// The claim that keeps a second escrow away (MNY-05).
const REFERENCE: &str = "escrow_reference";

impl TenantAggregate for Escrow {
    const FOLD_VERSION: u32 = 3;

    fn exists(&self) -> bool {
        self.status != EscrowStatus::Unopened
    }

    fn status(&self) -> &'static str {
        self.status.as_str()
    }

    fn depends_on_settings(command: &EscrowCommand) -> bool {
        matches!(command, EscrowCommand::Create(_))
    }

    /// One live escrow per milestone, booking or order; only `cancelled` frees it (MNY-05).
    #[expect(clippy::wildcard_enum_match_arm, reason = "a new fact does not touch the reference unless it says so")]
    fn claims(event: &EscrowEvent) -> Vec<ClaimChange> {
        let claims = |ids: Vec<String>| ids.into_iter().map(|value| Claim { kind: REFERENCE, value });
        match &event.fact {
            EscrowFact::Created { terms } => claims(terms.reference.claimed_ids()).map(ClaimChange::Take).collect(),
            EscrowFact::Cancelled { reference, .. } => claims(reference.claimed_ids()).map(ClaimChange::GiveBack).collect(),
            _ => Vec::new(),
        }
    }

    fn claim_taken(_claim: &Claim, holder: Uuid) -> EscrowError {
        EscrowError::Exists { escrow_id: EscrowId(holder) }
    }
}
