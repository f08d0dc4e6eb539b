// SPDX-License-Identifier: Apache-2.0
//! Reads what the sandbox of a step's commands is like.

use serde_json::Value;

use super::Faults;
use super::read::table;
use crate::spec::parse::wrong_type;
use crate::spec::{Code, Diagnostic};
use crate::{ExtraHost, NamedUlimit};

fn wrong(error: &impl ToString) -> Diagnostic {
    Diagnostic::error(Code::Invalid, error.to_string())
}

/// Reads names and their addresses: one, or a list.
pub(super) fn extra_hosts(value: &Value) -> Result<Vec<ExtraHost>, Faults> {
    let one = |name: &str, address: &Value| match address.as_str() {
        Some(text) => ExtraHost::new(name, text).map_err(|error| wrong(&error)),
        None => Err(wrong_type(&format!("extra-hosts.{name}"), "an address or a list of addresses", address)),
    };
    let all = |(name, value): (&String, &Value)| {
        let addresses = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        if addresses.is_empty() {
            let fault = Diagnostic::error(Code::Empty, format!("`extra-hosts.{name}` has no address"));
            return (name.clone(), Err(fault));
        }
        (name.clone(), addresses.iter().map(|address| one(name, address)).collect::<Result<Vec<_>, _>>())
    };
    let hosts = table("extra-hosts", "a table of names and addresses", value)?;
    Ok(Faults::collect(hosts.iter().map(all))?.into_iter().flatten().collect())
}

/// Reads limits: a number, or both as in `"1024:4096"`.
pub(super) fn ulimits(value: &Value) -> Result<Vec<NamedUlimit>, Faults> {
    let one = |(name, value): (&String, &Value)| {
        let text = match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let what = "a number, or soft and hard as in \"1024:4096\"";
        let text = text.ok_or_else(|| wrong_type(&format!("ulimits.{name}"), what, value));
        let limit = text.and_then(|text| NamedUlimit::new(name, &text).map_err(|error| wrong(&error)));
        (name.clone(), limit)
    };
    Faults::collect(table("ulimits", "a table of names and limits", value)?.iter().map(one))
}
