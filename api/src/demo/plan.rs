//! Which stories are told, by whom and about how much: all of it follows from the run's id.

use std::collections::BTreeMap;

use holdfast_domain::kernel::{Currency, Money, PartyId, TenantId, derived_uuid};
use holdfast_domain::wallet::{OwnerType, wallet_id};
use uuid::Uuid;

use super::cast::Cast;
use super::scenario::{Payer, Role, Scenario, Story, TenantPlan};
use super::words::Words;

/// How many payees share the stories of a tenant.
const PAYEES: u32 = 12;

/// One story to be told.
pub(super) struct Part<'a> {
    pub(super) number: u32,
    pub(super) story: &'a Story,
    pub(super) words: Words,
}

/// A payer's wallet and what its stories need together, in minor units.
pub(super) type Wallets = BTreeMap<(TenantId, PartyId, Currency), i128>;

/// At least one telling per story, tenant and currency; beyond that in proportion to the weights.
pub(super) fn parts<'a>(scenario: &'a Scenario, cast: &Cast, run: Uuid, scale_percent: u32) -> anyhow::Result<Vec<Part<'a>>> {
    let wanted = u64::from(scenario.run.escrows) * u64::from(scale_percent) / 100;
    let weights: u64 = scenario.stories.iter().map(|story| u64::from(story.weight)).sum();
    let mut parts = Vec::new();
    for story in &scenario.stories {
        let stages = scenario.stages(story)?;
        let share = usize::try_from(wanted * u64::from(story.weight) / weights.max(1))?;
        for index in 0..share.max(stages.len()) {
            let (tenant, currency) = stages[index % stages.len()];
            let number = u32::try_from(parts.len())?;
            let words = words(scenario, cast, run, story, tenant, currency, number)?;
            parts.push(Part { number, story, words });
        }
    }
    // Mixed, so that everything happens beside everything else; the slow ones first.
    parts.sort_by_key(|part| (!part.story.slow, part.words.seed));
    Ok(parts)
}

fn words(
    scenario: &Scenario,
    cast: &Cast,
    run: Uuid,
    story: &Story,
    tenant: &TenantPlan,
    currency: Currency,
    number: u32,
) -> anyhow::Result<Words> {
    let tenant_id = tenant.id();
    let seed = derived_uuid(tenant_id, run, "story", number.into());
    let lot = |span: u128| seed.as_u128() % span.max(1);
    let payer = match story.payer {
        Payer::Filled => cast.id(tenant_id, &format!("payer {}", number % scenario.run.payers)),
        Payer::Poor => cast.id(tenant_id, &format!("poor payer {number}")),
    };
    let payee = cast.id(tenant_id, &format!("payee {}", lot(PAYEES.into())));
    let amount = match story.amount {
        Some(amount) => Money::try_new(amount, currency)?,
        None => {
            let [least, most] = story.minor.map(i128::from);
            let span = u128::try_from(most - least + 1)?;
            Money::try_from_minor(least + i128::try_from(lot(span))?, currency)?
        }
    };
    let other = scenario.tenants.iter().find(|other| other.slug != tenant.slug).map_or(tenant_id, TenantPlan::id);
    Ok(Words {
        tenant: tenant_id,
        other_tenant: other,
        payer,
        payee,
        judge: cast.staff(tenant_id, Role::Judge).uuid(),
        amount,
        escrow: None,
        payer_wallet: wallet_id(tenant_id, OwnerType::User, PartyId(payer), currency).uuid(),
        payee_wallet: wallet_id(tenant_id, OwnerType::Talent, PartyId(payee), currency).uuid(),
        kept: BTreeMap::new(),
        day: first_day() + chrono::TimeDelta::days(number.into()),
        seed,
    })
}

/// Bookings of the demo are in years that nobody plays in.
fn first_day() -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::UNIX_EPOCH + chrono::TimeDelta::days(365 * 100)
}

pub(super) fn wallets(parts: &[Part<'_>]) -> Wallets {
    let mut wallets = Wallets::new();
    for part in parts.iter().filter(|part| part.story.payer == Payer::Filled) {
        let key = (part.words.tenant, PartyId(part.words.payer), part.words.amount.currency());
        *wallets.entry(key).or_default() += part.words.amount.minor();
    }
    wallets
}
