//! Effects: what is slow or lies outside, on an event: documents, signing providers. Like reactions they run at least once
//! and report back with commands under keys of their own; unlike them they may wait and fail. They have a subscription
//! of their own, so no money waits for them.
//!
//! A new effect is a file in its context's folder and a line in [`all`].

mod ports;
mod runtime;

pub use ports::Ports;
pub(crate) use ports::load;
pub use runtime::{Effect, EffectError};

/// Every effect of Holdfast.
#[must_use]
pub fn all() -> Vec<Effect> {
    vec![
        crate::contract::render_documents::EFFECT,
        crate::contract::create_envelope::EFFECT,
        crate::contract::void_envelope::EFFECT,
        crate::asset::delete_file::EFFECT,
        crate::person::destroy_keys::EFFECT,
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn reactions_and_effects_share_no_name() {
        // Names are key spaces: two rules with one name would take each other's work for done.
        let reactions: Vec<_> = crate::reaction::all().into_iter().map(|reaction| reaction.name).collect();
        let names: Vec<_> = reactions.into_iter().chain(super::all().into_iter().map(|effect| effect.name)).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
    }
}
