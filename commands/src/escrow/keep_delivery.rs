//! Files are the delivery of an escrow → nobody deletes them any more (ESC-05). An id that names no file of ours stays what it is.

use holdfast_domain::asset::{Asset, AssetCommand};
use holdfast_domain::escrow::{Artifact, EscrowFact};
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::Recorded;

use crate::escrow::escrow_fact;
use crate::reaction::{Reaction, Step};

pub(crate) const REACTION: Reaction = Reaction { name: "keep_delivery", on: &["escrow.delivery_submitted"], steps };

fn steps(event: &Recorded<AnyEvent>) -> Vec<Step> {
    let Some((escrow_id, EscrowFact::DeliverySubmitted { artifacts, .. })) = escrow_fact(event) else { return Vec::new() };
    let keep = |(i, artifact): (usize, &Artifact)| {
        Step::new::<Asset>(format!("keep-{i}"), artifact.asset_id.uuid(), AssetCommand::Keep { by: escrow_id.uuid() })
    };
    artifacts.iter().enumerate().map(keep).collect()
}
