// SPDX-License-Identifier: Apache-2.0
//! `fetch`: the network, while resolving only, and only the hosts that were granted.

use wythe_plan::PlanError;

use crate::guest::Guest;
use crate::untrusted;
use crate::v0_1::fetch::{GitCommit, Host};

impl Guest {
    /// Ends the guest where it was not granted a host.
    fn demand_host(&mut self, host: &str) -> wasmtime::Result<()> {
        if !self.hosts.iter().any(|pattern| is_granted(pattern, host)) {
            let hosts = if self.hosts.is_empty() { "none".to_owned() } else { self.hosts.join(", ") };
            return Err(self.end(PlanError::Refused {
                plugin: self.plugin.to_string(),
                what: format!("wants to fetch from `{host}`, which it was not granted (it was granted: {hosts})"),
                hint: format!("add `{host}` to the hosts of the plugin"),
            }));
        }
        Ok(())
    }
}

impl Host for Guest {
    fn get(&mut self, url: String) -> wasmtime::Result<Result<Vec<u8>, String>> {
        self.charge([url.as_str()])?;
        self.demand_resolving("fetch.get")?;
        let host = self.demand("fetch.get", untrusted::url(&url))?;
        self.demand_host(&host)?;
        self.ask(|surroundings| surroundings.world.fetch(&url))
    }

    fn git(&mut self, url: String, reference: Option<String>) -> wasmtime::Result<Result<GitCommit, String>> {
        self.charge([url.as_str(), reference.as_deref().unwrap_or_default()])?;
        self.demand_resolving("fetch.git")?;
        let url = self.demand("fetch.git", untrusted::git_url(&url))?;
        self.demand("fetch.git", reference.as_deref().map_or(Ok(()), untrusted::git_reference))?;
        self.demand_host(url.host())?;
        let answer = self.ask(|surroundings| surroundings.world.git_commit(&url, reference.as_deref()))?;
        match answer.map(|bytes| commit(&bytes)) {
            Ok(Some(found)) => Ok(Ok(found)),
            Ok(None) => Err(self.end(PlanError::World("the answer is not a commit and a name".to_owned()))),
            Err(why) => Ok(Err(why)),
        }
    }
}

/// Reads an answer: a commit, a space, the name that it was found by.
fn commit(bytes: &[u8]) -> Option<GitCommit> {
    let (commit, reference) = std::str::from_utf8(bytes).ok()?.split_once(' ')?;
    Some(GitCommit { commit: commit.to_owned(), reference: reference.to_owned() })
}

/// Whether a pattern (`host`, `*.host`, `*`) covers a host, which is in lower case.
fn is_granted(pattern: &str, host: &str) -> bool {
    let pattern = pattern.to_ascii_lowercase();
    match pattern.strip_prefix('*') {
        Some("") => true,
        // The dot stays in the suffix: `*.debian.org` covers neither `debian.org` nor `notdebian.org`.
        Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
        None => pattern == host,
    }
}

#[cfg(test)]
mod tests {
    use super::is_granted;

    #[test]
    fn a_pattern_covers_what_it_says() {
        for (pattern, host, expected) in [
            ("*", "anything", true),
            ("pypi.org", "pypi.org", true),
            ("PyPI.org", "pypi.org", true),
            ("pypi.org", "files.pypi.org", false),
            ("*.debian.org", "deb.debian.org", true),
            ("*.debian.org", "a.b.debian.org", true),
            ("*.debian.org", "debian.org", false),
            ("*.debian.org", ".debian.org", false),
            ("*.debian.org", "notdebian.org", false),
            ("*.debian.org", "debian.org.evil.example", false),
        ] {
            assert_eq!(is_granted(pattern, host), expected, "{pattern} {host}");
        }
    }
}
