//! What frontends are told of: the events of a tenant in order, each with who takes part in what it is about. No read model of
//! its own: the audit log, once every projection has the event, so that whoever hears of an event finds it in every query.

mod feed;

pub use feed::{FeedEvent, MAX_EVENTS, feed};
