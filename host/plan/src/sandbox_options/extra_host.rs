// SPDX-License-Identifier: Apache-2.0
//! A name that a command finds in `/etc/hosts`, as people write it.

use core::net::IpAddr;
use std::str::FromStr;

/// `db=10.0.0.5`, `db:10.0.0.5`, `db=::1`, `db=[::1]`: what Docker's `--add-host` takes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExtraHost {
    /// The name.
    pub name: String,
    /// Where it leads.
    pub address: IpAddr,
}

/// A text that gives no name an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExtraHostError {
    /// It is not of the form.
    #[error("`{}` is not of the form NAME=ADDRESS or NAME:ADDRESS", .0.escape_debug())]
    Form(String),
    /// The name would be another line, or none.
    #[error("`{}` is not the name of a host", .0.escape_debug())]
    Name(String),
    /// It asks for the address of the machine as containers behind a bridge see it.
    #[error(
        "`host-gateway` is an address of this machine on a bridge, and commands have none between them and the machine: \
         with the network `host`, which is that of `RUN` where nothing else is said, this machine is `127.0.0.1`"
    )]
    Gateway,
    /// The address is none.
    #[error("`{}` is not an address such as 10.0.0.5 or 2001:db8::5", .0.escape_debug())]
    Address(String),
}

/// What Docker replaces by an address of the machine.
const GATEWAY: &str = "host-gateway";

impl ExtraHost {
    /// Reads an address for a name.
    ///
    /// # Errors
    ///
    /// Says which of the two is none.
    pub fn new(name: &str, address: &str) -> Result<Self, ExtraHostError> {
        if !is_host_name(name) {
            return Err(ExtraHostError::Name(name.to_owned()));
        }
        if address == GATEWAY {
            return Err(ExtraHostError::Gateway);
        }
        let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let parsed = match bare {
            Some(bare) => bare.parse().ok().filter(IpAddr::is_ipv6),
            None => address.parse().ok(),
        };
        let address = parsed.ok_or_else(|| ExtraHostError::Address(address.to_owned()))?;
        Ok(Self { name: name.to_owned(), address })
    }
}

impl FromStr for ExtraHost {
    type Err = ExtraHostError;

    fn from_str(text: &str) -> Result<Self, ExtraHostError> {
        // An address of version 6 has colons of its own: the first one counts, as in Docker.
        let parts = text.split_once('=').or_else(|| text.split_once(':'));
        let (name, address) = parts.ok_or_else(|| ExtraHostError::Form(text.to_owned()))?;
        Self::new(name, address)
    }
}

/// Whether a text is a name in the sense of hosts(5), with the underscores that people use all the same.
fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let inside = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        !label.is_empty() && label.len() <= 63 && inside && !label.starts_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::{ExtraHost, ExtraHostError};

    #[test]
    fn hosts_are_written_as_for_docker() {
        let table = [
            ("db=10.0.0.5", "db", "10.0.0.5"),
            ("db:10.0.0.5", "db", "10.0.0.5"),
            ("my_db.internal=::1", "my_db.internal", "::1"),
            ("db:::1", "db", "::1"),
            ("db=[2001:db8::5]", "db", "2001:db8::5"),
            ("db:[2001:DB8::5]", "db", "2001:db8::5"),
            ("10.0.0.1=10.0.0.2", "10.0.0.1", "10.0.0.2"),
        ];
        for (text, name, address) in table {
            let expected = ExtraHost { name: name.to_owned(), address: address.parse().unwrap() };
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_would_be_another_line_or_leads_nowhere_is_refused() {
        let wrong = |text: &str| text.parse::<ExtraHost>().unwrap_err();
        for text in ["", "db", "10.0.0.5"] {
            assert_eq!(wrong(text), ExtraHostError::Form(text.to_owned()), "{text}");
        }
        for (text, name) in
            [("=10.0.0.5", ""), (":10.0.0.5", ""), ("a b=10.0.0.5", "a b"), ("a\nb=::1", "a\nb"), ("#=::1", "#")]
        {
            assert_eq!(wrong(text), ExtraHostError::Name(name.to_owned()), "{text}");
        }
        assert_eq!(wrong("db=host-gateway"), ExtraHostError::Gateway);
        for (text, address) in
            [("db=", ""), ("db=10.0.0", "10.0.0"), ("db=[10.0.0.5]", "[10.0.0.5]"), ("db=fe80::1%eth0", "fe80::1%eth0")]
        {
            assert_eq!(wrong(text), ExtraHostError::Address(address.to_owned()), "{text}");
        }
    }
}
