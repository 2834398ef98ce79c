//! What a request carries, checked on the way in. Nothing here knows a business rule.

mod amount; // decimal strings beside a currency
mod body;
mod caller;
mod path;
mod query;
mod text;
mod traces;

pub(crate) use amount::{AmountText, CurrencyCode, amount_not_negative, optional_amount, positive_amount};
pub(crate) use body::{CommandBody, NoContent, read_json};
pub(crate) use caller::Caller;
pub(crate) use path::{PathId, PathIds};
pub(crate) use query::{NoParameters, QueryParameters};
pub(crate) use text::{PersonalText, Text};
pub(crate) use traces::Traces;
