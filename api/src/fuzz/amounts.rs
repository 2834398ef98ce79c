//! MNY-02: an amount that is taken is exactly what was written, and one that is written is taken again.

use holdfast_domain::kernel::{Currency, Money};
use holdfast_fuzzing::Target;
use serde_json::json;

use crate::request::{AmountText, CurrencyCode, amount_not_negative};

/// `12.30 EUR` as a body would have it.
fn parsed(text: &str, code: &str) -> Option<Result<Money, String>> {
    // Whatever text it is, it comes out of JSON as it went in.
    let amount: AmountText = serde_json::from_value(json!(text)).unwrap();
    let currency: CurrencyCode = serde_json::from_value(json!(code)).unwrap();
    currency.currency().ok()?;
    Some(amount_not_negative("amount", &amount, &currency).map_err(|error| error.code().to_owned()))
}

/// Minor units by counting digits, without a decimal type. `None`: not a plain number, or too fine.
fn minor_by_hand(text: &str, exponent: usize) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || fraction.is_some_and(|fraction| !digits(fraction)) {
        return None;
    }
    let fraction = fraction.unwrap_or_default().trim_end_matches('0');
    if fraction.len() > exponent {
        return None;
    }
    format!("{whole}{fraction:0<exponent$}").parse().ok()
}

fn holds(input: &[u8]) -> bool {
    let input = String::from_utf8_lossy(input);
    let Some((text, code)) = input.rsplit_once(' ') else { return false };
    let Some(result) = parsed(text, code) else { return false };
    let currency: Currency = code.parse().unwrap();
    let by_hand = minor_by_hand(text, usize::try_from(currency.exponent()).unwrap());
    match result {
        Ok(money) => {
            assert_eq!(Some(money.minor()), by_hand, "{text}");
            assert!(money.minor() >= 0 && money.minor() <= holdfast_domain::kernel::MAX_MINOR);
            let written = money.amount().to_string();
            assert_eq!(parsed(&written, code), Some(Ok(money)), "{written} is not taken again");
            let stored = serde_json::to_string(&money).unwrap();
            assert_eq!(serde_json::from_str::<Money>(&stored).unwrap(), money);
            true
        }
        Err(error) => {
            let fits = by_hand.is_some_and(|minor| minor <= holdfast_domain::kernel::MAX_MINOR);
            assert!(!fits || text.len() > 28, "{text} {code} was refused: {error}");
            assert!(matches!(error.as_str(), "AMOUNT_INVALID" | "AMOUNT_PRECISION"), "{error}");
            false
        }
    }
}

#[test]
fn fuzz_amounts() {
    let corpus = [
        "0 EUR",
        "1000.00 EUR",
        "12.3 EUR",
        "100 JPY",
        "1.005 KWD",
        "0.01 USD",
        "10000000000000.00 EUR",
        "007 EUR",
        "1.0000 JPY",
        "-1 EUR",
    ];
    let words = ["EUR", "JPY", "KWD", "CLF", "XAU", "000000000000", ".0", "9999999999", "e5", "+", "_", "٣", "１"];
    Target { name: "amounts", corpus: corpus.iter().map(|text| text.as_bytes().to_vec()).collect(), words: &words }.run(holds);
}
