//! JSON that a tenant keeps with us: stored and shown as it is, never looked into.

use serde_json::Value;

/// Why a value cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FreeJsonProblem {
    #[error("must be a JSON object")]
    NotAnObject,
    #[error("may have {max_bytes} bytes as JSON")]
    TooLarge { max_bytes: usize },
    /// A fraction is not the same number in every program; a decimal string is.
    #[error("numbers must be whole: write decimals as strings")]
    Fraction,
    #[error("must not contain the character U+0000")]
    Nul,
}

/// Checks an object that is to be stored.
///
/// # Errors
/// `FreeJsonProblem` says what is wrong with it.
pub fn check_free_json(value: &Value, max_bytes: usize) -> Result<(), FreeJsonProblem> {
    if !value.is_object() {
        return Err(FreeJsonProblem::NotAnObject);
    }
    if value.to_string().len() > max_bytes {
        return Err(FreeJsonProblem::TooLarge { max_bytes });
    }
    check_values(value)
}

fn check_values(value: &Value) -> Result<(), FreeJsonProblem> {
    match value {
        Value::Null | Value::Bool(_) => Ok(()),
        Value::Number(number) if number.is_f64() => Err(FreeJsonProblem::Fraction),
        Value::Number(_) => Ok(()),
        Value::String(text) => check_text(text),
        Value::Array(items) => items.iter().try_for_each(check_values),
        Value::Object(fields) => fields.iter().try_for_each(|(name, field)| {
            check_text(name)?;
            check_values(field)
        }),
    }
}

fn check_text(text: &str) -> Result<(), FreeJsonProblem> {
    if text.contains('\0') { Err(FreeJsonProblem::Nul) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_every_store_gives_back_unchanged_is_kept() {
        let good = json!({ "roles": [{ "name": "lead", "count": 2, "paid": true }], "fee": "12.50", "note": null });
        assert_eq!(check_free_json(&good, 1_000), Ok(()));
        assert_eq!(check_free_json(&good, 20), Err(FreeJsonProblem::TooLarge { max_bytes: 20 }));
        assert_eq!(check_free_json(&json!([1]), 100), Err(FreeJsonProblem::NotAnObject));
        assert_eq!(check_free_json(&json!({ "a": [{ "b": 1.5 }] }), 100), Err(FreeJsonProblem::Fraction));
        assert_eq!(check_free_json(&json!({ "a": ["x\u{0}"] }), 100), Err(FreeJsonProblem::Nul));
        assert_eq!(check_free_json(&json!({ "a\u{0}": 1 }), 100), Err(FreeJsonProblem::Nul));
    }
}
