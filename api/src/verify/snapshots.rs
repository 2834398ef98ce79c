//! Snapshots: a cache that the writers trust, so every one of them is compared with its stream folded anew.

use anyhow::Context as _;
use holdfast_domain::event::{AnyAggregate, fingerprint};
use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::{EventLog, Snapshot};

use super::{Findings, PAGE};

const SNAPSHOTS: &str = "a snapshot is what the events up to it fold to";
/// Snapshots per read: a state may be large.
const AT_ONCE: i64 = 50;

/// Those that a writer of this program would use: of its own folding, and of this log.
pub(super) async fn check(log: &EventLog, tenant_id: TenantId, findings: &mut Findings) -> anyhow::Result<()> {
    findings.count(SNAPSHOTS, 0);
    let mut last: Option<Snapshot> = None;
    loop {
        let page = log.snapshots(tenant_id, last.as_ref(), AT_ONCE).await.context("cannot read the snapshots")?;
        let Some(end) = page.last().cloned() else { return Ok(()) };
        for snapshot in &page {
            if Some(snapshot.fingerprint.as_str()) == fingerprint(snapshot.stream.aggregate_type)
                && let Some(folded) = fold(log, snapshot).await?
            {
                let stream = snapshot.stream;
                let read = AnyAggregate::read(stream.aggregate_type, &snapshot.state);
                findings.expect(SNAPSHOTS, read.is_ok_and(|read| read == folded), || {
                    format!("{tenant_id}: {} {} at {}", stream.aggregate_type, stream.aggregate_id, snapshot.sequence)
                });
            }
        }
        last = Some(end);
    }
}

/// The stream up to the snapshot's event; none when another event stands there.
async fn fold(log: &EventLog, snapshot: &Snapshot) -> anyhow::Result<Option<AnyAggregate>> {
    let mut folded = AnyAggregate::new(snapshot.stream.aggregate_type)?;
    let mut after = 0;
    loop {
        let limit = PAGE.min(snapshot.sequence - after);
        let events = log.read_stream(snapshot.stream, after, limit).await.context("cannot read a stream")?;
        for event in &events {
            folded.apply(&event.decode().with_context(|| format!("position {} of {}", event.position, event.tenant_id))?.event);
        }
        let Some(end) = events.last() else { return Ok(None) };
        after = end.sequence;
        if after == snapshot.sequence {
            return Ok(snapshot.fits(end).then_some(folded));
        }
    }
}
