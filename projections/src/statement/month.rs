//! Calendar months in UTC, and the ids of statements.

use std::str::FromStr;

use chrono::{DateTime, Datelike, Months, NaiveDate, TimeDelta, Utc};
use holdfast_domain::kernel::WalletId;

/// A calendar month in UTC: `2026-03`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month(NaiveDate);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a month like 2026-03")]
pub struct NoMonth;

impl Month {
    /// The month of an instant.
    #[must_use]
    pub fn of(time: DateTime<Utc>) -> Self {
        let date = time.date_naive();
        Self(date.with_day(1).unwrap_or(date))
    }

    /// The first instant of it.
    #[must_use]
    pub fn start(self) -> DateTime<Utc> {
        self.0.and_time(chrono::NaiveTime::MIN).and_utc()
    }

    /// The first instant that is no longer of it.
    #[must_use]
    pub fn end(self) -> DateTime<Utc> {
        self.next().start()
    }

    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.checked_add_months(Months::new(1)).unwrap_or(self.0))
    }

    #[must_use]
    pub fn previous(self) -> Self {
        Self(self.0.checked_sub_months(Months::new(1)).unwrap_or(self.0))
    }

    /// Nothing more can come into it: the ledger has gone beyond its end, or, for a tenant where nothing happens, an hour
    /// has passed in which anything that was under way must have arrived.
    #[must_use]
    pub fn is_complete(self, ledger_reached: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
        let end = self.end();
        now >= end && (ledger_reached.is_some_and(|reached| reached >= end) || now >= end + TimeDelta::hours(1))
    }
}

impl std::fmt::Display for Month {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}", self.0.year(), self.0.month())
    }
}

impl FromStr for Month {
    type Err = NoMonth;

    fn from_str(text: &str) -> Result<Self, NoMonth> {
        let (year, month) = text.split_once('-').filter(|(year, month)| year.len() == 4 && month.len() == 2).ok_or(NoMonth)?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u32>().ok()).flatten();
        let (year, month) = (digits(year).ok_or(NoMonth)?, digits(month).ok_or(NoMonth)?);
        NaiveDate::from_ymd_opt(i32::try_from(year).map_err(|_| NoMonth)?, month, 1).map(Self).ok_or(NoMonth)
    }
}

/// Names a statement: `<wallet>.<month>`. It tells what it is about, so that nothing must be stored or looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatementId {
    pub wallet_id: WalletId,
    pub month: Month,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not the id of a statement")]
pub struct NoStatementId;

impl std::fmt::Display for StatementId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.wallet_id, self.month)
    }
}

impl FromStr for StatementId {
    type Err = NoStatementId;

    fn from_str(text: &str) -> Result<Self, NoStatementId> {
        let (wallet_id, month) = text.split_once('.').ok_or(NoStatementId)?;
        Ok(Self { wallet_id: wallet_id.parse().map_err(|_| NoStatementId)?, month: month.parse().map_err(|_| NoStatementId)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(text: &str) -> Month {
        text.parse().unwrap()
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn months_follow_each_other_without_gap() {
        // MNY-55
        let mut month = month("2023-11");
        for _ in 0..30 {
            assert_eq!(month.end(), month.next().start());
            assert_eq!(month.next().previous(), month);
            assert_eq!((Month::of(month.start()), Month::of(month.end())), (month, month.next()));
            assert_eq!(Month::of(month.end() - TimeDelta::microseconds(1)), month);
            assert_eq!(month.to_string().parse(), Ok(month));
            month = month.next();
        }
        assert_eq!(month.to_string(), "2026-05");
    }

    #[test]
    fn only_four_digits_a_dash_and_two_digits_are_a_month() {
        for text in ["", "2026", "2026-3", "2026-13", "2026-00", "26-03", "2026-03-01", "+026-03", "2026-+3", "2026/03"] {
            assert_eq!(text.parse::<Month>(), Err(NoMonth), "{text}");
        }
    }

    #[test]
    fn a_month_is_complete_when_nothing_more_can_come_into_it() {
        // LED-71, MNY-55
        let march = month("2026-03");
        let end = at("2026-04-01T00:00:00Z");
        assert!(!march.is_complete(None, end - TimeDelta::seconds(1)));
        assert!(!march.is_complete(Some(end - TimeDelta::seconds(1)), end), "something may be on its way");
        assert!(march.is_complete(Some(end), end));
        assert!(march.is_complete(None, end + TimeDelta::hours(1)));
        assert!(!march.is_complete(Some(end), end - TimeDelta::seconds(1)), "a clock that is behind");
    }

    #[test]
    fn a_statements_id_tells_its_wallet_and_month() {
        let id = StatementId { wallet_id: WalletId(uuid::Uuid::from_u128(7)), month: month("2026-03") };
        assert_eq!(id.to_string(), "00000000-0000-0000-0000-000000000007.2026-03");
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["", "x.2026-03", "00000000-0000-0000-0000-000000000007", "00000000-0000-0000-0000-000000000007.2026-3"] {
            assert_eq!(text.parse::<StatementId>(), Err(NoStatementId), "{text}");
        }
    }
}
