//! What happened, in order: as a number that two runs of one seed must share, and as text for whoever asks for it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

#[derive(Debug, Clone)]
pub struct Trace(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    begun: Instant,
    hash: u64,
    lines: u64,
    print: bool,
}

impl Trace {
    #[must_use]
    pub fn new(print: bool) -> Self {
        Self(Arc::new(Mutex::new(Inner { begun: Instant::now(), hash: 0xcbf2_9ce4_8422_2325, lines: 0, print })))
    }

    #[expect(clippy::print_stdout, reason = "that is what was asked for")]
    pub fn note(&self, line: &str) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = inner.begun.elapsed().as_micros();
        let text = format!("{:>4}.{:06} {line}", at / 1_000_000, at % 1_000_000);
        for byte in text.bytes() {
            inner.hash = (inner.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        inner.lines += 1;
        if inner.print {
            println!("{text}");
        }
    }

    #[must_use]
    pub fn hash(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).hash
    }

    #[must_use]
    pub fn lines(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).lines
    }
}
