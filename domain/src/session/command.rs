//! What can be asked of a session's stream.

use crate::session::RevocationReason;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionCommand {
    /// Somebody else's, or one's own from elsewhere: by administrators. Again changes nothing.
    Revoke { reason: RevocationReason },
    /// One's own: the edge has made sure that the command comes with a token of this session. Again changes nothing.
    SignOut,
}
