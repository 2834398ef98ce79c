//! An effect as data, and how long its failures are borne.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::{ErrorKind, Recorded};
use holdfast_eventlog::failpoint;
use serde_json::json;

use crate::effect::Ports;
use crate::reaction::{Rule, Step, Unsolved};
use crate::request::Rejection;

/// Tries while somebody outside does not answer, with pauses that double from 200 ms: about 13 s in all.
const TRIES: u32 = 7;
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Does something and comes to the commands that report it.
#[derive(Clone, Copy)]
pub struct Effect {
    /// As a reaction's: unique among both.
    pub name: &'static str,
    pub on: &'static [&'static str],
    /// Doing it twice must have the outcome of doing it once.
    pub run: Run,
}

type Run = for<'a> fn(&'a Ports, &'a Recorded<AnyEvent>) -> BoxFuture<'a, Result<Vec<Step>, EffectError>>;

#[derive(Debug, thiserror::Error)]
pub enum EffectError {
    /// A database or the files: we wait for as long as it takes, as reactions do.
    #[error("a part of ours does not answer")]
    Ours(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Somebody else's service: a few tries, then a dead letter that can be redriven when it is back.
    #[error("{code}: {message}")]
    Theirs { code: &'static str, message: String },
    /// It would fail in the same way again.
    #[error("{code}: {message}")]
    Permanent { code: &'static str, message: String },
}

impl EffectError {
    pub(crate) fn ours(cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Ours(Box::new(cause))
    }
}

impl Effect {
    pub(crate) fn with(self, ports: Ports) -> BoundEffect {
        BoundEffect { effect: self, ports }
    }
}

/// An effect and what it works with.
pub(crate) struct BoundEffect {
    effect: Effect,
    ports: Ports,
}

impl BoundEffect {
    async fn steps(&self, event: &Recorded<AnyEvent>) -> Result<Vec<Step>, Unsolved> {
        let mut pause = FIRST_PAUSE;
        for tried in 1.. {
            let (code, message) = match (self.effect.run)(&self.ports, event).await {
                Ok(steps) => {
                    failpoint::reached("effect.after_call");
                    return Ok(steps);
                }
                Err(EffectError::Ours(error)) => return Err(Unsolved::NotYet(error)),
                Err(EffectError::Theirs { code, message }) if tried < TRIES => {
                    tracing::warn!(effect = self.effect.name, tried, code, message, "an effect waits for somebody else");
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                    continue;
                }
                Err(EffectError::Theirs { code, message } | EffectError::Permanent { code, message }) => (code, message),
            };
            return Err(Unsolved::ForGood(Rejection { kind: ErrorKind::Conflict, code: code.to_owned(), message, details: json!({}) }));
        }
        Ok(Vec::new())
    }
}

impl Rule for BoundEffect {
    fn name(&self) -> &'static str {
        self.effect.name
    }

    fn on(&self) -> &'static [&'static str] {
        self.effect.on
    }

    fn concerns(&self, _: &Recorded<AnyEvent>) -> bool {
        true
    }

    fn steps<'a>(&'a self, event: &'a Recorded<AnyEvent>) -> BoxFuture<'a, Result<Vec<Step>, Unsolved>> {
        self.steps(event).boxed()
    }
}
