//! Messages on their way to a subscriber get lost, are repeated, come late and out of order.
//!
//! Only messages of `events.>` are touched: acknowledgements, answers and the handshake pass as they are, for what they carry is
//! TCP's business and [`super::proxy`] breaks that.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::nats_wire::next_frame;
use super::proxy::{Filter, MakeFilter};
use crate::rng::Rng;

/// How many of a hundred messages meet which fate; the rest arrive as sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chances {
    pub drop: u64,
    pub duplicate: u64,
    /// Late by up to `delay_ms`, while later ones pass.
    pub delay: u64,
    pub delay_ms: u64,
}

/// What has been done to messages.
#[derive(Debug, Default)]
pub struct Done {
    pub seen: AtomicU64,
    pub dropped: AtomicU64,
    pub duplicated: AtomicU64,
    pub delayed: AtomicU64,
}

impl Done {
    /// Messages that did not arrive as sent.
    #[must_use]
    pub fn faults(&self) -> u64 {
        [&self.dropped, &self.duplicated, &self.delayed].into_iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

/// For [`super::proxy::Link::open`]. `name`: of the link; each connection draws its own numbers from the seed.
#[must_use]
pub fn messages(seed: u64, name: &str, chances: Chances) -> (MakeFilter, Arc<Done>) {
    let (name, done) = (name.to_owned(), Arc::new(Done::default()));
    let counted = done.clone();
    let make = move |connection| -> Box<dyn Filter> {
        Box::new(Messages {
            rng: Rng::new(seed, &format!("messages/{name}/{connection}")),
            chances,
            done: counted.clone(),
            buffer: BytesMut::new(),
            late: Vec::new(),
            broken: false,
        })
    };
    (Arc::new(make), done)
}

struct Messages {
    rng: Rng,
    chances: Chances,
    done: Arc<Done>,
    buffer: BytesMut,
    late: Vec<(Instant, Bytes)>,
    /// These are no frames of NATS (any more): everything passes.
    broken: bool,
}

impl Filter for Messages {
    fn pass(&mut self, bytes: &[u8]) -> Bytes {
        self.buffer.extend_from_slice(bytes);
        let mut out = BytesMut::new();
        while !self.broken {
            match next_frame(&mut self.buffer) {
                Ok(None) => break,
                Ok(Some(frame)) if frame.subject.as_deref().is_some_and(|subject| subject.starts_with("events.")) => {
                    self.deal(frame.bytes, &mut out);
                }
                Ok(Some(frame)) => out.extend_from_slice(&frame.bytes),
                Err(error) => {
                    eprintln!("the NATS shim gives up on a connection: {error}");
                    self.broken = true;
                }
            }
        }
        if self.broken {
            out.extend_from_slice(&self.buffer.split());
        }
        out.freeze()
    }

    fn due(&mut self) -> (Bytes, Option<Duration>) {
        let now = Instant::now();
        let (due, late): (Vec<_>, Vec<_>) = self.late.drain(..).partition(|(at, _)| *at <= now);
        self.late = late;
        let bytes: BytesMut = due.into_iter().flat_map(|(_, bytes)| bytes).collect();
        let next = self.late.iter().map(|(at, _)| at.saturating_duration_since(now)).min();
        (bytes.freeze(), next)
    }
}

impl Messages {
    fn deal(&mut self, message: Bytes, out: &mut BytesMut) {
        let Chances { drop, duplicate, delay, delay_ms } = self.chances;
        let count = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed);
        count(&self.done.seen);
        // Always the same number of draws, so that one fate does not shift those that follow.
        let (fate, late_by) = (self.rng.below(100), self.rng.millis(1, delay_ms));
        if fate < drop {
            count(&self.done.dropped);
        } else if fate < drop + duplicate {
            count(&self.done.duplicated);
            out.extend_from_slice(&message);
            out.extend_from_slice(&message);
        } else if fate < drop + duplicate + delay {
            count(&self.done.delayed);
            self.late.push((Instant::now() + late_by, message));
        } else {
            out.extend_from_slice(&message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deal(seed: u64, chances: Chances) -> (String, Arc<Done>) {
        let (make, done) = messages(seed, "test", chances);
        let mut filter = make(0);
        let mut out = filter.pass(b"INFO {}\r\nMSG _INBOX.a 1 1\r\nx\r\n").to_vec();
        for n in 0..200 {
            out.extend_from_slice(&filter.pass(format!("MSG events.t.a 1 3\r\n{n:03}\r\n").as_bytes()));
        }
        std::thread::sleep(Duration::from_millis(chances.delay_ms + 5));
        out.extend_from_slice(&filter.due().0);
        (String::from_utf8(out).unwrap(), done)
    }

    fn arrived(text: &str, n: usize) -> usize {
        text.matches(&format!("\r\n{n:03}\r\n")).count()
    }

    const NONE: Chances = Chances { drop: 0, duplicate: 0, delay: 0, delay_ms: 1 };

    #[test]
    fn each_fault_does_what_it_says_and_touches_events_only() {
        let (text, done) = deal(1, Chances { drop: 30, ..NONE });
        let missing = (0..200).filter(|n| arrived(&text, *n) == 0).count();
        assert!(missing > 20 && missing as u64 == done.faults(), "{missing}");
        assert!(text.starts_with("INFO {}\r\nMSG _INBOX.a 1 1\r\nx\r\n"));

        let (text, _) = deal(1, Chances { duplicate: 30, ..NONE });
        assert!((0..200).all(|n| arrived(&text, n) >= 1) && (0..200).filter(|n| arrived(&text, *n) == 2).count() > 20);

        let (text, _) = deal(1, Chances { delay: 30, delay_ms: 3, ..NONE });
        assert!((0..200).all(|n| arrived(&text, n) == 1), "nothing is lost");
        let order: Vec<usize> = (0..200).map(|n| text.find(&format!("\r\n{n:03}\r\n")).unwrap()).collect();
        assert!(!order.is_sorted());
    }

    #[test]
    fn the_same_seed_drops_the_same_messages() {
        let chances = Chances { drop: 20, duplicate: 20, ..NONE };
        assert_eq!(deal(5, chances).0, deal(5, chances).0);
        assert_ne!(deal(5, chances).0, deal(6, chances).0);
    }
}
