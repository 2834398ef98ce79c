//! A talent's time: from, to; whole quarters of an hour, so that the log's unique keys can guard it (CNF-53).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// `from` is in it, `to` is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Slot {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
}
