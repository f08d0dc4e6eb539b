// SPDX-License-Identifier: Apache-2.0
//! The platform an image is made for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An operating system and an architecture, in Go's names: `linux/amd64`, `linux/arm64`, `linux/arm/v7`.
///
/// OCI image-spec, image-index.md, "platform".
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Platform {
    os: String,
    architecture: String,
    variant: Option<String>,
}

/// A text that names no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a platform of the form os/architecture[/variant], such as linux/amd64")]
pub struct ParsePlatformError(String);

/// A text that names no platform that an image can be made for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NamePlatformError {
    /// It is of no such form.
    #[error(transparent)]
    Malformed(#[from] ParsePlatformError),
    /// There are several.
    #[error("`{0}` are several platforms, and a build is for one")]
    Several(String),
    /// It is of a system that no image is made for.
    #[error("images are made for linux, and `{0}` is for another system")]
    OtherSystem(String),
    /// Nobody has heard of the architecture.
    #[error("`{text}` is of an architecture that is not known; known: {}", ARCHITECTURES.join(", "))]
    Unknown {
        /// What was written.
        text: String,
    },
}

/// Go's names of the architectures that Linux runs on.
const ARCHITECTURES: [&str; 14] = [
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le", "riscv64",
    "s390x", "sparc64",
];

impl Platform {
    /// Returns `linux/amd64`.
    #[must_use]
    pub fn linux_amd64() -> Self {
        Self { os: "linux".to_owned(), architecture: "amd64".to_owned(), variant: None }
    }

    /// Returns the platform this program was compiled for.
    #[must_use]
    pub fn of_this_machine() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "powerpc64" => "ppc64le",
            "x86" => "386",
            other => other,
        };
        Self { os: "linux".to_owned(), architecture: architecture.to_owned(), variant: None }
    }

    /// Returns the platform that a person means: other names of an architecture are brought to Go's, what is usual is left
    /// out, and an architecture alone is one of Linux, as in containerd (`platforms.Parse`, `platforms.Normalize`):
    /// `aarch64`, `linux/arm64/v8` and `linux/arm64` are one.
    ///
    /// # Errors
    ///
    /// Fails where the text is none, or none that an image can be made for.
    pub fn named(text: &str) -> Result<Self, NamePlatformError> {
        if text.contains(',') {
            return Err(NamePlatformError::Several(text.to_owned()));
        }
        let lower = text.trim().to_ascii_lowercase();
        let malformed = || ParsePlatformError(text.to_owned());
        if lower == "linux" {
            return Err(malformed().into());
        }
        let whole = if lower.contains('/') { lower } else { format!("linux/{lower}") };
        let known: Self =
            whole.replace("x86_64", "amd64").replace("x86-64", "amd64").parse().map_err(|_| malformed())?;
        if known.os != "linux" {
            return Err(NamePlatformError::OtherSystem(text.to_owned()));
        }
        let normal = known.normal();
        let is_known = ARCHITECTURES.contains(&normal.architecture.as_str());
        if is_known { Ok(normal) } else { Err(NamePlatformError::Unknown { text: text.to_owned() }) }
    }

    /// Returns the same platform by its usual name.
    #[must_use]
    pub fn normal(&self) -> Self {
        let (architecture, usual) = match self.architecture.as_str() {
            "x86_64" => ("amd64", self.variant.clone()),
            "i386" | "i486" | "i586" | "i686" | "x86" => ("386", self.variant.clone()),
            "aarch64" => ("arm64", self.variant.clone()),
            "armhf" => ("arm", Some("v7".to_owned())),
            "armel" => ("arm", Some("v6".to_owned())),
            other => (other, self.variant.clone()),
        };
        let variant = match (architecture, usual.as_deref()) {
            ("amd64", Some("v1")) | ("386", _) | ("arm64", Some("8" | "v8")) => None,
            ("arm", None | Some("" | "7")) => Some("v7".to_owned()),
            ("arm", Some(number @ ("5" | "6" | "8"))) => Some(format!("v{number}")),
            _ => usual,
        };
        Self { os: self.os.clone(), architecture: architecture.to_owned(), variant }
    }

    /// Returns whether programs of this platform are at home on another one: it is the same, or a lesser variant of it.
    #[must_use]
    pub fn fits(&self, other: &Self) -> bool {
        let (one, other) = (self.normal(), other.normal());
        let rank = |platform: &Self| {
            let usual = if platform.architecture == "arm64" { 8 } else { 1 };
            let digits = |variant: &str| variant.strip_prefix('v')?.parse().ok();
            platform.variant.as_deref().map_or(Some(usual), digits)
        };
        let is_no_more = match (rank(&one), rank(&other)) {
            (Some(one), Some(other)) => one <= other,
            _ => one.variant == other.variant,
        };
        one.os == other.os && one.architecture == other.architecture && is_no_more
    }

    /// Returns the name of an image with the platform behind it, as `debian:12@linux/arm64`: what the name stands for on that
    /// platform.
    #[must_use]
    pub fn behind(&self, name: &str) -> String {
        format!("{name}@{}", self.normal())
    }

    /// Takes the platform off that stands behind the name of an image.
    #[must_use]
    pub fn split_from(text: &str) -> (&str, Option<Self>) {
        let parts = text.rsplit_once('@').and_then(|(name, platform)| Some((name, Self::named(platform).ok()?)));
        // A digest has no slash; an architecture alone may look like the beginning of one.
        match parts.filter(|(name, _)| text[name.len()..].contains('/')) {
            Some((name, platform)) => (name, Some(platform)),
            None => (text, None),
        }
    }

    /// Returns the operating system, such as `linux`.
    #[must_use]
    pub fn os(&self) -> &str {
        &self.os
    }

    /// Returns the architecture, such as `amd64`.
    #[must_use]
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// Returns the variant of the architecture, such as `v7`.
    #[must_use]
    pub fn variant(&self) -> Option<&str> {
        self.variant.as_deref()
    }
}

impl FromStr for Platform {
    type Err = ParsePlatformError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.split('/').collect();
        let is_word = |part: &&str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        if !parts.iter().all(is_word) {
            return Err(ParsePlatformError(text.to_owned()));
        }
        let (os, architecture, variant) = match parts[..] {
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some(variant.to_owned())),
            _ => return Err(ParsePlatformError(text.to_owned())),
        };
        Ok(Self { os: os.to_owned(), architecture: architecture.to_owned(), variant })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

impl TryFrom<String> for Platform {
    type Error = ParsePlatformError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Platform> for String {
    fn from(platform: Platform) -> Self {
        platform.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::{NamePlatformError, Platform};

    fn named(text: &str) -> String {
        Platform::named(text).unwrap_or_else(|error| panic!("{text}: {error}")).to_string()
    }

    #[test]
    fn names_of_one_platform_are_one_name() {
        for (text, name) in [
            ("linux/amd64", "linux/amd64"),
            ("linux/x86_64", "linux/amd64"),
            ("x86-64", "linux/amd64"),
            ("linux/amd64/v1", "linux/amd64"),
            ("linux/amd64/v3", "linux/amd64/v3"),
            ("Linux/ARM64", "linux/arm64"),
            ("aarch64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/arm64/v9", "linux/arm64/v9"),
            ("arm", "linux/arm/v7"),
            ("linux/arm/7", "linux/arm/v7"),
            ("linux/arm/v6", "linux/arm/v6"),
            ("armhf", "linux/arm/v7"),
            ("armel", "linux/arm/v6"),
            ("i686", "linux/386"),
            ("riscv64", "linux/riscv64"),
        ] {
            assert_eq!(named(text), name, "{text}");
        }
    }

    #[test]
    fn what_no_image_is_made_for_is_refused() {
        let error = |text: &str| Platform::named(text).unwrap_err();
        assert!(matches!(error("linux/amd64,linux/arm64"), NamePlatformError::Several(_)));
        assert!(matches!(error("windows/amd64"), NamePlatformError::OtherSystem(_)));
        assert!(matches!(error("linux/arm46"), NamePlatformError::Unknown { .. }));
        for text in ["", "/", "linux", "linux/", "linux/a b", "linux/arm/v7/x", "linux/amd64@x"] {
            assert!(matches!(error(text), NamePlatformError::Malformed(_)), "{text:?}: {:?}", error(text));
        }
    }

    #[test]
    fn a_platform_stands_behind_a_name() {
        let arm: Platform = "linux/arm64/v8".parse().unwrap();
        let digest = format!("example.com/a@sha256:{}", "0".repeat(64));
        for name in ["debian:12", "example.com:5000/a/b", &digest] {
            assert_eq!(Platform::split_from(name), (name, None));
            let both = arm.behind(name);
            assert_eq!(both, format!("{name}@linux/arm64"));
            assert_eq!(Platform::split_from(&both), (name, Some(arm.normal())));
        }
        assert_eq!(Platform::split_from("a@arm64"), ("a@arm64", None));
        assert_eq!(Platform::split_from("a@linux/nothing"), ("a@linux/nothing", None));
    }

    #[test]
    fn a_lesser_variant_fits() {
        let fits = |one: &str, other: &str| one.parse::<Platform>().unwrap().fits(&other.parse().unwrap());
        for (one, other, expected) in [
            ("linux/arm64/v8", "linux/arm64", true),
            ("linux/arm", "linux/arm/v7", true),
            ("linux/arm/v6", "linux/arm/v7", true),
            ("linux/arm/v7", "linux/arm/v6", false),
            ("linux/amd64", "linux/amd64/v3", true),
            ("linux/amd64/v3", "linux/amd64", false),
            ("linux/arm/v7", "linux/arm64", false),
            ("windows/amd64", "linux/amd64", false),
        ] {
            assert_eq!(fits(one, other), expected, "{one} on {other}");
        }
    }

    #[test]
    fn prints_what_it_parses() {
        for text in ["linux/amd64", "linux/arm/v7", "linux/arm64"] {
            assert_eq!(text.parse::<Platform>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn refuses_what_is_not_a_platform() {
        for text in ["", "linux", "linux/", "/amd64", "linux/amd64/v1/x", "Linux/amd64", "linux/am d64"] {
            assert!(text.parse::<Platform>().is_err(), "{text:?} was accepted");
        }
    }
}
