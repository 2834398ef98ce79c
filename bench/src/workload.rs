//! Who is there, and what they do: the platform's finance staff moves small amounts between wallets of a tenant.
//!
//! A transfer is the command of all figures: it checks roles, limits, the tenant's settings and the funds, and has an idempotency key.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use chrono::Utc;
use futures::{StreamExt as _, TryStreamExt as _};
use holdfast_api::auth::{Issuer, Subject, now_s};
use holdfast_commands::{Accepted, IdempotencyKey, KeyOwner, Refusal, Request, Writers};
use holdfast_domain::bank_receipt::{BankReceipt, BankReceiptCommand, bank_receipt_id};
use holdfast_domain::kernel::{
    Actor, ActorKind, CorrelationId, Currency, Money, PartyId, RequestId, Role, Roles, TenantAggregate, TenantId, WalletId, derived_uuid,
};
use holdfast_domain::tenant::{Tenant, TenantCommand, TenantSettings};
use holdfast_domain::wallet::{OwnerType, Wallet, WalletCommand, WalletOwner};
use uuid::Uuid;

use crate::environment::Size;
use crate::rng;

/// What each wallet has at the beginning, in minor units: more than it is ever asked for.
const FUNDS_MINOR: i128 = 100_000_000_000;
/// Commands at once while the world is filled.
const SEEDING: usize = 512;
/// Every so many acknowledged requests one is kept, to be sent again.
const SAMPLE_EVERY: u64 = 500;
const TOKEN_TTL_S: u64 = 80_000;

pub(crate) struct Cast {
    pub(crate) tenants: Vec<TenantCast>,
    /// Staff with a token for every tenant: whose idempotency keys are counted in the end.
    pub(crate) actor: Actor,
    world: String,
    serial: AtomicU64,
    acknowledged: AtomicU64,
    samples: Mutex<Vec<Payment>>,
}

pub(crate) struct TenantCast {
    pub(crate) id: TenantId,
    pub(crate) owners: Vec<WalletOwner>,
    pub(crate) wallets: Vec<WalletId>,
}

/// One transfer, by places in the cast.
#[derive(Debug, Clone)]
pub(crate) struct Payment {
    pub(crate) tenant: usize,
    from: usize,
    to: usize,
    pub(crate) key: String,
}

impl Cast {
    pub(crate) fn of(world: &str, size: Size) -> Self {
        let tenants = (0..size.tenants).map(|nth| TenantCast::of(world, nth, size.wallets_per_tenant)).collect();
        let id = PartyId(derived_uuid(TenantId(Uuid::nil()), Uuid::nil(), "bench staff", 0));
        let actor = Actor { id, kind: ActorKind::User, roles: Roles::from([Role::PlatformFinance]), amount_limits: Vec::new() };
        Self {
            tenants,
            actor,
            world: world.to_owned(),
            serial: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            samples: Mutex::default(),
        }
    }

    fn serial(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }

    /// Any tenant, any of its wallets.
    pub(crate) fn spread(&self) -> Payment {
        let serial = self.serial();
        self.payment(serial, rng::below(serial, self.tenants.len()))
    }

    pub(crate) fn of_tenant(&self, tenant: usize) -> Payment {
        self.payment(self.serial(), tenant)
    }

    /// Tenants by their share of a Zipf distribution.
    pub(crate) fn skewed(&self, zipf: &rng::Zipf) -> Payment {
        let serial = self.serial();
        self.payment(serial, zipf.draw(serial))
    }

    /// Always the same wallet pays.
    pub(crate) fn hot(&self) -> Payment {
        Payment { from: 0, to: 1, ..self.payment(self.serial(), 0) }
    }

    fn payment(&self, serial: u64, tenant: usize) -> Payment {
        let wallets = self.tenants[tenant].wallets.len();
        let from = rng::below(serial.wrapping_mul(3).wrapping_add(1), wallets);
        Payment { tenant, from, to: (from + 1) % wallets, key: format!("{}-{serial}", self.world) }
    }

    pub(crate) fn payer(&self, payment: &Payment) -> WalletId {
        self.tenants[payment.tenant].wallets[payment.from]
    }

    pub(crate) fn payee(&self, payment: &Payment) -> WalletId {
        self.tenants[payment.tenant].wallets[payment.to]
    }

    pub(crate) fn command(&self, payment: &Payment) -> Result<WalletCommand, String> {
        let amount = Money::try_from_minor(1, euro()?).map_err(|error| error.to_string())?;
        let to = self.tenants[payment.tenant].owners[payment.to];
        Ok(WalletCommand::Transfer { amount, to_wallet_id: self.payee(payment), to, reason: REASON.to_owned() })
    }

    /// As the body of `POST /v1/ledger/transfer`.
    pub(crate) fn body(&self, payment: &Payment) -> String {
        let (from, to) = (self.payer(payment), self.payee(payment));
        format!(r#"{{"fromWalletId":"{from}","toWalletId":"{to}","amount":"0.01","currency":"EUR","reason":"{REASON}"}}"#)
    }

    /// Hands it to the writers of this process and waits for the commit.
    pub(crate) async fn pay(&self, writers: &Writers, payment: Payment) -> Result<(), String> {
        self.execute(writers, &payment).await.map_err(|refusal| refusal.to_string())?;
        self.acknowledge(payment);
        Ok(())
    }

    async fn execute(&self, writers: &Writers, payment: &Payment) -> Result<Accepted, Refusal> {
        let tenant_id = self.tenants[payment.tenant].id;
        let key = IdempotencyKey { owner: KeyOwner::Actor(self.actor.id), key: payment.key.clone(), request_hash: vec![7; 32] };
        let command = self.command(payment).map_err(|_| Refusal::Internal)?;
        writers.execute(request::<Wallet>(tenant_id, self.payer(payment).uuid(), command, self.actor.clone(), Some(key))).await
    }

    /// The server said yes.
    pub(crate) fn acknowledge(&self, payment: Payment) {
        if self.acknowledged.fetch_add(1, Ordering::Relaxed).is_multiple_of(SAMPLE_EVERY) {
            self.samples.lock().unwrap_or_else(PoisonError::into_inner).push(payment);
        }
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Some that were acknowledged, to be sent again.
    pub(crate) fn samples(&self) -> Vec<Payment> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().take(100).cloned().collect()
    }

    /// Sends it again through writers that have seen nothing of it; true when it was the first answer once more.
    ///
    /// Requests over HTTP have a fingerprint that only the server knows: a refusal because of that is the right answer as well.
    pub(crate) async fn is_answered_once(&self, writers: &Writers, payment: &Payment) -> bool {
        match self.execute(writers, payment).await {
            Ok(accepted) => accepted.replayed,
            Err(refusal) => matches!(refusal, Refusal::KeyReused { .. }),
        }
    }

    /// One per tenant, good for the whole run.
    pub(crate) fn tokens(&self, issuer: &Issuer) -> anyhow::Result<Vec<String>> {
        let token = |tenant: &TenantCast| {
            let subject = Subject { tenant_id: tenant.id, party_id: self.actor.id, roles: self.actor.roles.clone(), limits: Vec::new() };
            issuer.issue(&subject, now_s(), TOKEN_TTL_S).context("a token")
        };
        self.tenants.iter().map(token).collect()
    }

    /// Tenants, and a bank receipt per wallet; the reactor makes wallets of them.
    pub(crate) async fn open_wallets(&self, writers: &Writers) -> anyhow::Result<()> {
        let platform = Actor { roles: Roles::from([Role::PlatformAdmin]), ..self.actor.clone() };
        let tenants = self.tenants.iter().enumerate().map(|(nth, tenant)| {
            let slug = format!("{}-{nth}", self.world.replace('_', "-"));
            let command = TenantCommand::Create { name: slug.clone(), slug, settings: TenantSettings::default() };
            let sent = request::<Tenant>(tenant.id, tenant.id.uuid(), command, platform.clone(), None);
            async move { writers.execute(sent).await.map(drop).map_err(|refusal| anyhow::anyhow!("a tenant: {refusal}")) }
        });
        futures::stream::iter(tenants).buffer_unordered(SEEDING).try_collect::<()>().await?;
        let currency = euro().map_err(anyhow::Error::msg)?;
        let amount = Money::try_from_minor(FUNDS_MINOR, currency)?;
        let receipts = self.tenants.iter().flat_map(|tenant| tenant.owners.iter().map(move |owner| (tenant.id, owner.owner_id)));
        let receipts = receipts.map(|(tenant_id, payer_id)| {
            let bank_reference = payer_id.to_string();
            let id = bank_receipt_id(tenant_id, &bank_reference);
            let (payer_id, escrow_id, remitter) = (Some(payer_id), None, None);
            let command = BankReceiptCommand::Record { bank_reference, amount, received_at: Utc::now(), payer_id, escrow_id, remitter };
            let sent = request::<BankReceipt>(tenant_id, id.uuid(), command, platform.clone(), None);
            async move { writers.execute(sent).await.map(drop).map_err(|refusal| anyhow::anyhow!("a bank receipt: {refusal}")) }
        });
        futures::stream::iter(receipts).buffer_unordered(SEEDING).try_collect::<()>().await
    }
}

/// About as long as people's reasons are.
const REASON: &str = "monthly settlement of the account";

impl TenantCast {
    fn of(world: &str, nth: usize, wallets: usize) -> Self {
        let n = |nth: usize| u64::try_from(nth).unwrap_or_default();
        let id = TenantId(derived_uuid(TenantId(Uuid::nil()), Uuid::nil(), &format!("bench:{world}"), n(nth)));
        let owner = |wallet| {
            let owner_id = PartyId(derived_uuid(id, Uuid::nil(), "payer", n(wallet)));
            euro().ok().map(|currency| WalletOwner { owner_type: OwnerType::User, owner_id, currency })
        };
        let owners: Vec<WalletOwner> = (0..wallets).filter_map(owner).collect();
        let wallets = owners.iter().map(|owner| owner.wallet_id(id)).collect();
        Self { id, owners, wallets }
    }
}

fn euro() -> Result<Currency, String> {
    "EUR".parse().map_err(|error: holdfast_domain::kernel::MoneyError| error.to_string())
}

fn request<A: TenantAggregate>(
    tenant_id: TenantId,
    aggregate_id: Uuid,
    command: A::Command,
    actor: Actor,
    key: Option<IdempotencyKey>,
) -> Request<A> {
    let request_id = Uuid::now_v7();
    Request {
        tenant_id,
        aggregate_id,
        command,
        actor,
        request_id: RequestId(request_id),
        correlation_id: CorrelationId(request_id),
        causation_id: None,
        hops: 0,
        key,
        if_match: None,
        not_before: None,
    }
}
