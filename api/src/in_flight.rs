//! Places for requests in work: so many of each kind, and who finds none is told at once to come again (docs/settings.md, "Queues
//! and bounds"). A place is taken before token and body are looked at, and is given back when the work is over, also when
//! the client went before.

use std::num::NonZeroUsize;
use std::sync::Arc;

use metrics::{Counter, Gauge};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::commands::batch;
use crate::error::ApiError;
use crate::files;
use crate::queries::push;
use crate::routes::{Access, Kind, RouteSpec};

/// How many of each kind may be in work in this process.
#[derive(Debug, Clone, Copy)]
pub struct InFlightLimits {
    pub commands: usize,
    /// `POST /v1/commands`.
    pub batches: usize,
    /// Commands of all batches; they wait for each other, so that batches leave room in the writers' queues.
    pub batched_commands: usize,
    /// Uploads and downloads by link.
    pub files: usize,
    /// What else comes without a token of ours: signing links, messages of providers.
    pub signed: usize,
    pub queries: usize,
    /// PDFs that are made or wait for their turn.
    pub documents: usize,
}

impl Default for InFlightLimits {
    fn default() -> Self {
        Self { commands: 2_048, batches: 32, batched_commands: 2_048, files: 256, signed: 256, queries: 1_024, documents: 32 }
    }
}

/// What a place is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    Commands,
    Batches,
    Files,
    Signed,
    Queries,
    Documents,
}

impl Lane {
    /// None: health and the like must always answer, and streams have places of their own (docs/push.md).
    pub(crate) fn of(spec: &RouteSpec) -> Option<Self> {
        match (spec.kind, spec.access) {
            (Kind::Platform, _) => None,
            _ if spec.path == push::PATH => None,
            _ if spec.path == batch::PATH => Some(Self::Batches),
            _ if spec.path == files::PATH => Some(Self::Files),
            (_, Access::Signed) => Some(Self::Signed),
            (Kind::Command, _) => Some(Self::Commands),
            (Kind::Query, _) => Some(Self::Queries),
        }
    }
}

/// The places of this process.
#[derive(Debug)]
pub(crate) struct InFlight {
    commands: Places,
    batches: Places,
    batched_commands: Places,
    files: Places,
    signed: Places,
    queries: Places,
    documents: Places,
    /// Documents that are being made: this is work for a processor alone.
    turns: Arc<Semaphore>,
}

struct Places {
    free: Arc<Semaphore>,
    taken: Gauge,
    shed: Counter,
}

/// Given back when its last clone is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Place(#[expect(dead_code, reason = "kept until it is dropped")] Arc<Taken>);

struct Taken {
    gauge: Gauge,
    _permit: OwnedSemaphorePermit,
    /// Of the request that this one came in.
    _outer: Option<Place>,
}

tokio::task_local! {
    static HELD: Place;
}

impl InFlight {
    pub(crate) fn new(limits: &InFlightLimits) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            commands: Places::new("commands", limits.commands),
            batches: Places::new("batches", limits.batches),
            batched_commands: Places::new("batched_commands", limits.batched_commands),
            files: Places::new("files", limits.files),
            signed: Places::new("signed", limits.signed),
            queries: Places::new("queries", limits.queries),
            documents: Places::new("documents", limits.documents),
            turns: Arc::new(Semaphore::new((cores / 2).max(1))),
        }
    }

    /// Refuses with `OVERLOADED`.
    pub(crate) fn take(&self, lane: Lane) -> Result<Place, ApiError> {
        let places = match lane {
            Lane::Commands => &self.commands,
            Lane::Batches => &self.batches,
            Lane::Files => &self.files,
            Lane::Signed => &self.signed,
            Lane::Queries => &self.queries,
            Lane::Documents => &self.documents,
        };
        places.take().ok_or_else(ApiError::overloaded)
    }

    /// For one command of a batch, which has a place: waits for its turn among the commands of all batches.
    pub(crate) async fn batched(&self) -> Result<Place, ApiError> {
        self.batched_commands.wait().await.ok_or_else(ApiError::internal_silent)
    }

    /// Makes a document on a thread of its own, when it is its turn. Refuses with `OVERLOADED` when too many wait.
    pub(crate) async fn make_document<T: Send + 'static>(&self, make: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
        let place = self.take(Lane::Documents)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|error| ApiError::internal(&error))?;
        let made = tokio::task::spawn_blocking(move || {
            let _until_made = (place, turn);
            make()
        });
        made.await.map_err(|error| ApiError::internal(&error))
    }
}

impl Places {
    fn new(kind: &'static str, limit: usize) -> Self {
        let taken = metrics::gauge!("holdfast_in_flight", "kind" => kind);
        let shed = metrics::counter!("holdfast_shed_total", "kind" => kind);
        // So that both are there before the first request.
        taken.set(0.0);
        shed.absolute(0);
        Self { free: Arc::new(Semaphore::new(limit)), taken, shed }
    }

    fn take(&self) -> Option<Place> {
        let permit = Arc::clone(&self.free).try_acquire_owned();
        if permit.is_err() {
            self.shed.increment(1);
        }
        permit.ok().map(|permit| self.place(permit))
    }

    async fn wait(&self) -> Option<Place> {
        Arc::clone(&self.free).acquire_owned().await.ok().map(|permit| self.place(permit))
    }

    fn place(&self, permit: OwnedSemaphorePermit) -> Place {
        self.taken.increment(1.0);
        Place(Arc::new(Taken { gauge: self.taken.clone(), _permit: permit, _outer: Place::held() }))
    }
}

impl Place {
    /// The place that the work which asks was begun with.
    pub(crate) fn held() -> Option<Self> {
        HELD.try_with(Self::clone).ok()
    }

    /// `work` and all tasks that it begins hold the place.
    pub(crate) async fn hold<T>(self, work: impl Future<Output = T>) -> T {
        HELD.scope(self, work).await
    }
}

/// `work` holds the place, where there is one.
pub(crate) async fn holding<T>(place: Option<Place>, work: impl Future<Output = T>) -> T {
    match place {
        Some(place) => place.hold(work).await,
        None => work.await,
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.gauge.decrement(1.0);
    }
}

impl std::fmt::Debug for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Places").field("free", &self.free.available_permits()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Taken").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::runtime::Handle;
    use tokio::sync::oneshot;

    use super::*;
    use crate::routes;
    use crate::state::Tasks;

    fn in_flight(limit: usize) -> InFlight {
        let all = |limit| InFlightLimits {
            commands: limit,
            batches: limit,
            batched_commands: limit,
            files: limit,
            signed: limit,
            queries: limit,
            documents: limit,
        };
        InFlight::new(&all(limit))
    }

    #[test]
    fn every_route_has_its_lane_and_what_must_always_answer_has_none() {
        for spec in routes::all() {
            let free = spec.kind == Kind::Platform || spec.path == "/v1/stream";
            assert_eq!(Lane::of(spec).is_none(), free, "{} {}", spec.method, spec.path);
        }
        let of = |method, path| Lane::of(routes::all().find(|spec| (spec.method, spec.path) == (method, path)).unwrap());
        assert_eq!(of("POST", "/v1/escrows"), Some(Lane::Commands));
        assert_eq!(of("GET", "/v1/escrows"), Some(Lane::Queries));
        assert_eq!(of("POST", "/v1/commands"), Some(Lane::Batches));
        assert_eq!((of("PUT", "/v1/files/{token}"), of("GET", "/v1/files/{token}")), (Some(Lane::Files), Some(Lane::Files)));
        assert_eq!(of("POST", "/v1/esign/webhook"), Some(Lane::Signed));
    }

    #[test]
    fn who_finds_no_place_is_told_when_to_come_again() {
        let places = in_flight(1);
        let place = places.take(Lane::Commands).unwrap();
        let refused = places.take(Lane::Commands).unwrap_err();
        assert_eq!(refused.code(), "OVERLOADED");
        assert_eq!(refused.render(None).headers().get("Retry-After").unwrap(), "1");
        places.take(Lane::Queries).unwrap();
        let clone = place.clone();
        drop(place);
        places.take(Lane::Commands).unwrap_err();
        drop(clone);
        places.take(Lane::Commands).unwrap();
    }

    #[tokio::test]
    async fn work_that_outlives_its_client_keeps_the_place_until_it_is_over() {
        let (places, tasks) = (in_flight(1), Tasks::new(Handle::current()));
        let (end, ended) = oneshot::channel::<()>();
        let place = places.take(Lane::Commands).unwrap();
        let work = async move {
            ended.await.ok();
            assert!(Place::held().is_some(), "what the work begins holds it too");
            Ok(())
        };
        let request = place.hold(tasks.run(work));
        // The client goes: the server drops the request.
        assert!(tokio::time::timeout(Duration::from_millis(20), request).await.is_err());
        places.take(Lane::Commands).unwrap_err();
        end.send(()).unwrap();
        tasks.finish().await;
        places.take(Lane::Commands).unwrap();
        assert!(Place::held().is_none());
    }

    #[tokio::test]
    async fn commands_of_batches_wait_for_each_other_and_hold_the_batchs_place() {
        let places = in_flight(1);
        let batch = places.take(Lane::Batches).unwrap();
        let first = batch.hold(places.batched()).await.unwrap();
        // The batch itself is gone, its command is not.
        places.take(Lane::Batches).unwrap_err();
        assert!(tokio::time::timeout(Duration::from_millis(20), places.batched()).await.is_err());
        drop(first);
        places.take(Lane::Batches).unwrap();
        places.batched().await.unwrap();
    }

    #[tokio::test]
    async fn documents_are_made_in_turn_and_too_many_are_refused() {
        let places = Arc::new(in_flight(1));
        let (begun, has_begun) = oneshot::channel::<()>();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let first = tokio::spawn({
            let places = Arc::clone(&places);
            async move {
                let make = move || {
                    begun.send(()).unwrap();
                    ended.recv().unwrap();
                };
                places.make_document(make).await
            }
        });
        has_begun.await.unwrap();
        assert_eq!(places.make_document(|| ()).await.unwrap_err().code(), "OVERLOADED");
        end.send(()).unwrap();
        first.await.unwrap().unwrap();
        places.make_document(|| ()).await.unwrap();
    }
}
