//! A session is revoked once, and that is all that ever happens to it.

use chrono::{DateTime, TimeDelta, Utc};
use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::kernel::{Claim, Context, Role, TenantAggregate};
use crate::session::{RevocationReason, SessionCommand, SessionError, SessionEvent};

/// Who may end sessions of others.
const MAY_REVOKE: [Role; 4] = [Role::TenantAdmin, Role::Superadmin, Role::PlatformAdmin, Role::TrustSafety];

/// No session lives longer, however often its tokens are refreshed (settings, "Tokens").
pub const MAX_SESSION_DAYS: i64 = 30;

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Session {
    revoked: Option<Revoked>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Revoked {
    reason: RevocationReason,
    until: DateTime<Utc>,
}

impl Session {
    fn decide(&self, command: SessionCommand, context: &Context) -> Result<Option<SessionEvent>, SessionError> {
        let reason = match command {
            SessionCommand::Revoke { reason } if context.actor.roles.iter().any(|role| MAY_REVOKE.contains(role)) => reason,
            SessionCommand::Revoke { .. } => return Err(SessionError::NotPermitted),
            SessionCommand::SignOut => RevocationReason::SignedOut,
        };
        let until = context.now + TimeDelta::days(MAX_SESSION_DAYS);
        Ok(self.revoked.is_none().then_some(SessionEvent::Revoked { reason, until }))
    }
}

impl cqrs_es::Aggregate for Session {
    const TYPE: &'static str = "session";
    type Command = SessionCommand;
    type Event = SessionEvent;
    type Error = SessionError;
    type Services = Context;

    async fn handle(&mut self, command: SessionCommand, context: &Context, sink: &EventSink<Self>) -> Result<(), SessionError> {
        if let Some(event) = self.decide(command, context)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: SessionEvent) {
        let SessionEvent::Revoked { reason, until } = event;
        self.revoked = Some(Revoked { reason, until });
    }
}

impl TenantAggregate for Session {
    const FOLD_VERSION: u32 = 1;

    fn exists(&self) -> bool {
        self.revoked.is_some()
    }

    fn status(&self) -> &'static str {
        if self.revoked.is_some() { "revoked" } else { "unmentioned" }
    }

    /// A session takes nothing that another could hold.
    fn claim_taken(_claim: &Claim, _holder: Uuid) -> SessionError {
        SessionError::NotPermitted
    }
}
