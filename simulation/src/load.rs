//! What clients do: money comes in, moves between wallets, is held in escrow, is released, given back, disputed, forgotten.

use std::sync::Arc;

use futures::future::join_all;
use holdfast_commands::{Accepted, Refusal};
use holdfast_domain::bank_receipt::{BankReceipt, BankReceiptCommand, bank_receipt_id};
use holdfast_domain::escrow::{
    Artifact, ArtifactKind, CreateEscrow, Decision, Escrow, EscrowCommand, FundingSource, Reference, RefundReason,
};
use holdfast_domain::kernel::{AssetId, ContractId, EscrowId, Money, PartyId, Role, TenantId};
use holdfast_domain::tenant::{EscrowSettings, Hours, SplitPolicy, Tenant, TenantCommand, TenantSettings, TransferSettings};
use holdfast_domain::wallet::{OwnerType, Wallet, WalletCommand, WalletOwner};
use rust_decimal::Decimal;
use tokio::time::sleep;
use uuid::Uuid;

use crate::chance::Chance;
use crate::client::{Client, How, Told, platform, staff, user};
use crate::world::World;

/// Deadlines of seconds, shares that leave something over.
fn settings(chance: &Chance) -> TenantSettings {
    let seconds = |least: u64, most: u64| Hours(Decimal::from(chance.between(least, most)) / Decimal::from(3600));
    let tenant_bp = u32::try_from(chance.below(900)).unwrap_or(0);
    let platform_bp = u32::try_from(chance.below(900)).unwrap_or(0);
    let escrow = EscrowSettings {
        auto_release_hours: seconds(2, 8),
        dispute_window_hours: seconds(1, 3),
        settled_dispute_hours: seconds(0, 1),
        split: SplitPolicy { payee_bp: 10_000 - tenant_bp - platform_bp, tenant_bp, platform_bp },
        funding_hours: seconds(5, 20),
        start_hours: seconds(5, 20),
        sla_hours: seconds(5, 20),
        evidence_hours: seconds(2, 4),
        decision_hours: seconds(2, 4),
        ..EscrowSettings::default()
    };
    TenantSettings {
        escrow,
        clearance_hours: seconds(0, 5),
        automatic_refund_limit_minor: chance.below(50_000),
        transfer: TransferSettings { approval_above_minor: chance.in_1000(300).then_some(5_000) },
        ..TenantSettings::default()
    }
}

fn eur(minor: u64) -> Option<Money> {
    Money::try_from_minor(i128::from(minor), "EUR".parse().ok()?).ok()
}

/// A tenant's people.
struct People {
    payers: Vec<PartyId>,
    payees: Vec<PartyId>,
}

struct Shop {
    client: Client,
    people: People,
}

/// Before anything goes wrong.
pub async fn open(world: &Arc<World>, told: &Arc<Told>) {
    for (at, tenant_id) in world.tenants.iter().enumerate() {
        let client = client(world, told, *tenant_id, &format!("tenant {at}"), "");
        let command = TenantCommand::Create { name: format!("Tenant {at}"), slug: format!("t{at}"), settings: settings(&client.chance) };
        client.send::<Tenant>(tenant_id.uuid(), command, &platform(), How::default()).await;
    }
}

fn client(world: &Arc<World>, told: &Arc<Told>, tenant_id: TenantId, name: &str, keys: &str) -> Client {
    let keys = Chance::new(world.seed, &format!("keys {keys}"));
    Client { world: Arc::clone(world), told: Arc::clone(told), chance: Chance::new(world.seed, name), keys, tenant_id }
}

/// One client's day; returns when it has been told, or has given up on, all that it asked.
pub async fn work(world: Arc<World>, told: Arc<Told>, number: usize, steps: u64) {
    let tenant_id = world.tenants[number % world.tenants.len()];
    let client = client(&world, &told, tenant_id, &format!("client {number}"), &(number / world.tenants.len()).to_string());
    let of_tenant = Chance::new(world.seed, &format!("people of {tenant_id}"));
    let some = || (0..2).map(|_| PartyId(of_tenant.uuid())).collect::<Vec<_>>();
    let people = People { payers: some(), payees: some() };
    let shop = Shop { client, people };
    for _ in 0..steps {
        shop.step().await;
        sleep(shop.client.chance.micros(0, 1_500_000)).await;
    }
}

type Answer = Option<Result<Accepted, Refusal>>;

fn accepted(answer: &Answer) -> bool {
    matches!(answer, Some(Ok(_)))
}

impl Shop {
    fn chance(&self) -> &Chance {
        &self.client.chance
    }

    fn payer(&self) -> PartyId {
        *self.chance().pick(&self.people.payers)
    }

    fn payee(&self) -> PartyId {
        *self.chance().pick(&self.people.payees)
    }

    async fn step(&self) {
        match self.chance().below(100) {
            0..26 => self.receipt().await,
            26..56 => self.escrow().await,
            56..72 => self.transfer().await,
            72..82 => self.race().await,
            82..89 => self.freeze().await,
            89..93 => self.same_reference().await,
            93..97 => self.change_settings().await,
            _ => self.suspend().await,
        }
    }

    async fn receipt(&self) {
        let Some(amount) = eur(self.chance().between(1, 200_000)) else { return };
        let reference = self.chance().uuid().to_string();
        let command = BankReceiptCommand::Record {
            bank_reference: reference.clone(),
            amount,
            received_at: self.client.world.store.now(),
            payer_id: Some(self.payer()),
            escrow_id: None,
            remitter: None,
        };
        let id = bank_receipt_id(self.client.tenant_id, &reference).uuid();
        self.client.ask::<BankReceipt>(id, command, &platform()).await;
    }

    fn owner(&self) -> Option<WalletOwner> {
        let currency = eur(1)?.currency();
        Some(if self.chance().in_1000(700) {
            WalletOwner { owner_type: OwnerType::User, owner_id: self.payer(), currency }
        } else {
            WalletOwner { owner_type: OwnerType::Talent, owner_id: self.payee(), currency }
        })
    }

    async fn transfer(&self) {
        let (Some(from), Some(to)) = (self.owner(), self.owner()) else { return };
        let if_match = self.chance().in_1000(250).then(|| i64::try_from(self.chance().between(1, 6)).unwrap_or(1));
        self.transfer_of(from, to, How { if_match, ..How::default() }).await;
    }

    async fn transfer_of(&self, from: WalletOwner, to: WalletOwner, how: How) {
        let Some(amount) = eur(self.chance().between(1, 60_000)) else { return };
        let (from, to_wallet_id) = (from.wallet_id(self.client.tenant_id).uuid(), to.wallet_id(self.client.tenant_id));
        let command = WalletCommand::Transfer { amount, to_wallet_id, to, reason: "simulated".to_owned() };
        let answer = self.client.send::<Wallet>(from, command, &staff(), how).await;
        let asked = answer.and_then(Result::ok).and_then(|accepted| {
            let request = accepted.events.iter().find(|event| event.event_type == "wallet.transfer_requested")?;
            Some(request.sequence)
        });
        if let Some(transfer) = asked
            && self.chance().in_1000(700)
        {
            self.client.ask::<Wallet>(from, WalletCommand::ApproveTransfer { transfer }, &platform()).await;
        }
    }

    /// Several at once at one wallet.
    async fn race(&self) {
        let (Some(from), Some(to)) = (self.owner(), self.owner()) else { return };
        let count = self.chance().between(2, 5);
        join_all((0..count).map(|_| self.transfer_of(from, to, How::default()))).await;
    }

    async fn freeze(&self) {
        let Some(owner) = self.owner() else { return };
        let id = owner.wallet_id(self.client.tenant_id).uuid();
        let frozen = self.client.ask::<Wallet>(id, WalletCommand::Freeze { reason: "looked at".to_owned() }, &platform()).await;
        sleep(self.chance().micros(0, 3_000_000)).await;
        if frozen.is_none() || accepted(&frozen) {
            let unfreeze = WalletCommand::Unfreeze { reason: "in order".to_owned() };
            self.client.send::<Wallet>(id, unfreeze, &platform(), How::default()).await;
        }
    }

    async fn change_settings(&self) {
        let command = TenantCommand::ChangeSettings { settings: settings(self.chance()) };
        self.client.ask::<Tenant>(self.client.tenant_id.uuid(), command, &staff()).await;
    }

    async fn suspend(&self) {
        let id = self.client.tenant_id.uuid();
        self.client.ask::<Tenant>(id, TenantCommand::Suspend { reason: "unpaid".to_owned() }, &platform()).await;
        sleep(self.chance().micros(0, 1_000_000)).await;
        self.client.send::<Tenant>(id, TenantCommand::Activate, &platform(), How::default()).await;
    }

    async fn create(&self, id: Uuid, reference: Reference, payer_id: PartyId, payee_id: PartyId) -> Answer {
        let amount = eur(self.chance().between(1, 100_000))?;
        let command = EscrowCommand::Create(CreateEscrow {
            escrow_id: EscrowId(id),
            reference,
            payer_id,
            payee_id,
            amount,
            delivery_required: None,
            partial_release_allowed: None,
            share: None,
            starts_at: None,
        });
        self.client.ask::<Escrow>(id, command, &staff()).await
    }

    fn reference(&self) -> Reference {
        Reference { contract_id: ContractId(self.chance().uuid()), milestone_id: None, booking_id: None, sponsorship_order_id: None }
    }

    /// One live escrow per reference (protocols 4).
    async fn same_reference(&self) {
        let reference = self.reference();
        let (payer, payee) = (self.payer(), self.payee());
        join_all((0..3).map(|_| self.create(self.chance().uuid(), reference, payer, payee))).await;
    }

    /// From creation on; at every step somebody may lose interest, and then the deadlines go on with it.
    async fn escrow(&self) {
        let (id, payer_id, payee_id) = (self.chance().uuid(), self.payer(), self.payee());
        if !accepted(&self.create(id, self.reference(), payer_id, payee_id).await) {
            return;
        }
        let payer = user(payer_id, &[Role::Payer]);
        let payee = user(payee_id, &[Role::Talent]);
        let deliver = || EscrowCommand::SubmitDelivery {
            artifacts: vec![Artifact { asset_id: AssetId(self.chance().uuid()), kind: ArtifactKind::Deliverable }],
            note: None,
            gps: None,
        };
        let steps = [
            (EscrowCommand::Fund { source: FundingSource::Wallet }, &payer),
            (EscrowCommand::StartWork, &staff()),
            (deliver(), &payee),
            (EscrowCommand::Approve { note: None }, &staff()),
            (EscrowCommand::Release { amount: None, reason: None }, &platform()),
        ];
        for (command, actor) in steps {
            match self.chance().below(100) {
                0..8 => return,
                8..13 => {
                    self.client.ask::<Escrow>(id, EscrowCommand::Cancel { reason: "changed".to_owned() }, &staff()).await;
                    return;
                }
                13..17 => {
                    self.client.ask::<Escrow>(id, EscrowCommand::Refund { reason: RefundReason::Cancellation }, &platform()).await;
                    return;
                }
                17..27 => {
                    let amount = eur(self.chance().between(1, 5_000));
                    if let Some(amount) = amount {
                        let part = EscrowCommand::ReleasePartial { amount, reason: None };
                        self.client.ask::<Escrow>(id, part, &platform()).await;
                    }
                }
                _ => {}
            }
            let is_fund = matches!(command, EscrowCommand::Fund { .. });
            let mut answer = self.client.ask::<Escrow>(id, command.clone(), actor).await;
            if is_fund && accepted(&answer) {
                sleep(self.chance().micros(100_000, 2_000_000)).await; // for the reactions
            } else if answer.as_ref().is_some_and(Result::is_err) && self.chance().in_1000(500) {
                sleep(self.chance().micros(500_000, 3_000_000)).await;
                answer = self.client.ask::<Escrow>(id, command, actor).await;
            }
            if answer.as_ref().is_some_and(Result::is_err) && self.chance().in_1000(700) {
                break;
            }
        }
        sleep(self.chance().micros(0, 4_000_000)).await;
        self.decide(id).await;
    }

    /// Of a dispute that a deadline opened, if there is one.
    async fn decide(&self, id: Uuid) {
        if self.chance().in_1000(400) {
            let decision = if self.chance().in_1000(500) { Decision::Release } else { Decision::Refund };
            self.client.ask::<Escrow>(id, EscrowCommand::Decide { decision, rationale: None }, &platform()).await;
        }
    }
}
