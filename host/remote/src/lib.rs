// SPDX-License-Identifier: Apache-2.0
//! Bytes from `http` and `https` addresses, and commits of git repositories: the one place in the host that speaks to the network.
//!
//! This room refuses to know what the bytes are for and where they end up: it writes them into what it is given, and
//! the caller checks their digest. It promises that
//!
//! - a fault that may pass (a reset, a silence, a server that is busy) is tried again, a growing while later that
//!   differs between clients, up to a number of attempts and for a time that are given; whoever listens is told;
//! - a download goes on where it broke off, and never glues two versions of a file together: it resumes only what the
//!   server vouches for, and compares otherwise;
//! - nothing is larger than it was said to be; no redirect leaves TLS, or the hosts that are allowed;
//! - an error names the address without its credentials, what went wrong, and after how many attempts in what time.
//!
//! Dropping a future cancels it. What was written into the sink by then stays there.
//!
//! # Environment
//!
//! Certificates come from `SSL_CERT_FILE` and `SSL_CERT_DIR` where they are set, else from the machine's bundle; with
//! [`Proxy::FromEnvironment`] the usual proxy variables count. The libraries below read these variables themselves,
//! which is the exception to the rule that only the command line reads the environment.
//!
//! ```
//! use wythe_remote::{Client, ClientOptions, host_matches};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new(ClientOptions::new("wythe/0.1.0"))?;
//! let page = client.get("https://deb.debian.org/debian/dists/stable/InRelease", 1 << 20).await?;
//! # drop(page);
//! # Ok(())
//! # }
//! assert!(host_matches("*.debian.org", "deb.debian.org"));
//! ```
#![forbid(unsafe_code)]

mod address;
mod client;
mod failure;
mod gate;
mod git;
mod retry;
mod transfer;

pub use address::shown;
pub use client::{Client, ClientError, ClientOptions, Listener, Proxy, Repeat};
pub use failure::{Failure, FetchError};
pub use gate::{Exchange, Gate, GateOptions, MachineProxies, Refusal, Request, Traffic};
pub use git::{Git, GitAccess, GitError, GitOptions, GitProgress, GitRefusal};
pub use wythe_plan::host_matches;
