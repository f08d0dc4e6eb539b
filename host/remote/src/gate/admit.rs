// SPDX-License-Identifier: Apache-2.0
//! Who is let through: names by the entries, addresses by what they lead to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use wythe_plan::HostEntry;

/// Why something was not reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody has named it.
    #[error("`{wanted}` is not among the hosts that may be reached; add it: {}", list(.allowed, .wanted))]
    NotNamed {
        /// What to add.
        wanted: String,
        /// What is there.
        allowed: Vec<String>,
    },
    /// Its name leads where names must not lead.
    #[error(
        "the name `{host}` leads to {address}, which is {what}; it is not reached unless the address itself is named"
    )]
    Inward {
        /// The name.
        host: String,
        /// Where it leads.
        address: IpAddr,
        /// What that is.
        what: &'static str,
    },
    /// What was asked is no request to a proxy.
    #[error("{0}")]
    NotARequest(&'static str),
}

/// Shows the option as it has to be written.
fn list(allowed: &[String], wanted: &str) -> String {
    let names = allowed.iter().map(String::as_str).chain([wanted]);
    format!("network = [{}]", names.map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", "))
}

/// Knows what may be reached.
#[derive(Debug)]
pub(super) struct Doorkeeper(Vec<HostEntry>);

impl Doorkeeper {
    pub(super) fn new(mut entries: Vec<HostEntry>) -> Self {
        entries.sort();
        entries.dedup();
        Self(entries)
    }

    /// Lets a host and a port through that were named.
    pub(super) fn check(&self, host: &str, port: u16) -> Result<(), Refusal> {
        if self.0.iter().any(|entry| entry.names(host, port)) {
            return Ok(());
        }
        let allowed = self.0.iter().map(HostEntry::to_string).collect();
        Err(Refusal::NotNamed { wanted: HostEntry::of(host, port).to_string(), allowed })
    }
}

/// Leaves of what a name was resolved to what may be connected to. An address, and `localhost`, mean themselves.
pub(super) fn outward(host: &str, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Refusal> {
    if host.parse::<IpAddr>().is_ok() || host == "localhost" {
        return Ok(found);
    }
    let inward = found.iter().find_map(|address| Some((address.ip(), inward(address.ip())?)));
    let good: Vec<SocketAddr> = found.into_iter().filter(|address| self::inward(address.ip()).is_none()).collect();
    match inward {
        Some((address, what)) if good.is_empty() => Err(Refusal::Inward { host: host.to_owned(), address, what }),
        _ => Ok(good),
    }
}

/// Says what an address is that no name from outside has any business to lead to (DNS rebinding).
fn inward(address: IpAddr) -> Option<&'static str> {
    const METADATA: [IpAddr; 2] =
        [IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)), IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254))];
    let address = address.to_canonical();
    let is_link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    let is_this_network = matches!(address, IpAddr::V4(address) if address.octets()[0] == 0 || address.is_broadcast());
    match address {
        _ if address.is_loopback() => Some("this machine"),
        _ if address.is_unspecified() || is_this_network => Some("no address of another machine"),
        _ if is_link_local => Some("an address of the link (metadata services are there)"),
        _ if METADATA.contains(&address) => Some("a metadata service"),
        _ if address.is_multicast() => Some("a group of machines"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::{Doorkeeper, outward};

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 443)).collect()
    }

    #[test]
    fn a_name_does_not_lead_inward() {
        for ip in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "100.100.100.200",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00:ec2::254",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "ff02::1",
        ] {
            let refused = outward("rebound.example", addresses(&[ip])).unwrap_err().to_string();
            assert!(refused.contains(ip.trim_start_matches("::ffff:")), "{refused}");
            // Others that the name has may be used.
            let mixed = outward("rebound.example", addresses(&[ip, "192.0.2.1"])).unwrap();
            assert_eq!(mixed, addresses(&["192.0.2.1"]));
            // An address that was named is itself.
            assert_eq!(outward(ip, addresses(&[ip])).unwrap(), addresses(&[ip]));
        }
        assert!(outward("localhost", addresses(&["127.0.0.1"])).is_ok());
        // Networks of companies are where their mirrors are.
        assert!(outward("mirror.example", addresses(&["10.0.0.1", "192.168.0.1"])).is_ok());
    }

    #[test]
    fn who_is_refused_is_told_what_to_write() {
        let doorkeeper = Doorkeeper::new(vec!["pypi.org".parse().unwrap(), "*.a.example:80".parse().unwrap()]);
        assert_eq!(doorkeeper.check("pypi.org", 443), Ok(()));
        assert_eq!(
            doorkeeper.check("b.example", 8443).unwrap_err().to_string(),
            "`b.example:8443` is not among the hosts that may be reached; add it: \
             network = [\"*.a.example:80\", \"pypi.org\", \"b.example:8443\"]"
        );
    }
}
