//! States as they are written down and read again (protocols 2.5): snapshots are nothing else.

use holdfast_fuzzing::Dice;

use super::example::example;
use super::schemas::validator;
use crate::event::{AGGREGATE_TYPES, AnyAggregate, AnyEvent, EventSchema, schemas};

/// Histories per aggregate, and events in each.
const HISTORIES: u64 = 12;
const EVENTS: usize = 40;

fn events_of(aggregate_type: &str) -> Vec<EventSchema> {
    schemas().into_iter().filter(|entry| entry.aggregate_type == aggregate_type).collect()
}

/// Events of one aggregate in any order: a fold refuses none, so its states go further than any that rules allow.
fn history(entries: &[EventSchema], seed: u64) -> Vec<AnyEvent> {
    let mut dice = Dice::new(seed);
    let one = |_| {
        let entry = dice.pick(entries).unwrap();
        let data = example(&entry.schema, dice.below(24)).to_string();
        AnyEvent::decode(entry.aggregate_type, &entry.name, &entry.version.to_string(), &data).unwrap()
    };
    (0..EVENTS).map(one).collect()
}

#[test]
fn every_state_of_every_aggregate_reads_back_as_itself_and_goes_on_the_same() {
    // NFR-17.
    for aggregate_type in AGGREGATE_TYPES {
        let entries = events_of(aggregate_type);
        for seed in 0..HISTORIES {
            let mut folded = AnyAggregate::new(aggregate_type).unwrap();
            let mut stored = folded.clone();
            for (at, event) in history(&entries, seed).iter().enumerate() {
                folded.apply(event);
                stored.apply(event);
                if at % 7 == 6 {
                    stored = AnyAggregate::read(aggregate_type, &stored.state().unwrap().to_string()).unwrap();
                }
                assert_eq!(stored, folded, "{aggregate_type}, seed {seed}, after event {at}: {}", event.name());
            }
        }
    }
}

#[test]
fn every_state_has_the_shape_that_its_fingerprint_is_made_of() {
    for fold in AnyEvent::folds() {
        let (valid, entries) = (validator(&fold.state), events_of(fold.aggregate_type));
        for seed in 0..HISTORIES / 2 {
            let mut folded = AnyAggregate::new(fold.aggregate_type).unwrap();
            for event in history(&entries, seed) {
                folded.apply(&event);
                let state = folded.state().unwrap();
                let errors: Vec<_> = valid.iter_errors(&state).map(|error| error.to_string()).collect();
                assert!(errors.is_empty(), "{}, seed {seed}: {errors:?}\n{state:#}", fold.aggregate_type);
            }
        }
    }
}

#[test]
fn what_is_no_state_is_refused() {
    assert!(AnyAggregate::read("unheard_of", "{}").is_err());
    for aggregate_type in AGGREGATE_TYPES {
        for text in ["", "{", "null", "7", "\"escrow\""] {
            assert!(AnyAggregate::read(aggregate_type, text).is_err(), "{aggregate_type}: {text}");
        }
    }
}
