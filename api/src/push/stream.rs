//! One stream: a task that waits for events and writes them, until the client goes or may not stay.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Bytes;
use holdfast_domain::kernel::TenantId;
use holdfast_projections::query::QueryError;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use uuid::Uuid;

use crate::auth::{Barred, Revocations};
use crate::connection::Connection;
use crate::error::ApiError;
use crate::push::feed::EventPage;
use crate::push::frame::{self, Farewell};
use crate::push::places::Place;
use crate::push::{Audience, Push};

/// So that nobody in between takes the connection for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How often a silent stream looks whether its client is still there.
const LOOK: Duration = Duration::from_secs(1);
/// How long a client may leave unread what was sent to it.
const PATIENCE: Duration = Duration::from_secs(10);
/// The last word is not worth more.
const FAREWELL: Duration = Duration::from_secs(1);
/// Before the read database is asked again that did not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// What one stream needs to know.
pub(crate) struct Stream {
    pub(crate) push: Arc<Push>,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) audience: Audience,
    pub(crate) tenant_id: TenantId,
    pub(crate) session_id: Uuid,
    /// When the token expires.
    pub(crate) expires_in: Duration,
    /// The last position that the client has.
    pub(crate) position: i64,
    pub(crate) connection: Connection,
    pub(crate) place: Place,
}

/// Why a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Told(Farewell),
    /// The client went.
    Gone,
    /// The client does not read.
    Slow,
}

/// To the connection, which takes the next chunk when the client has taken the one before.
struct Outlet {
    sender: mpsc::Sender<Bytes>,
    patience: Duration,
}

impl Outlet {
    async fn send(&self, text: String) -> Result<(), End> {
        match timeout(self.patience, self.sender.send(text.into())).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => Err(End::Slow),
        }
    }
}

impl Stream {
    /// The body, and the task that fills it.
    pub(crate) fn open(self) -> (impl futures::Stream<Item = Result<Bytes, ApiError>>, impl Future<Output = ()>) {
        let (sender, mut receiver) = mpsc::channel(1);
        let body = futures::stream::poll_fn(move |context| receiver.poll_recv(context).map(|chunk| chunk.map(Ok)));
        (body, self.run(Outlet { sender, patience: PATIENCE }))
    }

    async fn run(mut self, outlet: Outlet) {
        let end = self.follow(&outlet).await;
        let taken = match end {
            End::Told(why) => matches!(timeout(FAREWELL, outlet.send(frame::bye(why))).await, Ok(Ok(()))),
            End::Gone => true,
            End::Slow => false,
        };
        if !taken {
            self.connection.end();
        }
        tracing::debug!(?end, place = ?self.place, "a stream has ended");
    }

    async fn follow(&mut self, outlet: &Outlet) -> End {
        if let Err(end) = outlet.send(frame::ready(self.position)).await {
            return end;
        }
        let push = Arc::clone(&self.push);
        let expiry = sleep(self.expires_in);
        tokio::pin!(expiry);
        let mut look = every(LOOK);
        let mut heartbeat = every(HEARTBEAT);
        let mut check = every(self.revocations.interval());
        loop {
            let page = push.feed.next(self.tenant_id, self.position);
            tokio::pin!(page); // what ticks in between must not begin the reading anew
            let page = loop {
                let stays = tokio::select! {
                    biased;
                    () = push.shutdown.cancelled() => Err(End::Told(Farewell::Shutdown)),
                    () = outlet.sender.closed() => Err(End::Gone),
                    () = &mut expiry => Err(End::Told(Farewell::TokenExpired)),
                    _ = look.tick() => if self.connection.has_gone() { Err(End::Gone) } else { Ok(()) },
                    _ = check.tick() => self.may_stay().await,
                    _ = heartbeat.tick() => outlet.send(frame::heartbeat(self.position)).await,
                    page = &mut page => break page,
                };
                if let Err(end) = stays {
                    return end;
                }
            };
            if let Err(end) = self.pass_on(page, outlet).await {
                return end;
            }
        }
    }

    async fn may_stay(&self) -> Result<(), End> {
        self.revocations.check(self.tenant_id, self.session_id).await.map_err(|barred| {
            End::Told(match barred {
                Barred::Revoked => Farewell::SessionRevoked,
                Barred::Unknown => Farewell::Unavailable,
            })
        })
    }

    async fn pass_on(&mut self, page: Result<Arc<EventPage>, QueryError>, outlet: &Outlet) -> Result<(), End> {
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a stream waits for the read database");
                sleep(PAUSE).await;
                return Ok(());
            }
        };
        let mut text = String::new();
        for event in page.events.iter().filter(|event| event.position > self.position && self.audience.hears(event)) {
            match frame::event(event) {
                Ok(frame) => text.push_str(&frame),
                Err(error) => tracing::error!(%error, position = event.position, "an event could not be pushed"),
            }
        }
        self.position = page.upto;
        if text.is_empty() { Ok(()) } else { outlet.send(text).await }
    }
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut interval = interval_at(Instant::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_does_not_read_is_not_waited_for() {
        let (sender, mut receiver) = mpsc::channel(1);
        let outlet = Outlet { sender, patience: Duration::from_millis(20) };
        assert_eq!(outlet.send("1".to_owned()).await, Ok(()));
        assert_eq!(outlet.send("2".to_owned()).await, Err(End::Slow));
        assert_eq!(receiver.recv().await, Some(Bytes::from_static(b"1")));
        assert_eq!(outlet.send("3".to_owned()).await, Ok(()));
        drop(receiver);
        assert_eq!(outlet.send("4".to_owned()).await, Err(End::Gone));
    }
}
