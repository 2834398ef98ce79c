//! The message server: a stream that knows messages by id for a while, acks that get lost, plain subscribers that are told
//! late, twice, in another order or not at all; a server that is away, a store that was wiped or put back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::port::{Ack, Acknowledged, LastMessage, MessageError, MessageServer, StreamState};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep};

use crate::chance::Chance;
use crate::faults::Faults;
use crate::process::Process;
use crate::trace::Trace;

const DUPLICATE_WINDOW: Duration = Duration::from_secs(600);
const ACK_WITHIN: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub struct Messages {
    state: Mutex<State>,
    chance: Chance,
    faults: Arc<Faults>,
    trace: Trace,
}

#[derive(Debug, Default)]
struct State {
    down: bool,
    connects: u64,
    made: u64,
    stream: Option<Stream>,
    subscribers: Vec<UnboundedSender<Vec<u8>>>,
}

#[derive(Debug, Clone)]
struct Stream {
    created: u64,
    filled: bool,
    last_sequence: u64,
    messages: Vec<Message>,
    ids: BTreeMap<String, (u64, Instant)>,
}

#[derive(Debug, Clone)]
pub struct Message {
    pub sequence: u64,
    pub id: String,
    pub tenant: String,
    pub payload: Vec<u8>,
}

impl Messages {
    #[must_use]
    pub fn new(seed: u64, faults: Arc<Faults>, trace: Trace) -> Arc<Self> {
        let state = Mutex::new(State { connects: 1, ..State::default() });
        Arc::new(Self { state, chance: Chance::new(seed, "messages"), faults, trace })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn stop(&self) {
        let mut state = self.state();
        state.down = true;
        state.subscribers.clear();
    }

    pub fn start(&self) {
        let mut state = self.state();
        if std::mem::take(&mut state.down) {
            state.connects += 1;
        }
    }

    /// The store is gone, and the server was started again for that.
    pub fn wipe(&self) {
        let mut state = self.state();
        state.stream = None;
        state.connects += 1;
        state.subscribers.clear();
    }

    /// The store is as it was some messages ago.
    pub fn put_back(&self, by: usize) {
        let mut state = self.state();
        state.connects += 1;
        state.subscribers.clear();
        let Some(stream) = &mut state.stream else { return };
        let keep = stream.messages.len().saturating_sub(by);
        stream.messages.truncate(keep);
        stream.last_sequence = stream.messages.last().map_or(0, |message| message.sequence);
        let last = stream.last_sequence;
        stream.ids.retain(|_, (sequence, _)| *sequence <= last);
    }

    #[must_use]
    pub fn all(&self) -> Vec<Message> {
        self.state().stream.as_ref().map(|stream| stream.messages.clone()).unwrap_or_default()
    }

    fn deliver(&self, subscribers: &[UnboundedSender<Vec<u8>>], payload: &[u8]) {
        for subscriber in subscribers {
            if self.faults.in_1000(&self.chance, |rates| rates.delivery_lost) {
                continue;
            }
            let copies = if self.faults.in_1000(&self.chance, |rates| rates.delivery_twice) { 2 } else { 1 };
            for _ in 0..copies {
                let late = self.faults.in_1000(&self.chance, |rates| rates.delivery_late);
                let delay = self.chance.micros(100, if late { 2_000_000 } else { 500 });
                let (subscriber, payload) = (subscriber.clone(), payload.to_vec());
                tokio::spawn(async move {
                    sleep(delay).await;
                    _ = subscriber.send(payload);
                });
            }
        }
    }

    fn take(&self, subject: &str, id: String, payload: Vec<u8>) -> Option<Acknowledged> {
        let mut state = self.state();
        if state.down {
            return None;
        }
        let subscribers = state.subscribers.clone();
        let stream = state.stream.as_mut();
        let taken = stream.map(|stream| {
            if let Some((sequence, at)) = stream.ids.get(&id)
                && at.elapsed() < DUPLICATE_WINDOW
            {
                return Acknowledged { sequence: *sequence, duplicate: true };
            }
            stream.last_sequence += 1;
            let sequence = stream.last_sequence;
            stream.ids.insert(id.clone(), (sequence, Instant::now()));
            let tenant = subject.split('.').nth(1).unwrap_or_default().to_owned();
            stream.messages.push(Message { sequence, id: id.clone(), tenant, payload: payload.clone() });
            Acknowledged { sequence, duplicate: false }
        });
        drop(state);
        // Plain subscribers hear of it whatever becomes of the stream.
        self.deliver(&subscribers, &payload);
        taken
    }
}

/// What one process sees of the server.
#[derive(Debug, Clone)]
pub struct Client {
    messages: Arc<Messages>,
    process: Process,
    line: Arc<Mutex<Line>>,
}

/// The client's own connection.
#[derive(Debug, Default)]
struct Line {
    cut_until: Option<Instant>,
    cuts: u64,
}

impl Client {
    #[must_use]
    pub fn new(messages: &Arc<Messages>, process: &Process) -> Self {
        Self { messages: Arc::clone(messages), process: process.clone(), line: Arc::default() }
    }

    /// What is sent now is lost, and so is what follows until the client has connected again.
    fn cut(&self) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        line.cut_until = Some(Instant::now() + Duration::from_millis(100));
        line.cuts += 1;
    }

    fn is_cut(&self) -> bool {
        self.line.lock().unwrap_or_else(PoisonError::into_inner).cut_until.is_some_and(|until| Instant::now() < until)
    }

    fn away(&self) -> Result<(), MessageError> {
        if self.is_connected() { Ok(()) } else { Err("not connected".into()) }
    }

    async fn wire(&self) {
        self.process.runs().await;
        sleep(self.messages.chance.micros(50, 1_000)).await;
    }
}

impl MessageServer for Client {
    fn is_connected(&self) -> bool {
        !self.messages.state().down && !self.is_cut()
    }

    fn connects(&self) -> u64 {
        let cuts = self.line.lock().unwrap_or_else(PoisonError::into_inner).cuts;
        self.messages.state().connects + cuts
    }

    fn publish(&self, subject: String, message_id: String, payload: Vec<u8>) -> BoxFuture<'_, Result<Ack, MessageError>> {
        Box::pin(async move {
            self.process.runs().await;
            let messages = &self.messages;
            if messages.faults.in_1000(&messages.chance, |rates| rates.publish_lost) {
                self.cut();
            }
            let lost = self.is_cut();
            let ack_lost = messages.faults.in_1000(&messages.chance, |rates| rates.ack_lost);
            messages.trace.note(&format!("{} publishes {message_id}{}", self.process.name, if lost { ": lost" } else { "" }));
            let taken = if lost { None } else { messages.take(&subject, message_id, payload) };
            let delay = messages.chance.micros(100, 2_000);
            let process = self.process.clone();
            let ack: Ack = Box::pin(async move {
                let answer = match taken.filter(|_| !ack_lost) {
                    Some(acknowledged) => {
                        sleep(delay).await;
                        Ok(acknowledged)
                    }
                    None => {
                        sleep(ACK_WITHIN).await;
                        Err("no ack in time".into())
                    }
                };
                process.runs().await;
                answer
            });
            Ok(ack)
        })
    }

    fn stream(&self) -> BoxFuture<'_, Result<Option<StreamState>, MessageError>> {
        Box::pin(async move {
            self.wire().await;
            self.away()?;
            let found = self.messages.state().stream.as_ref().map(|stream| StreamState {
                created: stream.created.to_string(),
                last_sequence: stream.last_sequence,
                filled: stream.filled,
            });
            self.wire().await;
            Ok(found)
        })
    }

    fn set_stream(&self, filled: bool) -> BoxFuture<'_, Result<(), MessageError>> {
        Box::pin(async move {
            self.wire().await;
            self.away()?;
            {
                let mut state = self.messages.state();
                state.made += 1;
                let created = state.made;
                let fresh = Stream { created, filled, last_sequence: 0, messages: Vec::new(), ids: BTreeMap::new() };
                state.stream.get_or_insert(fresh).filled = filled;
            }
            self.messages.trace.note(&format!("{} sets the stream, filled: {filled}", self.process.name));
            self.wire().await;
            Ok(())
        })
    }

    fn last_message(&self, tenant_id: TenantId) -> BoxFuture<'_, Result<LastMessage, MessageError>> {
        Box::pin(async move {
            self.wire().await;
            self.away()?;
            let tenant = tenant_id.to_string();
            let state = self.messages.state();
            let stream = state.stream.as_ref().ok_or("no stream")?;
            let last = stream.messages.iter().rev().find(|message| message.tenant == tenant);
            Ok(last.map(|message| (message.id.clone(), message.payload.clone())))
        })
    }

    fn subscribe(&self) -> BoxFuture<'_, Result<BoxStream<'static, Vec<u8>>, MessageError>> {
        Box::pin(async move {
            self.wire().await;
            self.away()?;
            let (sender, receiver) = unbounded_channel();
            self.messages.state().subscribers.push(sender);
            let process = self.process.clone();
            let messages = futures::stream::unfold((receiver, process), |(mut receiver, process)| async move {
                process.runs().await;
                let message = receiver.recv().await?;
                Some((message, (receiver, process)))
            });
            let messages: BoxStream<'static, Vec<u8>> = Box::pin(messages);
            Ok(messages)
        })
    }
}
