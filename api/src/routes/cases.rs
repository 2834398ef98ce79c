//! One case per route: who must not come in, who must, and how a token of another tenant is tried on it. The tests
//! beside the routes fail where a route has no case; the whole-system tests run them.

use holdfast_domain::kernel::Role;

/// How to try one route.
#[derive(Debug, Clone, Copy)]
pub struct AccessCase {
    pub method: &'static str,
    pub path: &'static str,
    /// A caller with only this role gets 403 `POLICY_DENIED`.
    pub denied: Role,
    /// A caller with only this role gets past the guard.
    pub allowed: Role,
    /// A body of the right shape; `{escrow}`, `{wallet}` and `{party}` stand for ids of the tenant that is tried, `{unique}` for a
    /// value of its own each time.
    pub body: &'static str,
    pub foreign: Foreign,
}

/// Where another tenant's ids are put. The answer must be the one for ids that do not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// In the path: an id of this kind.
    Path(ForeignId),
    /// In the body, where it names one.
    Body,
    /// In this query parameter: the answer shows nothing of it.
    Parameter(&'static str),
    /// No id can be named: the answer is about the caller's own tenant and nothing else.
    OwnTenantOnly,
    /// No id can be named: the answer is about every tenant, for the platform's operators alone.
    EveryTenant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForeignId {
    Escrow,
    Wallet,
    BankReceipt,
    Tenant,
    DeadLetter,
    Job,
    Booking,
    Template,
    Contract,
    Dispute,
    Statement,
    Asset,
    Party,
    /// Something that only exists inside the first id of the path; an unknown one.
    Unknown,
}

const NONE: &str = "";
const EMPTY: &str = "{}";
const REASON: &str = r#"{"reason":"isolation"}"#;
const ESCROW: Foreign = Foreign::Path(ForeignId::Escrow);
const WALLET: Foreign = Foreign::Path(ForeignId::Wallet);
const AMOUNT: &str = r#"{"amount":"1","currency":"EUR"}"#;

pub(crate) const fn post(path: &'static str, denied: Role, allowed: Role, body: &'static str, foreign: Foreign) -> AccessCase {
    AccessCase { method: "POST", path, denied, allowed, body, foreign }
}

pub(crate) const fn get(path: &'static str, denied: Role, allowed: Role, foreign: Foreign) -> AccessCase {
    AccessCase { method: "GET", path, denied, allowed, body: NONE, foreign }
}

/// A command with another method.
pub(crate) const fn with(
    method: &'static str,
    path: &'static str,
    denied: Role,
    allowed: Role,
    body: &'static str,
    foreign: Foreign,
) -> AccessCase {
    AccessCase { method, path, denied, allowed, body, foreign }
}

use Role::{Auditor, BillingAdmin, Casting, Finance, Ops, Payer, PlatformFinance, Talent, TenantAdmin, Viewer};

/// The cases of all routes.
pub fn all_cases() -> impl Iterator<Item = &'static AccessCase> {
    CASES.iter().chain(super::CONTEXT_CASES.iter().flat_map(|cases| cases.iter()))
}

#[rustfmt::skip] // keeps the columns
const CASES: &[AccessCase] = &[
    // escrow commands
    post("/v1/escrows", Viewer, Casting, NEW_ESCROW, Foreign::Body),
    post("/v1/escrows/{escrowId}/fund", Talent, Payer, EMPTY, ESCROW),
    post("/v1/escrows/{escrowId}/lock", Payer, Ops, EMPTY, ESCROW),
    post("/v1/escrows/{escrowId}/start", Talent, Ops, EMPTY, ESCROW),
    post("/v1/escrows/{escrowId}/submit-delivery", TenantAdmin, Talent, r#"{"assetIds":["00000000-0000-4000-8000-000000000001"]}"#, ESCROW),
    post("/v1/escrows/{escrowId}/approve", Talent, TenantAdmin, EMPTY, ESCROW),
    post("/v1/escrows/{escrowId}/make-releasable", Ops, Finance, EMPTY, ESCROW),
    post("/v1/escrows/{escrowId}/release", Talent, Finance, EMPTY, ESCROW),
    post("/v1/escrows/{escrowId}/release-partial", Payer, Finance, AMOUNT, ESCROW),
    post("/v1/escrows/{escrowId}/refund", TenantAdmin, PlatformFinance, r#"{"reason":"cancellation"}"#, ESCROW),
    post("/v1/escrows/{escrowId}/decline-refund", TenantAdmin, PlatformFinance, REASON, ESCROW),
    post("/v1/escrows/{escrowId}/cancel", Payer, Ops, REASON, ESCROW),
    post("/escrow/create", Viewer, Casting, NEW_ESCROW, Foreign::Body),
    post("/escrow/fund", Talent, Payer, r#"{"escrowId":"{escrow}"}"#, Foreign::Body),
    post("/escrow/release", Talent, Finance, r#"{"escrowId":"{escrow}"}"#, Foreign::Body),
    post("/escrow/refund", TenantAdmin, PlatformFinance, r#"{"escrowId":"{escrow}","reason":"cancellation"}"#, Foreign::Body),
    // wallets, ledger, bank receipts, tenant
    post("/v1/wallets/{walletId}/freeze", Finance, TenantAdmin, REASON, WALLET),
    post("/v1/wallets/{walletId}/unfreeze", Finance, TenantAdmin, REASON, WALLET),
    post("/v1/wallets/{walletId}/close", Finance, TenantAdmin, EMPTY, WALLET),
    post("/v1/ledger/transfer", TenantAdmin, PlatformFinance, TRANSFER, Foreign::Body),
    post("/v1/bank-receipts", TenantAdmin, PlatformFinance, BANK_RECEIPT, Foreign::Body),
    post("/v1/bank-receipts/{bankReceiptId}/assign", TenantAdmin, PlatformFinance, r#"{"payerId":"{party}"}"#, Foreign::Path(ForeignId::BankReceipt)),
    AccessCase { method: "PUT", path: "/v1/tenants/{tenantId}/settings", denied: Finance, allowed: TenantAdmin, body: EMPTY, foreign: Foreign::Path(ForeignId::Tenant) },
    // queries
    get("/v1/escrows", BillingAdmin, Viewer, Foreign::Parameter("payerId")),
    get("/v1/escrows/due", BillingAdmin, Viewer, Foreign::OwnTenantOnly),
    get("/v1/escrows/{escrowId}", BillingAdmin, Viewer, ESCROW),
    get("/v1/escrows/{escrowId}/events", BillingAdmin, Viewer, ESCROW),
    get("/v1/escrow-accounts", Payer, Viewer, Foreign::Parameter("escrowId")),
    get("/v1/escrow-transactions", BillingAdmin, Viewer, Foreign::Parameter("escrowId")),
    get("/escrow/{escrowId}/ledger", BillingAdmin, Viewer, ESCROW),
    get("/v1/wallets", Casting, Finance, Foreign::Parameter("ownerId")),
    get("/v1/wallets/{walletId}/balance", Casting, Finance, WALLET),
    get("/v1/wallets/{walletId}/ledger", Casting, Finance, WALLET),
    get("/v1/ledger/trial-balance", Viewer, Auditor, Foreign::OwnTenantOnly),
    get("/api/v2/enterprise/ledger/balance", Viewer, Auditor, Foreign::OwnTenantOnly),
    get("/v1/audit", Viewer, Auditor, Foreign::Parameter("entityId")),
];

/// A body that creates an escrow whose payer is somebody of the tenant that is tried.
const NEW_ESCROW: &str = r#"{"contractId":"00000000-0000-4000-8000-000000000002","payerId":"{party}","payeeId":"00000000-0000-4000-8000-000000000003","amount":"10","currency":"EUR","bookingId":"{party}"}"#;
const TRANSFER: &str = r#"{"fromWalletId":"{wallet}","toWalletId":"{wallet}","amount":"1","currency":"EUR","reason":"isolation"}"#;
const BANK_RECEIPT: &str =
    r#"{"bankReference":"isolation {party}","amount":"1","currency":"EUR","receivedAt":"2026-01-01T00:00:00Z","payerId":"{party}"}"#;
