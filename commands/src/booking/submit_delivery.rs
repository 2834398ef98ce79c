//! A booking is completed → the work is delivered, in the name of the provider who completed it; the completion code is the
//! proof of attendance (MNY-18, JOB-65). Completed without being started: the start is made up for.

use holdfast_domain::booking::{BookingFact, BookingStatus};
use holdfast_domain::escrow::{Artifact, ArtifactKind, Escrow, EscrowCommand};
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::Recorded;

use crate::booking::agreed;
use crate::reaction::{Reaction, Step};

pub(crate) const REACTION: Reaction = Reaction { name: "submit_delivery", on: &["booking.completed"], steps };

fn steps(event: &Recorded<AnyEvent>) -> Vec<Step> {
    let Some((escrow_id, booking)) = agreed(event) else { return Vec::new() };
    let BookingFact::Completed { attendance, .. } = &booking.fact else { return Vec::new() };
    let code = Artifact { asset_id: attendance.asset_id, kind: ArtifactKind::Attendance };
    let media = attendance.media.iter().map(|asset_id| Artifact { asset_id: *asset_id, kind: ArtifactKind::Media });
    let (note, gps) = (attendance.note.clone(), attendance.gps.clone());
    let deliver = EscrowCommand::SubmitDelivery { artifacts: [code].into_iter().chain(media).collect(), note, gps };
    let start = || Step::new::<Escrow>("start", escrow_id.uuid(), EscrowCommand::StartWork);
    let mut steps: Vec<_> = (booking.from == BookingStatus::Confirmed).then(start).into_iter().collect();
    steps.push(Step::in_the_name_of_the_actor::<Escrow>("deliver", escrow_id.uuid(), deliver));
    steps
}
