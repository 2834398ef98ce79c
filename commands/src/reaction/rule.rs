//! What a reaction and an effect have in common: on an event, they come to steps.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::Recorded;

use crate::reaction::{Reaction, Step};
use crate::request::Rejection;

/// One rule of the kind "when this has happened, do that".
pub(crate) trait Rule: Send + Sync {
    /// Names the key space (`system:<name>`), dead letters and metrics. Never changes.
    fn name(&self) -> &'static str;

    /// Stored names of the events that it answers.
    fn on(&self) -> &'static [&'static str];

    /// False when it can be told without any effort that nothing follows.
    fn concerns(&self, event: &Recorded<AnyEvent>) -> bool;

    fn steps<'a>(&'a self, event: &'a Recorded<AnyEvent>) -> BoxFuture<'a, Result<Vec<Step>, Unsolved>>;
}

/// Why a rule has not come to steps.
#[derive(Debug)]
pub(crate) enum Unsolved {
    /// A part of our own does not answer: the same attempt will be made again.
    NotYet(Box<dyn std::error::Error + Send + Sync>),
    /// A dead letter.
    ForGood(Rejection),
}

impl Rule for Reaction {
    fn name(&self) -> &'static str {
        self.name
    }

    fn on(&self) -> &'static [&'static str] {
        self.on
    }

    fn concerns(&self, event: &Recorded<AnyEvent>) -> bool {
        !(self.steps)(event).is_empty()
    }

    fn steps<'a>(&'a self, event: &'a Recorded<AnyEvent>) -> BoxFuture<'a, Result<Vec<Step>, Unsolved>> {
        std::future::ready(Ok((self.steps)(event))).boxed()
    }
}
