//! Transfers as HTTP requests, to our API and to its references.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::environment::World;
use crate::http::{Answer, Requests, get, post};
use crate::rng;
use crate::workload::{Cast, Payment};

/// To one endpoint, from one tenant or all of them.
pub(crate) struct Transfers {
    cast: Arc<Cast>,
    tokens: Arc<Vec<String>>,
    path: &'static str,
    /// Ours: what is acknowledged must be stored.
    counted: bool,
}

impl Transfers {
    pub(crate) fn ours(world: &World) -> anyhow::Result<Arc<Self>> {
        Self::to(world, "/v1/ledger/transfer", true)
    }

    /// To a reference that takes the same request.
    pub(crate) fn reference(world: &World, path: &'static str) -> anyhow::Result<Arc<Self>> {
        Self::to(world, path, false)
    }

    fn to(world: &World, path: &'static str, counted: bool) -> anyhow::Result<Arc<Self>> {
        let tokens = Arc::new(world.cast.tokens(&world.issuer()?)?);
        Ok(Arc::new(Self { cast: Arc::clone(&world.cast), tokens, path, counted }))
    }
}

impl Requests for Transfers {
    type Ticket = Payment;

    fn next(&self) -> (Vec<u8>, Payment) {
        let payment = self.cast.spread();
        (post(self.path, &self.tokens[payment.tenant], &payment.key, &self.cast.body(&payment)), payment)
    }

    fn answered(&self, payment: Payment, answer: &Answer) -> Result<(), String> {
        if answer.status != 200 || answer.replayed {
            return Err(said(answer));
        }
        if self.counted {
            self.cast.acknowledge(payment);
        }
        Ok(())
    }
}

pub(crate) fn said(answer: &Answer) -> String {
    let body = String::from_utf8_lossy(&answer.body);
    format!("{} {}", answer.status, body.chars().take(300).collect::<String>())
}

/// Batches of transfers of one tenant each.
pub(crate) struct Batches {
    cast: Arc<Cast>,
    tokens: Vec<String>,
    size: usize,
    serial: AtomicU64,
    /// Commands that were refused for load inside a batch.
    pub(crate) shed: AtomicU64,
    pub(crate) accepted: AtomicU64,
}

impl Batches {
    pub(crate) fn of(world: &World, size: usize) -> anyhow::Result<Arc<Self>> {
        let (cast, tokens) = (Arc::clone(&world.cast), world.cast.tokens(&world.issuer()?)?);
        Ok(Arc::new(Self { cast, tokens, size, serial: AtomicU64::new(0), shed: AtomicU64::new(0), accepted: AtomicU64::new(0) }))
    }
}

impl Requests for Batches {
    type Ticket = Vec<Payment>;

    fn next(&self) -> (Vec<u8>, Vec<Payment>) {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let tenant = rng::below(serial, self.tokens.len());
        let payments: Vec<Payment> = (0..self.size).map(|_| self.cast.of_tenant(tenant)).collect();
        let command = |payment: &Payment| {
            format!(r#"{{"path":"/v1/ledger/transfer","idempotencyKey":"{}","body":{}}}"#, payment.key, self.cast.body(payment))
        };
        let commands: Vec<String> = payments.iter().map(command).collect();
        let body = format!(r#"{{"commands":[{}]}}"#, commands.join(","));
        (post("/v1/commands", &self.tokens[tenant], &format!("batch-{serial}"), &body), payments)
    }

    fn answered(&self, payments: Vec<Payment>, answer: &Answer) -> Result<(), String> {
        let unreadable = || said(answer);
        let body: serde_json::Value = serde_json::from_slice(&answer.body).map_err(|_| unreadable())?;
        let answers = body["answers"].as_array().ok_or_else(unreadable)?;
        for (payment, answer) in payments.into_iter().zip(answers) {
            match answer["status"].as_u64() {
                Some(200) => {
                    self.accepted.fetch_add(1, Ordering::Relaxed);
                    self.cast.acknowledge(payment);
                }
                Some(429 | 503) if answer["retryAfter"].is_u64() => {
                    self.shed.fetch_add(1, Ordering::Relaxed);
                }
                _ => return Err(answer.to_string()),
            }
        }
        Ok(())
    }
}

/// Queries about wallets.
pub(crate) struct Reads {
    cast: Arc<Cast>,
    tokens: Vec<String>,
    serial: AtomicU64,
    what: Read,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    /// One wallet by its id.
    One,
    /// Fifty wallets, filtered.
    Page,
    /// The endpoint that does nothing.
    Nothing,
}

impl Reads {
    pub(crate) fn of(world: &World, what: Read) -> anyhow::Result<Arc<Self>> {
        let (cast, tokens) = (Arc::clone(&world.cast), world.cast.tokens(&world.issuer()?)?);
        Ok(Arc::new(Self { cast, tokens, serial: AtomicU64::new(0), what }))
    }
}

impl Requests for Reads {
    type Ticket = ();

    fn next(&self) -> (Vec<u8>, ()) {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let tenant = rng::below(serial, self.tokens.len());
        let wallets = &self.cast.tenants[tenant].wallets;
        let path = match self.what {
            Read::One => format!("/v1/wallets/{}/balance", wallets[rng::below(serial ^ 0x5bd1, wallets.len())]),
            Read::Page => "/v1/wallets?ownerType=user&currency=EUR&status=active&limit=50".to_owned(),
            Read::Nothing => "/noop".to_owned(),
        };
        (get(&path, Some((&self.tokens[tenant], None))), ())
    }

    fn answered(&self, (): (), answer: &Answer) -> Result<(), String> {
        if answer.status == 200 { Ok(()) } else { Err(said(answer)) }
    }
}
