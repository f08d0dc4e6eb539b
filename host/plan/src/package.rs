// SPDX-License-Identifier: Apache-2.0
//! What is installed in an image, as plugins tell it, and its name on the network.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use wythe_image::Digest;

/// Something that is installed, in the parts of a package URL (ECMA-427).
///
/// Packages sort by type, then by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Package {
    /// Type of the package URL, such as `deb`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Namespace of the package URL; empty where the type has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its version, empty where none is known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Qualifiers of the package URL.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub qualifiers: BTreeMap<String, String>,
    /// What else is known: `license`, `supplier`, `homepage`, `summary`, `source`, `location`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, String>,
}

/// A plugin that can tell what is installed in an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Inventory {
    /// The plugin.
    pub plugin: String,
    /// Digest of its component.
    pub digest: Digest,
    /// The types of package URLs that it answers for, sorted.
    pub types: Vec<String>,
}

impl Package {
    /// Returns the architecture, where the package has one.
    #[must_use]
    pub fn architecture(&self) -> Option<&str> {
        self.qualifiers.get("arch").map(String::as_str)
    }

    /// Returns the package URL in its canonical form.
    #[must_use]
    pub fn purl(&self) -> String {
        let mut text = format!("pkg:{}", self.kind);
        for part in self.namespace.split('/').chain([self.name.as_str()]).filter(|part| !part.is_empty()) {
            text.push('/');
            encode(part, &mut text);
        }
        if !self.version.is_empty() {
            text.push('@');
            encode(&self.version, &mut text);
        }
        let qualifiers = self.qualifiers.iter().filter(|(_, value)| !value.is_empty());
        for (index, (name, value)) in qualifiers.enumerate() {
            text.push(if index == 0 { '?' } else { '&' });
            text.push_str(name);
            text.push('=');
            encode(value, &mut text);
        }
        text
    }
}

/// Percent-encodes all but what a package URL leaves as it is: letters, digits and `.-_~:`.
fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b".-_~:".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a string takes what is written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Package;

    #[test]
    fn a_package_url_is_canonical() {
        let package = |kind: &str, namespace: &str, name: &str, version: &str, qualifiers: &[(&str, &str)]| Package {
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            version: version.to_owned(),
            qualifiers: qualifiers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            properties: [("location".to_owned(), "/x".to_owned())].into(),
        };
        for (package, expected) in [
            (package("pypi", "", "django", "1.11.1", &[]), "pkg:pypi/django@1.11.1"),
            (
                package("deb", "debian", "g++-12", "12.2.0-14+deb12u1", &[("distro", "debian-12"), ("arch", "amd64")]),
                "pkg:deb/debian/g%2B%2B-12@12.2.0-14%2Bdeb12u1?arch=amd64&distro=debian-12",
            ),
            (package("deb", "debian", "git", "1:2.39.5-0", &[]), "pkg:deb/debian/git@1:2.39.5-0"),
            (package("golang", "github.com/a b", "c", "", &[("x", "")]), "pkg:golang/github.com/a%20b/c"),
        ] {
            assert_eq!(package.purl(), expected);
        }
    }
}
