//! Snapshots in the log's database: which one is given, and that it is of this log.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use holdfast_eventlog::seal::leaf_hash;
use holdfast_eventlog::{EventLog, LoadRequest, Loaded, Snapshot, StreamId};
use sqlx::Executor;
use support::{batch, snapshot, tenant, unit, wallet, with};

/// As a writer takes it.
async fn taken(log: &EventLog, stream: StreamId, sequence: i64) -> Snapshot {
    let event = log.read_stream(stream, sequence - 1, 1).await.unwrap().remove(0);
    Snapshot { anchor: leaf_hash(&event), ..snapshot(stream, sequence) }
}

async fn load(log: &EventLog, streams: &[StreamId]) -> Loaded {
    let request = LoadRequest { streams: streams.to_vec(), from_snapshots: true, ..LoadRequest::default() };
    log.load(&request).await.unwrap()
}

fn sequences(loaded: &Loaded, stream: StreamId) -> Vec<i64> {
    loaded.streams.get(&stream).into_iter().flatten().map(|event| event.sequence).collect()
}

#[tokio::test]
async fn a_load_gives_the_newest_snapshot_and_what_came_after_it() {
    // NFR-17.
    with(|database| async move {
        let log = database.log().await;
        let (long, short, none) = (wallet(tenant(1), 1), wallet(tenant(1), 2), wallet(tenant(2), 1));
        log.append(&batch(&[], vec![unit(long, 1, 500), unit(short, 1, 2)])).await.unwrap();
        for sequence in [100, 490, 300] {
            log.write_snapshots(&[taken(&log, long, sequence).await]).await.unwrap();
        }
        let loaded = load(&log, &[long, short, none, long]).await;
        assert_eq!(loaded.snapshots.values().collect::<Vec<_>>(), [&taken(&log, long, 490).await], "an older one does not replace it");
        assert_eq!(sequences(&loaded, long), (490..=500).collect::<Vec<_>>());
        assert_eq!((sequences(&loaded, short), sequences(&loaded, none)), (vec![1, 2], vec![]));
        assert!(loaded.misfits.is_empty());
        // Behind a locked head just the same; and whole for whoever asks so.
        let mut locked = log.lock(tenant(1)).await.unwrap();
        let request = LoadRequest { streams: vec![long], from_snapshots: true, ..LoadRequest::default() };
        assert_eq!(sequences(&locked.load(&request).await.unwrap(), long).len(), 11);
        locked.rollback().await.unwrap();
        let whole = log.load(&LoadRequest { from_snapshots: false, ..request }).await.unwrap();
        assert_eq!((sequences(&whole, long).len(), whole.snapshots.len()), (500, 0));
        // It may go at any time.
        database.admin.execute("DELETE FROM snapshots").await.unwrap();
        let loaded = load(&log, &[long]).await;
        assert_eq!((sequences(&loaded, long).len(), loaded.snapshots.len()), (500, 0));
    })
    .await;
}

#[tokio::test]
async fn a_snapshot_of_another_history_is_set_aside_and_the_stream_read_whole() {
    // NFR-17, protocols 2.5: a restored backup has other events where the snapshot's were.
    with(|database| async move {
        let log = database.log().await;
        let (other, beyond, fine) = (wallet(tenant(1), 1), wallet(tenant(1), 2), wallet(tenant(1), 3));
        log.append(&batch(&[], vec![unit(other, 1, 9), unit(beyond, 1, 5), unit(fine, 1, 5)])).await.unwrap();
        let good = taken(&log, fine, 4).await;
        let wrong = [snapshot(other, 6), Snapshot { sequence: 9, ..taken(&log, beyond, 5).await }];
        log.write_snapshots(&[wrong[0].clone(), wrong[1].clone(), good.clone()]).await.unwrap();
        let loaded = load(&log, &[beyond, fine, other]).await;
        assert_eq!(loaded.misfits, wrong);
        assert_eq!(loaded.snapshots.into_values().collect::<Vec<_>>(), [good]);
        assert_eq!(loaded.streams[&other].len(), 9);
        assert_eq!(loaded.streams[&beyond].len(), 5);
        assert_eq!(loaded.streams[&fine].len(), 2);
        // Discarded by exactly what they are.
        log.discard_snapshots(&[Snapshot { anchor: [8; 32], ..wrong[0].clone() }, wrong[1].clone()]).await.unwrap();
        let left: Vec<_> = log.snapshots(tenant(1), None, 10).await.unwrap().into_iter().map(|snapshot| snapshot.stream).collect();
        assert_eq!(left, [other, fine]);
        assert!(log.snapshots(tenant(2), None, 10).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn releases_that_fold_otherwise_keep_their_own() {
    with(|database| async move {
        let log = database.log().await;
        let stream = wallet(tenant(1), 1);
        log.append(&batch(&[], vec![unit(stream, 1, 9)])).await.unwrap();
        let ours = taken(&log, stream, 5).await;
        let theirs = Snapshot { fingerprint: "1-older".to_owned(), ..taken(&log, stream, 8).await };
        log.write_snapshots(std::slice::from_ref(&ours)).await.unwrap();
        log.write_snapshots(std::slice::from_ref(&theirs)).await.unwrap();
        assert_eq!(load(&log, &[stream]).await.snapshots[&stream], ours);
        let both = log.snapshots(tenant(1), None, 10).await.unwrap();
        assert_eq!(both, [theirs.clone(), ours.clone()]);
        assert_eq!(log.snapshots(tenant(1), Some(&both[0]), 10).await.unwrap(), [ours]);
        // Nobody has renewed it for a day: it goes with our next one.
        database.admin.execute("UPDATE snapshots SET recorded_at = now() - interval '25 hours'").await.unwrap();
        log.write_snapshots(&[taken(&log, stream, 9).await]).await.unwrap();
        assert_eq!(log.snapshots(tenant(1), None, 10).await.unwrap(), [taken(&log, stream, 9).await]);
    })
    .await;
}
