//! Amounts in bodies: a decimal string beside an ISO 4217 currency, checked before the domain sees them (MNY-02).

use holdfast_domain::kernel::{Currency, Money, MoneyError};
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, de};
use serde_json::json;
use utoipa::ToSchema;

use crate::error::ApiError;

/// A decimal string as it was sent. JSON numbers are refused: most programs cannot hold them exactly.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, example = "1000.00")]
pub(crate) struct AmountText(String);

impl<'de> Deserialize<'de> for AmountText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOnly;
        impl de::Visitor<'_> for TextOnly {
            type Value = AmountText;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(r#"a decimal string like "12.34", not a JSON number"#)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<AmountText, E> {
                Ok(AmountText(text.to_owned()))
            }
        }
        deserializer.deserialize_any(TextOnly)
    }
}

/// An ISO 4217 code as it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, example = "EUR", pattern = "^[A-Z]{3}$")]
pub(crate) struct CurrencyCode(String);

impl CurrencyCode {
    pub(crate) fn currency(&self) -> Result<Currency, ApiError> {
        self.0.parse().map_err(|error: MoneyError| ApiError::validation("currency", error))
    }
}

/// Above zero.
pub(crate) fn positive_amount(amount: &AmountText, currency: &CurrencyCode) -> Result<Money, ApiError> {
    let money = amount_not_negative("amount", amount, currency)?;
    if money.is_positive() { Ok(money) } else { Err(invalid("amount", "must be above zero")) }
}

/// Both or neither: the escrow's amount in full when neither.
pub(crate) fn optional_amount(amount: Option<&AmountText>, currency: Option<&CurrencyCode>) -> Result<Option<Money>, ApiError> {
    match (amount, currency) {
        (None, None) => Ok(None),
        (Some(amount), Some(currency)) => positive_amount(amount, currency).map(Some),
        (Some(_), None) => Err(ApiError::validation("currency", "must stand beside the amount")),
        (None, Some(_)) => Err(ApiError::validation("amount", "must stand beside the currency")),
    }
}

/// Zero or more; `field` is named in errors.
pub(crate) fn amount_not_negative(field: &str, amount: &AmountText, currency: &CurrencyCode) -> Result<Money, ApiError> {
    let currency = currency.currency()?;
    let text = amount.0.as_str();
    // No signs, exponents, underscores or spaces: one number has one spelling, give or take trailing zeros.
    let plain = !text.is_empty() && text.len() <= 32 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let whole = text.starts_with(|c: char| c.is_ascii_digit()) && text.ends_with(|c: char| c.is_ascii_digit());
    let decimal = if plain && whole { Decimal::from_str_exact(text).ok() } else { None };
    let decimal = decimal.ok_or_else(|| invalid(field, r#"must be a decimal string like "12.34", zero or more"#))?;
    Money::try_new(decimal, currency).map_err(|error| match error {
        MoneyError::TooPrecise { currency, .. } => {
            let details = json!({ "field": field, "currency": currency.code(), "exponent": currency.exponent() });
            ApiError::invalid("AMOUNT_PRECISION", format!("{field}: {error}"), details)
        }
        MoneyError::TooLarge | MoneyError::UnknownCurrency { .. } | MoneyError::CurrencyMismatch { .. } => {
            invalid(field, &error.to_string())
        }
    })
}

fn invalid(field: &str, problem: &str) -> ApiError {
    ApiError::invalid("AMOUNT_INVALID", format!("{field}: {problem}"), json!({ "field": field, "problem": problem }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(text: &str, currency: &str) -> Result<Money, ApiError> {
        positive_amount(&AmountText(text.to_owned()), &CurrencyCode(currency.to_owned()))
    }

    #[test]
    fn zero_negative_and_odd_spellings_are_refused() {
        for text in
            ["0", "0.00", "-1", "+1", "1e3", " 1", "1_000", "1,5", ".5", "5.", "1.2.3", "", "NaN", "999999999999999999999999999999999"]
        {
            assert_eq!(amount(text, "EUR").unwrap_err().code(), "AMOUNT_INVALID", "{text:?}");
        }
    }

    #[test]
    fn too_fine_an_amount_names_the_exponent() {
        let error = amount("1.001", "EUR").unwrap_err();
        assert_eq!(error.code(), "AMOUNT_PRECISION");
        assert!(amount("1.001", "KWD").is_ok());
        assert_eq!(amount("1.5", "JPY").unwrap_err().code(), "AMOUNT_PRECISION");
        assert_eq!(amount("1.500", "EUR").unwrap().minor(), 150);
    }

    #[test]
    fn an_unknown_currency_is_a_malformed_request() {
        for code in ["XXX", "eur", "", "EURO", "XAU"] {
            assert_eq!(amount("1", code).unwrap_err().code(), "VALIDATION_FAILED", "{code:?}");
        }
    }
}
