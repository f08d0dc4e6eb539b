// SPDX-License-Identifier: Apache-2.0
//! How much a plugin may take.

use std::time::Duration;

/// What one call of a plugin may take. A plugin that wants more is ended, and the message names the limit.
///
/// The defaults are generous for a plan (a Rust plugin needs microseconds and a megabyte) and small for a machine. None of them
/// is part of a cache key: a plan that was made within them is the same plan under larger ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all its memories together. 256 MiB hold an inflated package index of 50 MB and what is parsed from it.
    pub memory: u64,
    /// Elements of all its tables together; a table holds its function pointers.
    pub table_elements: usize,
    /// Core modules that are instantiated; Python needs 40.
    pub instances: usize,
    /// Bytes of native stack. Must leave room on a thread of 2 MiB.
    pub stack: usize,
    /// Processor time of its own code; facts, fetches and probes do not count, nor that the machine is busy with something else.
    pub cpu_time: Duration,
    /// Bytes that it hands to the host in one `plan` or `resolve`.
    pub call_bytes: u64,
    /// Bytes that the host hands to it in answers (files, fetched bodies, outputs of probes) in one `plan` or `resolve`.
    pub answer_bytes: u64,
    /// Handles (states, artifacts, batches, commands) that it holds at once.
    pub handles: usize,
    /// Operations in one plan.
    pub vertices: usize,
    /// Bytes of log lines and progress labels in one `plan` or `resolve`.
    pub log_bytes: u64,
    /// How deep steps may be made of other steps.
    pub depth: u32,
    /// Bytes of a component's code. Checked when it is loaded.
    pub component_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 256 << 20,
            table_elements: 100_000,
            instances: 256,
            stack: 1 << 20,
            cpu_time: Duration::from_secs(10),
            call_bytes: 16 << 20,
            answer_bytes: 64 << 20,
            handles: 100_000,
            vertices: 20_000,
            log_bytes: 1 << 20,
            depth: 8,
            component_bytes: 64 << 20,
        }
    }
}

/// A limit setting that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetLimitError {
    /// There is no such limit.
    #[error("there is no limit `{0}`; known limits: {known}", known = Limits::NAMES.join(", "))]
    Unknown(String),
    /// The value is not a number of the form wanted.
    #[error("`{value}` is not {wanted}")]
    Value {
        /// What was given.
        value: String,
        /// What is wanted.
        wanted: &'static str,
    },
}

impl Limits {
    /// The names by which messages speak of limits and [`Limits::set`] finds them.
    pub const NAMES: [&'static str; 12] = [
        "memory",
        "table-elements",
        "instances",
        "stack",
        "cpu-time",
        "call-bytes",
        "answer-bytes",
        "handles",
        "vertices",
        "log-bytes",
        "depth",
        "component-bytes",
    ];

    /// Sets a limit by its name. Sizes are bytes with an optional `KiB`, `MiB` or `GiB`; the processor time is seconds.
    ///
    /// # Errors
    ///
    /// An unknown name, or a value that is no number of the wanted form.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), SetLimitError> {
        match name {
            "memory" => self.memory = bytes(value)?,
            "table-elements" => self.table_elements = count(value)?,
            "instances" => self.instances = count(value)?,
            "stack" => self.stack = usize::try_from(bytes(value)?).map_err(|_| not_bytes(value))?,
            "cpu-time" => self.cpu_time = seconds(value)?,
            "call-bytes" => self.call_bytes = bytes(value)?,
            "answer-bytes" => self.answer_bytes = bytes(value)?,
            "handles" => self.handles = count(value)?,
            "vertices" => self.vertices = count(value)?,
            "log-bytes" => self.log_bytes = bytes(value)?,
            "depth" => self.depth = count(value)?,
            "component-bytes" => self.component_bytes = bytes(value)?,
            other => return Err(SetLimitError::Unknown(other.to_owned())),
        }
        Ok(())
    }
}

fn count<N: std::str::FromStr>(value: &str) -> Result<N, SetLimitError> {
    value.parse().map_err(|_| SetLimitError::Value { value: value.to_owned(), wanted: "a number" })
}

fn seconds(value: &str) -> Result<Duration, SetLimitError> {
    let refuse = || SetLimitError::Value { value: value.to_owned(), wanted: "a number of seconds" };
    let number: f64 = value.strip_suffix('s').unwrap_or(value).parse().map_err(|_| refuse())?;
    Duration::try_from_secs_f64(number).map_err(|_| refuse())
}

fn bytes(value: &str) -> Result<u64, SetLimitError> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30)];
    let (digits, shift) =
        units.iter().find_map(|(unit, shift)| Some((value.strip_suffix(unit)?, *shift))).unwrap_or((value, 0));
    let number: u64 = digits.trim().parse().map_err(|_| not_bytes(value))?;
    number.checked_mul(1 << shift).ok_or_else(|| not_bytes(value))
}

fn not_bytes(value: &str) -> SetLimitError {
    SetLimitError::Value { value: value.to_owned(), wanted: "a size such as `256MiB`" }
}

/// Writes a size for people: whole units where they fit.
pub(crate) fn in_words(bytes: u64) -> String {
    for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] {
        if bytes >= 1 << shift && bytes.is_multiple_of(1 << shift) {
            return format!("{} {unit}", bytes >> shift);
        }
    }
    format!("{bytes} bytes")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Limits, in_words};

    #[test]
    fn every_limit_is_set_by_its_name() {
        let mut limits = Limits::default();
        for name in Limits::NAMES {
            let before = limits.clone();
            limits.set(name, "3").expect(name);
            assert_ne!(limits, before, "{name}");
        }
        limits.set("memory", "2MiB").expect("a size");
        limits.set("cpu-time", "0.5s").expect("a time");
        assert_eq!((limits.memory, limits.cpu_time), (2 << 20, Duration::from_millis(500)));
    }

    #[test]
    fn a_setting_that_means_nothing_is_refused() {
        let mut limits = Limits::default();
        for (name, value) in [("memory", "lots"), ("memory", "99999999999GiB"), ("cpu-time", "-1"), ("speed", "9")] {
            assert!(limits.set(name, value).is_err(), "{name}={value}");
        }
        assert_eq!(limits, Limits::default());
    }

    #[test]
    fn sizes_are_written_in_whole_units() {
        assert_eq!([in_words(256 << 20), in_words(1536), in_words(0)], ["256 MiB", "1536 bytes", "0 bytes"]);
    }
}
