//! What each role may do: capabilities are the primitives, roles are bundles of them (IDN-65..68).
//!
//! A capability opens a route. Whether the actor may do it to *this* escrow in *this* state is the domain's question
//! (ESC-50), asked afterwards.

use holdfast_domain::kernel::{Role, Roles};

macro_rules! capabilities {
    ($($(#[$doc:meta])* $name:ident $text:literal,)+) => {
        /// Deny by default: what is not given to a role in [`granted`] it does not have.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Capability { $($(#[$doc])* $name),+ }

        impl Capability {
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

capabilities! {
    EscrowCreate "escrow.create",
    /// All escrows of the tenant.
    EscrowRead "escrow.read",
    /// Those in which the caller is payer or payee.
    EscrowReadOwn "escrow.read_own",
    EscrowFund "escrow.fund",
    EscrowLock "escrow.lock",
    EscrowStart "escrow.start",
    /// Tenants authorise, the platform settles (ESC-51).
    EscrowRelease "escrow.release",
    /// Platform only.
    EscrowRefund "escrow.refund",
    EscrowCancel "escrow.cancel",
    DeliverySubmit "delivery.submit",
    DeliveryApprove "delivery.approve",
    /// Raise, widen, withdraw and concede.
    DisputesRaise "disputes.raise",
    DisputesDecide "disputes.decide",
    /// All wallets of the tenant.
    WalletRead "wallet.read",
    WalletReadOwn "wallet.read_own",
    /// Freeze, unfreeze, close.
    WalletManage "wallet.manage",
    /// Between any two wallets: platform only, since it moves other people's money outside an escrow (LED-18).
    LedgerTransfer "ledger.transfer",
    LedgerVerify "ledger.verify",
    AuditRead "audit.read",
    /// Platform only.
    BankReceiptsRecord "bank_receipts.record",
    TenantManageSettings "tenant.manage_settings",
    JobsRead "jobs.read",
    JobsWrite "jobs.write",
    /// A talent applies for itself, and withdraws.
    JobsApply "jobs.apply",
    /// All bookings of the tenant.
    BookingsRead "bookings.read",
    /// Those in which the caller is talent or payer.
    BookingsReadOwn "bookings.read_own",
    /// Holds, bookings and what becomes of them.
    BookingsManage "bookings.manage",
    /// As the talent of the booking: accept, start, complete.
    BookingsPerform "bookings.perform",
    /// As the payer of the booking: a new completion code.
    BookingsPay "bookings.pay",
    CallsheetsManage "callsheets.manage",
    TemplatesManage "templates.manage",
    /// All contracts of the tenant, templates and clauses.
    ContractsRead "contracts.read",
    /// Those that the caller signs or is a party of.
    ContractsReadOwn "contracts.read_own",
    ContractsCreate "contracts.create",
    ContractsSend "contracts.send",
    ContractsVoid "contracts.void",
    ContractsSign "contracts.sign",
    /// All disputes of the tenant.
    DisputesRead "disputes.read",
    /// Those in which the caller is a party.
    DisputesReadOwn "disputes.read_own",
    DisputesEvidence "disputes.evidence",
    DisputesAssign "disputes.assign",
    /// All credits of the tenant.
    CreditsRead "credits.read",
    CreditsReadOwn "credits.read_own",
    CreditsIssue "credits.issue",
    CreditsRevoke "credits.revoke",
    /// Credits for money of the buyer's wallet.
    CreditsPurchase "credits.purchase",
    /// Services that take credits for what they deliver.
    CreditsConsume "credits.consume",
    /// Files of one's own; whoever is a member may.
    AssetsUpload "assets.upload",
    AssetsRead "assets.read",
    /// Erase persons, for ever, and see the certificates.
    PrivacyErase "privacy.erase",
    /// What happens, as it happens; programs read NATS instead.
    EventsStream "events.stream",
    /// Sessions of others.
    SessionsRevoke "sessions.revoke",
    /// One's own session.
    SessionsEnd "sessions.end",
    /// Platform only.
    DeadLettersRedrive "super.dead_letters",
    /// Rebuild, compare, swap, pause and resume read models, of all tenants. Platform only.
    ProjectionsRebuild "super.projections",
}

use Capability as C;

/// The bundle of one role.
#[must_use]
pub const fn granted(role: Role) -> &'static [Capability] {
    match role {
        Role::TenantAdmin => &[
            C::EscrowCreate,
            C::EscrowRead,
            C::EscrowFund,
            C::EscrowLock,
            C::EscrowStart,
            C::EscrowRelease,
            C::EscrowCancel,
            C::DeliveryApprove,
            C::DisputesRaise,
            C::DisputesDecide,
            C::WalletRead,
            C::WalletManage,
            C::LedgerVerify,
            C::AuditRead,
            C::TenantManageSettings,
            C::PrivacyErase,
            C::JobsRead,
            C::JobsWrite,
            C::BookingsRead,
            C::BookingsManage,
            C::BookingsPay,
            C::CallsheetsManage,
            C::TemplatesManage,
            C::ContractsRead,
            C::ContractsCreate,
            C::ContractsSend,
            C::ContractsVoid,
            C::ContractsSign,
            C::DisputesRead,
            C::DisputesEvidence,
            C::DisputesAssign,
            C::CreditsRead,
            C::CreditsIssue,
            C::CreditsRevoke,
            C::CreditsPurchase,
            C::AssetsUpload,
            C::AssetsRead,
            C::EventsStream,
            C::SessionsRevoke,
            C::SessionsEnd,
        ],
        Role::Finance => &[
            C::EscrowRead,
            C::EscrowFund,
            C::EscrowRelease,
            C::WalletRead,
            C::LedgerVerify,
            C::AuditRead,
            C::BookingsRead,
            C::ContractsRead,
            C::DisputesRead,
            C::CreditsRead,
            C::CreditsIssue,
            C::CreditsRevoke,
            C::CreditsPurchase,
            C::AssetsRead,
            C::EventsStream,
            C::SessionsEnd,
        ],
        Role::Ops => &[
            C::EscrowCreate,
            C::EscrowRead,
            C::EscrowLock,
            C::EscrowStart,
            C::EscrowCancel,
            C::DeliveryApprove,
            C::DisputesRaise,
            C::DisputesDecide,
            C::JobsRead,
            C::JobsWrite,
            C::BookingsRead,
            C::BookingsManage,
            C::BookingsPay,
            C::CallsheetsManage,
            C::ContractsRead,
            C::ContractsCreate,
            C::ContractsSend,
            C::ContractsSign,
            C::DisputesRead,
            C::DisputesEvidence,
            C::DisputesAssign,
            C::AssetsUpload,
            C::AssetsRead,
            C::EventsStream,
            C::SessionsEnd,
        ],
        Role::TalentManager => &[
            C::EscrowCreate,
            C::EscrowRead,
            C::EscrowStart,
            C::DeliveryApprove,
            C::DisputesRaise,
            C::JobsRead,
            C::BookingsRead,
            C::BookingsManage,
            C::CallsheetsManage,
            C::ContractsRead,
            C::ContractsCreate,
            C::ContractsSend,
            C::DisputesRead,
            C::DisputesEvidence,
            C::AssetsUpload,
            C::AssetsRead,
            C::EventsStream,
            C::SessionsEnd,
        ],
        Role::Casting => &[
            C::EscrowCreate,
            C::EscrowRead,
            C::JobsRead,
            C::JobsWrite,
            C::BookingsRead,
            C::BookingsManage,
            C::ContractsRead,
            C::ContractsCreate,
            C::AssetsUpload,
            C::AssetsRead,
            C::EventsStream,
            C::SessionsEnd,
        ],
        Role::Talent => &[
            C::EscrowReadOwn,
            C::DeliverySubmit,
            C::DisputesRaise,
            C::WalletReadOwn,
            C::JobsRead,
            C::JobsApply,
            C::BookingsReadOwn,
            C::BookingsPerform,
            C::ContractsReadOwn,
            C::ContractsSign,
            C::DisputesReadOwn,
            C::DisputesEvidence,
            C::CreditsReadOwn,
            C::AssetsUpload,
            C::EventsStream,
            C::SessionsEnd,
        ],
        // `DeliveryApprove`: the domain lets a payer approve only when its organisation is the tenant (ESC-50a).
        Role::Payer => &[
            C::EscrowReadOwn,
            C::EscrowFund,
            C::DeliveryApprove,
            C::DisputesRaise,
            C::WalletReadOwn,
            C::BookingsReadOwn,
            C::BookingsPay,
            C::ContractsReadOwn,
            C::ContractsSign,
            C::DisputesReadOwn,
            C::DisputesEvidence,
            C::CreditsReadOwn,
            C::CreditsPurchase,
            C::AssetsUpload,
            C::EventsStream,
            C::SessionsEnd,
        ],
        Role::Viewer => &[C::EscrowRead, C::JobsRead, C::BookingsRead, C::ContractsRead, C::DisputesRead, C::EventsStream, C::SessionsEnd],
        Role::Auditor => &[
            C::EscrowRead,
            C::WalletRead,
            C::LedgerVerify,
            C::AuditRead,
            C::JobsRead,
            C::BookingsRead,
            C::ContractsRead,
            C::DisputesRead,
            C::CreditsRead,
            C::AssetsRead,
            C::EventsStream,
            C::SessionsEnd,
        ],
        Role::Superadmin | Role::PlatformAdmin => &[
            C::EscrowCreate,
            C::EscrowRead,
            C::EscrowLock,
            C::EscrowStart,
            C::EscrowRelease,
            C::EscrowRefund,
            C::EscrowCancel,
            C::DeliveryApprove,
            C::DisputesDecide,
            C::WalletRead,
            C::WalletManage,
            C::LedgerTransfer,
            C::LedgerVerify,
            C::AuditRead,
            C::BankReceiptsRecord,
            C::TenantManageSettings,
            C::PrivacyErase,
            C::DeadLettersRedrive,
            C::ProjectionsRebuild,
            C::JobsRead,
            C::BookingsRead,
            C::BookingsManage,
            C::ContractsRead,
            C::ContractsVoid,
            C::TemplatesManage,
            C::DisputesRead,
            C::DisputesAssign,
            C::CreditsRead,
            C::CreditsIssue,
            C::CreditsRevoke,
            C::AssetsRead,
            C::EventsStream,
            C::SessionsRevoke,
            C::SessionsEnd,
        ],
        Role::BillingAdmin => &[C::WalletRead, C::CreditsRead, C::EventsStream, C::SessionsEnd],
        Role::PlatformOps => &[
            C::EscrowRead,
            C::WalletRead,
            C::LedgerVerify,
            C::AuditRead,
            C::DeadLettersRedrive,
            C::ProjectionsRebuild,
            C::JobsRead,
            C::BookingsRead,
            C::ContractsRead,
            C::DisputesRead,
            C::CreditsRead,
            C::EventsStream,
            C::SessionsEnd,
        ],
        Role::PlatformFinance => &[
            C::EscrowRead,
            C::EscrowRelease,
            C::EscrowRefund,
            C::WalletRead,
            C::WalletManage,
            C::LedgerTransfer,
            C::LedgerVerify,
            C::AuditRead,
            C::BankReceiptsRecord,
            C::DeadLettersRedrive,
            C::BookingsRead,
            C::ContractsRead,
            C::DisputesRead,
            C::CreditsRead,
            C::CreditsIssue,
            C::CreditsRevoke,
            C::EventsStream,
            C::SessionsEnd,
        ],
        Role::TrustSafety => &[
            C::EscrowRead,
            C::EscrowRefund,
            C::DisputesDecide,
            C::WalletRead,
            C::WalletManage,
            C::AuditRead,
            C::BookingsRead,
            C::ContractsRead,
            C::DisputesRead,
            C::DisputesAssign,
            C::AssetsRead,
            C::EventsStream,
            C::SessionsRevoke,
            C::SessionsEnd,
        ],
        Role::Service => &[C::EscrowCreate, C::EscrowRead, C::EscrowLock, C::EscrowStart, C::CreditsRead, C::CreditsConsume],
    }
}

#[must_use]
pub fn holds(roles: &Roles, capability: Capability) -> bool {
    roles.iter().any(|role| granted(*role).contains(&capability))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_capability_is_given_to_some_role_and_to_each_role_once() {
        for capability in Capability::ALL {
            assert!(Role::ALL.iter().any(|role| granted(*role).contains(capability)), "nobody has {}", capability.as_str());
        }
        for role in Role::ALL {
            let mut list = granted(*role).to_vec();
            list.sort_unstable();
            list.dedup();
            assert_eq!(list.len(), granted(*role).len(), "{role:?} lists a capability twice");
        }
    }

    #[test]
    fn only_the_platform_moves_money_by_itself() {
        // ESC-50b, ESC-50d, postings row 28, LED-18.
        for role in Role::ALL.iter().filter(|role| !role.is_platform()) {
            for capability in [C::EscrowRefund, C::BankReceiptsRecord, C::LedgerTransfer, C::DeadLettersRedrive, C::ProjectionsRebuild] {
                assert!(!granted(*role).contains(&capability), "{role:?} has {}", capability.as_str());
            }
        }
    }

    #[test]
    fn the_platform_never_takes_a_partys_seat() {
        // ESC-50, ESC-50c, ESC-50f.
        for role in Role::ALL.iter().filter(|role| role.is_platform()) {
            for capability in [
                C::DeliverySubmit,
                C::DisputesRaise,
                C::EscrowFund,
                C::BookingsPerform,
                C::BookingsPay,
                C::ContractsSign,
                C::DisputesEvidence,
            ] {
                assert!(!granted(*role).contains(&capability), "{role:?} has {}", capability.as_str());
            }
        }
    }
}
