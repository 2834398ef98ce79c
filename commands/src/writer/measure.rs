//! How much memory a state takes, near enough and never too little.

use std::io;

use serde::Serialize;

/// A state in memory is hardly ever larger than twice its JSON, which spells out every name and number: nodes of maps that are half
/// full are the worst of it.
const PER_BYTE_OF_JSON: usize = 2;

/// Writes the JSON into nothing and counts.
pub(crate) fn measure(state: &impl Serialize) -> usize {
    let mut length = Length(0);
    // What cannot be written is never stored either.
    let _ = serde_json::to_writer(&mut length, state);
    length.0 * PER_BYTE_OF_JSON
}

struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use uuid::Uuid;

    use super::*;

    #[test]
    fn it_grows_with_what_is_in_the_state() {
        let of = |entries: u128| measure(&(0..entries).map(|n| (Uuid::from_u128(n), "x".repeat(100))).collect::<BTreeMap<_, _>>());
        assert_eq!(of(0), 4);
        // A key of 16 bytes, a string of 24 and its 100 bytes.
        assert!((140_000..400_000).contains(&of(1_000)), "{}", of(1_000));
    }
}
