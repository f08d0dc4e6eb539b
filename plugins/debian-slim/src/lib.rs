// SPDX-License-Identifier: Apache-2.0
//! The kind `debian-slim`: a minimal Debian, with or without its Python, bootstrapped from the signed archive.
//!
//! Resolving reads the suites of a release, verifies their signatures, chooses the packages that every system has and
//! what they need, and pins each by its digest. Planning turns the pinned packages into two operations: files, which
//! the host unpacks, and one command, which configures. It knows nothing of registries, and no tool runs but those in
//! the image.
//!
//! ```text
//! options ─ resolve ─► archive: InRelease ─ openpgp ─► suite ─► index ─► closure ─► lock
//! lock ──── plan ────► image: unpack, configure ─► state
//! ```

mod archive;
mod closure;
mod image;
mod index;
mod lock;
mod openpgp;
mod options;
mod relation;
mod release;
mod resolve;
mod suite;
mod version;

use wythe_sdk::{Failure, ResolvingStep, State};

pub use lock::{Lock, LockedPackage, LockedSuite};
pub use options::Options;

/// The kind `debian-slim`.
#[derive(Debug)]
pub struct DebianSlim;

impl ResolvingStep for DebianSlim {
    type Options = Options;
    type Lock = Lock;

    fn resolve(_base: &State, options: Options, previous: Option<Lock>) -> Result<Lock, Failure> {
        resolve::resolve(&options, previous.as_ref())
    }

    fn plan(_base: &State, options: Options, lock: Lock) -> Result<State, Failure> {
        image::plan(&options, &lock)
    }
}

wythe_sdk::export!(DebianSlim: ResolvingStep, "plugin.json");
