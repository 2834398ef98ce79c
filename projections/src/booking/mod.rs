//! Holds and bookings: rows that hold the aggregate's own state.

mod detail;
mod queries;
mod view;

pub use detail::{
    AgreementView, BookingDetail, BookingDisputeView, CallSheetView, CancellationView, CompletionCode, PaymentView, PricingSnapshot,
    ScheduleView,
};
pub(crate) use queries::PARTIES;
pub use queries::{BookingFilter, BookingSummary, HoldEntry, HoldFilter, call_sheet, detail, holds, list};
pub use view::{PROJECTION, projection};
