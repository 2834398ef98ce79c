//! The columns by which assets are found.

use holdfast_domain::asset::Asset;
use serde_json::{Map, Value, json};

use crate::document_table;
use crate::runtime::{Document, Documented, Projection, Table, document_version};

pub const PROJECTION: &str = "asset";

#[must_use]
pub fn projection() -> Projection {
    Projection::new(PROJECTION, document_version::<Asset>(1)).view::<Document<Asset>>()
}

impl Documented for Asset {
    const TABLE: Table = document_table!("assets", "owner_type", "owner_id", "uploaded_by", "shared_with");

    fn columns(&self) -> Map<String, Value> {
        let about = self.about();
        let columns = [
            ("owner_type", json!(about.map(|about| about.owner.owner_type))),
            ("owner_id", json!(about.map(|about| about.owner.owner_id))),
            ("uploaded_by", json!(about.map(|about| about.uploaded_by))),
            ("shared_with", json!(about.map(|about| &about.shared_with))),
        ];
        columns.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
