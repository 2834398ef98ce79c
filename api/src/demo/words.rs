//! The `{…}` words of the scenario file.

use std::collections::BTreeMap;
use std::str::FromStr as _;

use anyhow::{Context as _, bail};
use chrono::{DateTime, TimeDelta, Utc};
use holdfast_domain::kernel::{Money, TenantId};
use serde_json::Value;
use uuid::Uuid;

/// What the words of one story stand for.
#[derive(Debug, Clone)]
pub(super) struct Words {
    pub(super) tenant: TenantId,
    pub(super) other_tenant: TenantId,
    pub(super) payer: Uuid,
    pub(super) payee: Uuid,
    /// Who decides disputes.
    pub(super) judge: Uuid,
    pub(super) amount: Money,
    /// Known once it is created.
    pub(super) escrow: Option<Uuid>,
    pub(super) payer_wallet: Uuid,
    pub(super) payee_wallet: Uuid,
    /// What answers gave and later steps need, by the name under which it was kept.
    pub(super) kept: BTreeMap<String, String>,
    /// Times of this story begin here: a day that no other story of the run uses.
    pub(super) day: DateTime<Utc>,
    /// Makes `{uuid x}` the same within the story and different in every other.
    pub(super) seed: Uuid,
}

impl Words {
    /// Every string in `value` with its words replaced.
    pub(super) fn fill(&self, value: &Value) -> anyhow::Result<Value> {
        Ok(match value {
            Value::String(text) => Value::String(self.text(text)?),
            Value::Array(items) => Value::Array(items.iter().map(|item| self.fill(item)).collect::<anyhow::Result<_>>()?),
            Value::Object(fields) => {
                Value::Object(fields.iter().map(|(key, value)| Ok((key.clone(), self.fill(value)?))).collect::<anyhow::Result<_>>()?)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        })
    }

    pub(super) fn text(&self, text: &str) -> anyhow::Result<String> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find('{') {
            let end = rest[start..].find('}').with_context(|| format!("{text:?} has a {{ without }}"))? + start;
            filled.push_str(&rest[..start]);
            filled.push_str(&self.word(&rest[start + 1..end])?);
            rest = &rest[end + 1..];
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn word(&self, word: &str) -> anyhow::Result<String> {
        let (name, argument) = word.split_once(' ').unwrap_or((word, ""));
        let amount = |minor: i128| anyhow::Ok(Money::try_from_minor(minor, self.amount.currency())?.amount().to_string());
        Ok(match name {
            "tenant" => self.tenant.to_string(),
            "other_tenant" => self.other_tenant.to_string(),
            "payer" => self.payer.to_string(),
            "payee" => self.payee.to_string(),
            "judge" => self.judge.to_string(),
            "payer_wallet" => self.payer_wallet.to_string(),
            "payee_wallet" => self.payee_wallet.to_string(),
            "escrow" => self.escrow.context("{escrow} is used before it is created")?.to_string(),
            "uuid" => holdfast_domain::kernel::derived_uuid(self.tenant, self.seed, argument, 0).to_string(),
            "currency" => self.amount.currency().to_string(),
            "amount" => amount(self.amount.minor())?,
            // A fraction of the amount, rounded down; what is then left of it.
            "part" => amount(self.part(argument)?)?,
            "rest" => amount(self.amount.minor() - self.part(argument)?)?,
            // One minor unit; one more than there is; one decimal more than the currency has.
            "unit" => amount(1)?,
            "zero" => amount(0)?,
            "more" => amount(self.amount.minor() + 1)?,
            "too_fine" => {
                let plain = self.amount.amount().to_string();
                if plain.contains('.') { format!("{plain}1") } else { format!("{plain}.1") }
            }
            // So many quarters of an hour into the story's own day.
            "time" => (self.day + TimeDelta::minutes(15 * i64::from_str(argument)?)).to_rfc3339(),
            // The month that runs, and the first instant of it: statements.
            "soon" => (Utc::now() + TimeDelta::hours(1)).to_rfc3339(),
            "month" => Utc::now().format("%Y-%m").to_string(),
            name => match self.kept.get(name) {
                Some(kept) => kept.clone(),
                None => bail!("{{{word}}} is no word of a scenario, and nothing was kept under that name"),
            },
        })
    }

    fn part(&self, fraction: &str) -> anyhow::Result<i128> {
        let (of, by) = fraction.split_once('/').with_context(|| format!("{fraction:?} is no fraction"))?;
        let (of, by) = (i128::from_str(of)?, i128::from_str(by)?);
        anyhow::ensure!(of >= 0 && by > 0, "{fraction:?} is no fraction");
        Ok(self.amount.minor() * of / by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(minor: i128, currency: &str) -> Words {
        let id = Uuid::from_u128;
        Words {
            tenant: TenantId(id(1)),
            other_tenant: TenantId(id(2)),
            payer: id(3),
            payee: id(4),
            judge: id(8),
            amount: Money::try_from_minor(minor, currency.parse().unwrap()).unwrap(),
            escrow: None,
            payer_wallet: id(5),
            payee_wallet: id(6),
            kept: BTreeMap::new(),
            day: DateTime::UNIX_EPOCH,
            seed: id(7),
        }
    }

    #[test]
    fn parts_and_rests_add_up_in_every_exponent() {
        for (currency, part, rest, fine) in
            [("JPY", "333", "667", "1000.1"), ("EUR", "3.33", "6.67", "10.001"), ("KWD", "0.333", "0.667", "1.0001")]
        {
            let words = words(1000, currency);
            assert_eq!(words.text("{part 1/3}").unwrap(), part);
            assert_eq!(words.text("{rest 1/3}").unwrap(), rest);
            assert_eq!(words.text("{too_fine}").unwrap(), fine);
        }
    }

    #[test]
    fn words_stand_anywhere_in_a_body() {
        let body = serde_json::json!({ "a": ["{currency}"], "b": "/v1/{payer}/x", "c": 1 });
        let filled = words(5, "EUR").fill(&body).unwrap();
        assert_eq!(filled, serde_json::json!({ "a": ["EUR"], "b": format!("/v1/{}/x", Uuid::from_u128(3)), "c": 1 }));
        assert!(words(5, "EUR").text("{nonsense}").is_err() && words(5, "EUR").text("{escrow}").is_err());
    }
}
