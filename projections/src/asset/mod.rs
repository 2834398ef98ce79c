//! Assets: rows that hold the aggregate's own state (TAL-06).

mod queries;
mod view;

pub(crate) use queries::PARTIES;
pub use queries::{AssetFilter, AssetView, AssetViewer, detail, list};
pub use view::{PROJECTION, projection};
