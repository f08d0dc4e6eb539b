// SPDX-License-Identifier: Apache-2.0
//! The way out for a program that may reach certain hosts only: a proxy that is all the network it has.
//!
//! A gate serves a listener that somebody else has bound where the program can reach it (a network namespace without any
//! route, say). It speaks what the usual proxy variables promise: `CONNECT` for everything, and requests with whole
//! addresses for plain HTTP. What holds:
//!
//! - Only hosts and ports that were named are reached; an address in place of a name counts only where it was named
//!   itself. Whoever is refused is told which host to add.
//! - Names are resolved here, once: what was checked is what is connected to. A name that leads to this machine, to the link
//!   or to a cloud's metadata service is refused, unless it is `localhost` or an address and was named.
//! - TLS is passed through as it is: the gate knows names and lengths, not contents. A server that answers for several
//!   names can therefore be asked for another one of its own.
//! - Where the machine has a proxy of its own, the gate goes through it, and that proxy resolves.
//! - All that was reached and refused is written down.

mod account;
mod admit;
mod reach;
mod serve;

use std::collections::BTreeMap;
use std::net::{IpAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{AbortHandle, JoinSet};
use wythe_plan::HostEntry;

pub use account::{Exchange, Request, Traffic};
pub use admit::Refusal;

use account::Account;
use admit::Doorkeeper;
use reach::Way;

/// Connections that are served at once; further ones wait.
const MOST_CONNECTIONS: usize = 512;

/// How a gate behaves.
#[derive(Debug, Clone)]
pub struct GateOptions {
    /// What may be reached.
    pub hosts: Vec<HostEntry>,
    /// Names that lead where somebody says, whatever is asked otherwise. They are reached without the machine's proxies.
    pub extra_hosts: BTreeMap<String, Vec<IpAddr>>,
    /// The machine's own proxies.
    pub proxies: MachineProxies,
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
}

/// The machine's own proxies, as the variables of these names say. Empty means none.
#[derive(Debug, Clone, Default)]
pub struct MachineProxies {
    /// For plain HTTP.
    pub http: String,
    /// For everything else.
    pub https: String,
    /// For both, where they have none of their own.
    pub all: String,
    /// What is reached without one.
    pub no: String,
}

/// A gate that is open. Dropping it ends all that goes through it.
#[derive(Debug)]
pub struct Gate {
    account: Arc<Account>,
    serving: AbortHandle,
}

impl Gate {
    /// Serves a listener, in tasks of the runtime that this is called in.
    ///
    /// # Errors
    ///
    /// Fails where the listener cannot be used asynchronously.
    pub fn open(options: GateOptions, listener: TcpListener) -> std::io::Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let account = Arc::new(Account::default());
        let way = Way::new(&options);
        let service =
            Arc::new(serve::Service { doorkeeper: Doorkeeper::new(options.hosts), way, account: Arc::clone(&account) });
        let serving = tokio::spawn(accept(listener, service)).abort_handle();
        Ok(Self { account, serving })
    }

    /// Ends all that goes through the gate and returns what did.
    #[must_use]
    pub fn close(self) -> Traffic {
        self.serving.abort();
        self.account.total()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Takes connections. All tasks that serve them end with this one.
async fn accept(listener: tokio::net::TcpListener, service: Arc<serve::Service>) {
    let mut serving = JoinSet::new();
    loop {
        while serving.len() >= MOST_CONNECTIONS {
            serving.join_next().await;
        }
        while serving.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => drop(serving.spawn(serve::connection(stream, Arc::clone(&service)))),
            // Out of descriptors, most likely: some of those that are served end first.
            Err(_) => drop(serving.join_next().await),
        }
    }
}
