// SPDX-License-Identifier: Apache-2.0
//! What went through a gate, for the record.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Requests that are written down one by one; of the others there is the number.
const MOST_REQUESTS: usize = 4096;

/// Refusals that are written down: enough for every mistake of a person, and an end for a program that tries all names.
const MOST_REFUSALS: usize = 64;

/// What went through a gate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traffic {
    /// By `host:port`.
    pub exchanges: BTreeMap<String, Exchange>,
    /// Plain HTTP, request by request.
    pub requests: Vec<Request>,
    /// Requests beyond those.
    pub more_requests: u64,
    /// What was refused: host (and port) → why. Of the same only the first.
    pub refused: BTreeMap<String, String>,
}

/// What was exchanged with one host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exchange {
    /// Connections, or requests of plain HTTP.
    pub connections: u64,
    /// Bytes to the host. Of plain HTTP only bodies count.
    pub sent: u64,
    /// Bytes from it.
    pub received: u64,
}

/// A request of plain HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its method.
    pub method: String,
    /// Its address, without credentials and query.
    pub url: String,
    /// The status of the answer; none where there was none.
    pub status: Option<u16>,
}

/// Counts while it happens.
#[derive(Debug, Default)]
pub(super) struct Account(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    meters: BTreeMap<String, (u64, Arc<Meter>)>,
    traffic: Traffic,
}

/// The bytes of one host.
#[derive(Debug, Default)]
pub(super) struct Meter {
    sent: AtomicU64,
    received: AtomicU64,
}

impl Meter {
    pub(super) fn sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl Account {
    /// Writes down that a host is reached.
    pub(super) fn reached(&self, host: &str, port: u16) -> Arc<Meter> {
        let mut book = self.0.lock().expect("no writer of the book panics");
        let (count, meter) = book.meters.entry(format!("{host}:{port}")).or_default();
        *count += 1;
        Arc::clone(meter)
    }

    /// Writes down a request.
    pub(super) fn request(&self, request: Request) {
        let mut book = self.0.lock().expect("no writer of the book panics");
        if book.traffic.requests.len() < MOST_REQUESTS {
            book.traffic.requests.push(request);
        } else {
            book.traffic.more_requests += 1;
        }
    }

    /// Writes down a refusal.
    pub(super) fn refused(&self, wanted: &str, why: &str) {
        let mut book = self.0.lock().expect("no writer of the book panics");
        if book.traffic.refused.len() < MOST_REFUSALS {
            book.traffic.refused.entry(wanted.to_owned()).or_insert_with(|| why.to_owned());
        }
    }

    /// Returns the sums as they stand.
    pub(super) fn total(&self) -> Traffic {
        let book = self.0.lock().expect("no writer of the book panics");
        let exchange = |(count, meter): &(u64, Arc<Meter>)| Exchange {
            connections: *count,
            sent: meter.sent.load(Ordering::Relaxed),
            received: meter.received.load(Ordering::Relaxed),
        };
        let exchanges = book.meters.iter().map(|(host, meter)| (host.clone(), exchange(meter))).collect();
        Traffic { exchanges, ..book.traffic.clone() }
    }
}
