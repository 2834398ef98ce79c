//! What can be asked of a clause.

#[derive(Debug, Clone, PartialEq)]
pub enum ClauseCommand {
    /// CTR-15.
    Create { key: String, title: String, body_md: String, tags: Vec<String> },
}
