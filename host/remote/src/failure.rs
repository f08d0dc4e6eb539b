// SPDX-License-Identifier: Apache-2.0
//! What can go wrong with a fetch, and whether trying again makes sense.

use std::error::Error;
use std::io;
use std::time::Duration;

/// A fetch that was given up.
#[derive(Debug, thiserror::Error)]
#[error("cannot fetch `{address}`{}", after(*.attempts, *.spent, *.received))]
pub struct FetchError {
    address: String,
    attempts: u32,
    spent: Duration,
    received: u64,
    #[source]
    failure: Box<Failure>,
}

/// What the last attempt of a fetch failed at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The address is none, or not one for this client.
    #[error("not an address for http or https: {reason}")]
    Address {
        /// What is wrong with it.
        reason: String,
    },
    /// The host is not among those the client was limited to.
    #[error("`{host}` is not among the hosts that are allowed ({})", allowed.join(", "))]
    HostNotAllowed {
        /// The host.
        host: String,
        /// Patterns of those that are.
        allowed: Vec<String>,
    },
    /// The server sent the client elsewhere, and it did not follow.
    #[error("the redirect to `{to}` is refused: {reason}")]
    Redirect {
        /// Where to, without secrets.
        to: String,
        /// Why not.
        reason: String,
    },
    /// The server answered with something else than the content.
    #[error("the server answered {status}{}", said(.message))]
    Status {
        /// The status, with its usual name.
        status: reqwest::StatusCode,
        /// After what time the server wants to be asked again.
        retry_after: Option<Duration>,
        /// The first line of what the server said, if it said it in plain words.
        message: String,
    },
    /// TLS did not come about: a certificate that is not trusted, or a server that does not speak it.
    #[error("no secure connection to `{host}`: {reason}")]
    Tls {
        /// Host and port.
        host: String,
        /// What the TLS library says.
        reason: String,
    },
    /// There is no connection.
    #[error("no connection to `{host}`: {reason}")]
    Connect {
        /// Host and port.
        host: String,
        /// What the system says.
        reason: String,
    },
    /// The server was silent for too long.
    #[error("no answer from `{host}` in time")]
    Timeout {
        /// Host and port.
        host: String,
    },
    /// The connection broke before the content was complete.
    #[error("the transfer broke off: {reason}")]
    Interrupted {
        /// What happened.
        reason: String,
    },
    /// The content is larger than the caller accepts.
    #[error("the content is larger than {limit} bytes")]
    TooLarge {
        /// What the caller accepts.
        limit: u64,
    },
    /// The content has not the length that it should have.
    #[error("expected {expected} bytes, the server offers {offered}")]
    Size {
        /// What the caller expects.
        expected: u64,
        /// What the server announces.
        offered: u64,
    },
    /// Between two attempts the content became another one.
    #[error("the content changed on the server during the download")]
    Changed,
    /// The bytes could not be written to where they should go.
    #[error("cannot write what was received")]
    Write(#[source] io::Error),
}

impl FetchError {
    pub(crate) fn new(address: &str, attempts: u32, received: u64, failure: Failure) -> Self {
        let (address, failure) = (crate::address::shown(address), Box::new(failure));
        Self { address, attempts, spent: Duration::ZERO, received, failure }
    }

    /// Says how long it was tried.
    pub(crate) fn within(self, spent: Duration) -> Self {
        Self { spent, ..self }
    }

    /// Returns the address without its secrets.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Returns how many attempts were made.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Returns what the last attempt failed at.
    #[must_use]
    pub fn failure(&self) -> &Failure {
        &self.failure
    }

    /// Tells whether the same fetch may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.failure.is_transient()
    }
}

impl Failure {
    /// Tells whether the same fetch may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Timeout { .. } | Self::Interrupted { .. } => true,
            // 425 Too Early; the others say it by their names.
            Self::Status { status, .. } => {
                matches!(status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504 | 520..=599)
            }
            _ => false,
        }
    }

    /// Turns an error of the HTTP library into the noun it is about.
    pub(crate) fn of(error: &reqwest::Error, host: String) -> Self {
        let reason = innermost(error);
        if error.is_timeout() {
            Self::Timeout { host }
        } else if error.is_connect() && is_tls(error) {
            Self::Tls { host, reason }
        } else if error.is_connect() {
            Self::Connect { host, reason }
        } else {
            Self::Interrupted { reason }
        }
    }
}

/// The layers between the library and the system say nothing new ("error sending request", "client error"), and the
/// outermost prints the address with its query.
fn innermost(error: &reqwest::Error) -> String {
    let mut deepest: &dyn Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

/// The TLS library reports its findings as invalid data, in an `io::Error` within an `io::Error`
/// that the chain of sources skips.
fn is_tls(error: &reqwest::Error) -> bool {
    let mut layer: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = layer {
        let system = error.downcast_ref::<io::Error>();
        if system.is_some_and(|error| error.kind() == io::ErrorKind::InvalidData) {
            return true;
        }
        let within = system.and_then(io::Error::get_ref).map(|inner| inner as &(dyn Error + 'static));
        layer = within.or_else(|| error.source());
    }
    false
}

fn after(attempts: u32, spent: Duration, received: u64) -> String {
    // Less than a second is not worth a word.
    let within = match spent.as_secs() {
        0 => String::new(),
        seconds => format!(" in {seconds} s"),
    };
    match (attempts, received) {
        (0 | 1, 0) => String::new(),
        (0 | 1, _) => format!(" ({received} bytes received)"),
        (_, 0) => format!(" ({attempts} attempts{within})"),
        _ => format!(" ({attempts} attempts{within}, {received} bytes received)"),
    }
}

fn said(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}
