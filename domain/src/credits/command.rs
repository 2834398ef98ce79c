//! What can be asked of a credits.

#[derive(Debug, Clone, PartialEq)]
pub enum CreditsCommand {}
