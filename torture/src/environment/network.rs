//! Proxies between every role and its servers, and between clients and every api process, so that any two can be parted.

use std::net::SocketAddr;
use std::time::Duration;

use super::proxy::{Direction, Link, MakeFilter};
use crate::rng::Rng;
use crate::world::{Routes, World, free_port};

/// What a role talks to, or clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    Postgres,
    Nats,
    Api,
}

/// One pair of processes and what is between them.
#[derive(Debug)]
pub struct Between {
    pub service: String,
    pub server: Server,
    pub link: Link,
}

/// All links of a world. When dropped, nobody reaches anybody any more until the world is healed.
#[derive(Debug)]
pub struct Network {
    pub links: Vec<Between>,
}

/// How a link can be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    Partition,
    OneWay(Direction),
    Slow,
    Reset,
    Cut(Direction),
}

pub const BREAKS: [Break; 7] = [
    Break::Partition,
    Break::OneWay(Direction::ToServer),
    Break::OneWay(Direction::ToClient),
    Break::Slow,
    Break::Reset,
    Break::Cut(Direction::ToServer),
    Break::Cut(Direction::ToClient),
];

impl Network {
    /// Puts a proxy into every link and starts the services again, which then use them. `filter` may look at what passes.
    ///
    /// # Errors
    /// When a service does not come back.
    pub async fn put_in(world: &mut World, filter: impl Fn(&str, Server) -> Option<MakeFilter>) -> anyhow::Result<Self> {
        let (postgres, nats) = (local(world.postgres.port), local(world.nats.port));
        let mut links = Vec::new();
        for service in &mut world.services {
            let mut ports = Vec::new();
            for (server, address) in [(Server::Postgres, postgres), (Server::Nats, nats)] {
                let link = Link::open(address, filter(&service.name, server)).await?;
                ports.push(link.address().port());
                links.push(Between { service: service.name.clone(), server, link });
            }
            service.routes = Routes { postgres: ports.first().copied(), nats: ports.last().copied() };
            service.stop().await?;
            if service.role == "api" {
                let behind = free_port()?;
                service.behind = Some(behind);
                let link = Link::open_at(service.port, local(behind), filter(&service.name, Server::Api)).await?;
                links.push(Between { service: service.name.clone(), server: Server::Api, link });
            }
        }
        world.start_all().await?;
        Ok(Self { links })
    }

    /// The links to `server`.
    pub fn to(&self, server: Server) -> impl Iterator<Item = &Link> {
        self.links.iter().filter(move |between| between.server == server).map(|between| &between.link)
    }

    /// Every link to Postgres leads to another one from now on.
    pub fn redirect_postgres(&self, port: u16) {
        self.to(Server::Postgres).for_each(|link| link.redirect(local(port)));
    }

    pub fn heal(&self) {
        self.links.iter().for_each(|between| between.link.heal());
    }
}

impl Between {
    /// Breaks it in this way; [`Link::heal`] takes it back.
    pub fn break_it(&self, how: Break, rng: &mut Rng) {
        match how {
            Break::Partition => self.link.partition(),
            Break::OneWay(direction) => self.link.block(direction),
            Break::Slow => self.link.delay(rng.millis(20, 400)),
            Break::Reset => self.link.reset(),
            Break::Cut(direction) => self.link.cut(direction),
        }
    }

    /// For messages: `relay – Postgres`, `clients – api-1`.
    #[must_use]
    pub fn name(&self) -> String {
        match self.server {
            Server::Api => format!("clients – {}", self.service),
            Server::Postgres | Server::Nats => format!("{} – {:?}", self.service, self.server),
        }
    }
}

/// The address of a server on this machine.
#[must_use]
pub fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// How long a break lasts: shorter and longer than the timeouts of connections and statements.
pub fn how_long(rng: &mut Rng) -> Duration {
    if rng.percent(20) { rng.millis(6_000, 9_000) } else { rng.millis(200, 3_000) }
}
