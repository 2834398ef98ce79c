//! Dividing money without losing a unit (LED-72, MNY-03).

use crate::kernel::Money;

/// Divides `total` minor units in proportion to `weights`, by largest remainder.
///
/// Ties go to the earlier weight, so callers list parties by rank. A weight of zero never receives a unit. With
/// `total <=` the sum of weights, no share exceeds its weight. All zero weights give all zero shares.
#[must_use]
pub fn split_by_weights(total: i128, weights: &[i128]) -> Vec<i128> {
    let sum: i128 = weights.iter().sum();
    if sum <= 0 || total <= 0 {
        return vec![0; weights.len()];
    }
    let mut shares: Vec<i128> = weights.iter().map(|weight| total * weight / sum).collect();
    let mut by_remainder: Vec<usize> = (0..weights.len()).filter(|&i| weights[i] > 0).collect();
    by_remainder.sort_by_key(|&i| (std::cmp::Reverse(total * weights[i] % sum), i));
    let left = total - shares.iter().sum::<i128>();
    for &i in by_remainder.iter().take(usize::try_from(left).unwrap_or_default()) {
        shares[i] += 1;
    }
    shares
}

/// `bp` basis points of an amount, rounded half up to a minor unit: how every tax is rounded, once (MNY-04).
#[must_use]
pub fn round_half_up_bp(amount: Money, bp: u32) -> i128 {
    (amount.minor() * i128::from(bp) + 5_000).div_euclid(10_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn seven_and_eight_units_at_7500_1900_600() {
        // MNY-03: the pair that shows why a cumulative largest remainder is wrong.
        assert_eq!(split_by_weights(7, &[7500, 1900, 600]), [5, 1, 1]);
        assert_eq!(split_by_weights(8, &[7500, 1900, 600]), [6, 2, 0]);
    }

    #[test]
    fn a_zero_weight_never_receives_a_unit() {
        assert_eq!(split_by_weights(1, &[0, 0, 3]), [0, 0, 1]);
        assert_eq!(split_by_weights(5, &[0, 0]), [0, 0]);
    }

    proptest! {
        #[test]
        fn any_sequence_of_partial_splits_ends_at_the_one_shot_split(
            weights in proptest::collection::vec(0_i128..20_000, 1..6),
            cuts in proptest::collection::vec(1_i128..5_000, 0..40),
        ) {
            // MNY-03: never a negative leg, never above its entitlement, nothing lost.
            let total: i128 = weights.iter().sum();
            let mut left = weights.clone();
            let mut remaining = total;
            for cut in cuts {
                let cut = cut.min(remaining);
                let shares = split_by_weights(cut, &left);
                prop_assert_eq!(shares.iter().sum::<i128>(), cut);
                for (left, share) in left.iter_mut().zip(&shares) {
                    prop_assert!(*share >= 0 && share <= left);
                    *left -= share;
                }
                remaining -= cut;
            }
            prop_assert_eq!(split_by_weights(remaining, &left), left);
        }
    }
}
