//! A booking under test and the people around it.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use cqrs_es::Aggregate;
use serde_json::json;
use uuid::Uuid;

use crate::booking::{
    Accept, Agreement, Booking, BookingCommand, BookingError, BookingEvent, BookingFact, BookingStatus, CreateBooking, Evidence, OtpProof,
    Slot,
};
use crate::kernel::{
    Actor, ActorKind, BookingId, Context, DomainError, JobId, Money, PartyId, Personal, Role, Sealed, StoredEvent, TenantId,
};
use crate::tenant::{EscrowSettings, SplitPolicy, TaxPolicy, TenantSettings};

pub(super) const TENANT: TenantId = TenantId(Uuid::from_u128(0x7e));
pub(super) const BOOKING: BookingId = BookingId(Uuid::from_u128(0xb0));
pub(super) const JOB: JobId = JobId(Uuid::from_u128(0x10));
pub(super) const TALENT: PartyId = PartyId(Uuid::from_u128(0xa1));
pub(super) const BRAND: PartyId = PartyId(Uuid::from_u128(0xa2));

pub(super) fn user(id: u128, role: Role) -> Actor {
    Actor { id: PartyId(Uuid::from_u128(id)), kind: ActorKind::User, roles: [role].into(), amount_limits: Vec::new() }
}

pub(super) fn talent() -> Actor {
    Actor { id: TALENT, ..user(0, Role::Talent) }
}

pub(super) fn brand() -> Actor {
    Actor { id: BRAND, ..user(0, Role::Payer) }
}

pub(super) fn ops() -> Actor {
    user(0xf1, Role::Ops)
}

pub(super) fn platform() -> Actor {
    user(0xf2, Role::PlatformAdmin)
}

pub(super) fn system() -> Actor {
    Actor::system(PartyId(Uuid::from_u128(0xf3)))
}

pub(super) fn stranger() -> Actor {
    user(0xf4, Role::Talent)
}

pub(super) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// From day `day` of June 2026, eight hours from 9 o'clock.
pub(super) fn day(day: u32) -> Slot {
    Slot { from: at(&format!("2026-06-{day:02}T09:00:00Z")), to: at(&format!("2026-06-{day:02}T17:00:00Z")) }
}

pub(super) fn eur(amount: &str) -> Money {
    Money::try_new(amount.parse().unwrap(), "EUR".parse().unwrap()).unwrap()
}

pub(super) fn sealed<T>() -> Personal<T> {
    let (nonce, ciphertext) = ("bm9uY2U=".to_owned(), "c2VhbGVk".to_owned());
    Personal::from_sealed(Sealed { subject: TALENT, key_id: Uuid::from_u128(1), nonce, ciphertext })
}

pub(super) fn hold() -> BookingCommand {
    BookingCommand::PlaceHold { booking_id: BOOKING, job_id: JOB, talent_id: TALENT, slot: day(10), expires_at: None }
}

pub(super) fn offer() -> CreateBooking {
    CreateBooking {
        booking_id: BOOKING,
        job_id: JOB,
        talent_id: TALENT,
        payer_id: BRAND,
        slot: day(10),
        location: Some(sealed()),
        terms: json!({ "usage": "1 year" }),
        price: eur("1000"),
    }
}

pub(super) fn create() -> BookingCommand {
    BookingCommand::Create(Box::new(offer()))
}

pub(super) fn accept() -> BookingCommand {
    accept_for(day(10))
}

pub(super) fn accept_for(slot: Slot) -> BookingCommand {
    let agreement = Agreement { title: "Booking".into(), template_id: None, template_version: 1, body: sealed(), hash: "ab".repeat(32) };
    BookingCommand::Accept(Box::new(Accept { agreement, slot }))
}

pub(super) fn complete(number: Option<u32>) -> BookingCommand {
    BookingCommand::Complete { proof: number.map(|number| OtpProof { number }), evidence: Box::new(Evidence::default()) }
}

pub(super) fn cancel() -> BookingCommand {
    BookingCommand::Cancel { reason: "rain".to_owned() }
}

pub(super) fn move_to(slot: Slot) -> BookingCommand {
    BookingCommand::Reschedule { slot: Some(slot), location: None }
}

pub(super) fn meet(key: &str, at: DateTime<Utc>) -> BookingCommand {
    BookingCommand::MeetDeadline { key: key.to_owned(), at }
}

#[derive(Clone)]
pub(super) struct Case {
    pub(super) booking: Booking,
    pub(super) now: DateTime<Utc>,
    pub(super) settings: TenantSettings,
    pub(super) log: Vec<BookingEvent>,
}

impl Case {
    /// At the tenant of MNY-04: 9000/800/200 and 18 % on fees.
    pub(super) fn unopened() -> Self {
        let split = SplitPolicy { payee_bp: 9_000, tenant_bp: 800, platform_bp: 200 };
        let tax = TaxPolicy { fee_tax_bp: 1_800, tenant_registered: true, withholding_bp: 0 };
        let escrow = EscrowSettings { split, tax, ..EscrowSettings::default() };
        let settings = TenantSettings { escrow, ..TenantSettings::default() };
        Self { booking: Booking::default(), now: at("2026-06-01T12:00:00Z"), settings, log: Vec::new() }
    }

    /// By the shortest way that goes through acceptance and payment.
    pub(super) fn at(status: BookingStatus) -> Self {
        use BookingStatus as S;
        let mut case = Self::unopened();
        let way: Vec<(Actor, BookingCommand)> = match status {
            S::Unopened => vec![],
            S::Held => vec![(ops(), hold())],
            S::Released => vec![(ops(), hold()), (ops(), BookingCommand::ReleaseHold)],
            S::Expired => {
                case.ok(&ops(), hold());
                let due = case.booking.hold_expires_at.unwrap();
                case.now = due;
                vec![(system(), meet("hold", due))]
            }
            S::Pending => vec![(ops(), create())],
            S::AwaitingPayment => vec![(ops(), create()), (talent(), accept())],
            S::Confirmed => vec![(ops(), create()), (talent(), accept()), (system(), BookingCommand::Confirm)],
            S::InProgress => {
                case = Self::at(S::Confirmed);
                vec![(talent(), BookingCommand::Start)]
            }
            S::Completed => {
                case = Self::at(S::InProgress);
                vec![(talent(), complete(Some(2)))]
            }
            S::Cancelled => vec![(ops(), create()), (ops(), cancel())],
        };
        for (actor, command) in way {
            case.ok(&actor, command);
        }
        assert_eq!(case.booking.status, status);
        case
    }

    /// Confirmed by staff: without an agreement, or after it and before the money.
    pub(super) fn confirmed_by_hand(from: BookingStatus) -> Self {
        let mut case = Self::at(from);
        case.ok(&ops(), BookingCommand::Confirm);
        case
    }

    pub(super) fn context(&self, actor: &Actor) -> Context {
        Context { tenant_id: TENANT, actor: actor.clone(), now: self.now, settings: Arc::new(self.settings.clone()) }
    }

    pub(super) fn act(&mut self, actor: &Actor, command: BookingCommand) -> Result<Vec<BookingEvent>, BookingError> {
        let events = self.booking.decide(command, &self.context(actor))?;
        for event in &events {
            self.booking.apply(event.clone());
        }
        self.log.extend(events.clone());
        Ok(events)
    }

    pub(super) fn ok(&mut self, actor: &Actor, command: BookingCommand) -> Vec<BookingEvent> {
        let name = format!("{command:?}");
        self.act(actor, command).unwrap_or_else(|error| panic!("{name} of {}: {error}", self.booking.status))
    }

    /// The only fact that follows.
    pub(super) fn fact(&mut self, actor: &Actor, command: BookingCommand) -> BookingFact {
        let mut events = self.ok(actor, command);
        assert_eq!(events.len(), 1, "{events:?}");
        events.remove(0).fact
    }

    pub(super) fn refused(&mut self, actor: &Actor, command: BookingCommand) -> &'static str {
        self.act(actor, command).expect_err("a refusal").describe().1
    }

    pub(super) fn wait(&mut self, time: TimeDelta) -> &mut Self {
        self.now += time;
        self
    }

    pub(super) fn names(&self) -> Vec<&'static str> {
        self.log.iter().map(StoredEvent::name).collect()
    }
}
