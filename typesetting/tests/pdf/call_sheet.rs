//! Call sheets.

use holdfast_documents::*;
use holdfast_typesetting::*;

use crate::given::*;
use crate::read::*;

#[test]
fn a_call_sheet_shows_where_when_and_who() {
    let text = text(&call_sheet_pdf(&call_sheet()).unwrap());
    for expected in [
        "Booking 01937d5c-2b7e-7c3a-9d53-00000000000b Version 2 Published 2026-03-01T12:00:00Z",
        "Location Große Halle, Hauptstraße 1, 10115 Berlin",
        "Schedule 07:30 Crew call 09:00 Rehearsal on stage, all musicians 20:00–22:30 Performance",
        "Access Gate 3, behind the theatre. Bring the pass; *no* parking. Catering Vegetarian on request.",
        "Contacts Ana Ruiz Stage manager +49 30 1234567",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in {text}");
    }
}

#[test]
fn an_empty_call_sheet_has_no_empty_parts() {
    let empty = CallSheetDocument { schedule: Vec::new(), sections: Vec::new(), contacts: Vec::new(), ..call_sheet() };
    let text = text(&call_sheet_pdf(&empty).unwrap());
    assert!(!text.contains("Schedule") && !text.contains("Contacts"), "{text}");
}

#[test]
fn the_same_call_sheet_gives_the_same_bytes() {
    let pdf = call_sheet_pdf(&call_sheet()).unwrap();
    assert!(call_sheet_pdf(&call_sheet()).unwrap() == pdf);
    assert_eq!(description(&pdf), ["Night of the Harps", "Musterbühne", "D:20260301120000Z"]);
}
