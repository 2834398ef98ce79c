//! Rounds, series and latencies.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::task::JoinSet;

/// Longest latency that is told apart: a minute.
const LONGEST_US: u64 = 60_000_000;

/// What one side did in one round.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) count: u64,
    pub(crate) errors: u64,
    pub(crate) first_error: Option<String>,
    /// From the first call to the last answer.
    pub(crate) length: Duration,
    latency: Histogram<u64>,
}

impl Outcome {
    /// # Errors
    /// Never in practice: the bounds of the histogram are constants.
    pub(crate) fn empty() -> anyhow::Result<Self> {
        let latency = Histogram::new_with_bounds(1, LONGEST_US, 3)?;
        Ok(Self { count: 0, errors: 0, first_error: None, length: Duration::ZERO, latency })
    }

    pub(crate) fn note(&mut self, took: Duration, answer: Result<(), String>) {
        match answer {
            Ok(()) => {
                self.count += 1;
                self.latency.saturating_record(u64::try_from(took.as_micros()).unwrap_or(LONGEST_US).max(1));
            }
            Err(error) => {
                self.errors += 1;
                self.first_error.get_or_insert(error);
            }
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.errors += other.errors;
        if self.first_error.is_none() {
            self.first_error.clone_from(&other.first_error);
        }
        self.length = self.length.max(other.length);
        let _ = self.latency.add(&other.latency); // the bounds are the same
    }

    /// Per second.
    pub(crate) fn rate(&self) -> f64 {
        number(self.count) / self.length.as_secs_f64().max(1e-9)
    }

    /// In milliseconds; 0.5 is the median.
    pub(crate) fn quantile_ms(&self, quantile: f64) -> f64 {
        number(self.latency.value_at_quantile(quantile)) / 1_000.0
    }

    pub(crate) fn latencies(&self) -> Latencies {
        Latencies { p50_ms: self.quantile_ms(0.5), p99_ms: self.quantile_ms(0.99), p999_ms: self.quantile_ms(0.999) }
    }
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Latencies {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
}

impl std::fmt::Display for Latencies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms", self.p50_ms, self.p99_ms, self.p999_ms)
    }
}

/// Counts are far below 2^52.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}

/// One value per round.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Series {
    pub(crate) rounds: Vec<f64>,
}

impl Series {
    pub(crate) fn push(&mut self, value: f64) {
        self.rounds.push(value);
    }

    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.rounds.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => f64::NAN,
            odd if odd % 2 == 1 => sorted[middle],
            _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
        }
    }

    pub(crate) fn min(&self) -> f64 {
        self.rounds.iter().copied().fold(f64::INFINITY, f64::min)
    }

    pub(crate) fn max(&self) -> f64 {
        self.rounds.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// Round by round, so that what disturbed both sides of a round cancels out.
    pub(crate) fn over(&self, reference: &Self) -> Self {
        Self { rounds: self.rounds.iter().zip(&reference.rounds).map(|(ours, theirs)| ours / theirs).collect() }
    }
}

impl FromIterator<f64> for Series {
    fn from_iter<T: IntoIterator<Item = f64>>(values: T) -> Self {
        Self { rounds: values.into_iter().collect() }
    }
}

/// `callers` tasks that each call, wait for the answer and call again. In process only: over HTTP latencies are taken from an open loop.
pub(crate) async fn closed<F, Fut>(callers: usize, length: Duration, call: F) -> anyhow::Result<Outcome>
where
    F: Fn(usize) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<(), String>> + Send + 'static,
{
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for caller in 0..callers {
        let call = call.clone();
        let mut part = Outcome::empty()?;
        tasks.spawn(async move {
            while begun.elapsed() < length {
                let at = Instant::now();
                let answer = call(caller).await;
                part.note(at.elapsed(), answer);
            }
            part.length = begun.elapsed();
            part
        });
    }
    let mut all = Outcome::empty()?;
    while let Some(part) = tasks.join_next().await {
        all.add(&part?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_of_rounds_lies_between_the_middle_two() {
        let series: Series = [4.0, 1.0, 3.0, 2.0].into_iter().collect();
        assert!((series.median() - 2.5).abs() < 1e-9);
        assert!((series.min() - 1.0).abs() < 1e-9 && (series.max() - 4.0).abs() < 1e-9);
    }

    #[test]
    fn ratios_are_formed_round_by_round() {
        let ours: Series = [10.0, 20.0, 30.0].into_iter().collect();
        let theirs: Series = [5.0, 10.0, 10.0].into_iter().collect();
        assert!((ours.over(&theirs).median() - 2.0).abs() < 1e-9);
    }
}
