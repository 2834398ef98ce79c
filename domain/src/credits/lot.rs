//! Units of a lot, and the exact money behind those that were sold.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::kernel::{LotId, Money};

/// The most units that one command may name, so that no product of units and money overflows.
pub const MAX_UNITS: i64 = 1_000_000_000_000;

crate::named! {
    /// How the units came to be (MNY-53).
    #[derive(schemars::JsonSchema)]
    LotKind {
        /// Given: units only, no money behind them.
        Promo = "promo",
        /// Paid for: every unit carries its share of what is left of the price.
        Sold = "sold",
    }
}

/// The money behind sold units: what the platform owes for them, and the tax that was paid with the price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Worth {
    pub value: Money,
    pub tax: Money,
}

impl Worth {
    /// What `units` of `of` units carry: value × units / of, half up; all of them carry all (MNY-53).
    #[must_use]
    pub fn of_units(self, units: i64, of: i64) -> Self {
        Self { value: share(self.value, units, of), tax: share(self.tax, units, of) }
    }

    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { value: added(self.value, other.value.minor()), tax: added(self.tax, other.tax.minor()) }
    }

    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self { value: added(self.value, -other.value.minor()), tax: added(self.tax, -other.tax.minor()) }
    }
}

fn share(whole: Money, units: i64, of: i64) -> Money {
    let (units, of) = (i128::from(units), i128::from(of));
    let minor = if of <= 0 { 0 } else { (2 * whole.minor() * units + of).div_euclid(2 * of) };
    added(Money::zero(whole.currency()), minor)
}

/// Parts of one amount: the sum always fits.
fn added(money: Money, minor: i128) -> Money {
    Money::try_from_minor(money.minor() + minor, money.currency()).unwrap_or(money)
}

/// Some units of one lot, with all that is needed to book them and to put them back. In every event that moves units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LotPart {
    pub lot_id: LotId,
    /// 1, 2, 3 … per owner: the older lot has the lower one.
    pub number: u32,
    pub units: i64,
    /// None: a promo lot.
    pub worth: Option<Worth>,
    pub expires_at: Option<DateTime<Utc>>,
    /// Units of the lot that nobody has reserved, after the event.
    pub left: i64,
}

impl LotPart {
    #[must_use]
    pub fn kind(&self) -> LotKind {
        if self.worth.is_some() { LotKind::Sold } else { LotKind::Promo }
    }

    /// Some of these units, with their share of the money.
    #[must_use]
    pub(super) fn first(&self, units: i64) -> Self {
        let worth = self.worth.map(|worth| worth.of_units(units, self.units));
        Self { units, worth, left: self.left + self.units - units, ..self.clone() }
    }

    /// The command's clock decides, not the sweep.
    #[must_use]
    pub fn has_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }
}
