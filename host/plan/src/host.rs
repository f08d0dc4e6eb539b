// SPDX-License-Identifier: Apache-2.0
//! Hosts as people and plugins name them: patterns of grants, and what a command may reach.

use core::net::IpAddr;

mod entry;

pub use entry::{HostEntry, HostEntryError};

/// Tells whether a pattern names a host.
///
/// A pattern is a host name, `*.` and a domain (every name below it, at any depth, but not the domain itself), or `*`
/// (every host). Case and one final dot do not count. An IP address is matched by itself and by `*` only.
#[must_use]
pub fn host_matches(pattern: &str, host: &str) -> bool {
    if pattern == "*" {
        return !normal(host).is_empty();
    }
    let (pattern, host) = (normal(pattern), normal(host));
    let Some(domain) = pattern.strip_prefix("*.") else { return !host.is_empty() && pattern == host };
    let below = host.strip_suffix(domain).and_then(|rest| rest.strip_suffix('.'));
    !domain.is_empty() && below.is_some_and(|label| !label.is_empty()) && !is_address(&host)
}

fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn is_address(host: &str) -> bool {
    host.starts_with('[') || host.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::host_matches;

    #[test]
    fn patterns_match_what_they_say_and_nothing_else() {
        for (pattern, host, expected) in [
            ("deb.debian.org", "deb.debian.org", true),
            ("deb.debian.org", "DEB.Debian.ORG.", true),
            ("deb.debian.org", "xdeb.debian.org", false),
            ("*.debian.org", "deb.debian.org", true),
            ("*.debian.org", "a.b.debian.org", true),
            ("*.debian.org", "debian.org", false),
            ("*.debian.org", ".debian.org", false),
            ("*.debian.org", "evildebian.org", false),
            ("*.debian.org", "deb.debian.org.evil.com", false),
            ("*", "anything.example", true),
            ("*", "127.0.0.1", true),
            ("*", "", false),
            ("*.", "a.", false),
            ("", "a", false),
            ("", "", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("*.0.0.1", "127.0.0.1", false),
            ("[::1]", "[::1]", true),
            ("deb.*.org", "deb.debian.org", false),
        ] {
            assert_eq!(host_matches(pattern, host), expected, "{pattern:?} {host:?}");
        }
    }
}
