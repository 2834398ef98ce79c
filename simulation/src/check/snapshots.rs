//! A snapshot is what the events up to its sequence fold to.

use holdfast_domain::event::AnyAggregate;
use holdfast_domain::kernel::TenantId;

use super::Event;
use crate::store::State;

pub(super) fn check(events: &[Event], tenant_id: TenantId, state: &State, wrong: &mut Vec<String>) {
    for snapshot in state.snapshots.values().filter(|snapshot| snapshot.stream.tenant_id == tenant_id) {
        let stream = snapshot.stream;
        let own = events.iter().filter(|event| {
            (event.origin.aggregate_type, event.origin.aggregate_id) == (stream.aggregate_type, stream.aggregate_id)
                && event.origin.sequence <= snapshot.sequence
        });
        let folded = AnyAggregate::new(stream.aggregate_type).map(|mut folded| {
            own.for_each(|event| folded.apply(&event.event));
            folded
        });
        let read = AnyAggregate::read(stream.aggregate_type, &snapshot.state);
        if folded.ok() != read.ok() {
            wrong.push(format!(
                "the snapshot of {} {} at {} is another state",
                stream.aggregate_type, stream.aggregate_id, snapshot.sequence
            ));
        }
    }
}
