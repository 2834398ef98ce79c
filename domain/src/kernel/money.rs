//! Exact amounts in ISO 4217 currencies (invariant 8).

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// The largest amount that Holdfast books, in minor units. Sums of a thousand of them still fit 64 bits.
pub const MAX_MINOR: i128 = 1_000_000_000_000_000;

/// An ISO 4217 currency that has minor units; funds codes and metals (`XAU`, no exponent) are refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// Digits after the decimal point: 0 for JPY, 2 for EUR, 3 for KWD.
    #[must_use]
    pub fn exponent(self) -> u32 {
        u32::from(self.0.exponent().unwrap_or_default())
    }

    #[must_use]
    pub fn code(self) -> &'static str {
        self.0.code()
    }
}

impl std::str::FromStr for Currency {
    type Err = MoneyError;
    fn from_str(code: &str) -> Result<Self, MoneyError> {
        iso_currency::Currency::from_code(code)
            .filter(|currency| currency.exponent().is_some())
            .map(Self)
            .ok_or_else(|| MoneyError::UnknownCurrency { code: code.chars().take(8).collect() })
    }
}

impl std::fmt::Display for Currency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

impl std::fmt::Debug for Currency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

impl PartialOrd for Currency {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Currency {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.code().cmp(other.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        code.parse().map_err(serde::de::Error::custom)
    }
}

/// An exact amount in one currency, in major units. JSON: `{"amount":"12.34","currency":"EUR"}`.
///
/// The amount always has exactly the currency's decimals and lies within ±[`MAX_MINOR`] minor units, so that
/// its minor units are an integer and sums cannot overflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "MoneyJson", into = "MoneyJson")]
pub struct Money {
    amount: Decimal,
    currency: Currency,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MoneyJson {
    amount: Decimal,
    currency: Currency,
}

impl TryFrom<MoneyJson> for Money {
    type Error = MoneyError;
    fn try_from(json: MoneyJson) -> Result<Self, MoneyError> {
        Self::try_new(json.amount, json.currency)
    }
}

impl From<Money> for MoneyJson {
    fn from(money: Money) -> Self {
        Self { amount: money.amount, currency: money.currency }
    }
}

impl schemars::JsonSchema for Currency {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Currency".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[A-Z]{3}$", "description": "ISO 4217." })
    }
}

impl schemars::JsonSchema for Money {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Money".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let currency = generator.subschema_for::<Currency>();
        schemars::json_schema!({
            "type": "object",
            "description": "An exact amount in major units, with exactly the decimals of its currency.",
            "properties": { "amount": { "type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$" }, "currency": currency },
            "required": ["amount", "currency"],
            "additionalProperties": false,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    #[error("{code:?} is not an ISO 4217 currency with minor units")]
    UnknownCurrency { code: String },
    #[error("{amount} has more decimals than {currency} allows ({})", currency.exponent())]
    TooPrecise { amount: Decimal, currency: Currency },
    #[error("an amount may not exceed 1000000000000000 minor units")]
    TooLarge,
    #[error("{left} and {right} are different currencies")]
    CurrencyMismatch { left: Currency, right: Currency },
}

impl Money {
    /// # Errors
    /// `TooPrecise` when the amount has more decimals than the currency (nothing is rounded silently, MNY-02);
    /// `TooLarge` beyond [`MAX_MINOR`].
    pub fn try_new(amount: Decimal, currency: Currency) -> Result<Self, MoneyError> {
        let mut exact = amount.normalize();
        if exact.scale() > currency.exponent() {
            return Err(MoneyError::TooPrecise { amount, currency });
        }
        if exact.abs() > Decimal::from_i128_with_scale(MAX_MINOR, currency.exponent()) {
            return Err(MoneyError::TooLarge);
        }
        exact.rescale(currency.exponent());
        Ok(Self { amount: exact, currency })
    }

    /// # Errors
    /// `TooLarge` beyond [`MAX_MINOR`].
    pub fn try_from_minor(minor: i128, currency: Currency) -> Result<Self, MoneyError> {
        if minor.abs() > MAX_MINOR {
            return Err(MoneyError::TooLarge);
        }
        Ok(Self { amount: Decimal::from_i128_with_scale(minor, currency.exponent()), currency })
    }

    #[must_use]
    pub fn zero(currency: Currency) -> Self {
        Self { amount: Decimal::new(0, currency.exponent()), currency }
    }

    /// Major units, with exactly the currency's decimals.
    #[must_use]
    pub const fn amount(self) -> Decimal {
        self.amount
    }

    #[must_use]
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// Minor units (cents): what splits and balances are computed in.
    #[must_use]
    pub fn minor(self) -> i128 {
        self.amount.mantissa()
    }

    #[must_use]
    pub fn is_positive(self) -> bool {
        self.minor() > 0
    }

    #[must_use]
    pub fn is_zero(self) -> bool {
        self.minor() == 0
    }

    /// # Errors
    /// `CurrencyMismatch`, `TooLarge`.
    pub fn try_add(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        Self::try_from_minor(self.minor() + other.minor(), self.currency)
    }

    /// # Errors
    /// `CurrencyMismatch`, `TooLarge`.
    pub fn try_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        Self::try_from_minor(self.minor() - other.minor(), self.currency)
    }

    fn same_currency(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            return Ok(());
        }
        Err(MoneyError::CurrencyMismatch { left: self.currency, right: other.currency })
    }
}

impl std::fmt::Display for Money {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.amount, self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn currency(code: &str) -> Currency {
        code.parse().unwrap()
    }

    #[test]
    fn decimals_follow_the_currency() {
        // MNY-02
        for (code, exponent) in [("JPY", 0), ("EUR", 2), ("KWD", 3)] {
            assert_eq!(currency(code).exponent(), exponent);
        }
        assert!("XAU".parse::<Currency>().is_err());
        assert!("eur".parse::<Currency>().is_err());
        let too_fine = Money::try_new("1.5".parse().unwrap(), currency("JPY"));
        assert!(matches!(too_fine, Err(MoneyError::TooPrecise { .. })));
    }

    #[test]
    fn json_is_a_decimal_string_beside_a_currency_and_is_checked_on_the_way_in() {
        let money: Money = serde_json::from_str(r#"{"amount":"12.3","currency":"EUR"}"#).unwrap();
        assert_eq!(money.minor(), 1230);
        assert_eq!(serde_json::to_string(&money).unwrap(), r#"{"amount":"12.30","currency":"EUR"}"#);
        assert!(serde_json::from_str::<Money>(r#"{"amount":"1.234","currency":"EUR"}"#).is_err());
        assert!(serde_json::from_str::<Money>(r#"{"amount":"1","currency":"EURO"}"#).is_err());
        assert!(serde_json::from_str::<Money>(r#"{"amount":"99999999999999999999","currency":"EUR"}"#).is_err());
    }

    #[test]
    fn sums_refuse_mixed_currencies() {
        let (eur, jpy) = (Money::zero(currency("EUR")), Money::zero(currency("JPY")));
        assert!(matches!(eur.try_add(jpy), Err(MoneyError::CurrencyMismatch { .. })));
    }
}
