//! Everything a batch of commands needs, in one round trip and one snapshot.

use crate::types::{LoadRequest, Loaded};
use crate::{EventLog, LogError};

impl EventLog {
    /// # Errors
    /// When the database does not answer.
    pub async fn load(&self, _request: &LoadRequest) -> Result<Loaded, LogError> {
        todo!()
    }
}
