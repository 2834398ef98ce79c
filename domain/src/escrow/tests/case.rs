//! An escrow under test and the people around it. Every event goes through the naive model.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use cqrs_es::Aggregate;
use uuid::Uuid;

use super::model::Model;
use crate::escrow::{
    Artifact, ArtifactKind, CreateEscrow, Decision, DisputeKind, Escrow, EscrowCommand, EscrowError, EscrowEvent, EscrowFact, EscrowStatus,
    FundingSource, Landing, Leg, LegParty, Reference,
};
use crate::kernel::{
    Actor, ActorKind, AssetId, BookingId, Context, ContractId, DisputeId, EscrowId, HoldId, MilestoneId, Money, PartyId, Personal, Role,
    Sealed, TenantId, WalletId,
};
use crate::tenant::{EscrowSettings, SplitPolicy, TaxPolicy, TenantSettings};
use crate::wallet::{OwnerType, wallet_id};

pub(super) const TENANT: TenantId = TenantId(Uuid::from_u128(0x7e));
pub(super) const ESCROW: EscrowId = EscrowId(Uuid::from_u128(0xe5));
pub(super) const PAYER: PartyId = PartyId(Uuid::from_u128(0xb1));
pub(super) const PAYEE: PartyId = PartyId(Uuid::from_u128(0xb2));

pub(super) fn eur(amount: &str) -> Money {
    Money::try_new(amount.parse().unwrap(), "EUR".parse().unwrap()).unwrap()
}

pub(super) fn user(id: PartyId, roles: &[Role]) -> Actor {
    Actor { id, kind: ActorKind::User, roles: roles.iter().copied().collect(), amount_limits: Vec::new() }
}

pub(super) fn party(n: u128) -> PartyId {
    PartyId(Uuid::from_u128(n))
}

pub(super) fn payer() -> Actor {
    user(PAYER, &[Role::Payer])
}

pub(super) fn talent() -> Actor {
    user(PAYEE, &[Role::Talent])
}

pub(super) fn tenant() -> Actor {
    user(party(0xf1), &[Role::Finance])
}

pub(super) fn platform() -> Actor {
    user(party(0xf2), &[Role::PlatformFinance])
}

pub(super) fn system() -> Actor {
    Actor::system(party(0xf3))
}

pub(super) fn stranger() -> Actor {
    user(party(0xf4), &[Role::Talent, Role::Payer])
}

pub(super) fn sealed() -> Personal<String> {
    Personal::from_sealed(Sealed { subject: PAYER, key_id: Uuid::from_u128(1), nonce: "bm9uY2U=".into(), ciphertext: "c2VhbGVk".into() })
}

pub(super) fn artifact() -> Artifact {
    Artifact { asset_id: AssetId(Uuid::from_u128(0xa1)), kind: ArtifactKind::Deliverable }
}

/// The tenant of MNY-04: 9000/800/200 and 18 % on fees.
pub(super) fn settings() -> TenantSettings {
    let split = SplitPolicy { payee_bp: 9_000, tenant_bp: 800, platform_bp: 200 };
    let tax = TaxPolicy { fee_tax_bp: 1_800, tenant_registered: true, withholding_bp: 0 };
    TenantSettings { escrow: EscrowSettings { split, tax, ..EscrowSettings::default() }, ..TenantSettings::default() }
}

#[derive(Clone)]
pub(super) struct Case {
    pub(super) escrow: Escrow,
    pub(super) now: DateTime<Utc>,
    pub(super) settings: TenantSettings,
    pub(super) log: Vec<EscrowEvent>,
    pub(super) model: Model,
    holds: u128,
}

/// Getting to the beginning of a test.
impl Case {
    pub(super) fn unopened(settings: TenantSettings) -> Self {
        let now = Utc.with_ymd_and_hms(2025, 3, 1, 12, 0, 0).unwrap();
        Self { escrow: Escrow::default(), now, settings, log: Vec::new(), model: Model::default(), holds: 0 }
    }

    pub(super) fn create(amount: Money) -> CreateEscrow {
        let reference = Reference {
            contract_id: ContractId(Uuid::from_u128(0xc1)),
            milestone_id: Some(MilestoneId(Uuid::from_u128(0xc2))),
            booking_id: None,
            sponsorship_order_id: None,
        };
        let (escrow_id, payer_id, payee_id) = (ESCROW, PAYER, PAYEE);
        CreateEscrow {
            escrow_id,
            reference,
            payer_id,
            payee_id,
            amount,
            delivery_required: None,
            partial_release_allowed: None,
            share: None,
            starts_at: None,
        }
    }

    pub(super) fn created_with(settings: TenantSettings, amount: Money) -> Self {
        let mut case = Self::unopened(settings);
        case.ok(&tenant(), EscrowCommand::Create(Self::create(amount)));
        case
    }

    /// 10,000 EUR at the tenant of MNY-04.
    pub(super) fn created() -> Self {
        Self::created_with(settings(), eur("10000"))
    }

    pub(super) fn with(change: impl FnOnce(&mut TenantSettings)) -> Self {
        let mut settings = settings();
        change(&mut settings);
        Self::created_with(settings, eur("10000"))
    }

    /// For a booking whose work begins in `hours`.
    pub(super) fn booked(settings: TenantSettings, hours: i64) -> Self {
        let mut case = Self::unopened(settings);
        let create = Self::create(eur("10000"));
        let booking_id = Some(BookingId(Uuid::from_u128(0xc3)));
        let reference = Reference { milestone_id: None, booking_id, ..create.reference };
        let starts_at = Some(case.now + TimeDelta::hours(hours));
        case.ok(&system(), EscrowCommand::Create(CreateEscrow { reference, starts_at, ..create }));
        case
    }

    /// On through the machine, by the shortest way.
    pub(super) fn to(mut self, status: EscrowStatus) -> Self {
        use EscrowStatus::{Created, DeliverySubmitted, Disputed, Funded, FundingPending, InProgress, Locked, PartialReleased, Releasable};
        while self.escrow.status() != status {
            match self.escrow.status() {
                Created if status == FundingPending => self.ok(&payer(), EscrowCommand::Fund { source: FundingSource::BankTransfer }),
                Created | FundingPending => self.receive(self.escrow.terms().unwrap().amount),
                Funded if status == Disputed => self.ok(&payer(), contest(None)),
                Funded => self.ok(&tenant(), EscrowCommand::Lock),
                Locked if !self.escrow.terms().unwrap().rules.delivery_required => self.ok(&tenant(), EscrowCommand::MakeReleasable),
                Locked => self.ok(&tenant(), EscrowCommand::StartWork),
                InProgress => self.ok(&talent(), deliver()),
                DeliverySubmitted => self.ok(&tenant(), EscrowCommand::Approve { note: None }),
                Releasable if status == PartialReleased => {
                    self.ok(&platform(), EscrowCommand::ReleasePartial { amount: eur("3333.33"), reason: None })
                }
                other => panic!("no way from {other} to {status}"),
            };
        }
        self
    }
}

/// Doing something.
impl Case {
    pub(super) fn context(&self, actor: &Actor) -> Context {
        Context { tenant_id: TENANT, actor: actor.clone(), now: self.now, settings: Arc::new(self.settings.clone()) }
    }

    pub(super) fn act(&mut self, actor: &Actor, command: EscrowCommand) -> Result<Vec<EscrowEvent>, EscrowError> {
        let context = self.context(actor);
        let (before, action) = (self.escrow.status(), command.action());
        let events = self.escrow.decide(command.clone(), &context);
        assert_eq!(events, self.escrow.decide(command, &context), "the same question has the same answer (invariant 10)");
        let events = events?;
        for event in &events {
            self.model.record(event);
            self.escrow.apply(event.clone());
            self.model.compare(&self.escrow);
        }
        self.model.compare_at_rest(&self.escrow);
        let closing = |event: &&EscrowEvent| !matches!(event.fact, EscrowFact::Closed { .. });
        let after = events.iter().rfind(closing).map_or(before, |event| event.to);
        // What a deadline or an enforced decision does has the row of what it does.
        let by_other_rows = matches!(action, crate::escrow::EscrowAction::MeetDeadline | crate::escrow::EscrowAction::Enforce);
        assert!(by_other_rows || before.leads_to(action, after), "{before} {action} {after} is not in the table");
        self.log.extend(events.iter().cloned());
        Ok(events)
    }

    #[track_caller]
    pub(super) fn ok(&mut self, actor: &Actor, command: EscrowCommand) -> Vec<EscrowEvent> {
        let (status, action) = (self.escrow.status(), command.action());
        self.act(actor, command).unwrap_or_else(|refusal| panic!("{action} in {status}: {refusal}"))
    }

    #[track_caller]
    pub(super) fn refused(&mut self, actor: &Actor, command: EscrowCommand) -> EscrowError {
        self.act(actor, command).expect_err("should be refused")
    }

    pub(super) fn wait(&mut self, hours: i64) -> &mut Self {
        self.now += TimeDelta::hours(hours);
        self
    }

    /// Waits for the next deadline and lets the machinery meet it.
    pub(super) fn meet_next(&mut self) -> Vec<EscrowEvent> {
        let at = self.escrow.next_deadline().expect("some deadline runs").at;
        self.now = self.now.max(at);
        let key = if self.escrow.deadlines().progress.is_some_and(|deadline| deadline.at == at) { "progress" } else { "dispute" };
        self.ok(&system(), EscrowCommand::MeetDeadline { key: key.into(), at })
    }

    /// A bank receipt of that amount stands on hold for the escrow.
    pub(super) fn receive(&mut self, amount: Money) -> Vec<EscrowEvent> {
        let command = self.hold(0, amount);
        self.ok(&system(), command)
    }

    /// A new hold in the payer's wallet.
    pub(super) fn hold(&mut self, attempt: u32, amount: Money) -> EscrowCommand {
        self.holds += 1;
        let hold_id = HoldId(Uuid::from_u128(0x4000 + self.holds));
        EscrowCommand::AcceptFunding { attempt, wallet_id: payer_wallet(amount), hold_id, amount }
    }

    pub(super) fn land_all(&mut self) -> Vec<EscrowEvent> {
        let awaited: Vec<Landing> = self.escrow.landings_awaited().collect();
        let land = |landing: Landing| EscrowCommand::RecordLanding { event_id: landing.event_id, leg: landing.leg };
        awaited.into_iter().flat_map(|landing| self.ok(&system(), land(landing))).collect()
    }

    /// What the open case is about.
    pub(super) fn at_stake(&self) -> Money {
        Money::try_from_minor(self.escrow.at_stake(), self.escrow.currency().unwrap()).unwrap()
    }

    /// The report of the next wallet that has not said what it froze: all of it.
    pub(super) fn freeze_next(&self) -> Option<EscrowCommand> {
        let leg = self.escrow.open_settled_case()?.legs.iter().find(|leg| leg.frozen.is_none())?.asked;
        Some(EscrowCommand::RecordCaseFrozen { hold_id: leg.hold_id, frozen: leg.amount })
    }

    pub(super) fn freeze_all(&mut self) {
        while let Some(command) = self.freeze_next() {
            self.ok(&system(), command);
        }
    }

    /// The open case's id, or some other.
    pub(super) fn dispute_id(&self) -> DisputeId {
        self.escrow.dispute_id().unwrap_or(DisputeId(ESCROW.0))
    }

    #[track_caller]
    pub(super) fn is(&self, status: EscrowStatus, open: &str, contested: &str) {
        let amounts = self.escrow.amounts().unwrap();
        assert_eq!((self.escrow.status(), amounts.open, amounts.contested), (status, eur(open), eur(contested)));
    }
}

pub(super) fn payer_wallet(amount: Money) -> WalletId {
    wallet_id(TENANT, OwnerType::User, PAYER, amount.currency())
}

pub(super) fn names(events: &[EscrowEvent]) -> Vec<&'static str> {
    events.iter().map(|event| event.fact.name().trim_start_matches("escrow.")).collect()
}

pub(super) fn deliver() -> EscrowCommand {
    EscrowCommand::SubmitDelivery { artifacts: vec![artifact()], note: None, gps: None }
}

pub(super) fn release_all() -> EscrowCommand {
    EscrowCommand::Release { amount: None, reason: None }
}

pub(super) fn release_part(amount: &str) -> EscrowCommand {
    EscrowCommand::ReleasePartial { amount: eur(amount), reason: None }
}

pub(super) fn cancel() -> EscrowCommand {
    EscrowCommand::Cancel { reason: "changed plans".into() }
}

pub(super) fn contest(amount: Option<&str>) -> EscrowCommand {
    EscrowCommand::Dispute { amount: amount.map(eur), kind: DisputeKind::DeliveryRejected, reason: sealed() }
}

pub(super) fn decide(decision: Decision) -> EscrowCommand {
    EscrowCommand::Decide { decision, rationale: None }
}

pub(super) fn split(release: &str, refund: &str, penalty: &str) -> EscrowCommand {
    decide(Decision::Split { release: eur(release), refund: eur(refund), penalty: eur(penalty) })
}

/// The legs of the last event that has some, as (party, amount).
pub(super) fn legs(events: &[EscrowEvent]) -> Vec<(&'static str, String)> {
    let of = |event: &EscrowEvent| match &event.fact {
        EscrowFact::Released { legs, .. }
        | EscrowFact::PartiallyReleased { legs, .. }
        | EscrowFact::Refunded { legs, .. }
        | EscrowFact::PenaltyTaken { legs, .. } => Some(legs.clone()),
        _ => None,
    };
    let legs: Vec<Leg> = events.iter().rev().find_map(of).unwrap_or_default();
    let name = |party| match party {
        LegParty::Payee(_) => "payee",
        LegParty::Tenant => "tenant",
        LegParty::Payer(_) => "payer",
        LegParty::Platform => "platform",
        LegParty::Tax => "tax",
        LegParty::Withholding => "withholding",
    };
    legs.iter().map(|leg| (name(leg.party), leg.amount.amount().to_string())).collect()
}
