// SPDX-License-Identifier: Apache-2.0
//! The GPUs that a command asks for.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `any`, `H100`, `H100:2`, `any:4`: which GPUs, and how many. What a machine has is no part of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Gpu {
    /// Words of the model's name; none for whichever there is.
    pub model: Option<String>,
    /// How many.
    pub count: NonZeroU32,
}

/// A text that asks for no GPU.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` asks for no GPU", .0.escape_debug())]
pub struct GpuError(String);

/// What is written instead.
pub const GPU_HINT: &str = "write \"any\", a model as in \"H100\", or a model and how many as in \"H100:2\"";

impl Gpu {
    /// Tells whether a model's name has all the words that are asked for, whatever their case.
    #[must_use]
    pub fn is_like(&self, model: &str) -> bool {
        let words = |text: &str| -> Vec<String> {
            let words = text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
            words.map(str::to_lowercase).collect()
        };
        let has = words(model);
        self.model.as_deref().is_none_or(|wanted| words(wanted).iter().all(|word| has.contains(word)))
    }
}

impl FromStr for Gpu {
    type Err = GpuError;

    fn from_str(text: &str) -> Result<Self, GpuError> {
        let wrong = || GpuError(text.to_owned());
        let (model, count) = text.rsplit_once(':').unwrap_or((text, "1"));
        let is_word = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | ' ' | '_' | '.');
        if !model.chars().all(is_word)
            || !model.contains(|letter: char| letter.is_ascii_alphabetic())
            || model.len() > 64
        {
            return Err(wrong());
        }
        let is_number = count.bytes().all(|byte| byte.is_ascii_digit());
        let count = count.parse().ok().filter(|_| is_number).ok_or_else(wrong)?;
        Ok(Self { model: (!model.eq_ignore_ascii_case("any")).then(|| model.to_owned()), count })
    }
}

impl fmt::Display for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.model.as_deref().unwrap_or("any"))?;
        if self.count.get() > 1 { write!(f, ":{}", self.count) } else { Ok(()) }
    }
}

impl TryFrom<String> for Gpu {
    type Error = GpuError;

    fn try_from(text: String) -> Result<Self, GpuError> {
        text.parse()
    }
}

impl From<Gpu> for String {
    fn from(gpu: Gpu) -> Self {
        gpu.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::Gpu;

    #[test]
    fn a_request_is_read_and_written() {
        for (text, shown) in [
            ("any", "any"),
            ("ANY", "any"),
            ("H100", "H100"),
            ("H100:1", "H100"),
            ("A100-80GB:2", "A100-80GB:2"),
            ("any:8", "any:8"),
        ] {
            assert_eq!(text.parse::<Gpu>().unwrap().to_string(), shown);
        }
        for text in
            ["", ":", "2", "H100:0", "H100:", "H100:x", "H100:+1", "H100:99999999999", "a/b", "a:b:1", "ä", "H100\n"]
        {
            assert!(text.parse::<Gpu>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn a_model_is_named_by_its_words() {
        let model = "NVIDIA H100 80GB HBM3";
        for (wanted, expected) in
            [("any", true), ("h100", true), ("H100-80GB", true), ("H10", false), ("H200", false), ("nvidia h100", true)]
        {
            assert_eq!(wanted.parse::<Gpu>().unwrap().is_like(model), expected, "{wanted}");
        }
    }
}
