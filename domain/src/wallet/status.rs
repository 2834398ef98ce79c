//! The state machine as data (LED-30, MNY-52): every legal move.

use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WalletStatus {
    /// Nothing has happened to it yet: the honest default.
    #[default]
    Unopened,
    Active,
    Frozen,
    Closed,
}

/// What moves a wallet to another status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WalletAction {
    Open,
    Freeze,
    Unfreeze,
    Close,
    /// Not moves: only an active wallet may do them.
    Transfer,
    Spend,
}

use WalletAction::{Close, Freeze, Open, Spend, Transfer, Unfreeze};
use WalletStatus::{Active, Closed, Frozen, Unopened};

/// Every legal move; a pair that is not listed is refused. A credit after closing freezes (MNY-52), a command cannot.
#[rustfmt::skip] // keeps the columns
pub const TRANSITIONS: &[(WalletStatus, WalletAction, WalletStatus)] = &[
    (Unopened, Open,     Active),
    (Active,   Transfer, Active),
    (Active,   Spend,    Active),
    (Active,   Freeze,   Frozen),
    (Frozen,   Unfreeze, Active),
    (Active,   Close,    Closed),
];

impl WalletStatus {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Unopened => "unopened",
            Active => "active",
            Frozen => "frozen",
            Closed => "closed",
        }
    }
}

impl std::fmt::Display for WalletStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Display for WalletAction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Open => "open",
            Freeze => "freeze",
            Unfreeze => "unfreeze",
            Close => "close",
            Transfer => "transfer",
            Spend => "spend",
        })
    }
}
