// SPDX-License-Identifier: Apache-2.0
//! The lowest layers of deep stacks, mounted once for all that is mounted on top of them.
//!
//! A lower directory costs a call to the kernel in each overlay that has it, and a look in each directory that is looked at.
//! For a chain in which every state is mounted once that is the square of its length. So the lowest directories become an
//! overlay that stays, a *foundation*, and is one lower directory of the others:
//!
//! ```text
//!  lowers   ├─────────── foundation ───────────┤├── rest ──┤      at most RISE remain
//! ```
//!
//! How high the foundation of a stack is follows from the height of the stack alone, so that the next [`RISE`] states of a
//! chain stand on the same one. Each is kept by a thread that has a mount namespace of its own (see [`super::nested`]).

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::{MAX_STACK, MountError, Overlay, can_add_lowers, classic, nested, without_repeats};

/// How many lower directories may lie on a foundation before a higher one is made. Making one costs a call a directory, too:
/// at 500 layers as much in all as what then lies on top of them.
const RISE: usize = 32;

/// How many foundations are kept: chains that grow side by side stand on one each.
const KEPT: usize = 8;

/// Mounts read-only overlays. Those that are alike in their lowest directories share them.
///
/// Dropping it unmounts the foundations; what was mounted on top of them keeps what it needs.
#[derive(Debug, Default)]
pub struct Foundations {
    /// The one that was used last stands last.
    kept: Mutex<VecDeque<Arc<Foundation>>>,
}

impl Foundations {
    /// Mounts directories as [`Overlay::mount`] does where nothing is to be written.
    pub fn mount(&self, lowers: &[PathBuf]) -> Result<OwnedFd, MountError> {
        let lowers = without_repeats(lowers);
        let height = if can_add_lowers() { height(lowers.len()) } else { 0 };
        if height == 0 {
            return Overlay { lowers, upper: None, work: None }.mount_distinct();
        }
        let (lowest, rest) = lowers.split_at(height);
        self.foundation(lowest)?.carry(rest)
    }

    fn foundation(&self, lowest: &[PathBuf]) -> Result<Arc<Foundation>, MountError> {
        // Who waits here waits for the very foundation, or for the few milliseconds that another one takes.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.iter().position(|known| known.is_of(lowest)).and_then(|at| kept.remove(at));
        let foundation = found.map_or_else(|| Foundation::lay(lowest).map(Arc::new), Ok)?;
        kept.push_back(Arc::clone(&foundation));
        if kept.len() > KEPT {
            kept.pop_front();
        }
        Ok(foundation)
    }
}

/// How many of so many lower directories become the foundation.
fn height(lowers: usize) -> usize {
    (lowers.saturating_sub(1) / RISE * RISE).min(MAX_STACK)
}

/// Directories that are one, as long as the value lives.
#[derive(Debug)]
struct Foundation {
    lowest: Vec<PathBuf>,
    /// Dropping it ends the thread, and the namespace with it.
    requests: Option<Sender<Request>>,
    keeper: Option<JoinHandle<()>>,
}

/// What is to be mounted on top, and where to say how that went.
struct Request {
    rest: Vec<PathBuf>,
    answer: Sender<Result<OwnedFd, MountError>>,
}

impl Foundation {
    fn lay(lowest: &[PathBuf]) -> Result<Self, MountError> {
        let (requests, asked) = channel();
        let (tell, told) = channel();
        let theirs = lowest.to_vec();
        let thread = std::thread::Builder::new().name("foundation".into());
        let keeper = thread.spawn(move || keep(&theirs, &tell, &asked)).map_err(classic::refused("clone"))?;
        let laid = Self { lowest: lowest.to_vec(), requests: Some(requests), keeper: Some(keeper) };
        told.recv().unwrap_or_else(|_| Err(gone()))?;
        Ok(laid)
    }

    /// Whether it is made of these directories, by the bytes of their names: each mount asks.
    fn is_of(&self, lowest: &[PathBuf]) -> bool {
        lowest.iter().map(|path| path.as_os_str()).eq(self.lowest.iter().map(|path| path.as_os_str()))
    }

    fn carry(&self, rest: &[PathBuf]) -> Result<OwnedFd, MountError> {
        let (answer, answered) = channel();
        let requests = self.requests.as_ref().ok_or_else(gone)?;
        requests.send(Request { rest: rest.to_vec(), answer }).map_err(|_| gone())?;
        answered.recv().unwrap_or_else(|_| Err(gone()))
    }
}

/// Mounts the foundation, says so, and mounts on top of it until nobody can ask any more.
fn keep(lowest: &[PathBuf], tell: &Sender<Result<(), MountError>>, asked: &Receiver<Request>) {
    let entered = classic::enter_private_namespace().map_err(classic::refused("unshare"));
    let laid = entered.and_then(|()| nested::attach_over_lowest(lowest));
    let is_laid = laid.is_ok();
    if tell.send(laid).is_err() || !is_laid {
        return;
    }
    for Request { rest, answer } in asked {
        let lowers = nested::on_lowest(&lowest[0], &rest);
        let mounted = Overlay { lowers, upper: None, work: None }.mount_by_descriptor();
        // Who does not wait for it any more does not need it.
        drop(answer.send(mounted));
    }
}

fn gone() -> MountError {
    classic::refused("clone")(io::ErrorKind::BrokenPipe.into())
}

impl Drop for Foundation {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(keeper) = self.keeper.take() {
            // A keeper that panicked has unmounted all the same.
            drop(keeper.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_STACK, RISE, height};
    use crate::overlay::MAX_LOWERS;

    #[test]
    fn what_is_mounted_for_a_state_does_not_grow_with_the_chain() {
        let mut attached = 0;
        let mut foundation = 0;
        for lowers in 1..=MAX_LOWERS {
            let height = height(lowers);
            assert!(height < lowers, "{lowers}: something lies on the foundation");
            assert!(height >= foundation, "{lowers}: a foundation serves the states that follow");
            if height > foundation {
                (attached, foundation) = (attached + height, height);
            }
            let rest = lowers - height;
            attached += rest + usize::from(height > 0);
            if lowers <= MAX_STACK + RISE {
                assert!(rest <= RISE, "{lowers}: {rest} directories are attached for one state");
                assert!(attached <= lowers * (RISE + 1), "{lowers}: {attached} directories were attached in all");
            }
        }
    }
}
