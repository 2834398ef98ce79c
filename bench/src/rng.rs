//! Numbers that look random and are the same in every run.

/// `SplitMix64`: one number of the sequence that `seed` names, by its place.
#[must_use]
pub(crate) fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Below `bound`, which is not zero.
#[must_use]
pub(crate) fn below(seed: u64, bound: usize) -> usize {
    let bound = u64::try_from(bound.max(1)).unwrap_or(1);
    usize::try_from(mix(seed) % bound).unwrap_or(0)
}

/// In `0.0 .. 1.0`.
#[must_use]
pub(crate) fn fraction(seed: u64) -> f64 {
    f64::from(u32::try_from(mix(seed) >> 32).unwrap_or(0)) / (f64::from(u32::MAX) + 1.0)
}

/// Draws `0 .. count` so that the n-th comes up in proportion to 1/n (Zipf, exponent 1).
#[derive(Debug)]
pub(crate) struct Zipf {
    cumulated: Vec<f64>,
}

impl Zipf {
    #[must_use]
    pub(crate) fn of(count: usize) -> Self {
        let mut sum = 0.0;
        let weights = (1..=count).map(|n| {
            sum += 1.0 / f64::from(u32::try_from(n).unwrap_or(u32::MAX));
            sum
        });
        Self { cumulated: weights.collect() }
    }

    #[must_use]
    pub(crate) fn draw(&self, seed: u64) -> usize {
        let wanted = fraction(seed) * self.cumulated.last().copied().unwrap_or_default();
        self.cumulated.partition_point(|sum| *sum <= wanted).min(self.cumulated.len().saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_zipf_comes_up_most() {
        let zipf = Zipf::of(100);
        let mut counts = [0_u32; 100];
        (0..10_000).for_each(|seed| counts[zipf.draw(seed)] += 1);
        assert!(counts[0] > 1_500 && counts[0] < 2_400, "{}", counts[0]); // 1 / (1 + 1/2 + … + 1/100) = 19 %
        assert!(counts[0] > counts[1] && counts[1] > counts[20]);
    }
}
