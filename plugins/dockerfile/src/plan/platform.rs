// SPDX-License-Identifier: Apache-2.0
//! The platform of a stage, where it is another one than the image's.

use super::{Planner, references};
use crate::fault::Fault;

impl Planner<'_> {
    /// Returns the platform of a stage that begins on an image; none where it is that of the image that is built.
    pub(super) fn platform_of(&self, index: usize) -> Result<Option<String>, Fault> {
        let Some(flag) = &self.file.stages[index].platform else { return Ok(None) };
        let text = flag.value.as_deref().unwrap_or_default();
        let wanted = references::global_value(self.file, &self.globals, text, flag.place)?;
        if wanted.is_empty() {
            return Ok(None);
        }
        let name = normal(&wanted).map_err(|why| {
            let fault = Fault::new(flag.place, format!("`{wanted}` {why}"));
            fault
                .hint("write the platform as `linux/arm64`, or as `$BUILDPLATFORM` for that of the machine that builds")
        })?;
        Ok(Some(name).filter(|name| *name != self.platform))
    }
}

/// Other names of architectures, and the one that they are brought to.
const ARCHITECTURES: [(&str, &str); 8] = [
    ("x86_64", "amd64"),
    ("x86-64", "amd64"),
    ("aarch64", "arm64"),
    ("i386", "386"),
    ("i686", "386"),
    ("armhf", "arm/v7"),
    ("armel", "arm/v6"),
    ("arm", "arm/v7"),
];

/// The architectures that Linux runs on, by their usual names.
const KNOWN: [&str; 14] = [
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le", "riscv64",
    "s390x", "sparc64",
];

/// Returns the one name of a platform of several that mean it, as containerd has them; an architecture alone is one of Linux.
///
/// # Errors
///
/// Says why it is none, to follow the text.
pub(super) fn normal(platform: &str) -> Result<String, String> {
    let lower = platform.to_ascii_lowercase();
    let (os, rest) = lower.split_once('/').unwrap_or(("linux", &lower));
    let (architecture, variant) =
        rest.split_once('/').map_or((rest, ""), |(architecture, variant)| (architecture, variant));
    let is_word = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if os.is_empty() || architecture.is_empty() || rest.ends_with('/') || !is_word(variant) {
        return Err("is no platform".to_owned());
    }
    if os != "linux" {
        return Err("is a platform of another system than linux, for which nothing is built".to_owned());
    }
    let usual = ARCHITECTURES.iter().find(|(name, _)| *name == architecture).map_or(architecture, |(_, usual)| usual);
    if !KNOWN.contains(&usual.split('/').next().unwrap_or_default()) {
        return Err(format!("is of an architecture that is not known; known: {}", KNOWN.join(", ")));
    }
    let variant = match (usual, variant) {
        ("amd64", "v1") | ("arm64", "v8" | "8") | ("386", _) | (_, "") => String::new(),
        ("arm/v7", number @ ("5" | "6" | "7" | "8")) => format!("v{number}"),
        (_, variant) => variant.to_owned(),
    };
    Ok(match variant.as_str() {
        "" => format!("linux/{usual}"),
        variant => format!("linux/{}/{variant}", usual.split('/').next().unwrap_or(usual)),
    })
}

#[cfg(test)]
mod tests {
    use super::normal;

    #[test]
    fn a_platform_has_one_name() {
        for (text, name) in [
            ("linux/amd64", "linux/amd64"),
            ("linux/x86_64", "linux/amd64"),
            ("linux/amd64/v1", "linux/amd64"),
            ("linux/amd64/v2", "linux/amd64/v2"),
            ("aarch64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/arm/6", "linux/arm/v6"),
            ("Linux/ARM/v7", "linux/arm/v7"),
            ("armel", "linux/arm/v6"),
            ("riscv64", "linux/riscv64"),
        ] {
            assert_eq!(normal(text).as_deref(), Ok(name), "{text}");
        }
        for text in [
            "",
            "/",
            "linux/",
            "linux/a b",
            "linux/arm/",
            "linux/arm/v7/x",
            "windows/amd64",
            "linux/$X",
            "arm46",
            "linux/arm64/v-8",
        ] {
            assert!(normal(text).is_err(), "{text}");
        }
    }
}
