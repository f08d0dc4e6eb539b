// SPDX-License-Identifier: Apache-2.0
//! How much of the machine a step may use. Not in any key: a result is the same whatever it was allowed to cost.

use std::time::Duration;

use serde_json::Value;

use super::read::duration;
use crate::spec::parse::wrong_type;
use crate::spec::size::parse_size;
use crate::spec::{Code, Diagnostic};

/// How much of the machine one command may use. What is not set is not limited.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// How long it may take.
    pub timeout: Option<Duration>,
    /// Processors, in thousandths of one.
    pub cpu: Option<u32>,
    /// Bytes of memory of all its processes together, swapped out or not.
    pub memory: Option<u64>,
    /// Processes and threads at once.
    pub pids: Option<u32>,
    /// Bytes that it may have written into the image's files.
    pub disk: Option<u64>,
}

/// The least memory in which a command can begin.
const LEAST_MEMORY: u64 = 8 << 20;

/// The least share of a processor that the kernel deals out, in thousandths.
const LEAST_CPU: f64 = 10.0;

/// More processors than any machine has.
const MOST_CPU: f64 = 1_000_000.0;

impl Limits {
    /// Reads the limit `name` as a definition writes it.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the value.
    pub fn set(&mut self, name: &str, value: &Value) -> Result<(), Diagnostic> {
        match name {
            "timeout" => self.timeout = Some(timeout(value)?),
            "cpu" => self.cpu = Some(cpu(value)?),
            "memory" => self.memory = Some(memory(value)?),
            "pids" => self.pids = Some(pids(value)?),
            "disk" => self.disk = Some(size("disk", value)?),
            _ => unreachable!("`{name}` is no limit"),
        }
        Ok(())
    }
}

fn timeout(value: &Value) -> Result<Duration, Diagnostic> {
    let read = match value {
        Value::Number(seconds) => seconds.as_u64().map(Duration::from_secs),
        Value::String(text) => duration(text),
        other => return Err(wrong_type("timeout", "a string such as \"10m\"", other)),
    };
    let hint = "write seconds as a number, or hours, minutes and seconds as in \"90s\", \"10m\" or \"1h30m\"";
    read.filter(|duration| !duration.is_zero()).ok_or_else(|| cannot_be("timeout", value, hint))
}

fn cpu(value: &Value) -> Result<u32, Diagnostic> {
    let Some(processors) = value.as_f64() else { return Err(wrong_type("cpu", "a number", value)) };
    let thousandths = (processors * 1000.0).round();
    if !(LEAST_CPU..=MOST_CPU).contains(&thousandths) {
        return Err(cannot_be("cpu", value, "write how many processors it may use, as in `2` or `0.5`"));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is in the range just checked")]
    Ok(thousandths as u32)
}

fn memory(value: &Value) -> Result<u64, Diagnostic> {
    let bytes = size("memory", value)?;
    if bytes < LEAST_MEMORY {
        return Err(cannot_be("memory", value, "no command can begin in less than 8MiB"));
    }
    Ok(bytes)
}

fn pids(value: &Value) -> Result<u32, Diagnostic> {
    let Value::Number(number) = value else { return Err(wrong_type("pids", "a number", value)) };
    // The kernel knows no more processes than fit 22 bits.
    let pids = number.as_u64().filter(|pids| (1..=1 << 22).contains(pids));
    let pids = pids.and_then(|pids| u32::try_from(pids).ok());
    pids.ok_or_else(|| {
        cannot_be("pids", value, "write how many processes and threads there may be at once, as in `512`")
    })
}

pub(super) fn size(name: &str, value: &Value) -> Result<u64, Diagnostic> {
    let read = match value {
        Value::Number(bytes) => bytes.as_u64().filter(|bytes| *bytes > 0),
        Value::String(text) => parse_size(text),
        other => return Err(wrong_type(name, "a string such as \"4GiB\"", other)),
    };
    read.ok_or_else(|| cannot_be(name, value, "write a number with a unit, as in \"512MiB\" or \"4GB\""))
}

fn cannot_be(name: &str, value: &Value, hint: &str) -> Diagnostic {
    let shown = value.as_str().map_or_else(|| value.to_string(), |text| text.escape_debug().to_string());
    Diagnostic::error(Code::Invalid, format!("`{name}` cannot be `{shown}`")).hint(hint)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Limits;

    fn read(name: &str, value: &Value) -> Option<Limits> {
        let mut limits = Limits::default();
        limits.set(name, value).ok().map(|()| limits)
    }

    #[test]
    fn limits_are_read_as_people_write_them() {
        let limits = Limits::default;
        let table = [
            ("cpu", json!(2), Limits { cpu: Some(2000), ..limits() }),
            ("cpu", json!(0.5), Limits { cpu: Some(500), ..limits() }),
            ("memory", json!("512MiB"), Limits { memory: Some(512 << 20), ..limits() }),
            ("memory", json!(8 << 20), Limits { memory: Some(8 << 20), ..limits() }),
            ("pids", json!(64), Limits { pids: Some(64), ..limits() }),
            ("disk", json!("1GB"), Limits { disk: Some(1_000_000_000), ..limits() }),
        ];
        for (name, value, expected) in table {
            assert_eq!(read(name, &value), Some(expected), "{name} = {value}");
        }
    }

    #[test]
    fn what_is_no_limit_is_refused() {
        let table = [
            ("cpu", [json!(0), json!(-1), json!("2"), json!(0.001), json!(1e12), json!(null)]),
            ("memory", [json!(0), json!("7MiB"), json!("much"), json!(-5), json!(true), json!(1.5)]),
            ("pids", [json!(0), json!(-1), json!("9"), json!(1.5), json!(5_000_000), json!([1])]),
            ("disk", [json!(0), json!("-1GB"), json!(""), json!({}), json!("1 mile"), json!(null)]),
            ("timeout", [json!(0), json!("0s"), json!("soon"), json!(1.5), json!([]), json!("")]),
        ];
        for (name, values) in table {
            for value in values {
                assert_eq!(read(name, &value), None, "{name} = {value}");
            }
        }
    }
}
