//! What holds between contexts: a talent's time, signed texts, cases and the money they are about, credits and their books.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use holdfast_domain::asset::Asset;
use holdfast_domain::booking::{Booking, BookingStatus, Slot};
use holdfast_domain::contract::{ArtifactKind, Contract, ContractStatus};
use holdfast_domain::credits::Credits;
use holdfast_domain::dispute::{Dispute, DisputeStatus};
use holdfast_domain::escrow::Escrow;
use holdfast_domain::event::{AnyEvent, EventOf};
use holdfast_domain::kernel::{AssetId, Currency, PartyId, Recorded, TenantId};
use holdfast_domain::ledger::AccountCode;
use holdfast_files::{Checksum, Files, StorageKey};
use uuid::Uuid;

use super::{Findings, IN_FLIGHT_S};

const ONE_BOOKING: &str = "a talent has one booking or hold at a time";
const SIGNED: &str = "a signed contract has every signature, each on the text that was sent";
const DOCUMENTS: &str = "a signed contract's document is stored, and stored documents have the hash of their event";
const FILES: &str = "a confirmed file is what was confirmed";
const CASES: &str = "an open case and its escrow's contested money name each other";
const CREDITS: &str = "sold credits are what L270 and L272 say";

/// The streams of one tenant, folded by their aggregates.
#[derive(Default)]
pub(super) struct Contexts {
    assets: Folded<Asset>,
    bookings: Folded<Booking>,
    contracts: Folded<Contract>,
    disputes: Folded<Dispute>,
    credits: Folded<Credits>,
    newest: DateTime<Utc>,
}

/// States by stream, with the time of their last event.
struct Folded<A>(HashMap<Uuid, (A, DateTime<Utc>)>);

impl<A> Default for Folded<A> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<A: EventOf> Folded<A> {
    fn take(&mut self, event: &Recorded<AnyEvent>) {
        if let Some(own) = event.event.of::<A>() {
            let (state, touched) = self.0.entry(event.origin.aggregate_id).or_default();
            state.apply(own.clone());
            *touched = event.recorded_at;
        }
    }
}

impl Contexts {
    pub(super) fn take(&mut self, event: &Recorded<AnyEvent>) {
        self.newest = self.newest.max(event.recorded_at);
        self.assets.take(event);
        self.bookings.take(event);
        self.contracts.take(event);
        self.disputes.take(event);
        self.credits.take(event);
    }

    /// `balance`: of all accounts of that code, on its normal side, in minor units.
    pub(super) fn check(
        &self,
        tenant_id: TenantId,
        escrows: &HashMap<Uuid, Escrow>,
        balance: impl Fn(AccountCode, Currency) -> i128,
        findings: &mut Findings,
    ) {
        self.check_bookings(tenant_id, findings);
        self.check_contracts(tenant_id, findings);
        self.check_cases(tenant_id, escrows, findings);
        self.check_credits(tenant_id, balance, findings);
    }

    /// JOB-20, JOB-23, CNF-53.
    fn check_bookings(&self, tenant_id: TenantId, findings: &mut Findings) {
        let mut times = BTreeMap::<PartyId, Vec<(Slot, Uuid)>>::new();
        for (id, (booking, _)) in &self.bookings.0 {
            let is_over = matches!(booking.status(), BookingStatus::Released | BookingStatus::Expired | BookingStatus::Cancelled);
            if let (Some(parties), Some(slot), false) = (booking.parties(), booking.slot(), is_over) {
                times.entry(parties.talent_id).or_default().push((slot, *id));
            }
        }
        for (talent, mut slots) in times {
            slots.sort_unstable_by_key(|(slot, _)| slot.from);
            for pair in slots.windows(2) {
                let (first, second) = (&pair[0], &pair[1]);
                findings.expect(ONE_BOOKING, first.0.to <= second.0.from, || {
                    format!("{tenant_id}: talent {talent}: bookings {} and {} overlap", first.1, second.1)
                });
            }
            findings.count(ONE_BOOKING, 1);
        }
    }

    /// CTR-34, CTR-40, CTR-43.
    fn check_contracts(&self, tenant_id: TenantId, findings: &mut Findings) {
        for (id, (contract, _)) in &self.contracts.0 {
            if contract.contract_status() != ContractStatus::Signed {
                continue;
            }
            let hash = contract.current_version().map(|version| version.hash.as_str());
            let sound = !contract.signers().is_empty()
                && contract
                    .signers()
                    .iter()
                    .all(|entry| entry.signature.as_ref().map(|signature| signature.document_hash.as_str()) == hash);
            findings.expect(SIGNED, sound, || format!("{tenant_id}: contract {id}"));
        }
    }

    /// CTR-06, CTR-42, DSP-38: the bytes are read and hashed.
    pub(super) async fn check_files(&self, tenant_id: TenantId, files: &Files, findings: &mut Findings) {
        for (id, (contract, touched)) in &self.contracts.0 {
            let is_due = contract.is_signed() && *touched + TimeDelta::seconds(IN_FLIGHT_S) < self.newest;
            let is_there = contract.artifact(ArtifactKind::SignedPdf).is_some();
            findings.expect(DOCUMENTS, is_there || !is_due, || format!("{tenant_id}: contract {id} is signed and has no document"));
            for artifact in contract.artifacts() {
                let found = hash_of(files, artifact.storage_key.parse().ok()).await;
                findings.expect(DOCUMENTS, found.as_ref() == Some(&artifact.sha256), || {
                    format!("{tenant_id}: {} of contract {id}: stored {found:?}", artifact.kind)
                });
            }
        }
        for (id, (asset, _)) in &self.assets.0 {
            let Some(sha256) = asset.sha256().filter(|_| asset.is_ready()) else { continue };
            let key = sha256.parse().ok().map(|sha256| StorageKey::ready(tenant_id, AssetId(*id), sha256));
            let found = hash_of(files, key).await;
            findings.expect(FILES, found.as_deref() == Some(sha256), || format!("{tenant_id}: asset {id}: stored {found:?}"));
        }
    }

    /// MNY-25. What was touched within the last minute may be on its way between the two.
    fn check_cases(&self, tenant_id: TenantId, escrows: &HashMap<Uuid, Escrow>, findings: &mut Findings) {
        let settled = |touched: &DateTime<Utc>| *touched + TimeDelta::seconds(IN_FLIGHT_S) < self.newest;
        for (id, (dispute, touched)) in &self.disputes.0 {
            let is_open = !matches!(dispute.status(), DisputeStatus::Closed | DisputeStatus::Unopened);
            let Some(case) = dispute.case().filter(|_| settled(touched) && is_open) else { continue };
            let held = escrows.get(&case.facts.escrow_id.uuid()).and_then(Escrow::dispute_id);
            findings
                .expect(CASES, held == Some(case.dispute_id), || format!("{tenant_id}: dispute {id} is open, its escrow holds {held:?}"));
        }
        for (id, escrow) in escrows {
            let Some(open) = escrow.dispute().filter(|open| settled(&open.raised_at)) else { continue };
            let known = self.disputes.0.get(&open.dispute_id.uuid()).map(|(dispute, _)| dispute.status());
            let is_open = known.is_some_and(|status| !matches!(status, DisputeStatus::Closed | DisputeStatus::Unopened));
            findings.expect(CASES, is_open, || format!("{tenant_id}: escrow {id} is disputed, its case is {known:?}"));
        }
    }

    /// MNY-53, MNY-56.
    fn check_credits(&self, tenant_id: TenantId, balance: impl Fn(AccountCode, Currency) -> i128, findings: &mut Findings) {
        let mut sums = BTreeMap::<Currency, (i128, i128)>::new();
        for (credits, _) in self.credits.0.values() {
            for (currency, liability) in credits.liability() {
                let sum = sums.entry(currency).or_default();
                sum.0 += liability.deferred;
                sum.1 += liability.reserved;
            }
        }
        for (currency, own) in sums {
            let booked = (balance(AccountCode::L270, currency), balance(AccountCode::L272, currency));
            findings.expect(CREDITS, booked == own, || format!("{tenant_id}: {currency}: books {booked:?}, lots {own:?}"));
        }
    }
}

/// SHA-256 of what is stored there, hex; none when it cannot be read.
async fn hash_of(files: &Files, key: Option<StorageKey>) -> Option<String> {
    let content = files.read(&key?).await.ok()?.into_bytes().await.ok()?;
    Some(Checksum::of(&content).to_string())
}
