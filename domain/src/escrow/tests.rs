//! One test per rule, named after what it says; the rule's id is in a comment. `case` puts every event of every test to a
//! naive model (`model`) as well. `tables` walks every status, action and hat; `histories` are random ones.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks for what it is about and passes over the rest")]

mod agreement;
mod case;
mod decisions;
mod disputes;
mod enforcement;
mod frozen;
mod funding;
mod histories;
mod model;
mod money;
mod refunds;
mod releases;
mod settled;
mod stored;
mod tables;
