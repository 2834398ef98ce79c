//! Answers that may be long: made in a task, piece by piece, no faster than the client takes them. A client that takes nothing for
//! a while is cut off, so that it keeps neither a place nor a file for itself.

use std::time::Duration;

use actix_web::web::Bytes;
use futures::{Stream, StreamExt as _, stream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::connection::Connection;
use crate::state::Tasks;

/// How long a piece may stay untaken.
const PATIENCE: Duration = Duration::from_secs(30);

/// The body for `pieces`. It ends with the first error, and breaks off.
pub(crate) fn long_answer<E: Send + 'static>(
    tasks: &Tasks,
    connection: Connection,
    pieces: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
) -> impl Stream<Item = Result<Bytes, E>> + 'static {
    let (sender, mut taken) = mpsc::channel(1);
    tasks.spawn(pass_on(pieces, sender, connection, PATIENCE));
    stream::poll_fn(move |context| taken.poll_recv(context))
}

async fn pass_on<E>(
    pieces: impl Stream<Item = Result<Bytes, E>>,
    sender: mpsc::Sender<Result<Bytes, E>>,
    connection: Connection,
    patience: Duration,
) {
    let mut pieces = std::pin::pin!(pieces);
    while let Some(piece) = pieces.next().await {
        let failed = piece.is_err();
        match timeout(patience, sender.send(piece)).await {
            Ok(Ok(())) if !failed => {}
            Ok(_) => return,
            Err(_) => {
                metrics::counter!("holdfast_slow_clients_total").increment(1);
                return connection.end();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);

    fn pieces(good: usize) -> impl Stream<Item = Result<Bytes, ()>> {
        stream::iter((0..good).map(|_| Ok(Bytes::from_static(b"x"))).chain([Err(()), Ok(Bytes::new())]))
    }

    #[tokio::test]
    async fn pieces_come_as_they_are_taken_up_to_the_first_error() {
        let (sender, mut taken) = mpsc::channel(1);
        let passing = tokio::spawn(pass_on(pieces(5), sender, Connection::default(), Duration::from_secs(60)));
        let mut count = 0;
        while let Some(Ok(_)) = taken.recv().await {
            count += 1;
        }
        assert_eq!((count, taken.recv().await), (5, None));
        passing.await.unwrap();
    }

    #[tokio::test]
    async fn who_takes_nothing_is_not_waited_for_and_who_has_gone_is_noticed() {
        let (sender, mut taken) = mpsc::channel(1);
        pass_on(pieces(5), sender, Connection::default(), SHORT).await;
        assert!(taken.recv().await.is_some_and(|piece| piece.is_ok()));
        assert!(taken.recv().await.is_none());
        let (sender, taken) = mpsc::channel(1);
        drop(taken);
        pass_on(pieces(usize::MAX), sender, Connection::default(), Duration::from_secs(60)).await;
    }
}
