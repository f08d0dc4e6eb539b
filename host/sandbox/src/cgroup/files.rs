// SPDX-License-Identifier: Apache-2.0
//! The files of a control group.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::Duration;

use rustix::fs::FlockOperation;
use rustix::io::retry_on_intr;

/// How often it is tried to remove a group whose last process is still being put away by the kernel.
const TRIES: u32 = 2000;

/// How many groups inside one are removed with it.
const MOST_INSIDE: usize = 10_000;

/// Writes a setting. The kernel takes each write as a whole.
pub(super) fn set(dir: &Path, name: &str, value: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(dir.join(name))?.write_all(value.as_bytes())
}

/// Writes a setting that not every kernel has.
pub(super) fn set_if_there(dir: &Path, name: &str, value: &str) -> io::Result<()> {
    match set(dir, name, value) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound) => Ok(()),
        result => result,
    }
}

/// The number behind a word in a file of such lines; zero where there is none.
pub(super) fn count(file: &File, word: &str) -> io::Result<u64> {
    let mut buffer = [0; 4096];
    let length = file.read_at(&mut buffer, 0)?;
    let text = String::from_utf8_lossy(&buffer[..length]);
    let numbers = text.lines().filter_map(|line| line.split_once(' ')).filter(|(key, _)| *key == word);
    Ok(numbers.filter_map(|(_, number)| number.trim().parse::<u64>().ok()).sum())
}

/// Waits for the lock of a file, which is held as long as the descriptor is open.
pub(super) fn lock(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    retry_on_intr(|| rustix::fs::flock(&file, FlockOperation::LockExclusive))?;
    Ok(file)
}

/// Takes a group as one's own, as long as the descriptor is open. `None` if it is somebody's, or what was opened is not what
/// has the name any more: whoever removes a group has it first, so what is there then stays.
pub(super) fn claim(dir: &Path) -> io::Result<Option<File>> {
    let open = match File::open(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        open => open?,
    };
    match retry_on_intr(|| rustix::fs::flock(&open, FlockOperation::NonBlockingLockExclusive)) {
        Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
        locked => locked?,
    }
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    match fs::metadata(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        there => Ok((identity(there?) == identity(open.metadata()?)).then_some(open)),
    }
}

/// Removes the groups that are inside one, the innermost first, as far as that goes: those that a command has made which may.
pub(super) fn empty(dir: &Path) {
    let mut inside = vec![dir.to_owned()];
    let mut next = 0;
    while next < inside.len() && inside.len() < MOST_INSIDE {
        let entries = fs::read_dir(&inside[next]).into_iter().flatten().filter_map(Result::ok);
        let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        inside.extend(directories.map(|entry| entry.path()));
        next += 1;
    }
    inside.iter().skip(1).rev().for_each(|dir| drop(fs::remove_dir(dir)));
}

/// Removes a group whose processes have ended.
pub(super) fn remove(dir: &Path) -> io::Result<()> {
    let mut tries = 0;
    loop {
        if tries == 1 {
            empty(dir);
        }
        match fs::remove_dir(dir) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            // The process is reaped, and the kernel has not taken it off the group's list yet.
            Err(error) if error.kind() == ErrorKind::ResourceBusy && tries < TRIES => {
                tries += 1;
                std::thread::sleep(Duration::from_millis(1));
            }
            result => return result,
        }
    }
}
