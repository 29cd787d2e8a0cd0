//! A TCP proxy before Postgres that loses, holds, delays and forges on request.
//!
//! It reads the wire protocol (version 3, without TLS), so a fault can be placed where it hurts: after the statement
//! that commits was sent and done, before its answer arrives. It judges whole requests (everything up to a `Sync`, or
//! one simple query) by the SQL they execute and the parameters they bind; a statement that is only being prepared is
//! never a match. Nothing happens until a fault is asked for.

mod answer;
mod faults;
mod frame;
mod link;
mod random;
mod request;
mod upstream;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

pub use self::faults::{Counts, Ending, Fault, Faults, Forged, Latency, Rule, Severity, When};
pub use self::upstream::Upstream;

/// A listening proxy; dropping it closes the listener and every connection.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    faults: Faults,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1. The seed decides chances and jitter.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(upstream: Upstream, seed: u64) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let faults = Faults::new(seed);
        let accepting = tokio::spawn(accept(listener, upstream, faults.clone()));
        Ok(Self { address, faults, accepting })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a client connects to instead of the real server. Names go in as they are: plain ones only.
    pub fn url(&self, database: &str, user: &str) -> String {
        format!("postgresql://{user}@{}/{database}?sslmode=disable", self.address)
    }

    /// The same database and user as another URL, through this proxy.
    ///
    /// # Errors
    /// When sqlx cannot read the URL.
    pub fn url_for(&self, direct: &str) -> Result<String, sqlx::Error> {
        let options = PgConnectOptions::from_str(direct)?;
        let user = options.get_username();
        Ok(self.url(options.get_database().unwrap_or(user), user))
    }

    pub fn faults(&self) -> Faults {
        self.faults.clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// The links live in this task's set, so aborting it ends them too.
async fn accept(listener: TcpListener, upstream: Upstream, faults: Faults) {
    let mut links = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => {
                    faults.count(|counts| counts.connections += 1);
                    links.spawn(link::run(client, upstream.clone(), faults.clone()));
                }
                Err(_) => return,
            },
            Some(_) = links.join_next() => {}
        }
    }
}
