//! A case is decided → the escrow does it, in the name of who decided (DSP-41). Its answer comes back by `tell_dispute`.

use holdfast_domain::dispute::{CaseDecision, Dispute, DisputeFact};
use holdfast_domain::escrow::{Decision, Escrow, EscrowCommand};
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::{DisputeId, Recorded};

use crate::reaction::{Reaction, Step};

pub(crate) const REACTION: Reaction = Reaction { name: "enforce_decision", on: &["dispute.decided"], steps };

fn steps(event: &Recorded<AnyEvent>) -> Vec<Step> {
    let Some(dispute) = event.event.of::<Dispute>() else { return Vec::new() };
    let DisputeFact::Decided { decision, contested, rationale } = &dispute.fact else { return Vec::new() };
    let decision = match *decision {
        CaseDecision::Release => Decision::Release,
        CaseDecision::Refund => Decision::Refund,
        CaseDecision::Split { release, refund, penalty } => Decision::Split { release, refund, penalty },
        CaseDecision::Redo => Decision::Redo,
        CaseDecision::Close => Decision::Dismiss,
    };
    let dispute_id = DisputeId(event.origin.aggregate_id);
    let command = EscrowCommand::Enforce { dispute_id, decision, contested: *contested, rationale: rationale.clone() };
    vec![Step::in_the_name_of_the_actor::<Escrow>("enforce", dispute.escrow_id.uuid(), command)]
}
