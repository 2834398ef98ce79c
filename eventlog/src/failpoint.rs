//! Named points at which `make torture` kills or freezes this process. A normal build has nothing of it: only the feature
//! `failpoints` makes them do anything.
//!
//! `HOLDFAST_FAILPOINT=relay.after_publish:kill:3`: the third time that the point is reached the process ends as by `kill -9`; `stop`
//! instead of `kill` freezes it (SIGSTOP) until somebody sends SIGCONT.

/// Says that this point is reached.
#[cfg(not(feature = "failpoints"))]
pub const fn reached(_: &'static str) {}

#[cfg(feature = "failpoints")]
pub use armed::reached;

#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use nix::sys::signal::{Signal, raise};

    struct Plan {
        point: String,
        signal: Signal,
        at: u64,
        seen: AtomicU64,
    }

    /// Says that this point is reached.
    pub fn reached(point: &'static str) {
        static PLAN: OnceLock<Option<Plan>> = OnceLock::new();
        let Some(plan) = PLAN.get_or_init(plan).as_ref().filter(|plan| plan.point == point) else { return };
        if plan.seen.fetch_add(1, Ordering::SeqCst) + 1 == plan.at {
            tracing::warn!(point, signal = %plan.signal, "failpoint");
            let _ = raise(plan.signal);
        }
    }

    fn plan() -> Option<Plan> {
        let text = std::env::var("HOLDFAST_FAILPOINT").ok()?;
        let mut parts = text.split(':');
        let point = parts.next()?.to_owned();
        let signal = if parts.next()? == "stop" { Signal::SIGSTOP } else { Signal::SIGKILL };
        Some(Plan { point, signal, at: parts.next()?.parse().ok()?, seen: AtomicU64::new(0) })
    }
}
