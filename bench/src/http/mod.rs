//! A lean HTTP/1.1 client and the load that it makes: it must cost less than what it measures.

mod client;
mod load;

pub(crate) use client::{Answer, Connection, get, post};
pub(crate) use load::{Load, Requests, Tally};
