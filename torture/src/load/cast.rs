//! Who acts in one tenant, each with a token.

use std::collections::HashMap;

use uuid::Uuid;

use crate::rng::Rng;
use crate::world::World;

/// Longer than any run.
const TOKEN_LIVES_S: &str = "86400";
const PAYERS: usize = 3;

/// One party in one role.
#[derive(Debug, Clone)]
pub struct Seat {
    pub tenant: Uuid,
    pub party: Uuid,
    pub role: &'static str,
    pub token: String,
}

#[derive(Debug)]
pub struct Cast {
    pub payers: Vec<Seat>,
    pub payees: Vec<Seat>,
    staff: HashMap<&'static str, Seat>,
}

impl Cast {
    pub(super) fn new(world: &World, tenant: Uuid, rng: &mut Rng) -> anyhow::Result<Self> {
        let mut seat = |role: &'static str| {
            let party = rng.uuid();
            let (tenant_text, party_text) = (tenant.to_string(), party.to_string());
            let arguments = ["token", "--tenant", &tenant_text, "--role", role, "--sub", &party_text, "--ttl", TOKEN_LIVES_S];
            let token = world.holdfast(&arguments)?.trim().to_owned();
            anyhow::Ok(Seat { tenant, party, role, token })
        };
        let payers = (0..PAYERS).map(|_| seat("payer")).collect::<Result<_, _>>()?;
        let payees = (0..PAYERS).map(|_| seat("talent")).collect::<Result<_, _>>()?;
        let staff = ["tenant_admin", "platform_admin", "platform_finance", "ops", "casting"];
        let staff = staff.into_iter().map(|role| Ok((role, seat(role)?))).collect::<anyhow::Result<_>>()?;
        Ok(Self { payers, payees, staff })
    }

    /// # Panics
    /// When nobody has that role: a mistake of the load.
    pub(super) fn staff(&self, role: &'static str) -> &Seat {
        &self.staff[role]
    }
}
