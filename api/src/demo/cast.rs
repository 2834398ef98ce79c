//! Who plays: parties with ids that follow from the run, and a token for each when it is needed.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use holdfast_domain::kernel::{PartyId, Role as PartyRole, Roles, TenantId, derived_uuid};
use uuid::Uuid;

use super::scenario::Role;
use crate::auth::{Issuer, Subject, now_s};

/// Tokens are made anew when they have less than this left.
const MARGIN_S: u64 = 60;
const TTL_S: u64 = 300;

/// Who holds a token: one per tenant, party and role.
type Seat = (TenantId, PartyId, Role);

#[derive(Debug, Clone)]
struct Token {
    text: String,
    expires_s: u64,
}

pub(super) struct Cast {
    issuer: Issuer,
    run: Uuid,
    tokens: Mutex<HashMap<Seat, Token>>,
}

impl Cast {
    pub(super) fn new(issuer: Issuer, run: Uuid) -> Self {
        Self { issuer, run, tokens: Mutex::default() }
    }

    /// The same name is the same id in this run, and another one in the next.
    pub(super) fn id(&self, tenant_id: TenantId, name: &str) -> Uuid {
        derived_uuid(tenant_id, self.run, name, 0)
    }

    pub(super) fn party(&self, tenant_id: TenantId, name: &str) -> PartyId {
        PartyId(self.id(tenant_id, name))
    }

    /// Staff have one seat per tenant.
    pub(super) fn staff(&self, tenant_id: TenantId, role: Role) -> PartyId {
        self.party(tenant_id, &format!("staff:{role:?}"))
    }

    pub(super) fn token(&self, tenant_id: TenantId, party_id: PartyId, role: Role) -> anyhow::Result<String> {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now_s();
        if let Some(token) = tokens.get(&(tenant_id, party_id, role)).filter(|token| token.expires_s > now + MARGIN_S) {
            return Ok(token.text.clone());
        }
        let subject = Subject { tenant_id, party_id, roles: Roles::from([party_role(role)]), limits: Vec::new() };
        let text = self.issuer.issue(&subject, now, TTL_S).context("cannot make a token")?;
        tokens.insert((tenant_id, party_id, role), Token { text: text.clone(), expires_s: now + TTL_S });
        Ok(text)
    }
}

const fn party_role(role: Role) -> PartyRole {
    match role {
        Role::Payer => PartyRole::Payer,
        Role::Payee | Role::Bystander => PartyRole::Talent,
        Role::Admin | Role::Stranger | Role::Impostor | Role::Nobody => PartyRole::TenantAdmin,
        Role::Ops => PartyRole::Ops,
        Role::Finance => PartyRole::Finance,
        Role::Viewer => PartyRole::Viewer,
        Role::Auditor => PartyRole::Auditor,
        Role::Platform => PartyRole::PlatformAdmin,
        Role::PlatformFinance => PartyRole::PlatformFinance,
        Role::Judge => PartyRole::TrustSafety,
        Role::Service => PartyRole::Service,
    }
}
