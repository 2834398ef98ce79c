//! Reactions: on which events, which commands. They run at least once and take effect exactly once, because every
//! command carries a key made of the event, the step and the attempt that no request can name.
//!
//! A new reaction is a file in its context's folder and a line in [`all`].

mod checkpoint;
mod dead_letter;
mod reactor;
mod rule; // what reactions and effects have in common
mod step;

pub use dead_letter::{DeadLetter, DeadLetterFilter, dead_letters, find_dead_letter};
pub use reactor::Reactor;
pub use step::{Reaction, Step};

pub(crate) use checkpoint::{lock_checkpoint, move_checkpoint, pass};
pub(crate) use rule::{Rule, Unsolved};
pub(crate) use step::system_actor;

/// Every reaction of Holdfast.
#[must_use]
pub fn all() -> Vec<Reaction> {
    vec![
        crate::escrow::request_wallet_hold::REACTION,
        crate::escrow::answer_funding::REACTION,
        crate::escrow::capture_funding::REACTION,
        crate::escrow::return_funding::REACTION,
        crate::escrow::credit_legs::REACTION,
        crate::escrow::record_landing::REACTION,
        crate::escrow::freeze_settled::REACTION,
        crate::escrow::record_frozen::REACTION,
        crate::escrow::end_settled_case::REACTION,
        crate::escrow::tell_contract::REACTION,
        crate::escrow::confirm_booking::REACTION,
        crate::escrow::tell_booking::REACTION,
        crate::escrow::tell_dispute::REACTION,
        crate::escrow::tell_booking_of_dispute::REACTION,
        crate::dispute::enforce_decision::REACTION,
        crate::dispute::escalate::REACTION,
        crate::dispute::keep_evidence::REACTION,
        crate::escrow::keep_delivery::REACTION,
        crate::bank_receipt::credit_payer::REACTION,
        crate::wallet::credit_transfer::REACTION,
        crate::wallet::sell_credits::REACTION,
        crate::credits::credit_legs::REACTION,
        crate::booking::create_contract::REACTION,
        crate::booking::create_escrow::REACTION,
        crate::booking::start_work::REACTION,
        crate::booking::submit_delivery::REACTION,
        crate::booking::move_start::REACTION,
        crate::booking::end_agreement::REACTION,
        crate::contract::record_signature::REACTION,
        crate::contract::end_agreement::REACTION,
    ]
}
