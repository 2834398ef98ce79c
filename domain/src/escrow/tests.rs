//! One test per rule, named after what it says; the rule's id is in a comment. `case` puts every event of every test to a
//! naive model (`model`) as well. `tables` walks every status, action and hat; `histories` are random ones.

mod case;
mod decisions;
mod disputes;
mod funding;
mod histories;
mod model;
mod money;
mod refunds;
mod releases;
mod stored;
mod tables;
