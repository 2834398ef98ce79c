//! A dispute under test and the people around it.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use cqrs_es::Aggregate;
use uuid::Uuid;

use crate::dispute::{
    CaseDecision, CaseFacts, Dispute, DisputeCommand, DisputeError, DisputeEvent, DisputeFact, DisputeStatus, OpenCase, OutcomeOfCase,
    Resolution,
};
use crate::escrow::{DisputeKind, Hat, Reference};
use crate::kernel::{
    Actor, ActorKind, AssetId, Context, ContractId, DisputeId, EscrowId, Money, PartyId, Personal, Role, Sealed, TenantId,
};
use crate::tenant::{PenaltyBeneficiary, PenaltyRule, TenantSettings};

pub(super) const TENANT: TenantId = TenantId(Uuid::from_u128(0x7e));
pub(super) const PAYER: PartyId = PartyId(Uuid::from_u128(0xb1));
pub(super) const PAYEE: PartyId = PartyId(Uuid::from_u128(0xb2));
pub(super) const RESOLVER: PartyId = PartyId(Uuid::from_u128(0xf8));

pub(super) fn eur(amount: &str) -> Money {
    Money::try_new(amount.parse().unwrap(), "EUR".parse().unwrap()).unwrap()
}

pub(super) fn user(id: u128, role: Role) -> Actor {
    Actor { id: PartyId(Uuid::from_u128(id)), kind: ActorKind::User, roles: [role].into(), amount_limits: Vec::new() }
}

pub(super) fn payer() -> Actor {
    user(0xb1, Role::Payer)
}

pub(super) fn talent() -> Actor {
    user(0xb2, Role::Talent)
}

pub(super) fn tenant() -> Actor {
    user(0xf1, Role::Ops)
}

pub(super) fn platform() -> Actor {
    user(0xf2, Role::TrustSafety)
}

pub(super) fn system() -> Actor {
    Actor::system(PartyId(Uuid::from_u128(0xf3)))
}

pub(super) fn stranger() -> Actor {
    user(0xf4, Role::Payer)
}

pub(super) fn sealed() -> Personal<String> {
    Personal::from_sealed(Sealed { subject: PAYER, key_id: Uuid::from_u128(1), nonce: "bm9uY2U=".into(), ciphertext: "c2VhbGVk".into() })
}

pub(super) fn facts() -> CaseFacts {
    CaseFacts {
        escrow_id: EscrowId(Uuid::from_u128(0xe5)),
        reference: Reference {
            contract_id: ContractId(Uuid::from_u128(0xc1)),
            milestone_id: None,
            booking_id: None,
            sponsorship_order_id: None,
        },
        payer_id: PAYER,
        payee_id: PAYEE,
        tenant_is_party: false,
        penalty: PenaltyRule { beneficiary: PenaltyBeneficiary::Payer, cap_bp: 2_000 },
        redos_left: 2,
        evidence_due_at: begin() + TimeDelta::hours(72),
        after_settlement: false,
    }
}

fn begin() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2025, 3, 1, 12, 0, 0).unwrap()
}

#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) dispute: Dispute,
    pub(super) now: DateTime<Utc>,
    pub(super) log: Vec<DisputeEvent>,
}

impl Case {
    pub(super) fn unopened() -> Self {
        Self { dispute: Dispute::default(), now: begin(), log: Vec::new() }
    }

    pub(super) fn open(facts: CaseFacts) -> DisputeCommand {
        DisputeCommand::Open(Box::new(OpenCase {
            dispute_id: DisputeId(Uuid::from_u128(0xd1)),
            case_no: 1,
            facts,
            contested: eur("10000"),
            kind: DisputeKind::DeliveryRejected,
            raised_by: PAYER,
            raised_as: Hat::Payer,
            reason: Some(sealed()),
        }))
    }

    /// 10,000 EUR, raised by the payer.
    pub(super) fn opened() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut CaseFacts)) -> Self {
        let mut facts = facts();
        change(&mut facts);
        let mut case = Self::unopened();
        case.ok(&system(), Self::open(facts));
        case
    }

    /// On through the machine, by the shortest way.
    pub(super) fn to(mut self, status: DisputeStatus) -> Self {
        use DisputeStatus::{Closed, Decided, DecisionPending, Evidence, Opened, Review, Unopened};
        while self.dispute.status() != status {
            match self.dispute.status() {
                Unopened => self.ok(&system(), Self::open(facts())),
                Opened if status == Evidence => self.ok(&payer(), evidence(1)),
                Opened => self.ok(&platform(), assign()),
                Review if status == DecisionPending => self.ok(&platform(), DisputeCommand::RequestDecision),
                Review => self.ok(&platform(), decide(CaseDecision::Refund)),
                Decided => self.ok(&system(), outcome(Resolution::Refund)),
                other @ (Evidence | DecisionPending | Closed) => panic!("no way from {other} to {status}"),
            };
        }
        self
    }

    pub(super) fn context(&self, actor: &Actor) -> Context {
        Context { tenant_id: TENANT, actor: actor.clone(), now: self.now, settings: Arc::new(TenantSettings::default()) }
    }

    pub(super) fn act(&mut self, actor: &Actor, command: DisputeCommand) -> Result<Vec<DisputeEvent>, DisputeError> {
        let (before, action) = (self.dispute.status(), command.action());
        let events = self.dispute.decide(command, &self.context(actor))?;
        for event in &events {
            assert_eq!(event.from, before, "every event of a command begins where the command did");
            self.dispute.apply(event.clone());
        }
        let after = self.dispute.status();
        assert!(before.leads_to(action, after), "{before} {action} {after} is not in the table");
        self.log.extend(events.iter().cloned());
        Ok(events)
    }

    #[track_caller]
    pub(super) fn ok(&mut self, actor: &Actor, command: DisputeCommand) -> Vec<DisputeEvent> {
        let (status, action) = (self.dispute.status(), command.action());
        self.act(actor, command).unwrap_or_else(|refusal| panic!("{action} in {status}: {refusal}"))
    }

    #[track_caller]
    pub(super) fn refused(&mut self, actor: &Actor, command: DisputeCommand) -> DisputeError {
        self.act(actor, command).expect_err("should be refused")
    }

    pub(super) fn wait(&mut self, hours: i64) -> &mut Self {
        self.now += TimeDelta::hours(hours);
        self
    }
}

pub(super) fn names(events: &[DisputeEvent]) -> Vec<&'static str> {
    use crate::kernel::StoredEvent;
    events.iter().map(|event| event.name().trim_start_matches("dispute.")).collect()
}

pub(super) fn evidence(n: u128) -> DisputeCommand {
    let asset_id = AssetId(Uuid::from_u128(n));
    DisputeCommand::AddEvidence { asset_id, sha256: "ab".repeat(32), mime: "image/png".into(), size: 1_000, note: Some(sealed()) }
}

pub(super) fn assign() -> DisputeCommand {
    DisputeCommand::Assign { assignee_id: RESOLVER }
}

pub(super) fn decide(decision: CaseDecision) -> DisputeCommand {
    DisputeCommand::Decide { decision, rationale: Some(sealed()) }
}

pub(super) fn split(release: &str, refund: &str, penalty: &str) -> CaseDecision {
    CaseDecision::Split { release: eur(release), refund: eur(refund), penalty: eur(penalty) }
}

pub(super) fn outcome(resolution: Resolution) -> DisputeCommand {
    let all = |is: bool| if is { eur("10000") } else { eur("0") };
    let (released, refunded) = (all(resolution == Resolution::Release), all(resolution == Resolution::Refund));
    DisputeCommand::RecordOutcome(OutcomeOfCase { resolution, released, refunded, penalty: eur("0"), withdrawn: false, conceded: false })
}

/// What was decided last.
pub(super) fn decided(events: &[DisputeEvent]) -> CaseDecision {
    let found = events.iter().rev().find_map(|event| match event.fact {
        DisputeFact::Decided { decision, .. } => Some(decision),
        _ => None,
    });
    found.expect("a decision")
}
