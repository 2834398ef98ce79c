//! The books as a whole: each posting to the cent, any history, and the document that describes them.

mod books;
mod document;
mod entries;
mod histories;
mod postings;
pub(crate) mod samples;
