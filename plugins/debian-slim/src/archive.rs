// SPDX-License-Identifier: Apache-2.0
//! Reads suites of an archive: fetched, verified, and only then parsed.
//!
//! The chain of trust: the keyring signs the `InRelease`, which has the digests of the indexes, which have the digests
//! of the packages. Nothing depends on where the bytes came from, so plain HTTP will do.

use std::io::{BufReader, Read};

use sha2::{Digest, Sha256};
use wythe_sdk::{Failure, fetch, report};

use crate::index::Index;
use crate::lock::LockedSuite;
use crate::openpgp::{self, Keyring};
use crate::options::Location;
use crate::suite::{Listed, Suite, date};

/// Longest index that is read, unpacked. The largest of today has 65 MB.
const LONGEST_INDEX: u64 = 512 << 20;

/// What a suite has to be to be used.
#[derive(Debug)]
pub(crate) struct Terms<'a> {
    /// Who may have signed it.
    pub(crate) keyring: &'a Keyring,
    /// Debian's name of the architecture.
    pub(crate) architecture: &'a str,
    /// The parts that are read.
    pub(crate) components: &'a [&'a str],
    /// The suites of the existing lock.
    pub(crate) locked: &'a [LockedSuite],
    /// The time of the snapshot, where one is used.
    pub(crate) snapshot: Option<u64>,
    /// The time that the build pretends it is. It stands for no clock, but no real build is earlier.
    pub(crate) epoch: u64,
    /// Whether a suite may be used after its `Valid-Until`.
    pub(crate) accept_expired: bool,
}

/// Reads a suite into the index, as its suite number `number`. Returns what the lock says of it.
pub(crate) fn read_suite(
    terms: &Terms<'_>,
    location: &Location,
    number: usize,
    index: &mut Index,
) -> Result<LockedSuite, Failure> {
    let root = format!("{}/dists/{}", location.archive, location.suite);
    let url = format!("{root}/InRelease");
    let fails = |what: String| Failure::failed(format!("{url}: {what}"));
    let bytes = fetch::get(&url).map_err(Failure::failed)?;
    let text = openpgp::verify(&bytes, terms.keyring).map_err(|error| fails(error.to_string()))?;
    let suite = Suite::parse(&text).map_err(&fails)?;
    let locked =
        LockedSuite { url: url.clone(), date: date::format(suite.date), sha256: hex::encode(Sha256::digest(&bytes)) };
    check_identity(&suite, location).and_then(|()| check_freshness(terms, &suite, &locked)).map_err(&fails)?;
    for component in terms.components {
        let mut architectures = vec![terms.architecture];
        if suite.splits_all {
            architectures.push("all");
        }
        for architecture in architectures {
            let folder = format!("{component}/binary-{architecture}");
            let file =
                IndexFile::choose(&suite, &folder).ok_or_else(|| missing(&suite, component, terms.architecture))?;
            file.read(&root, &suite, number, terms.architecture, index)?;
        }
    }
    Ok(locked)
}

fn missing(suite: &Suite, component: &str, architecture: &str) -> Failure {
    let message = format!("{} has no component `{component}` for {architecture}", suite.codename);
    Failure::option("/components", message)
}

/// A mirror that answers with another suite's signed file must not get away with it.
fn check_identity(suite: &Suite, location: &Location) -> Result<(), String> {
    if suite.codename == location.suite {
        return Ok(());
    }
    Err(format!("it is the head of `{}`, not of `{}`", suite.codename.escape_debug(), location.suite))
}

/// Without a clock, an old head that is signed well can be told by three things: it is older than what was locked
/// before, it ended to be valid before the build's own date, or it is younger than the snapshot it stands in.
fn check_freshness(terms: &Terms<'_>, suite: &Suite, head: &LockedSuite) -> Result<(), String> {
    if let Some(snapshot) = terms.snapshot {
        let is_in_it = suite.date <= snapshot;
        return if is_in_it { Ok(()) } else { Err(format!("it is of {}, which is after the snapshot", head.date)) };
    }
    if let Some(known) = terms.locked.iter().find(|known| known.url == head.url && known.date > head.date) {
        return Err(format!(
            "it is of {}, but the lock was made with one of {}: the mirror went back",
            head.date, known.date
        ));
    }
    match suite.valid_until {
        Some(end) if end < terms.epoch && terms.accept_expired => {
            report::warn(&format!("{} was valid until {}", suite.codename, date::format(end)));
            Ok(())
        }
        Some(end) if end < terms.epoch => {
            let end = date::format(end);
            Err(format!(
                "it was valid until {end}: the mirror is behind (`accept-expired = true` uses it nevertheless)"
            ))
        }
        _ => Ok(()),
    }
}

/// An index of a suite, in the form in which it is fetched.
struct IndexFile<'a> {
    path: String,
    listed: &'a Listed,
    /// Length when it is unpacked.
    unpacked: u64,
}

impl<'a> IndexFile<'a> {
    /// Chooses the form that is ready first: xz is a fourth smaller than gzip, and takes three times as long to unpack.
    fn choose(suite: &'a Suite, folder: &str) -> Option<Self> {
        let unpacked = suite.file(&format!("{folder}/Packages")).map_or(LONGEST_INDEX, |listed| listed.size);
        ["Packages.gz", "Packages.xz", "Packages"].into_iter().find_map(|name| {
            let path = format!("{folder}/{name}");
            suite.file(&path).map(|listed| Self { path, listed, unpacked })
        })
    }

    fn url(&self, root: &str, suite: &Suite) -> String {
        match self.path.rsplit_once('/') {
            Some((folder, _)) if suite.by_hash => format!("{root}/{folder}/by-hash/SHA256/{}", self.listed.sha256),
            _ => format!("{root}/{}", self.path),
        }
    }

    fn read(
        &self,
        root: &str,
        suite: &Suite,
        number: usize,
        architecture: &str,
        index: &mut Index,
    ) -> Result<(), Failure> {
        let url = self.url(root, suite);
        let bytes = fetch::get(&url).map_err(Failure::failed)?;
        let fails = |what: String| Failure::failed(format!("{url}: {what}"));
        if bytes.len() as u64 != self.listed.size {
            return Err(fails(format!(
                "it has {} bytes instead of the {} that are signed for",
                bytes.len(),
                self.listed.size
            )));
        }
        let digest = hex::encode(Sha256::digest(&bytes));
        if digest != self.listed.sha256 {
            return Err(fails(format!("it has the digest sha256:{digest} instead of sha256:{}", self.listed.sha256)));
        }
        let text: Box<dyn Read> = match self.path.rsplit_once('.') {
            Some((_, "xz")) => Box::new(lzma_rust2::XzReader::new(bytes.as_slice(), false)),
            Some((_, "gz")) => Box::new(flate2::read::GzDecoder::new(bytes.as_slice())),
            _ => Box::new(bytes.as_slice()),
        };
        // The length is signed for, too: it bounds what a bomb can do.
        let text = BufReader::with_capacity(64 << 10, text.take(self.unpacked));
        index.read(text, number, architecture).map_err(|error| fails(error.to_string()))
    }
}
