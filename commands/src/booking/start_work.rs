//! Work on a booking has begun → its escrow's SLA runs (JOB-32, ESC-34).

use holdfast_domain::escrow::{Escrow, EscrowCommand};
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::Recorded;

use crate::booking::agreed;
use crate::reaction::{Reaction, Step};

pub(crate) const REACTION: Reaction = Reaction { name: "start_work", on: &["booking.started"], steps };

fn steps(event: &Recorded<AnyEvent>) -> Vec<Step> {
    let Some((escrow_id, _)) = agreed(event) else { return Vec::new() };
    vec![Step::new::<Escrow>("start", escrow_id.uuid(), EscrowCommand::StartWork)]
}
