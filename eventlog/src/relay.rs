//! The relay: a subscription whose effect is to publish (protocols 5).
