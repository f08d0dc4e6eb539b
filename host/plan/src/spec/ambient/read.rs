// SPDX-License-Identifier: Apache-2.0
//! Reads the values of the options that every step has.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use super::{Faults, Security};
use crate::spec::check::quote_hint;
use crate::spec::nearest::known_hint;
use crate::spec::parse::wrong_type;
use crate::spec::{Code, Diagnostic};
use crate::{GPU_HINT, Gpu, HostEntry, Network};

fn text<'a>(name: &str, value: &'a Value) -> Result<&'a str, Diagnostic> {
    value.as_str().ok_or_else(|| wrong_type(name, "a string", value))
}

/// `what` says what the table is of.
pub(super) fn table<'a>(name: &str, what: &str, value: &'a Value) -> Result<&'a Map<String, Value>, Diagnostic> {
    value.as_object().ok_or_else(|| wrong_type(name, what, value))
}

/// Names are used in file names, on the command line and in locks.
pub(in crate::spec) fn is_name(text: &str) -> bool {
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    first && text.len() <= 64 && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'))
}

pub(super) fn name(value: &Value) -> Result<String, Diagnostic> {
    let name = text("name", value)?;
    if is_name(name) {
        return Ok(name.to_owned());
    }
    Err(Diagnostic::error(Code::Invalid, format!("`{name}` cannot be the name of a step")).hint(NAME_HINT))
}

/// What a name is made of.
pub(in crate::spec) const NAME_HINT: &str = "a name is made of lower-case letters, digits, `-`, `_` and `.`, begins with a letter or \
                                    digit, and has at most 64 characters";

pub(super) fn environment(value: &Value) -> Result<BTreeMap<String, String>, Faults> {
    let table = table("env", "a table", value)?;
    let one =
        |(name, value): (&String, &Value)| (name.clone(), variable(name, value).map(|value| (name.clone(), value)));
    Faults::collect(table.iter().map(one)).map(|env| env.into_iter().collect())
}

/// Refuses what the kernel does not take as the name of a variable.
pub(super) fn variable_name(name: &str) -> Result<(), Diagnostic> {
    if name.is_empty() || name.contains(['=', '\0']) {
        let message = format!("`{}` cannot be the name of a variable", name.escape_debug());
        return Err(Diagnostic::error(Code::Invalid, message));
    }
    Ok(())
}

fn variable(name: &str, value: &Value) -> Result<String, Diagnostic> {
    variable_name(name)?;
    let Some(text) = value.as_str() else {
        let fault = wrong_type(&format!("env.{name}"), "a string", value);
        return Err(Diagnostic { hints: quote_hint(value).into_iter().collect(), ..fault });
    };
    if text.contains('\0') {
        return Err(Diagnostic::error(Code::Invalid, format!("the value of `env.{name}` contains a zero byte")));
    }
    Ok(text.to_owned())
}

pub(super) fn truth(name: &str, value: &Value) -> Result<bool, Diagnostic> {
    value.as_bool().ok_or_else(|| wrong_type(name, "true or false", value))
}

pub(super) fn network(value: &Value) -> Result<Network, Faults> {
    match value {
        Value::String(mode) if mode == "none" => Ok(Network::None),
        Value::String(mode) if mode == "host" => Ok(Network::Host),
        Value::String(mode) => {
            let fault = Diagnostic::error(Code::Invalid, format!("`network` cannot be `{mode}`"));
            let hint = if mode.contains('.') && mode.parse::<HostEntry>().is_ok() {
                format!("hosts are named in a list: `network = [\"{mode}\"]`")
            } else {
                known_hint(mode, "networks", &["host", "none"])
            };
            Err(fault.hint(hint).into())
        }
        Value::Array(hosts) if hosts.is_empty() => Err(Diagnostic::error(Code::Empty, "`network` names no host")
            .hint("for none at all: `network = \"none\"`")
            .into()),
        Value::Array(hosts) => {
            let named = hosts.iter().enumerate().map(|(index, value)| (index.to_string(), host(value)));
            Ok(Network::Hosts(Faults::collect(named)?))
        }
        other => Err(wrong_type("network", "a string or a list of hosts", other).into()),
    }
}

pub(super) fn gpu(value: &Value) -> Result<Gpu, Diagnostic> {
    let text = text("gpu", value)?;
    text.parse::<Gpu>().map_err(|error| Diagnostic::error(Code::Invalid, error.to_string()).hint(GPU_HINT))
}

fn host(value: &Value) -> Result<String, Diagnostic> {
    let text = text("network", value)?;
    let Err(error) = text.parse::<HostEntry>() else { return Ok(text.to_owned()) };
    let hint = if let Some((_, rest)) = text.split_once("://") {
        let host = rest.split('/').next().unwrap_or_default();
        format!("name the host alone: \"{host}\"")
    } else {
        "as in \"pypi.org\", \"deb.debian.org:80\" or \"*.example.com\"".to_owned()
    };
    Err(Diagnostic::error(Code::Invalid, error.to_string()).hint(hint))
}

pub(super) fn security(value: &Value) -> Result<Security, Diagnostic> {
    match text("security", value)? {
        "sandbox" => Ok(Security::Sandbox),
        "insecure" => Ok(Security::Insecure),
        other => {
            let fault = Diagnostic::error(Code::Invalid, format!("`security` cannot be `{}`", other.escape_debug()));
            Err(fault.hint(known_hint(other, "values", &["insecure", "sandbox"])))
        }
    }
}

/// Reads the volumes of a step: where → which.
pub(super) fn volumes(value: &Value) -> Result<BTreeMap<String, String>, Faults> {
    let table = table("volumes", "a table of paths and names", value)?;
    let one = |(target, name): (&String, &Value)| (target.clone(), volume(target, name));
    Faults::collect(table.iter().map(one)).map(|volumes| volumes.into_iter().collect())
}

fn volume(target: &str, name: &Value) -> Result<(String, String), Diagnostic> {
    mount_target(target)?;
    let name = text(&format!("volumes.{target}"), name)?;
    if !is_id(name) {
        let looks_like_path = name.contains('/') || name.starts_with('.');
        let hint = if looks_like_path {
            "a directory of the machine cannot be named in a definition: give the volume a name, and the directory on the \
             command line with `--volume NAME=DIR`"
        } else {
            ID_HINT
        };
        return Err(Diagnostic::error(
            Code::Invalid,
            format!("`{}` cannot be the name of a volume", name.escape_debug()),
        )
        .hint(hint));
    }
    Ok((target.to_owned(), name.to_owned()))
}

/// Refuses what cannot be the place of a mount, whatever the image.
pub(super) fn mount_target(target: &str) -> Result<(), Diagnostic> {
    let part_of = |part: &str| target.split('/').any(|each| each == part);
    if !target.starts_with('/') || target.contains('\0') || part_of("..") || target.trim_matches('/').is_empty() {
        return Err(Diagnostic::error(Code::Invalid, format!("nothing can be mounted at `{}`", target.escape_debug()))
            .hint("it has to be an absolute path below `/`, without `..`"));
    }
    Ok(())
}

/// Whether a text can name a secret, an agent or a volume: on command lines, in files, between commas.
pub(super) fn is_id(text: &str) -> bool {
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    first && text.len() <= 128 && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// What such a name is made of.
pub(super) const ID_HINT: &str = "it is made of letters, digits, `-`, `_` and `.`, begins with a letter, digit or `_`, and has at most 128 characters";

pub(super) fn user(value: &Value) -> Result<String, Diagnostic> {
    let user = text("user", value)?;
    if user.is_empty() {
        return Err(Diagnostic::error(Code::Empty, "`user` is empty"));
    }
    if user.contains(['\0', '\n', ' ']) || user.matches(':').count() > 1 || user.split(':').any(str::is_empty) {
        return Err(Diagnostic::error(Code::Invalid, format!("`{}` cannot be a user", user.escape_debug()))
            .hint("a user is a name or number, or both user and group as in `app:app` or `1000:1000`"));
    }
    Ok(user.to_owned())
}

/// Reads `1h30m`, `90s`, `500ms`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|letter: char| letter.is_ascii_digit()).unwrap_or(rest.len());
        let part = match &rest[..unit] {
            "h" => Duration::from_secs(number.checked_mul(3600)?),
            "m" => Duration::from_secs(number.checked_mul(60)?),
            "s" => Duration::from_secs(number),
            "ms" => Duration::from_millis(number),
            _ => return None,
        };
        sum = sum.checked_add(part)?;
        rest = &rest[unit..];
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{duration, is_name};

    #[test]
    fn durations() {
        for (text, seconds) in [("90s", 90), ("10m", 600), ("1h30m", 5400), ("2000ms", 2), ("1h0m1s", 3601)] {
            assert_eq!(duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["10", "m", "10 m", "-1s", "1.5h", "1d", "99999999999999999999s", "18446744073709551615h"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn names() {
        for name in ["deps", "run-2", "0", "a.b_c"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "-a", "A", "a/b", "a b", "ä", ".", "..", &"a".repeat(65)] {
            assert!(!is_name(name), "{name}");
        }
    }
}
