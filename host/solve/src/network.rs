// SPDX-License-Identifier: Apache-2.0
//! The network of a command: from what the plan says to what the sandbox is given, and what went through it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use wythe_plan::{HostEntry, Network};
use wythe_remote::{Gate, GateOptions, MachineProxies};
use wythe_sandbox::NetworkStack;
use wythe_store::{Reached, Request, Traffic};
use wythe_sys::net::Namespace;

use crate::error::Cause;
use crate::machine::{Machine, WayOut};

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
    /// The same from a network of its own, so without the machine's loopback.
    Own {
        /// Where it reaches the machine's resolver, where that is on it.
        resolver: Ipv4Addr,
    },
}

impl View {
    pub(crate) fn of(network: &Network, machine: &Machine) -> Self {
        match network {
            Network::None => Self::Nothing,
            Network::Hosts(hosts) => {
                let is_itself = |entry: HostEntry| ITSELF.iter().any(|name| entry.mentions(name));
                Self::Gate { loopback: hosts.iter().filter_map(|host| host.parse().ok()).any(is_itself) }
            }
            Network::Host => match &machine.way_out {
                WayOut::Own(stack) => Self::Own { resolver: stack.dialect.resolver() },
                WayOut::Shared { .. } => Self::Machine,
            },
        }
    }

    /// Returns the variables that tell programs of the way out.
    pub(crate) fn proxies(self, machine: &Machine) -> BTreeMap<String, String> {
        match self {
            Self::Nothing => BTreeMap::new(),
            Self::Machine | Self::Own { .. } => machine.proxies.clone(),
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
    /// What the sandbox is told.
    network: wythe_sandbox::Network,
    gate: Option<(Namespace, Gate)>,
}

impl Access {
    /// Prepares the network that a plan asks for. To be called within a runtime.
    pub(crate) fn open(
        network: &Network,
        extra_hosts: &BTreeMap<String, Vec<IpAddr>>,
        machine: &Machine,
    ) -> Result<Self, Cause> {
        let without_gate = |network| Ok(Self { network, gate: None });
        let hosts = match (network, &machine.way_out) {
            (Network::None, _) => return without_gate(wythe_sandbox::Network::None),
            (Network::Host, WayOut::Shared { .. }) => return without_gate(wythe_sandbox::Network::Host),
            (Network::Host, WayOut::Own(stack)) => {
                return without_gate(wythe_sandbox::Network::Stack(connected(stack, machine)));
            }
            (Network::Hosts(hosts), _) => hosts,
        };
        let doing = || Cause::doing("cannot make a network for the step");
        let entries = hosts.iter().map(|host| host.parse::<HostEntry>());
        let hosts =
            entries.collect::<Result<_, _>>().map_err(|error| Cause::Bug(format!("a plan got through: {error}")))?;
        let namespace = Namespace::new().map_err(doing())?;
        let listener = namespace.listen(GATE_PORT).map_err(doing())?;
        let (extra_hosts, proxies) = (extra_hosts.clone(), proxies_of(machine));
        let options = GateOptions { hosts, extra_hosts, proxies, connect_timeout: PATIENCE };
        let gate = Gate::open(options, listener).map_err(doing())?;
        let network = wythe_sandbox::Network::Namespace { path: namespace.path() };
        Ok(Self { network, gate: Some((namespace, gate)) })
    }

    /// Returns what the sandbox is told.
    pub(crate) fn of_sandbox(&self) -> wythe_sandbox::Network {
        self.network.clone()
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

/// Returns what connects a network of a command's own: with the proxies that are on the machine's loopback, and its resolver
/// if that is there too.
fn connected(stack: &NetworkStack, machine: &Machine) -> NetworkStack {
    let loopback_ports = loopback_ports(&machine.proxies).into_iter().collect();
    let resolver = std::fs::read_to_string(&machine.resolv_conf).unwrap_or_default();
    let relays_resolver = resolver.lines().any(|line| nameserver(line).is_some_and(|address| address.is_loopback()));
    NetworkStack { loopback_ports, relays_resolver, ..stack.clone() }
}

/// Returns the ports of the proxies that are on the machine's own loopback. Of the variables, `no_proxy` names none: it says
/// who is reached without one.
#[must_use]
pub fn loopback_ports(proxies: &BTreeMap<String, String>) -> BTreeSet<u16> {
    let named = proxies.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("no_proxy"));
    named.filter_map(|(_, url)| loopback_port(url)).collect()
}

/// Returns the port of a proxy that is on the machine's own loopback.
fn loopback_port(url: &str) -> Option<u16> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next()?;
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    let (host, port) = place.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    is_loopback.then(|| port.parse().ok()).flatten()
}

/// Returns the address of a line `nameserver ADDRESS` (resolv.conf(5)).
fn nameserver(line: &str) -> Option<IpAddr> {
    line.trim_start().strip_prefix("nameserver")?.split_whitespace().next()?.parse().ok()
}

/// Returns the resolver's file as it is to be in a network of its own: who is on the machine's loopback is asked by way of
/// `relay`, once.
pub(crate) fn without_loopback(resolv_conf: &[u8], relay: IpAddr) -> Vec<u8> {
    let text = String::from_utf8_lossy(resolv_conf);
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let is_loopback = nameserver(line).is_some_and(|address| address.is_loopback());
        let line = if is_loopback { format!("nameserver {relay}") } else { line.to_owned() };
        if !(is_loopback && lines.contains(&line)) {
            lines.push(line);
        }
    }
    lines.iter().flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect()
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

#[cfg(test)]
mod tests {
    use super::{loopback_port, loopback_ports, without_loopback};

    #[test]
    fn a_proxy_on_the_loopback_is_known_by_its_address() {
        for (url, port) in [
            ("http://127.0.0.1:3128", Some(3128)),
            ("http://ann:p@localhost:8080/", Some(8080)),
            ("socks5h://[::1]:1080", Some(1080)),
            ("localhost:9", Some(9)),
            ("http://proxy.example:3128", None),
            ("http://10.0.0.1:3128", None),
            ("http://localhost", None),
            ("localhost,127.0.0.1", None),
        ] {
            assert_eq!(loopback_port(url), port, "{url}");
        }
    }

    #[test]
    fn who_is_reached_without_a_proxy_is_no_proxy() {
        for (name, value, ports) in [
            ("http_proxy", "http://127.0.0.1:3128", &[3128][..]),
            ("ALL_PROXY", "socks5h://localhost:1080", &[1080]),
            ("no_proxy", "127.0.0.1:8080", &[]),
            ("NO_PROXY", "localhost:8080", &[]),
            ("no_proxy", "example.com,localhost:8080", &[]),
        ] {
            let proxies = [(name.to_owned(), value.to_owned())].into();
            let found: Vec<u16> = loopback_ports(&proxies).into_iter().collect();
            assert_eq!(found, ports, "{name}={value}");
        }
    }

    #[test]
    fn a_resolver_on_the_loopback_is_asked_through_the_relay() {
        let relay = "169.254.1.1".parse().unwrap();
        let file = |text: &str| String::from_utf8(without_loopback(text.as_bytes(), relay)).unwrap();
        assert_eq!(
            file("# made by a machine\nnameserver 127.0.0.53\nnameserver ::1\noptions edns0\nsearch lan\n"),
            "# made by a machine\nnameserver 169.254.1.1\noptions edns0\nsearch lan\n"
        );
        assert_eq!(file("nameserver 10.1.2.3"), "nameserver 10.1.2.3\n");
        assert_eq!(file(""), "");
    }
}
