//! Versions of stored shapes (NFR-30). Stored events never change; a new shape of an event is its next version, and an
//! upcaster says what an old payload would be today. How to make one: docs/events.md.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::DecodeError;

/// Makes payloads of version `from` of one event into payloads of version `from + 1`.
#[derive(Debug, Clone, Copy)]
pub struct Upcaster {
    /// `escrow.funded`.
    pub event: &'static str,
    pub from: u32,
    /// Pure. What it does not recognise it gives back unchanged: parsing says what is wrong with it.
    pub up: fn(Value) -> Value,
}

/// All upcasters, the only place that knows versions: an event's current version is one more than the last `from` it has here.
pub const UPCASTERS: &[Upcaster] = &[];

/// The version that is written today; 1 for an event that never changed.
#[must_use]
pub fn current_version(event: &str) -> u32 {
    current_of(UPCASTERS, event)
}

fn current_of(upcasters: &[Upcaster], event: &str) -> u32 {
    upcasters.iter().filter(|upcaster| upcaster.event == event).map(|upcaster| upcaster.from + 1).max().unwrap_or(1)
}

/// An event as the log holds it.
pub(super) struct Stored<'a> {
    pub aggregate_type: &'static str,
    pub event_type: &'a str,
    pub event_version: &'a str,
    pub payload: &'a str,
}

impl Stored<'_> {
    /// # Errors
    /// `UnknownVersion` for a version that this program does not know, `Unreadable` for a payload of another shape.
    pub(super) fn read<E: DeserializeOwned>(&self, upcasters: &[Upcaster]) -> Result<E, DecodeError> {
        let known = current_of(upcasters, self.event_type);
        let version = self.event_version.parse().ok().filter(|version| (1..=known).contains(version));
        let Some(version) = version else {
            let (event_type, version) = (self.event_type.to_owned(), self.event_version.to_owned());
            return Err(DecodeError::UnknownVersion { event_type, version, known });
        };
        let unreadable = |source| DecodeError::Unreadable { aggregate_type: self.aggregate_type, source };
        if version == known {
            // Nearly every event: straight into its type.
            return serde_json::from_str(self.payload).map_err(unreadable);
        }
        let mut payload: Value = serde_json::from_str(self.payload).map_err(unreadable)?;
        for from in version..known {
            let step = upcasters.iter().find(|upcaster| upcaster.event == self.event_type && upcaster.from == from);
            payload = step.map_or_else(|| Value::Null, |upcaster| (upcaster.up)(payload));
        }
        serde_json::from_value(payload).map_err(unreadable)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::asset::AssetEvent;

    /// `asset.kept` as if it had been a bare id once, and had said `who` after that.
    const CHAIN: &[Upcaster] = &[
        Upcaster { event: "asset.kept", from: 1, up: |old| json!({ "kept": { "who": old["kept"] } }) },
        Upcaster { event: "asset.kept", from: 2, up: |old| json!({ "kept": { "by": old["kept"]["who"] } }) },
    ];

    fn read(event_type: &str, event_version: &str, payload: &Value) -> Result<AssetEvent, DecodeError> {
        let payload = &payload.to_string();
        Stored { aggregate_type: "asset", event_type, event_version, payload }.read(CHAIN)
    }

    #[test]
    fn every_earlier_version_becomes_todays_event() {
        let id = Uuid::from_u128(7);
        let shapes = [json!({ "kept": id }), json!({ "kept": { "who": id } }), json!({ "kept": { "by": id } })];
        for (version, payload) in ["1", "2", "3"].iter().zip(&shapes) {
            assert_eq!(read("asset.kept", version, payload).unwrap(), AssetEvent::Kept { by: id }, "{version}");
        }
        assert!(matches!(read("asset.kept", "3", &shapes[0]), Err(DecodeError::Unreadable { .. })));
        assert!(matches!(read("asset.kept", "1", &shapes[2]), Err(DecodeError::Unreadable { .. })));
    }

    #[test]
    fn other_events_are_untouched() {
        assert_eq!(read("asset.deleted", "1", &json!("deleted")).unwrap(), AssetEvent::Deleted);
        assert!(matches!(read("asset.deleted", "2", &json!("deleted")), Err(DecodeError::UnknownVersion { .. })));
    }

    #[test]
    fn a_newer_version_is_an_error_that_names_it() {
        for strange in ["4", "0", "-1", "", "1.0"] {
            let Err(DecodeError::UnknownVersion { event_type, version, known }) = read("asset.kept", strange, &json!("x")) else {
                panic!("{strange:?} was read")
            };
            assert_eq!((event_type.as_str(), version.as_str(), known), ("asset.kept", strange, 3));
        }
        let error = read("asset.kept", "4", &json!("x")).unwrap_err().to_string();
        assert_eq!(error, r#"unreadable event "asset.kept" of version "4": this program knows versions 1 to 3"#);
    }

    #[test]
    fn every_upcaster_stands_in_a_chain_from_version_1() {
        for table in [CHAIN, UPCASTERS] {
            for upcaster in table {
                for from in 1..=upcaster.from {
                    let steps = table.iter().filter(|other| other.event == upcaster.event && other.from == from).count();
                    assert_eq!(steps, 1, "{} has {steps} upcasters from version {from}", upcaster.event);
                }
            }
        }
    }
}
