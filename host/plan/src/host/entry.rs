// SPDX-License-Identifier: Apache-2.0
//! One host that may be reached, as people write it.

use core::net::IpAddr;
use std::fmt;
use std::str::FromStr;

use super::host_matches;

/// The ports of an entry that names none: those of the web.
const WEB: [u16; 2] = [80, 443];

/// `pypi.org`, `deb.debian.org:80`, `*.example.com`, `*`, `192.0.2.7:8080`, `[2001:db8::1]:443`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostEntry {
    pattern: String,
    port: Option<u16>,
}

/// A text that names no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a host, a host and a port, or `*.` and a domain", .0.escape_debug())]
pub struct HostEntryError(String);

impl HostEntry {
    /// Tells whether the entry names a host and a port. An address is named by itself only.
    #[must_use]
    pub fn names(&self, host: &str, port: u16) -> bool {
        let is_named = if host.parse::<IpAddr>().is_ok() {
            self.pattern.parse::<IpAddr>().ok() == host.parse().ok()
        } else {
            host_matches(&self.pattern, host)
        };
        is_named && self.port.map_or_else(|| WEB.contains(&port), |own| own == port)
    }

    /// Tells whether the entry names a host on some port.
    #[must_use]
    pub fn mentions(&self, host: &str) -> bool {
        self.names(host, self.port.unwrap_or(WEB[0]))
    }

    /// Returns the entry that names exactly this.
    #[must_use]
    pub fn of(host: &str, port: u16) -> Self {
        Self { pattern: host.to_owned(), port: (!WEB.contains(&port)).then_some(port) }
    }
}

impl FromStr for HostEntry {
    type Err = HostEntryError;

    fn from_str(text: &str) -> Result<Self, HostEntryError> {
        let wrong = || HostEntryError(text.to_owned());
        let (pattern, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, "")) => (address, None),
            Some((address, rest)) => (address, Some(rest.strip_prefix(':').ok_or_else(wrong)?)),
            // An address of version 6 has colons of its own.
            None if text.parse::<IpAddr>().is_ok() => (text, None),
            None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map(|port| port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)).transpose()?;
        let pattern = pattern.strip_suffix('.').filter(|name| *name != "*").unwrap_or(pattern).to_ascii_lowercase();
        let name = pattern.strip_prefix("*.").unwrap_or(if pattern == "*" { "any" } else { &pattern });
        let is_label = |label: &str| {
            let inside = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
            !label.is_empty() && label.len() <= 63 && inside && !label.starts_with('-')
        };
        let is_name = name.len() <= 253 && name.split('.').all(is_label);
        if is_name || pattern.parse::<IpAddr>().is_ok() { Ok(Self { pattern, port }) } else { Err(wrong()) }
    }
}

impl fmt::Display for HostEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.pattern.contains(':'), self.port) {
            (true, Some(port)) => write!(f, "[{}]:{port}", self.pattern),
            (false, Some(port)) => write!(f, "{}:{port}", self.pattern),
            (_, None) => f.write_str(&self.pattern),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::HostEntry;

    #[test]
    fn entries_name_what_they_say() {
        for (entry, host, port, expected) in [
            ("pypi.org", "pypi.org", 443, true),
            ("pypi.org", "pypi.org", 80, true),
            ("pypi.org", "pypi.org", 22, false),
            ("PyPI.org.", "pypi.org", 443, true),
            ("pypi.org", "evil.pypi.org", 443, false),
            ("deb.debian.org:80", "deb.debian.org", 80, true),
            ("deb.debian.org:80", "deb.debian.org", 443, false),
            ("*.example.com", "a.b.example.com", 443, true),
            ("*.example.com", "example.com", 443, false),
            ("*.example.com:8443", "a.example.com", 8443, true),
            ("*", "anything.example", 443, true),
            ("*", "127.0.0.1", 443, false),
            ("127.0.0.1:8080", "127.0.0.1", 8080, true),
            ("[::1]:8080", "::1", 8080, true),
            ("::1", "0:0:0:0:0:0:0:1", 443, true),
        ] {
            assert_eq!(entry.parse::<HostEntry>().unwrap().names(host, port), expected, "{entry} {host}:{port}");
        }
    }

    #[test]
    fn what_names_no_host_is_refused() {
        for text in [
            "",
            ".",
            "*.",
            "a b",
            "https://a",
            "a/b",
            "a:",
            "a:0",
            "a:65536",
            "a:b",
            "a..b",
            "-a",
            "a.*.b",
            "**",
            "[::1",
            "[::1]x",
            "a@b",
            "ä.example",
            "a:80:81",
            "a\n",
        ] {
            assert!(text.parse::<HostEntry>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn an_entry_is_shown_as_it_can_be_written() {
        for text in ["pypi.org", "a.example:81", "*.a", "[::1]:80", "::1", "*"] {
            assert_eq!(text.parse::<HostEntry>().unwrap().to_string(), text);
        }
        assert_eq!(HostEntry::of("a.example", 443).to_string(), "a.example");
        assert_eq!(HostEntry::of("a.example", 8443).to_string(), "a.example:8443");
    }
}
