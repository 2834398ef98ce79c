//! The answer as it is kept under an idempotency key: replayed word for word.

use holdfast_eventlog::StoredReceipt;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::request::{Accepted, AcceptedEvent, Refusal, Rejection};

/// Without its position: the append knows that, and the receipt keeps it beside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    Accepted { id: Uuid, version: i64, status: String, events: Vec<AcceptedEvent> },
    Rejected(Rejection),
}

impl Answer {
    pub(crate) fn at(self, position: i64, replayed: bool) -> Result<Accepted, Refusal> {
        match self {
            Self::Accepted { id, version, status, events } => Ok(Accepted { id, version, position, status, events, replayed }),
            Self::Rejected(rejection) => Err(Refusal::Rejected { rejection, replayed }),
        }
    }
}

/// What a repeated request is told: the stored answer, or that the key belongs to another request.
pub(crate) fn replay(receipt: &StoredReceipt, sent_hash: &[u8], is_system: bool) -> Result<Accepted, Refusal> {
    // A deploy may change what a system command looks like: its stored answer wins.
    if !is_system && receipt.request_hash != sent_hash {
        return Err(Refusal::KeyReused { stored: fingerprint(&receipt.request_hash), sent: fingerprint(sent_hash) });
    }
    match serde_json::from_str::<Answer>(&receipt.answer) {
        Ok(answer) => answer.at(receipt.position, true),
        Err(error) => {
            tracing::error!(%error, "a stored answer cannot be read");
            Err(Refusal::Internal)
        }
    }
}

fn fingerprint(hash: &[u8]) -> String {
    hex::encode(&hash[..hash.len().min(4)])
}
