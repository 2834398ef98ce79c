//! One event of each kind that the program stores, made by hand.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::bank_receipt::BankReceiptEvent;
use crate::credits::{CreditsEvent, CreditsFact, CreditsLeg, CreditsOwner, Drawn, LotPart, Provider, Reference as Use, Worth};
use crate::dispute::CaseFacts;
use crate::escrow::{
    CaseLeg, Deadlines, DecisionKind, DisputeKind, EscrowEvent, EscrowFact, EscrowStatus, FundingFailure, FundingPart, FundingSource, Hat,
    Landing, Leg, LegParty, MoneySource, Outcome, Reference, ReleaseMode,
};
use crate::event::AnyEvent;
use crate::kernel::{ContractId, DisputeId, EscrowId, EventId, HoldId, LotId, Money, Origin, PartyId, ReservationId, TenantId, WalletId};
use crate::tenant::{PenaltyBeneficiary, PenaltyRule, TenantEvent};
use crate::wallet::{CasePart, CreditPurpose, DebitPurpose, HoldPurpose, OwnerType, Place, WalletEvent, WalletFact, WalletOwner};

pub(super) const TENANT: TenantId = TenantId(Uuid::from_u128(1));
/// The stream of every sample: an escrow, a wallet or a receipt, as the event says.
pub(super) const STREAM: Uuid = Uuid::from_u128(2);
pub(super) const PAYER: PartyId = PartyId(Uuid::from_u128(3));
pub(super) const PAYEE: PartyId = PartyId(Uuid::from_u128(4));
pub(super) const HOLD: HoldId = HoldId(Uuid::from_u128(5));
pub(super) const GIVEN: Landing = Landing { event_id: EventId(Uuid::from_u128(6)), leg: 3 };
const DISPUTE: DisputeId = DisputeId(Uuid::from_u128(7));
pub(super) const LOT: LotId = LotId(Uuid::from_u128(9));
pub(super) const RESERVATION: ReservationId = ReservationId(Uuid::from_u128(10));

pub(super) fn at() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

pub(super) fn eur(amount: &str) -> Money {
    Money::try_new(amount.parse().unwrap(), "EUR".parse().unwrap()).unwrap()
}

pub(super) fn owner(owner_type: OwnerType) -> WalletOwner {
    let owner_id = match owner_type {
        OwnerType::User => PAYER,
        OwnerType::Talent => PAYEE,
        OwnerType::Tenant => PartyId(TENANT.0),
    };
    WalletOwner { owner_type, owner_id, currency: "EUR".parse().unwrap() }
}

pub(super) fn origin(event: &AnyEvent) -> Origin {
    Origin { tenant_id: TENANT, aggregate_type: event.aggregate_type(), aggregate_id: STREAM, sequence: 9 }
}

pub(super) fn reference() -> Reference {
    Reference { contract_id: ContractId(STREAM), milestone_id: None, booking_id: None, sponsorship_order_id: None }
}

pub(super) fn escrow(fact: EscrowFact) -> AnyEvent {
    let status = EscrowStatus::Releasable;
    EscrowEvent { reference: reference(), from: status, to: status, deadlines: Deadlines::default(), at: at(), fact }.into()
}

pub(super) fn wallet(owner_type: OwnerType, fact: WalletFact) -> AnyEvent {
    WalletEvent { owner: owner(owner_type), at: at(), fact }.into()
}

pub(super) fn receipt(amount: &str, payer_id: Option<PartyId>) -> AnyEvent {
    let bank_reference = "REF-1".to_owned();
    AnyEvent::from(BankReceiptEvent::Recorded {
        bank_reference,
        amount: eur(amount),
        received_at: at(),
        payer_id,
        escrow_id: None,
        remitter: None,
    })
}

pub(super) fn assigned(amount: &str) -> AnyEvent {
    AnyEvent::from(BankReceiptEvent::Assigned { amount: eur(amount), payer_id: PAYER, escrow_id: None })
}

/// A leg for a wallet when `party` has one.
pub(super) fn leg(leg: u16, party: LegParty, amount: &str) -> Leg {
    let taker = match party {
        LegParty::Payee(_) => Some(OwnerType::Talent),
        LegParty::Tenant => Some(OwnerType::Tenant),
        LegParty::Payer(_) => Some(OwnerType::User),
        LegParty::Platform | LegParty::Tax | LegParty::Withholding => None,
    };
    Leg { leg, party, wallet_id: taker.map(|taker| owner(taker).wallet_id(TENANT)), amount: eur(amount) }
}

pub(super) fn part(leg: u16, held: &str, captured: &str) -> FundingPart {
    FundingPart { leg, attempt: 1, wallet_id: WalletId(Uuid::from_u128(8)), hold_id: HOLD, held: eur(held), captured: eur(captured) }
}

pub(super) fn funded(amount: &str, parts: Vec<FundingPart>) -> AnyEvent {
    escrow(EscrowFact::Funded { amount: eur(amount), parts })
}

pub(super) fn released(source: MoneySource, amount: &str, legs: Vec<Leg>) -> AnyEvent {
    escrow(EscrowFact::Released { source, amount: eur(amount), mode: ReleaseMode::Deadline, legs, clears_at: at() })
}

pub(super) fn partially_released(amount: &str, legs: Vec<Leg>) -> AnyEvent {
    escrow(EscrowFact::PartiallyReleased { amount: eur(amount), mode: ReleaseMode::Platform, legs, clears_at: at() })
}

pub(super) fn refunded(source: MoneySource, amount: &str) -> AnyEvent {
    let legs = vec![leg(0, LegParty::Payer(PAYER), amount)];
    escrow(EscrowFact::Refunded { source, amount: eur(amount), reason: None, legs })
}

pub(super) fn penalty(amount: &str, party: LegParty) -> AnyEvent {
    let beneficiary = match party {
        LegParty::Payer(_) => PenaltyBeneficiary::Payer,
        LegParty::Payee(_) => PenaltyBeneficiary::Payee,
        LegParty::Tenant => PenaltyBeneficiary::Tenant,
        LegParty::Platform | LegParty::Tax | LegParty::Withholding => PenaltyBeneficiary::Platform,
    };
    escrow(EscrowFact::PenaltyTaken { amount: eur(amount), beneficiary, legs: vec![leg(0, party, amount)], clears_at: at() })
}

pub(super) fn disputed(amount: &str) -> AnyEvent {
    escrow(EscrowFact::Disputed {
        dispute_id: DISPUTE,
        case_no: 1,
        contested: eur(amount),
        kind: DisputeKind::Other,
        raised_by: PAYER,
        raised_as: Hat::Payer,
        reason: None,
        case: Box::new(CaseFacts {
            escrow_id: EscrowId(STREAM),
            reference: reference(),
            payer_id: PAYER,
            payee_id: PAYEE,
            tenant_is_party: false,
            penalty: PenaltyRule::default(),
            redos_left: 2,
            evidence_due_at: at(),
            after_settlement: false,
        }),
    })
}

pub(super) fn widened(amount: &str) -> AnyEvent {
    escrow(EscrowFact::DisputeWidened { dispute_id: DISPUTE, amount: eur(amount), contested: eur(amount) })
}

pub(super) fn settled_case_refunded() -> AnyEvent {
    let taken = |leg, owner_type, party, amount| CaseLeg {
        leg,
        party,
        wallet_id: owner(owner_type).wallet_id(TENANT),
        hold_id: HOLD,
        amount: eur(amount),
    };
    escrow(EscrowFact::SettledCaseRefunded {
        dispute_id: DISPUTE,
        refund: eur("10000"),
        taken: vec![taken(1, OwnerType::Talent, LegParty::Payee(PAYEE), "8770"), taken(2, OwnerType::Tenant, LegParty::Tenant, "944")],
        returned: vec![leg(3, LegParty::Platform, "200"), leg(4, LegParty::Tax, "36"), leg(5, LegParty::Withholding, "50")],
        legs: vec![leg(0, LegParty::Payer(PAYER), "10000")],
    })
}

pub(super) fn case_frozen(amounts: &[(Place, &str)]) -> WalletFact {
    let part = |(from, amount): &(Place, &str)| CasePart { from: *from, amount: eur(amount), emptied: true };
    WalletFact::CaseFrozen {
        hold_id: HOLD,
        escrow_id: EscrowId(STREAM),
        dispute_id: DISPUTE,
        asked: eur("10"),
        parts: amounts.iter().map(part).collect(),
    }
}

pub(super) fn redo(returned: &str) -> AnyEvent {
    escrow(EscrowFact::RedoOrdered { dispute_id: DISPUTE, round: 2, returned: eur(returned), rationale: None })
}

pub(super) fn dismissed(returned: &str) -> AnyEvent {
    escrow(EscrowFact::DisputeDismissed { dispute_id: DISPUTE, returned: eur(returned), withdrawn: false, rationale: None })
}

pub(super) fn credited(amount: &str, to: Place) -> WalletFact {
    let purpose = CreditPurpose::EscrowRelease { escrow_id: EscrowId(STREAM) };
    WalletFact::Credited { amount: eur(amount), landing: GIVEN, to, purpose }
}

pub(super) fn pending() -> Place {
    Place::Pending { item: 1, clears_at: at() }
}

pub(super) fn debited(amount: &str) -> WalletFact {
    let to = owner(OwnerType::Talent);
    let purpose = DebitPurpose::Transfer { to_wallet_id: to.wallet_id(TENANT), to, reason: "correction".to_owned() };
    WalletFact::Debited { amount: eur(amount), purpose }
}

pub(super) fn funding() -> HoldPurpose {
    HoldPurpose::EscrowFunding { escrow_id: EscrowId(STREAM), attempt: 1 }
}

pub(super) fn hold_placed(amount: &str) -> WalletFact {
    WalletFact::HoldPlaced { hold_id: HOLD, amount: eur(amount), purpose: funding() }
}

pub(super) fn hold_captured(captured: &str, released: &str, to: Place) -> WalletFact {
    WalletFact::HoldCaptured { hold_id: HOLD, captured: eur(captured), released: eur(released), landing: GIVEN, to }
}

pub(super) fn hold_lifted(amount: &str, to: Place) -> WalletFact {
    WalletFact::HoldLifted { hold_id: HOLD, amount: eur(amount), to }
}

pub(super) fn frozen(amount: &str) -> WalletFact {
    WalletFact::Frozen { amount: eur(amount), reason: "fraud".to_owned() }
}

pub(super) fn unfrozen(amount: &str) -> WalletFact {
    WalletFact::Unfrozen { amount: eur(amount), reason: "cleared".to_owned() }
}

pub(super) fn credits(fact: CreditsFact) -> AnyEvent {
    CreditsEvent { owner: CreditsOwner { owner_type: OwnerType::User, owner_id: PAYER }, at: at(), fact }.into()
}

pub(super) fn credits_sold(value: &str, tax: &str) -> AnyEvent {
    let (worth, wallet_id) = (Worth { value: eur(value), tax: eur(tax) }, owner(OwnerType::User).wallet_id(TENANT));
    credits(CreditsFact::Sold { lot_id: LOT, number: 1, units: 1000, worth, expires_at: None, landing: GIVEN, wallet_id })
}

pub(super) fn sold_part(units: i64, value: &str) -> LotPart {
    LotPart { units, worth: Some(Worth { value: eur(value), tax: eur("0") }), ..promo_part(units) }
}

pub(super) fn taxed_part(value: &str, tax: &str) -> LotPart {
    LotPart { worth: Some(Worth { value: eur(value), tax: eur(tax) }), ..promo_part(1) }
}

pub(super) fn promo_part(units: i64) -> LotPart {
    LotPart { lot_id: LOT, number: 1, units, worth: None, expires_at: None, left: 0 }
}

fn used_for() -> Use {
    Use { ref_type: "campaign".to_owned(), ref_id: STREAM }
}

pub(super) fn credits_reserved(value: &str) -> AnyEvent {
    let parts = vec![sold_part(1, value), LotPart { lot_id: LotId(Uuid::nil()), ..promo_part(1) }];
    credits(CreditsFact::Reserved { reservation_id: RESERVATION, units: 2, until: at(), reference: used_for(), parts })
}

pub(super) fn credits_released(returned: Vec<LotPart>, expired: Vec<LotPart>) -> AnyEvent {
    credits(CreditsFact::Released { reservation_id: RESERVATION, by_deadline: false, returned, expired })
}

pub(super) fn credits_consumed(parts: Vec<LotPart>, drawn: bool, provider: Provider, promo: Option<&str>) -> AnyEvent {
    let sum =
        parts.iter().filter_map(|part| part.worth).map(|worth| worth.value).chain(promo.map(eur)).reduce(|a, b| a.try_add(b).unwrap());
    let leg = sum.filter(|_| provider == Provider::Tenant).map(|amount| CreditsLeg { leg: 0, to: owner(OwnerType::Tenant), amount });
    credits(CreditsFact::Consumed {
        units: parts.iter().map(|part| part.units).sum(),
        parts,
        drawn: drawn.then_some(Drawn { reservation_id: RESERVATION, left: 0 }),
        reference: used_for(),
        provider,
        promo: promo.map(eur),
        legs: leg.into_iter().collect(),
    })
}

pub(super) fn credits_revoked(parts: Vec<LotPart>) -> AnyEvent {
    let money = parts.iter().filter_map(|part| part.worth).map(|worth| worth.value.try_add(worth.tax).unwrap());
    let legs = money.map(|amount| CreditsLeg { leg: 0, to: owner(OwnerType::User), amount }).collect();
    credits(CreditsFact::Revoked { units: 1, parts, reason: "refund".to_owned(), legs })
}

pub(super) fn credits_expired(part: LotPart) -> AnyEvent {
    credits(CreditsFact::Expired { part })
}

/// Every event that moves no money. `Created` is left out: its terms are the escrow's own matter.
pub(super) fn without_money() -> Vec<AnyEvent> {
    let text = || "reason".to_owned();
    let reference = Reference { contract_id: ContractId(STREAM), milestone_id: None, booking_id: None, sponsorship_order_id: None };
    let facts = vec![
        EscrowFact::FundingRequested {
            attempt: 1,
            source: FundingSource::Wallet,
            payer_id: PAYER,
            wallet_id: WalletId(STREAM),
            hold_id: HOLD,
            missing: eur("1"),
        },
        EscrowFact::FundingFailed { attempt: 1, reason: FundingFailure::InsufficientFunds, returned: vec![part(0, "1", "0")] },
        EscrowFact::FundingShort { attempt: 1, part: part(0, "1", "0"), received: eur("1"), missing: eur("1") },
        EscrowFact::FundingReturned { part: part(0, "1", "0") },
        EscrowFact::Locked,
        EscrowFact::WorkStarted { round: 1 },
        EscrowFact::DeliverySubmitted { round: 1, artifacts: vec![], note: None, gps: None, dispute_window_ends_at: at() },
        EscrowFact::DeliveryApproved { round: 1, automatic: true, note: None },
        EscrowFact::MadeReleasable { dispute_window_ends_at: at() },
        EscrowFact::ReleaseAuthorized { amount: eur("1"), reason: None },
        EscrowFact::RefundRequested { reason: text() },
        EscrowFact::RefundDeclined { reason: text() },
        EscrowFact::Cancelled { reason: text(), returned: vec![part(0, "1", "0")], reference },
        EscrowFact::EvidenceClosed { dispute_id: DISPUTE },
        EscrowFact::DisputeEscalated { dispute_id: DISPUTE },
        EscrowFact::DisputeResolved {
            dispute_id: DISPUTE,
            kind: DecisionKind::Split,
            release: eur("1"),
            refund: eur("1"),
            penalty: eur("1"),
            conceded: false,
            forced: false,
            rationale: None,
        },
        EscrowFact::CaseFrozen { dispute_id: DISPUTE, hold_id: HOLD, frozen: eur("1") },
        EscrowFact::SettledCaseReleased { dispute_id: DISPUTE, legs: vec![] },
        EscrowFact::LegLanded { landing: GIVEN },
        EscrowFact::Closed { outcome: Outcome::Settled },
    ];
    let declined =
        WalletFact::HoldDeclined { hold_id: HOLD, amount: eur("1"), purpose: funding(), reason: FundingFailure::InsufficientFunds };
    let asked = WalletFact::TransferRequested {
        transfer: 1,
        amount: eur("1"),
        to_wallet_id: owner(OwnerType::Talent).wallet_id(TENANT),
        to: owner(OwnerType::Talent),
        reason: text(),
        requested_by: PAYER,
        expires_at: at(),
    };
    let answers = [
        WalletFact::TransferApproved { transfer: 1 },
        WalletFact::TransferRejected { transfer: 1, reason: text() },
        WalletFact::TransferExpired { transfer: 1 },
    ];
    let wallets = [WalletFact::Opened, WalletFact::Closed, declined, frozen("0"), unfrozen("0"), asked].into_iter().chain(answers);
    let mut events: Vec<_> = facts.into_iter().map(escrow).collect();
    events.extend(wallets.map(|fact| wallet(OwnerType::User, fact)));
    events.push(credits(CreditsFact::Issued { lot_id: LOT, number: 1, units: 100, expires_at: None, reason: text() }));
    events.push(credits_consumed(vec![promo_part(1)], false, Provider::Platform, None));
    events.push(TenantEvent::Activated.into());
    events
}

/// One of nearly every kind, with money and without.
pub(crate) fn every() -> Vec<AnyEvent> {
    let user = |fact| wallet(OwnerType::User, fact);
    let mut events = without_money();
    events.extend([
        receipt("10", None),
        receipt("10", Some(PAYER)),
        assigned("10"),
        funded("10", vec![part(1, "10", "10")]),
        released(MoneySource::Open, "10", vec![leg(0, LegParty::Payee(PAYEE), "10")]),
        partially_released("5", vec![leg(0, LegParty::Tenant, "5")]),
        refunded(MoneySource::Open, "10"),
        penalty("1", LegParty::Platform),
        disputed("5"),
        widened("5"),
        settled_case_refunded(),
        redo("5"),
        dismissed("5"),
        user(credited("10", pending())),
        user(credited("10", Place::Freeze)),
        user(debited("1")),
        user(hold_placed("1")),
        user(hold_captured("1", "0", Place::Available)),
        user(hold_lifted("1", Place::Available)),
        user(case_frozen(&[(Place::Available, "5"), (pending(), "5")])),
        credits_sold("10", "2"),
        credits_reserved("10"),
        credits_released(vec![promo_part(1)], vec![sold_part(1, "1")]),
        credits_consumed(vec![taxed_part("10", "2")], true, Provider::Tenant, Some("1")),
        credits_revoked(vec![taxed_part("10", "2")]),
        credits_expired(promo_part(1)),
    ]);
    events
}
