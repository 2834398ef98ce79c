//! A file is evidence in a case → nobody deletes it any more (DSP-38).

use holdfast_domain::asset::{Asset, AssetCommand};
use holdfast_domain::dispute::{Dispute, DisputeFact};
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::Recorded;

use crate::reaction::{Reaction, Step};

pub(crate) const REACTION: Reaction = Reaction { name: "keep_evidence", on: &["dispute.evidence_added"], steps };

fn steps(event: &Recorded<AnyEvent>) -> Vec<Step> {
    let Some(dispute) = event.event.of::<Dispute>() else { return Vec::new() };
    let DisputeFact::EvidenceAdded { evidence } = &dispute.fact else { return Vec::new() };
    let command = AssetCommand::Keep { by: event.origin.aggregate_id };
    vec![Step::new::<Asset>("keep", evidence.asset_id.uuid(), command)]
}
