// SPDX-License-Identifier: Apache-2.0
//! What a command exchanged with other machines, as it is recorded with its result.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a command exchanged with other machines.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// By `host:port`.
    pub hosts: BTreeMap<String, Reached>,
    /// Requests of plain HTTP. Of what is encrypted only hosts and lengths are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<Request>,
    /// Requests beyond those that are listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_requests: u64,
    /// What was asked for and refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
}

/// What was exchanged with one host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// Connections, or requests of plain HTTP.
    pub connections: u64,
    /// Bytes to the host.
    pub sent: u64,
    /// Bytes from it.
    pub received: u64,
}

/// A request of plain HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Its method.
    pub method: String,
    /// Its address, without credentials and query.
    pub url: String,
    /// The status of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
