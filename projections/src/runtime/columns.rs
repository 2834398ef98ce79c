//! Rows taken apart into one array per column, by their own `Serialize`.

use chrono::{DateTime, SubsecRound as _, Utc};
use serde::Serialize;
use serde::ser::{Error as _, Impossible, SerializeMap, SerializeStruct, Serializer};
use sqlx::Arguments as _;
use sqlx::postgres::PgArguments;
use uuid::Uuid;

type Error = serde_json::Error;

/// What the arrays of a column hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Uuid,
    BigInt,
    Integer,
    SmallInt,
    Boolean,
    Text,
    Time,
    Json,
    /// Numbers and whatever else: as text, which the server reads.
    Other,
}

impl Kind {
    pub(super) fn of(sql: &str) -> Self {
        match sql {
            "uuid" => Self::Uuid,
            "bigint" => Self::BigInt,
            "integer" => Self::Integer,
            "smallint" => Self::SmallInt,
            "boolean" => Self::Boolean,
            "text" => Self::Text,
            "timestamp with time zone" => Self::Time,
            "json" | "jsonb" => Self::Json,
            _ => Self::Other,
        }
    }

    pub(super) fn sql(self) -> &'static str {
        match self {
            Self::Uuid => "uuid",
            Self::BigInt => "bigint",
            Self::Integer => "integer",
            Self::SmallInt => "smallint",
            Self::Boolean => "boolean",
            Self::Time => "timestamp with time zone",
            Self::Text | Self::Json | Self::Other => "text",
        }
    }
}

/// The columns' values, in the order of `columns`.
///
/// # Errors
/// When a value does not fit its column.
pub(super) fn take_apart<R: Serialize>(columns: impl Iterator<Item = (&'static str, Kind)>, rows: &[R]) -> Result<Vec<Values>, Error> {
    let mut columns: Vec<Column> = columns.map(|(name, kind)| Column::new(name, kind, rows.len())).collect();
    for (done, row) in (1..).zip(rows) {
        row.serialize(Row { columns: &mut columns, next: 0 })?;
        columns.iter_mut().for_each(|column| column.values.fill_to(done));
    }
    Ok(columns.into_iter().map(|column| column.values).collect())
}

struct Column {
    name: &'static str,
    kind: Kind,
    values: Values,
}

/// `None`: null.
pub(super) enum Values {
    Uuid(Vec<Option<Uuid>>),
    BigInt(Vec<Option<i64>>),
    Integer(Vec<Option<i32>>),
    SmallInt(Vec<Option<i16>>),
    Boolean(Vec<Option<bool>>),
    Text(Vec<Option<String>>),
    Time(Vec<Option<DateTime<Utc>>>),
}

macro_rules! each_kind {
    ($values:expr, $vec:ident => $body:expr) => {
        match $values {
            Values::Uuid($vec) => $body,
            Values::BigInt($vec) => $body,
            Values::Integer($vec) => $body,
            Values::SmallInt($vec) => $body,
            Values::Boolean($vec) => $body,
            Values::Text($vec) => $body,
            Values::Time($vec) => $body,
        }
    };
}

impl Values {
    /// What a row did not say is null.
    fn fill_to(&mut self, rows: usize) {
        each_kind!(self, values => values.resize_with(rows, || None));
    }

    pub(super) fn add_to(self, arguments: &mut PgArguments) -> Result<(), sqlx::error::BoxDynError> {
        each_kind!(self, values => arguments.add(values))
    }
}

impl Column {
    fn new(name: &'static str, kind: Kind, rows: usize) -> Self {
        let values = match kind {
            Kind::Uuid => Values::Uuid(Vec::with_capacity(rows)),
            Kind::BigInt => Values::BigInt(Vec::with_capacity(rows)),
            Kind::Integer => Values::Integer(Vec::with_capacity(rows)),
            Kind::SmallInt => Values::SmallInt(Vec::with_capacity(rows)),
            Kind::Boolean => Values::Boolean(Vec::with_capacity(rows)),
            Kind::Time => Values::Time(Vec::with_capacity(rows)),
            Kind::Text | Kind::Json | Kind::Other => Values::Text(Vec::with_capacity(rows)),
        };
        Self { name, kind, values }
    }

    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        if self.kind == Kind::Json {
            return self.push_json(value);
        }
        let cell = match value.serialize(CellOf) {
            Ok(Cell::Null) => return Ok(()), // filled in after the row
            Ok(cell) => cell,
            Err(_) => Cell::Text(serde_json::to_string(value)?), // a list or an object in a column of text
        };
        match (&mut self.values, cell) {
            (Values::Uuid(values), Cell::Text(text)) => values.push(Some(text.parse().map_err(Error::custom)?)),
            (Values::Time(values), Cell::Text(text)) => {
                let time = DateTime::parse_from_rfc3339(&text).map_err(Error::custom)?;
                values.push(Some(time.to_utc().round_subsecs(6)));
            }
            (Values::Text(values), Cell::Text(text)) => values.push(Some(text)),
            (Values::Text(values), Cell::Whole(number)) => values.push(Some(number.to_string())),
            (Values::Text(values), Cell::Bool(is)) => values.push(Some(is.to_string())),
            (Values::BigInt(values), Cell::Whole(number)) => values.push(Some(number)),
            (Values::Integer(values), Cell::Whole(number)) => values.push(Some(number.try_into().map_err(Error::custom)?)),
            (Values::SmallInt(values), Cell::Whole(number)) => values.push(Some(number.try_into().map_err(Error::custom)?)),
            (Values::Boolean(values), Cell::Bool(is)) => values.push(Some(is)),
            _ => return Err(Error::custom(format!("the column {} takes no such value", self.name))),
        }
        Ok(())
    }

    fn push_json<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let text = serde_json::to_string(value)?;
        if let Values::Text(values) = &mut self.values
            && text != "null"
        {
            values.push(Some(text));
        }
        Ok(())
    }
}

/// Takes a row apart.
struct Row<'c> {
    columns: &'c mut [Column],
    /// Rows tell their fields in the order of the columns, mostly.
    next: usize,
}

impl Row<'_> {
    /// A field without a column is left out, as a column without a field is.
    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Error> {
        let at = if self.columns.get(self.next).is_some_and(|column| column.name == name) {
            self.next
        } else {
            let Some(at) = self.columns.iter().position(|column| column.name == name) else { return Ok(()) };
            at
        };
        self.next = at + 1;
        self.columns[at].push(value)
    }
}

impl SerializeStruct for Row<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        self.field(key, value)
    }

    fn end(self) -> Result<(), Error> {
        Ok(())
    }
}

/// A row with flattened fields; the last key.
struct FlatRow<'c>(Row<'c>, String);

impl SerializeMap for FlatRow<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        let Cell::Text(name) = key.serialize(CellOf)? else { return Err(no_row()) };
        self.1 = name;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let name = std::mem::take(&mut self.1);
        self.0.field(&name, value)
    }

    fn end(self) -> Result<(), Error> {
        Ok(())
    }
}

fn no_row() -> Error {
    Error::custom("a row is a struct")
}

/// A value that is one cell.
enum Cell {
    Null,
    Bool(bool),
    Whole(i64),
    Text(String),
}

struct CellOf;

fn no_cell() -> Error {
    Error::custom("neither a number nor a text")
}

/// The methods of a serializer that end here.
macro_rules! methods {
    ($($method:ident($($argument:ident: $type:ty),*) => $result:expr;)*) => {
        $(fn $method(self, $($argument: $type),*) -> Result<Self::Ok, Error> { $result })*
    };
}

macro_rules! refused {
    ($error:ident: $($method:ident -> $compound:ident($($type:ty),*);)*) => {
        $(fn $method(self, $(_: $type),*) -> Result<Self::$compound, Error> { Err($error()) })*
    };
}

impl Serializer for CellOf {
    type Ok = Cell;
    type Error = Error;
    type SerializeSeq = Impossible<Cell, Error>;
    type SerializeTuple = Impossible<Cell, Error>;
    type SerializeTupleStruct = Impossible<Cell, Error>;
    type SerializeTupleVariant = Impossible<Cell, Error>;
    type SerializeMap = Impossible<Cell, Error>;
    type SerializeStruct = Impossible<Cell, Error>;
    type SerializeStructVariant = Impossible<Cell, Error>;

    methods! {
        serialize_bool(v: bool) => Ok(Cell::Bool(v));
        serialize_i8(v: i8) => Ok(Cell::Whole(v.into()));
        serialize_i16(v: i16) => Ok(Cell::Whole(v.into()));
        serialize_i32(v: i32) => Ok(Cell::Whole(v.into()));
        serialize_i64(v: i64) => Ok(Cell::Whole(v));
        serialize_u8(v: u8) => Ok(Cell::Whole(v.into()));
        serialize_u16(v: u16) => Ok(Cell::Whole(v.into()));
        serialize_u32(v: u32) => Ok(Cell::Whole(v.into()));
        serialize_u64(v: u64) => v.try_into().map(Cell::Whole).map_err(Error::custom);
        serialize_f32(v: f32) => Ok(Cell::Text(v.to_string()));
        serialize_f64(v: f64) => Ok(Cell::Text(v.to_string()));
        serialize_char(v: char) => Ok(Cell::Text(v.to_string()));
        serialize_str(v: &str) => Ok(Cell::Text(v.to_owned()));
        serialize_bytes(_v: &[u8]) => Err(no_cell());
        serialize_none() => Ok(Cell::Null);
        serialize_unit() => Ok(Cell::Null);
        serialize_unit_struct(_name: &'static str) => Ok(Cell::Null);
        serialize_unit_variant(_name: &'static str, _index: u32, variant: &'static str) => Ok(Cell::Text(variant.to_owned()));
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Cell, Error> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<Cell, Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(self, _: &'static str, _: u32, _: &'static str, _: &T) -> Result<Cell, Error> {
        Err(no_cell())
    }

    refused! { no_cell:
        serialize_seq -> SerializeSeq(Option<usize>);
        serialize_tuple -> SerializeTuple(usize);
        serialize_tuple_struct -> SerializeTupleStruct(&'static str, usize);
        serialize_tuple_variant -> SerializeTupleVariant(&'static str, u32, &'static str, usize);
        serialize_map -> SerializeMap(Option<usize>);
        serialize_struct -> SerializeStruct(&'static str, usize);
        serialize_struct_variant -> SerializeStructVariant(&'static str, u32, &'static str, usize);
    }
}

impl<'c> Serializer for Row<'c> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Impossible<(), Error>;
    type SerializeTuple = Impossible<(), Error>;
    type SerializeTupleStruct = Impossible<(), Error>;
    type SerializeTupleVariant = Impossible<(), Error>;
    type SerializeMap = FlatRow<'c>;
    type SerializeStruct = Self;
    type SerializeStructVariant = Impossible<(), Error>;

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<FlatRow<'c>, Error> {
        Ok(FlatRow(self, String::new()))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(self, _: &'static str, _: u32, _: &'static str, _: &T) -> Result<(), Error> {
        Err(no_row())
    }

    methods! {
        serialize_bool(_v: bool) => Err(no_row());
        serialize_i8(_v: i8) => Err(no_row());
        serialize_i16(_v: i16) => Err(no_row());
        serialize_i32(_v: i32) => Err(no_row());
        serialize_i64(_v: i64) => Err(no_row());
        serialize_u8(_v: u8) => Err(no_row());
        serialize_u16(_v: u16) => Err(no_row());
        serialize_u32(_v: u32) => Err(no_row());
        serialize_u64(_v: u64) => Err(no_row());
        serialize_f32(_v: f32) => Err(no_row());
        serialize_f64(_v: f64) => Err(no_row());
        serialize_char(_v: char) => Err(no_row());
        serialize_str(_v: &str) => Err(no_row());
        serialize_bytes(_v: &[u8]) => Err(no_row());
        serialize_none() => Err(no_row());
        serialize_unit() => Err(no_row());
        serialize_unit_struct(_name: &'static str) => Err(no_row());
        serialize_unit_variant(_name: &'static str, _index: u32, _variant: &'static str) => Err(no_row());
    }

    refused! { no_row:
        serialize_seq -> SerializeSeq(Option<usize>);
        serialize_tuple -> SerializeTuple(usize);
        serialize_tuple_struct -> SerializeTupleStruct(&'static str, usize);
        serialize_tuple_variant -> SerializeTupleVariant(&'static str, u32, &'static str, usize);
        serialize_struct_variant -> SerializeStructVariant(&'static str, u32, &'static str, usize);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Serialize)]
    struct Thing {
        change: Option<serde_json::Value>,
        unknown: &'static str,
        amount: rust_decimal::Decimal,
        lines: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<&'static str>,
    }

    fn taken_apart<R: Serialize>(kinds: &[(&'static str, Kind)], rows: &[R]) -> Vec<Values> {
        take_apart(kinds.iter().copied(), rows).unwrap()
    }

    #[test]
    fn rows_are_taken_apart_by_name_and_what_they_do_not_say_is_null() {
        let thing = |change, amount: &str, note| Thing { change, unknown: "", amount: amount.parse().unwrap(), lines: 7, note };
        let rows = [thing(None, "0.00", Some("x")), thing(Some(json!({"a": [1]})), "12.50", None)];
        let kinds =
            [("amount", Kind::Other), ("lines", Kind::BigInt), ("note", Kind::Text), ("change", Kind::Json), ("missing", Kind::Uuid)];
        let text = |values: &[Option<&str>]| values.iter().map(|value| value.map(str::to_owned)).collect::<Vec<_>>();
        let [Values::Text(amount), Values::BigInt(lines), Values::Text(note), Values::Text(change), Values::Uuid(missing)] =
            <[Values; 5]>::try_from(taken_apart(&kinds, &rows)).ok().unwrap()
        else {
            panic!("other kinds")
        };
        assert_eq!(amount, text(&[Some("0.00"), Some("12.50")]), "with its scale");
        assert_eq!(lines, [Some(7), Some(7)]);
        assert_eq!(note, text(&[Some("x"), None]));
        assert_eq!(change, text(&[None, Some(r#"{"a":[1]}"#)]));
        assert_eq!(missing, [None, None]);
    }

    #[test]
    fn times_are_rounded_as_the_server_would() {
        let [Values::Time(times)] =
            <[Values; 1]>::try_from(taken_apart(&[("at", Kind::Time)], &[json!({"at": "2026-01-01T00:00:00.0000015Z"})])).ok().unwrap()
        else {
            panic!("another kind")
        };
        assert_eq!(times[0].unwrap().timestamp_subsec_nanos(), 2_000);
    }

    #[test]
    fn what_does_not_fit_its_column_is_an_error_and_no_panic() {
        for (kind, value) in
            [(Kind::Uuid, json!("no id")), (Kind::Time, json!("yesterday")), (Kind::SmallInt, json!(70_000)), (Kind::Boolean, json!(1))]
        {
            let mut column = Column::new("c", kind, 1);
            assert!(column.push(&value).is_err(), "{kind:?} {value}");
        }
    }
}
