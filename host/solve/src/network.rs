// SPDX-License-Identifier: Apache-2.0
//! The network of a command: from what the plan says to what the sandbox is given, and what went through it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use wythe_plan::{HostEntry, Network};
use wythe_remote::{Gate, GateOptions, MachineProxies};
use wythe_store::{Reached, Request, Traffic};
use wythe_sys::net::Namespace;

use crate::error::Cause;
use crate::machine::Machine;

/// Where a command finds the gate, on its own loopback: above the ports that the kernel hands out (ip(7)).
const GATE_PORT: u16 = 61_080;

/// What a command calls itself.
const ITSELF: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// How long the gate tries to reach a host.
const PATIENCE: Duration = Duration::from_secs(30);

/// What of a network a command sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum View {
    /// None.
    Nothing,
    /// A gate, and behind it what was named.
    Gate {
        /// Whether the machine's own loopback is among that.
        loopback: bool,
    },
    /// What the machine sees.
    Machine,
}

impl View {
    pub(crate) fn of(network: &Network) -> Self {
        match network {
            Network::None => Self::Nothing,
            Network::Hosts(hosts) => {
                let is_itself = |entry: HostEntry| ITSELF.iter().any(|name| entry.mentions(name));
                Self::Gate { loopback: hosts.iter().filter_map(|host| host.parse().ok()).any(is_itself) }
            }
            Network::Host => Self::Machine,
        }
    }

    /// Returns the variables that tell programs of the way out.
    pub(crate) fn proxies(self, machine: &Machine) -> BTreeMap<String, String> {
        match self {
            Self::Nothing => BTreeMap::new(),
            Self::Machine => machine.proxies.clone(),
            Self::Gate { loopback } => {
                let gate = format!("http://127.0.0.1:{GATE_PORT}");
                let gates = ["http_proxy", "https_proxy", "ftp_proxy", "all_proxy"].map(|name| (name, gate.clone()));
                // What is called localhost is the command's own, unless somebody named the machine's.
                let itself = (!loopback).then(|| ("no_proxy", ITSELF.join(",")));
                let all = gates.into_iter().chain(itself);
                // Both cases are in use.
                all.flat_map(|(name, value)| [(name.to_owned(), value.clone()), (name.to_uppercase(), value)]).collect()
            }
        }
    }
}

/// A network that is there for one command, as long as this value lives.
#[derive(Debug)]
pub(crate) struct Access {
    view: View,
    gate: Option<(Namespace, Gate)>,
}

impl Access {
    /// Prepares the network that a plan asks for. To be called within a runtime.
    pub(crate) fn open(
        network: &Network,
        extra_hosts: &BTreeMap<String, Vec<IpAddr>>,
        machine: &Machine,
    ) -> Result<Self, Cause> {
        let view = View::of(network);
        let Network::Hosts(hosts) = network else { return Ok(Self { view, gate: None }) };
        let doing = || Cause::doing("cannot make a network for the step");
        let entries = hosts.iter().map(|host| host.parse::<HostEntry>());
        let hosts =
            entries.collect::<Result<_, _>>().map_err(|error| Cause::Bug(format!("a plan got through: {error}")))?;
        let namespace = Namespace::new().map_err(doing())?;
        let listener = namespace.listen(GATE_PORT).map_err(doing())?;
        let (extra_hosts, proxies) = (extra_hosts.clone(), proxies_of(machine));
        let options = GateOptions { hosts, extra_hosts, proxies, connect_timeout: PATIENCE };
        let gate = Gate::open(options, listener).map_err(doing())?;
        Ok(Self { view, gate: Some((namespace, gate)) })
    }

    /// Returns what the sandbox is told.
    pub(crate) fn of_sandbox(&self) -> wythe_sandbox::Network {
        match (&self.gate, self.view) {
            (Some((namespace, _)), _) => wythe_sandbox::Network::Namespace { path: namespace.path() },
            (None, View::Machine) => wythe_sandbox::Network::Host,
            (None, _) => wythe_sandbox::Network::None,
        }
    }

    /// Takes the network away and returns what went through it, and a line for each thing that was refused. Nothing is known
    /// of a command that had all of the machine's.
    pub(crate) fn close(self) -> (Option<Traffic>, Vec<String>) {
        let Some((_, gate)) = self.gate else { return (None, Vec::new()) };
        let traffic = gate.close();
        let refused: Vec<String> = traffic.refused.values().map(|why| format!("wythe: {why}")).collect();
        (Some(recorded(traffic)), refused)
    }
}

fn proxies_of(machine: &Machine) -> MachineProxies {
    let get = |name: &str| {
        let value = machine.proxies.get(name).or_else(|| machine.proxies.get(&name.to_uppercase()));
        value.cloned().unwrap_or_default()
    };
    MachineProxies { http: get("http_proxy"), https: get("https_proxy"), all: get("all_proxy"), no: get("no_proxy") }
}

fn recorded(traffic: wythe_remote::Traffic) -> Traffic {
    let wythe_remote::Traffic { exchanges, requests, more_requests, refused } = traffic;
    let hosts = exchanges.into_iter().map(|(host, exchange)| {
        let wythe_remote::Exchange { connections, sent, received } = exchange;
        (host, Reached { connections, sent, received })
    });
    let requests = requests.into_iter().map(|request| {
        let wythe_remote::Request { method, url, status } = request;
        Request { method, url, status }
    });
    Traffic {
        hosts: hosts.collect(),
        requests: requests.collect(),
        more_requests,
        refused: refused.into_keys().collect(),
    }
}
