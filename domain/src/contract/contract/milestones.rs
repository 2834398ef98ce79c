//! Milestones and their parts of the one division of the contract's total (MNY-03, MNY-04).

use super::error::MAX_MILESTONES;
use super::{ContractError, Milestone, MilestoneShare, NewMilestone};
use crate::escrow::{Entitlements, EscrowError};
use crate::kernel::{Context, Money};

/// The milestones in their order, each with what every party gets of it.
///
/// The total is divided once; each milestone takes its part of what the earlier ones have left, by largest remainder, so
/// that the parts of all milestones add up to the one division, whatever the amounts.
pub(super) fn divided(wanted: Vec<NewMilestone>, context: &Context) -> Result<Vec<Milestone>, ContractError> {
    let Some(total) = total(&wanted)? else { return Ok(Vec::new()) };
    let (split, tax) = (context.settings.escrow.split, context.settings.escrow.tax);
    let mut left = Entitlements::of(total, split, tax).map_err(|error| below_tax(&error, total))?;
    let milestones = (1..).zip(wanted).map(|(seq, NewMilestone { milestone_id, title, amount, due_at, conditions })| {
        let entitlements = left.share_of(amount.minor());
        left = without(left, entitlements);
        let share = MilestoneShare { split, tax, entitlements };
        Milestone { milestone_id, seq, title, amount, due_at, conditions, share, reached_at: None }
    });
    Ok(milestones.collect())
}

/// None without milestones.
fn total(wanted: &[NewMilestone]) -> Result<Option<Money>, ContractError> {
    if wanted.len() > MAX_MILESTONES {
        return Err(ContractError::TooManyMilestones);
    }
    let mut total: Option<Money> = None;
    for (seq, milestone) in (1..).zip(wanted) {
        if milestone.title.trim().is_empty() || milestone.title.chars().count() > 200 {
            return Err(ContractError::MilestoneTitleInvalid { seq });
        }
        if !milestone.amount.is_positive() {
            return Err(ContractError::AmountInvalid { seq });
        }
        total = Some(match total {
            None => milestone.amount,
            Some(sum) if sum.currency() != milestone.amount.currency() => return Err(ContractError::CurrencyMismatch { seq }),
            Some(sum) => sum.try_add(milestone.amount).map_err(|_| ContractError::AmountInvalid { seq })?,
        });
    }
    Ok(total)
}

fn below_tax(error: &EscrowError, total: Money) -> ContractError {
    if let EscrowError::SplitBelowTax { party, missing } = error {
        return ContractError::SplitBelowTax { party, missing: *missing };
    }
    ContractError::SplitBelowTax { party: "payee", missing: total }
}

fn without(left: Entitlements, part: Entitlements) -> Entitlements {
    Entitlements {
        payee: left.payee - part.payee,
        tenant: left.tenant - part.tenant,
        platform: left.platform - part.platform,
        tax: left.tax - part.tax,
        withholding: left.withholding - part.withholding,
    }
}
