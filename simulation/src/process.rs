//! The life of a simulated process: it runs, is frozen, or is dead. Whatever it asks the outside world for waits while it is
//! frozen and waits for ever when it is dead, as after `SIGSTOP` and `kill -9`.

use std::sync::Arc;

use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Running,
    Frozen,
    Dead,
}

#[derive(Debug, Clone)]
pub struct Process {
    pub name: Arc<str>,
    life: Arc<watch::Sender<Life>>,
}

impl Process {
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), life: Arc::new(watch::Sender::new(Life::Running)) }
    }

    pub fn kill(&self) {
        self.life.send_replace(Life::Dead);
    }

    pub fn freeze(&self) {
        self.life.send_if_modified(|life| std::mem::replace(life, if *life == Life::Running { Life::Frozen } else { *life }) == Life::Running);
    }

    pub fn thaw(&self) {
        self.life.send_if_modified(|life| std::mem::replace(life, if *life == Life::Frozen { Life::Running } else { *life }) == Life::Frozen);
    }

    #[must_use]
    pub fn is_dead(&self) -> bool {
        *self.life.borrow() == Life::Dead
    }

    #[must_use]
    pub fn is_frozen(&self) -> bool {
        *self.life.borrow() == Life::Frozen
    }

    /// Returns when the process runs; never, when it is dead.
    pub async fn runs(&self) {
        let mut life = self.life.subscribe();
        if life.wait_for(|life| *life == Life::Running).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    pub async fn died(&self) {
        let mut life = self.life.subscribe();
        if life.wait_for(|life| *life == Life::Dead).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
