//! Who hears of what: of an aggregate hears who may look at it.

use std::collections::{BTreeMap, BTreeSet};

use cqrs_es::Aggregate as _;
use holdfast_domain::access::Access;
use holdfast_domain::asset::Asset;
use holdfast_domain::bank_receipt::BankReceipt;
use holdfast_domain::booking::Booking;
use holdfast_domain::contract::{Clause, Contract, Template};
use holdfast_domain::credits::Credits;
use holdfast_domain::dispute::Dispute;
use holdfast_domain::escrow::Escrow;
use holdfast_domain::job::Job;
use holdfast_domain::kernel::PartyId;
use holdfast_domain::person::Person;
use holdfast_domain::session::Session;
use holdfast_domain::tenant::Tenant;
use holdfast_domain::wallet::Wallet;
use holdfast_projections::push::FeedEvent;
use uuid::Uuid;

use crate::auth::Capability as C;
use crate::queries::job;
use crate::request::Caller;

/// What it takes to look at aggregates of one type.
struct Sight {
    aggregate_type: &'static str,
    /// Any one of these lets in: those of the context's query routes, which a test compares.
    door: &'static [C],
    /// Any one of these shows all of the tenant's; without one, the caller sees its own.
    all: &'static [C],
}

const fn sight(aggregate_type: &'static str, door: &'static [C], all: &'static [C]) -> Sight {
    Sight { aggregate_type, door, all }
}

/// For staff only: nobody has one of their own.
const fn staff(aggregate_type: &'static str, door: &'static [C]) -> Sight {
    sight(aggregate_type, door, door)
}

const SIGHTS: &[Sight] = &[
    sight(Escrow::TYPE, &[C::EscrowRead, C::EscrowReadOwn], &[C::EscrowRead]),
    sight(Wallet::TYPE, &[C::WalletRead, C::WalletReadOwn], &[C::WalletRead]),
    sight(Job::TYPE, &[C::JobsRead], job::STAFF),
    sight(Booking::TYPE, &[C::BookingsRead, C::BookingsReadOwn], &[C::BookingsRead]),
    sight(Contract::TYPE, &[C::ContractsRead, C::ContractsReadOwn], &[C::ContractsRead]),
    sight(Dispute::TYPE, &[C::DisputesRead, C::DisputesReadOwn], &[C::DisputesRead]),
    sight(Credits::TYPE, &[C::CreditsRead, C::CreditsReadOwn], &[C::CreditsRead]),
    sight(Asset::TYPE, &[C::AssetsRead, C::AssetsUpload], &[C::AssetsRead]),
    staff(Template::TYPE, &[C::ContractsRead]),
    staff(Clause::TYPE, &[C::ContractsRead]),
    staff(Person::TYPE, &[C::PrivacyErase]),
    staff(Access::TYPE, &[C::AuditRead]),
    // No query shows these: whoever may change them hears of them.
    staff(BankReceipt::TYPE, &[C::BankReceiptsRecord]),
    staff(Tenant::TYPE, &[C::TenantManageSettings]),
    staff(Session::TYPE, &[C::SessionsRevoke]),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    All,
    Own,
}

/// What one stream hears.
#[derive(Debug)]
pub(crate) struct Audience {
    party_id: PartyId,
    scopes: BTreeMap<&'static str, Scope>,
    /// None: all.
    names: Option<BTreeSet<String>>,
    aggregate_id: Option<Uuid>,
}

impl Audience {
    /// What `caller` may hear, narrowed to events of these names and to one aggregate.
    pub(crate) fn of(caller: &Caller, names: Option<BTreeSet<String>>, aggregate_id: Option<Uuid>) -> Self {
        let any = |capabilities: &[C]| capabilities.iter().any(|capability| caller.holds(*capability));
        let scope = |sight: &Sight| if any(sight.all) { Scope::All } else { Scope::Own };
        let scopes = SIGHTS.iter().filter(|sight| any(sight.door)).map(|sight| (sight.aggregate_type, scope(sight))).collect();
        Self { party_id: caller.actor.id, scopes, names, aggregate_id }
    }

    pub(crate) fn hears(&self, event: &FeedEvent) -> bool {
        let sees = match self.scopes.get(event.aggregate_type.as_str()) {
            Some(Scope::All) => true,
            Some(Scope::Own) => event.open || event.parties.contains(&self.party_id.uuid()),
            None => false,
        };
        let named = self.names.as_ref().is_none_or(|names| names.contains(&event.name));
        sees && named && self.aggregate_id.is_none_or(|id| id == event.aggregate_id)
    }
}

#[cfg(test)]
mod tests {
    use holdfast_domain::event::AGGREGATE_TYPES;

    use super::*;
    use crate::routes::{self, Access as Door};

    #[test]
    fn every_aggregate_has_its_sight() {
        let mut listed: Vec<_> = SIGHTS.iter().map(|sight| sight.aggregate_type).collect();
        let mut known = AGGREGATE_TYPES.to_vec();
        listed.sort_unstable();
        known.sort_unstable();
        assert_eq!(listed, known);
    }

    #[test]
    fn of_an_aggregate_hears_who_may_ask_for_it() {
        // ANA-57: push shows nothing that queries do not show.
        let shown_by = [
            (Escrow::TYPE, "/v1/escrows/{escrowId}"),
            (Wallet::TYPE, "/v1/wallets"),
            (Job::TYPE, "/v1/jobs/{jobId}"),
            (Booking::TYPE, "/v1/bookings/{bookingId}"),
            (Contract::TYPE, "/v1/contracts/{contractId}"),
            (Dispute::TYPE, "/v1/disputes/{disputeId}"),
            (Credits::TYPE, "/v1/credits/balance"),
            (Asset::TYPE, "/v1/assets/{assetId}"),
            (Template::TYPE, "/v1/contract-templates/{templateId}"),
            (Clause::TYPE, "/v1/clauses"),
            (Person::TYPE, "/v1/privacy/persons/{personId}/certificate"),
            (Access::TYPE, "/v1/audit-logs"),
        ];
        for (aggregate_type, path) in shown_by {
            let sight = SIGHTS.iter().find(|sight| sight.aggregate_type == aggregate_type).unwrap();
            let route = routes::all().find(|spec| spec.method == "GET" && spec.path == path);
            assert_eq!(route.map(|spec| spec.access), Some(Door::Requires(sight.door)), "{path}");
        }
        let without: Vec<_> = SIGHTS.iter().map(|sight| sight.aggregate_type).skip(shown_by.len()).collect();
        assert_eq!(without, [BankReceipt::TYPE, Tenant::TYPE, Session::TYPE]);
    }
}
