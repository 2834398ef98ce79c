//! The fingerprint by which a text is known for ever.

use sha2::{Digest, Sha256};

/// SHA-256 of the text's UTF-8 bytes, lower-case hex: what signers sign (CTR-40, CTR-43).
#[must_use]
pub fn document_hash(body: &str) -> String {
    Sha256::digest(body.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
