//! The ways of an escrow, as its parties walk them.

use serde_json::{Value, json};
use uuid::Uuid;

use super::call::Outcome;
use super::cast::{Cast, Seat};
use crate::rng::Rng;

/// A step that was refused so often is not going to happen.
const REFUSALS: u32 = 6;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Created,
    Funded,
    Started,
    Delivered,
    Approved,
    Disputed,
    Assigned,
    Ended,
}

#[derive(Debug)]
pub(super) struct Escrow {
    id: Uuid,
    payer: Seat,
    payee: Seat,
    stage: Stage,
    dispute: Option<String>,
    refusals: u32,
}

pub(super) struct Step {
    pub(super) seat: Seat,
    pub(super) path: String,
    pub(super) body: Value,
    pub(super) after: Stage,
}

impl Escrow {
    pub(super) fn new(id: Uuid, payer: Seat, payee: Seat) -> Self {
        Self { id, payer, payee, stage: Stage::Created, dispute: None, refusals: 0 }
    }

    pub(super) fn next(&self, cast: &Cast, rng: &mut Rng) -> Step {
        let chance = rng.below(100);
        let at = |seat: &Seat, action: &str, body: Value, after| Step {
            seat: seat.clone(),
            path: format!("/v1/escrows/{}/{action}", self.id),
            body,
            after,
        };
        let staff = cast.staff("tenant_admin");
        match self.stage {
            Stage::Created if chance < 8 => at(staff, "cancel", json!({ "reason": "torture" }), Stage::Ended),
            Stage::Created => at(&self.payer, "fund", json!({ "source": "wallet" }), Stage::Funded),
            Stage::Funded if chance < 10 => at(&self.payer, "dispute", json!({ "reason": "torture" }), Stage::Disputed),
            Stage::Funded if chance < 20 => at(staff, "refund", json!({ "reason": "torture" }), Stage::Ended),
            Stage::Funded => at(staff, "start", json!({}), Stage::Started),
            Stage::Started => at(&self.payee, "submit-delivery", json!({ "assetIds": [rng.uuid()], "note": "torture" }), Stage::Delivered),
            Stage::Delivered if chance < 15 => at(&self.payer, "dispute", json!({ "reason": "torture" }), Stage::Disputed),
            Stage::Delivered => at(staff, "approve", json!({}), Stage::Approved),
            Stage::Approved | Stage::Ended => at(cast.staff("platform_admin"), "release", json!({}), Stage::Ended),
            Stage::Disputed => self.of_case(cast.staff("ops"), "assign", json!({ "assigneeId": cast.staff("ops").party }), Stage::Assigned),
            Stage::Assigned => {
                let decision = if chance < 50 { "refund" } else { "release" };
                let body = json!({ "decision": decision, "rationale": "torture" });
                self.of_case(cast.staff("ops"), "decision", body, Stage::Ended)
            }
        }
    }

    fn of_case(&self, seat: &Seat, action: &str, body: Value, after: Stage) -> Step {
        let path = format!("/v1/disputes/{}/{action}", self.dispute.as_deref().unwrap_or_default());
        Step { seat: seat.clone(), path, body, after }
    }

    /// False when there is nothing more to do with it.
    pub(super) fn answered(&mut self, after: Stage, outcome: &Outcome) -> bool {
        match outcome {
            Outcome::Ok(body) => {
                if let Some(dispute) = body["disputeId"].as_str() {
                    self.dispute = Some(dispute.to_owned());
                }
                let lost = after == Stage::Disputed && self.dispute.is_none();
                (self.stage, self.refusals) = (after, 0);
                after != Stage::Ended && !lost
            }
            Outcome::Refused(_) => {
                self.refusals += 1;
                self.refusals < REFUSALS
            }
            // It may have happened: this one is left alone, as somebody who does not know would.
            Outcome::Unknown => false,
        }
    }
}
