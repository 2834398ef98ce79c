//! The life of a simulated process: it runs, is frozen, or is dead. Whatever it asks the outside world for waits while it is
//! frozen and waits for ever when it is dead, as after `SIGSTOP` and `kill -9`.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Running,
    Frozen,
    Dead,
}

#[derive(Debug, Clone)]
pub struct Process {
    pub name: Arc<str>,
    life: Arc<Mutex<Life>>,
    /// Not a watch channel: those wake in an order that is left to chance.
    changed: Arc<Notify>,
}

impl Process {
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), life: Arc::new(Mutex::new(Life::Running)), changed: Arc::default() }
    }

    fn life(&self) -> Life {
        *self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self, from: &[Life], to: Life) {
        let mut life = self.life.lock().unwrap_or_else(PoisonError::into_inner);
        if from.contains(&life) {
            *life = to;
            self.changed.notify_waiters();
        }
    }

    pub fn kill(&self) {
        self.turn(&[Life::Running, Life::Frozen], Life::Dead);
    }

    pub fn freeze(&self) {
        self.turn(&[Life::Running], Life::Frozen);
    }

    pub fn thaw(&self) {
        self.turn(&[Life::Frozen], Life::Running);
    }

    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.life() == Life::Dead
    }

    /// Returns when the process runs; never, when it is dead.
    pub async fn runs(&self) {
        self.until(Life::Running).await;
    }

    pub async fn died(&self) {
        self.until(Life::Dead).await;
    }

    async fn until(&self, due: Life) {
        loop {
            let changed = self.changed.notified();
            if self.life() == due {
                return;
            }
            changed.await;
        }
    }
}
