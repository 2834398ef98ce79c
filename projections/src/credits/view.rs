//! One document per owner, and the entries beside it.

use holdfast_domain::credits::Credits;
use serde_json::{Map, Value, json};

use crate::credits::EntryRow;
use crate::runtime::{Document, Documented, Projection, Table, document_version};

pub const PROJECTION: &str = "credits";

#[must_use]
pub fn projection() -> Projection {
    Projection::new(PROJECTION, document_version::<Credits>(1)).view::<Document<Credits>>().facts::<EntryRow>()
}

impl Documented for Credits {
    const TABLE: Table = crate::document_table!("credits", "owner_type", "owner_id");

    fn columns(&self) -> Map<String, Value> {
        let owner = self.owner();
        [
            ("owner_type".to_owned(), json!(owner.map(|owner| owner.owner_type))),
            ("owner_id".to_owned(), json!(owner.map(|owner| owner.owner_id))),
        ]
        .into_iter()
        .collect()
    }
}
