// SPDX-License-Identifier: Apache-2.0
//! Limits that the kernel keeps for each process by itself (setrlimit(2)), as people write them.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::spec::known_hint;

/// The names that Docker has for them, but for `core`.
pub const ULIMITS: [&str; 14] = [
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// Dumps of memory.
pub(super) const CORE: &str = "core";

/// A limit: what holds, and what a process may raise that to. None is no limit at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ulimit {
    /// What holds.
    pub soft: Option<u64>,
    /// What that may be raised to.
    pub hard: Option<u64>,
}

/// `nofile=1024`, `nofile=1024:4096`, `memlock=-1`: what Docker's `--ulimit` takes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedUlimit {
    /// One of [`ULIMITS`], or `core`.
    pub name: String,
    /// How much.
    pub limit: Ulimit,
}

/// A text that limits nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UlimitError {
    /// It is not of the form.
    #[error("`{}` is not of the form NAME=SOFT or NAME=SOFT:HARD", .0.escape_debug())]
    Form(String),
    /// There is no limit of that name.
    #[error("there is no limit `{}`: {}", .0.escape_debug(), known_hint(.0, "limits", &ULIMITS))]
    Name(String),
    /// A number is none.
    #[error("`{}` is not a number, nor -1 for no limit at all", .0.escape_debug())]
    Number(String),
    /// What holds is more than what it may be raised to.
    #[error("the soft limit of `{0}` is greater than the hard one")]
    Order(String),
    /// No sandbox lets memory be dumped.
    #[error("`core` can only be 0: commands dump no memory, since a secret could be in it")]
    Core,
}

impl NamedUlimit {
    /// Reads a limit of a name.
    ///
    /// # Errors
    ///
    /// Says what is wrong with it.
    pub fn new(name: &str, limit: &str) -> Result<Self, UlimitError> {
        if name != CORE && !ULIMITS.contains(&name) {
            return Err(UlimitError::Name(name.to_owned()));
        }
        let (soft, hard) = limit.split_once(':').unwrap_or((limit, limit));
        let limit = Ulimit { soft: number(soft)?, hard: number(hard)? };
        let order = |limit: Option<u64>| limit.unwrap_or(u64::MAX);
        if order(limit.soft) > order(limit.hard) {
            return Err(UlimitError::Order(name.to_owned()));
        }
        if name == CORE && limit != (Ulimit { soft: Some(0), hard: Some(0) }) {
            return Err(UlimitError::Core);
        }
        Ok(Self { name: name.to_owned(), limit })
    }
}

impl FromStr for NamedUlimit {
    type Err = UlimitError;

    fn from_str(text: &str) -> Result<Self, UlimitError> {
        let (name, limit) = text.split_once('=').ok_or_else(|| UlimitError::Form(text.to_owned()))?;
        Self::new(name, limit)
    }
}

/// More than 63 bits are no limit for the kernel of some machines, and are none that anybody means.
fn number(text: &str) -> Result<Option<u64>, UlimitError> {
    match text.parse::<i64>() {
        Ok(-1) => Ok(None),
        Ok(number) => u64::try_from(number).map(Some).map_err(|_| UlimitError::Number(text.to_owned())),
        Err(_) => Err(UlimitError::Number(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::{NamedUlimit, Ulimit, UlimitError};

    #[test]
    fn limits_are_written_as_for_docker() {
        let table = [
            ("nofile=1024", Some(1024), Some(1024)),
            ("nofile=1024:4096", Some(1024), Some(4096)),
            ("memlock=-1", None, None),
            ("stack=8192:-1", Some(8192), None),
            ("core=0", Some(0), Some(0)),
        ];
        for (text, soft, hard) in table {
            let name = text.split('=').next().unwrap().to_owned();
            assert_eq!(text.parse(), Ok(NamedUlimit { name, limit: Ulimit { soft, hard } }), "{text}");
        }
    }

    #[test]
    fn what_limits_nothing_is_refused() {
        let wrong = |text: &str| text.parse::<NamedUlimit>().unwrap_err();
        assert_eq!(wrong("nofile"), UlimitError::Form("nofile".to_owned()));
        assert_eq!(wrong("files=1"), UlimitError::Name("files".to_owned()));
        for (text, number) in [("nofile=", ""), ("nofile=many", "many"), ("nofile=1:2:3", "2:3"), ("nofile=-2", "-2")] {
            assert_eq!(wrong(text), UlimitError::Number(number.to_owned()), "{text}");
        }
        for text in ["nofile=2:1", "nofile=-1:1"] {
            assert_eq!(wrong(text), UlimitError::Order("nofile".to_owned()), "{text}");
        }
        for text in ["core=-1", "core=0:1"] {
            assert_eq!(wrong(text), UlimitError::Core, "{text}");
        }
    }
}
