//! The state machine as data (JOB-44..50): every legal move, and who may ask for it.

use crate::escrow::Hat;
use crate::kernel::find_transition;
use crate::named;

named! {
    #[derive(Default)]
    #[derive(schemars::JsonSchema)]
    BookingStatus {
        /// Before the first event: the honest default.
        #[default]
        Unopened = "unopened",
        /// A hold: the talent's time is kept, nothing is agreed (JOB-44 `active`).
        Held = "held",
        Released = "released",
        Expired = "expired",
        /// Offered to the talent.
        Pending = "pending",
        /// Accepted; the escrow waits for money.
        AwaitingPayment = "awaiting_payment",
        Confirmed = "confirmed",
        InProgress = "in_progress",
        Completed = "completed",
        Cancelled = "cancelled",
    }
}

named! {
    /// What can be asked; one column of the machine each.
    #[derive(schemars::JsonSchema)]
    BookingAction {
        PlaceHold = "place_hold",
        ReleaseHold = "release_hold",
        Create = "create",
        Accept = "accept",
        Confirm = "confirm",
        Start = "start",
        Complete = "complete",
        Cancel = "cancel",
        Reschedule = "reschedule",
        IssueOtp = "issue_otp",
        SaveCallSheet = "save_call_sheet",
        PublishCallSheet = "publish_call_sheet",
        OrderRedo = "order_redo",
        RecordDispute = "record_dispute",
        RecordEscrowEnded = "record_escrow_ended",
        MeetDeadline = "meet_deadline",
    }
}

named! {
    /// JOB-04; projected from payouts, which do not exist yet.
    #[derive(Default)]
    #[derive(schemars::JsonSchema)]
    PayoutStatus {
        #[default]
        NotCompletedYet = "not_completed_yet",
        Scheduled = "scheduled",
        Held = "held",
        Released = "released",
        Failed = "failed",
        Cancelled = "cancelled",
    }
}

use BookingAction::{
    Accept, Cancel, Complete, Confirm, Create, IssueOtp, MeetDeadline, OrderRedo, PlaceHold, PublishCallSheet, RecordDispute,
    RecordEscrowEnded, ReleaseHold, Reschedule, SaveCallSheet, Start,
};
use BookingStatus::{AwaitingPayment, Cancelled, Completed, Confirmed, Expired, Held, InProgress, Pending, Released, Unopened};

/// Every legal move: (asked in this status, for this, ends here). Source: docs/domain/booking.md, "Lifecycle".
///
/// A pair without a row is refused to people. To the machinery nothing is refused: without a row nothing happens.
#[rustfmt::skip] // keeps the columns
pub const TRANSITIONS: &[(BookingStatus, BookingAction, BookingStatus)] = &[
    // Holds: JOB-20, JOB-21, JOB-44
    (Unopened,        PlaceHold,         Held),
    (Held,            ReleaseHold,       Released),
    (Held,            MeetDeadline,      Expired),

    // From the offer to the work: JOB-45, JOB-46, JOB-49
    (Unopened,        Create,            Pending),
    (Held,            Create,            Pending),
    (Pending,         Accept,            AwaitingPayment),
    (Pending,         Confirm,           Confirmed),
    (Pending,         Reschedule,        Pending),
    (Pending,         MeetDeadline,      Cancelled),
    (Pending,         Cancel,            Cancelled),
    (AwaitingPayment, Confirm,           Confirmed),
    (AwaitingPayment, Reschedule,        AwaitingPayment),
    (AwaitingPayment, RecordEscrowEnded, Cancelled),
    (AwaitingPayment, Cancel,            Cancelled),
    (Confirmed,       Confirm,           Confirmed), // the money of one that was confirmed by hand
    (Confirmed,       Reschedule,        Confirmed),
    (Confirmed,       IssueOtp,          Confirmed),
    (Confirmed,       RecordEscrowEnded, Cancelled),
    (Confirmed,       Cancel,            Cancelled),

    // Work: JOB-47, JOB-48, MNY-31
    (Confirmed,       Start,             InProgress),
    (Confirmed,       Complete,          Completed),
    (Confirmed,       OrderRedo,         InProgress),
    (InProgress,      IssueOtp,          InProgress),
    (InProgress,      Complete,          Completed),
    (InProgress,      OrderRedo,         InProgress),
    (Completed,       OrderRedo,         InProgress),

    // Disputes about its escrow: JOB-04
    (AwaitingPayment, RecordDispute,     AwaitingPayment),
    (Confirmed,       RecordDispute,     Confirmed),
    (InProgress,      RecordDispute,     InProgress),
    (Completed,       RecordDispute,     Completed),
    (Cancelled,       RecordDispute,     Cancelled),

    // Call sheets: JOB-50
    (Pending,         SaveCallSheet,     Pending),
    (Pending,         PublishCallSheet,  Pending),
    (AwaitingPayment, SaveCallSheet,     AwaitingPayment),
    (AwaitingPayment, PublishCallSheet,  AwaitingPayment),
    (Confirmed,       SaveCallSheet,     Confirmed),
    (Confirmed,       PublishCallSheet,  Confirmed),
    (InProgress,      SaveCallSheet,     InProgress),
    (InProgress,      PublishCallSheet,  InProgress),
];

use Hat::{Payer, Platform, System, Talent, Tenant};

/// Who may ask for what, by precedence. Hats are those of the escrow: who somebody is here, not what they may elsewhere.
#[rustfmt::skip]
pub const MATRIX: &[(BookingAction, &[Hat])] = &[
    (PlaceHold,         &[Tenant, Platform]),
    (ReleaseHold,       &[Tenant, Platform]),
    (Create,            &[Tenant, Platform]),
    (Accept,            &[Talent]),
    (Confirm,           &[System, Tenant, Platform]),
    (Start,             &[Talent, Tenant, Platform]),
    (Complete,          &[Talent]),
    (Cancel,            &[System, Tenant, Platform]),
    (Reschedule,        &[Tenant, Platform]),
    (IssueOtp,          &[Payer, Tenant, Platform]),
    (SaveCallSheet,     &[Tenant, Platform]),
    (PublishCallSheet,  &[Tenant, Platform]),
    (OrderRedo,         &[System]),
    (RecordDispute,     &[System]),
    (RecordEscrowEnded, &[System]),
    (MeetDeadline,      &[System]),
];

impl BookingAction {
    /// The row of [`MATRIX`].
    #[must_use]
    pub fn hats(self) -> &'static [Hat] {
        MATRIX.iter().find(|(action, _)| *action == self).map_or(&[], |(_, hats)| hats)
    }
}

impl BookingStatus {
    /// Where `action` leads; none where it is not allowed.
    #[must_use]
    pub fn after(self, action: BookingAction) -> Option<Self> {
        find_transition(TRANSITIONS, self, action).next()
    }

    /// The talent's time is kept for it.
    #[must_use]
    pub const fn keeps_time(self) -> bool {
        matches!(self, Held | Pending | AwaitingPayment | Confirmed | InProgress | Completed)
    }
}
