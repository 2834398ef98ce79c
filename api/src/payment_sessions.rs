//! The port to payment providers (ESC-13): shaped here, filled by the payments context.

use futures::future::BoxFuture;
use holdfast_domain::escrow::FundingSource;
use holdfast_domain::kernel::{EscrowId, PartyId, TenantId};

/// Asks a provider for a session in which the payer pays.
#[derive(Debug, Clone)]
pub struct OpenSession {
    pub tenant_id: TenantId,
    pub escrow_id: EscrowId,
    pub payer_id: PartyId,
    /// `stripe`, `razorpay` …; the tenant's default when none is named.
    pub provider: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionRefused {
    #[error("no payment provider is connected: pay from the wallet or by bank transfer")]
    NoProvider,
}

/// Opens sessions; what comes back is what the escrow is told the money comes from.
pub trait PaymentSessions: Send + Sync {
    fn open(&self, request: OpenSession) -> BoxFuture<'_, Result<FundingSource, SessionRefused>>;
}

/// Until payments exist.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProvider;

impl PaymentSessions for NoProvider {
    fn open(&self, _request: OpenSession) -> BoxFuture<'_, Result<FundingSource, SessionRefused>> {
        Box::pin(std::future::ready(Err(SessionRefused::NoProvider)))
    }
}
