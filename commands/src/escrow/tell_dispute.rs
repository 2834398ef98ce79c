//! The escrow has frozen money, or done something with it → the case follows (MNY-25, MNY-36, DSP-20, DSP-25). The case's id is the
//! escrow's word; one reaction for all of it, so that a case learns everything in order.

use holdfast_domain::dispute::{Dispute, DisputeCommand, OpenCase, OutcomeOfCase, Resolution};
use holdfast_domain::escrow::{DecisionKind, Escrow, EscrowEvent, EscrowFact};
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::{DisputeId, Money, Recorded};

use crate::reaction::{Reaction, Step};

pub(crate) const REACTION: Reaction = Reaction {
    name: "tell_dispute",
    on: &[
        "escrow.disputed",
        "escrow.settlement_disputed",
        "escrow.dispute_widened",
        "escrow.dispute_conceded",
        "escrow.evidence_closed",
        "escrow.dispute_escalated",
        "escrow.dispute_resolved",
        "escrow.redo_ordered",
        "escrow.dispute_dismissed",
        "escrow.decision_declined",
    ],
    steps,
};

fn steps(event: &Recorded<AnyEvent>) -> Vec<Step> {
    let news = event.event.of::<Escrow>().and_then(news);
    news.map(|(dispute_id, command)| Step::new::<Dispute>("tell", dispute_id.uuid(), command)).into_iter().collect()
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a new fact is about no case unless it says so")]
fn news(event: &EscrowEvent) -> Option<(DisputeId, DisputeCommand)> {
    Some(match &event.fact {
        EscrowFact::Disputed { dispute_id, case_no, contested, kind, raised_by, raised_as, reason, case }
        | EscrowFact::SettlementDisputed { dispute_id, case_no, contested, kind, raised_by, raised_as, reason, case, .. } => {
            let open = OpenCase {
                dispute_id: *dispute_id,
                case_no: *case_no,
                facts: (**case).clone(),
                contested: *contested,
                kind: *kind,
                raised_by: *raised_by,
                raised_as: *raised_as,
                reason: reason.clone(),
            };
            (*dispute_id, DisputeCommand::Open(Box::new(open)))
        }
        EscrowFact::DisputeWidened { dispute_id, contested, .. } => (*dispute_id, DisputeCommand::RecordWidened { contested: *contested }),
        EscrowFact::DisputeConceded { dispute_id, contested, .. } => {
            (*dispute_id, DisputeCommand::RecordConceded { contested: *contested })
        }
        EscrowFact::EvidenceClosed { dispute_id } => {
            let decision_due_at = event.deadlines.dispute.map(|deadline| deadline.at);
            (*dispute_id, DisputeCommand::RecordEvidenceClosed { decision_due_at })
        }
        EscrowFact::DisputeEscalated { dispute_id } => (*dispute_id, DisputeCommand::RecordEscalated),
        EscrowFact::DisputeResolved { dispute_id, kind, release, refund, penalty, conceded, .. } => {
            let resolution = match kind {
                DecisionKind::Release => Resolution::Release,
                DecisionKind::Refund => Resolution::Refund,
                DecisionKind::Split => Resolution::Split,
            };
            let (released, refunded, penalty, conceded) = (*release, *refund, *penalty, *conceded);
            let outcome = OutcomeOfCase { resolution, released, refunded, penalty, withdrawn: false, conceded };
            (*dispute_id, DisputeCommand::RecordOutcome(outcome))
        }
        EscrowFact::RedoOrdered { dispute_id, returned, .. } => (*dispute_id, without_money(Resolution::Redo, *returned, false)),
        EscrowFact::DisputeDismissed { dispute_id, returned, withdrawn, .. } => {
            (*dispute_id, without_money(Resolution::Rejected, *returned, *withdrawn))
        }
        EscrowFact::DecisionDeclined { dispute_id, code, contested } => {
            (*dispute_id, DisputeCommand::RecordDeclined { code: code.clone(), contested: *contested })
        }
        _ => return None,
    })
}

/// It is all open again.
fn without_money(resolution: Resolution, returned: Money, withdrawn: bool) -> DisputeCommand {
    let nothing = Money::zero(returned.currency());
    DisputeCommand::RecordOutcome(OutcomeOfCase {
        resolution,
        released: nothing,
        refunded: nothing,
        penalty: nothing,
        withdrawn,
        conceded: false,
    })
}
