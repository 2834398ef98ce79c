//! Cursors are the client's to send: one of another list, or one that nobody made, is an invalid one and never a failure.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use holdfast_fuzzing::Target;
use holdfast_projections::query::{Page, QueryError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use uuid::Uuid;

const SORT: &str = "escrows:created_at:desc";

fn cursor(value: &serde_json::Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.encode(value.to_string()).into_bytes()
}

/// Taken as the end of a page, it is the end of the same page when it is written again.
fn holds_as<C: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug + Clone>(text: &str) -> bool {
    let page = Page::try_new(Some(1), Some(text.to_owned())).unwrap();
    let end: C = match page.after(SORT) {
        Ok(end) => end.unwrap(),
        Err(QueryError::InvalidCursor) => return false,
        Err(other) => panic!("{other}"),
    };
    let list = page.list(SORT, vec![end.clone(), end.clone()], Clone::clone).unwrap();
    let written = list.next_cursor.unwrap();
    let again = Page::try_new(Some(1), Some(written.clone())).unwrap();
    assert_eq!(again.after::<C>(SORT).unwrap().as_ref(), Some(&end), "{written}");
    // Of this list and no other.
    assert!(matches!(again.after::<C>("wallets"), Err(QueryError::InvalidCursor)));
    true
}

fn holds(input: &[u8]) -> bool {
    let text = String::from_utf8_lossy(input);
    // Every shape that a list of ours has.
    let taken = [
        holds_as::<(DateTime<Utc>, Uuid)>(&text),
        holds_as::<(Option<DateTime<Utc>>, Uuid)>(&text),
        holds_as::<(String, Uuid)>(&text),
        holds_as::<(i64, i16)>(&text),
        holds_as::<i64>(&text),
        holds_as::<Uuid>(&text),
        holds_as::<String>(&text),
    ];
    taken.contains(&true)
}

#[test]
fn fuzz_cursors() {
    let id = Uuid::from_u128(7);
    let mut corpus: Vec<_> = [
        json!([SORT, ["2026-03-01T12:00:00Z", id]]),
        json!([SORT, [null, id]]),
        json!([SORT, ["1250.00", id]]),
        json!([SORT, [17, 2]]),
        json!([SORT, 17]),
        json!([SORT, id]),
        json!(["wallets", 17]),
    ]
    .iter()
    .map(cursor)
    .collect();
    corpus.push(b"x!".to_vec());
    // Inputs are the text of a cursor, and, so that changes get behind the base64, what is inside of one.
    let inside = Target {
        name: "cursors",
        corpus: corpus.iter().map(|text| URL_SAFE_NO_PAD.decode(text).unwrap_or_default()).collect(),
        words: &["\"", "[", "Z", SORT],
    };
    inside.run(|input| holds(URL_SAFE_NO_PAD.encode(input).as_bytes()));
    Target { name: "cursors", corpus, words: &["W1", "=", "-", "_"] }.run(holds);
}
