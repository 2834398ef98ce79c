//! Certificates of erasure (ADM-25, CNF-33): who was erased, by which events, and how many keys were destroyed.

mod queries;
mod view;

pub use queries::{CertificateView, certificate};
pub use view::{ErasureRow, PROJECTION, projection};
