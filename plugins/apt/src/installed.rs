// SPDX-License-Identifier: Apache-2.0
//! What dpkg has installed in an image, from its own database: `/var/lib/dpkg/status`, or `status.d` where an image was put
//! together without dpkg (dpkg-query(1), deb822(5)).

use std::collections::BTreeMap;

use wythe_sdk::{Failure, Inventory, Package, State};

use crate::Apt;

const DATABASE: &str = "/var/lib/dpkg/status";
const PARTS: &str = "/var/lib/dpkg/status.d/*";

impl Inventory for Apt {
    fn packages(image: &State) -> Result<Vec<Package>, Failure> {
        let distribution = Distribution::of(image);
        let parts = image.glob(PARTS).map_err(Failure::Failed)?;
        // Beside each part lies a list of its files' digests.
        let parts = parts.into_iter().filter(|name| !name.ends_with(".md5sums"));
        let mut packages = Vec::new();
        for place in std::iter::once(DATABASE.to_owned()).chain(parts) {
            if !image.exists(&place).map_err(Failure::Failed)? {
                continue;
            }
            let bytes = image.read(&place).map_err(|why| Failure::failed(format!("cannot read {place}: {why}")))?;
            let text = String::from_utf8_lossy(&bytes);
            let stanzas = text.split("\n\n").map(fields);
            packages.extend(stanzas.filter_map(|stanza| package(&stanza, &distribution, &place)));
        }
        Ok(packages)
    }
}

/// The distribution, in the words of os-release(5).
struct Distribution {
    /// As `debian`.
    id: String,
    /// As `debian-12`.
    release: String,
}

impl Distribution {
    fn of(image: &State) -> Self {
        let text = ["/etc/os-release", "/usr/lib/os-release"].iter().find_map(|path| image.read(path).ok());
        let text = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.map(|value| value.trim().trim_matches(['"', '\'']).to_owned())
        };
        let id = value("ID").unwrap_or_else(|| "debian".to_owned());
        let release = value("VERSION_ID").map(|version| format!("{id}-{version}")).unwrap_or_default();
        Self { id, release }
    }
}

/// Returns the fields of a stanza; of one that goes on over several lines, the first.
fn fields(stanza: &str) -> BTreeMap<&str, &str> {
    let lines = stanza.lines().filter(|line| !line.starts_with([' ', '\t', '#']));
    lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name, value.trim())).collect()
}

fn package(stanza: &BTreeMap<&str, &str>, distribution: &Distribution, place: &str) -> Option<Package> {
    let field = |name: &str| stanza.get(name).copied().unwrap_or_default();
    let (name, version) = (field("Package"), field("Version"));
    // Wanted, flag, state. A package that was removed leaves its configuration, and its stanza.
    let state = field("Status").split(' ').nth(2).unwrap_or("installed");
    if name.is_empty() || version.is_empty() || matches!(state, "not-installed" | "config-files") {
        return None;
    }
    let package = Package::new("deb", name, version)
        .namespace(&distribution.id)
        .qualifier("arch", field("Architecture"))
        .qualifier("distro", &distribution.release)
        .property("homepage", field("Homepage"))
        .property("location", place)
        .property("source", &field("Source").replace(['(', ')'], ""))
        .property("summary", field("Description"))
        .property("supplier", field("Maintainer"));
    Some(package)
}
