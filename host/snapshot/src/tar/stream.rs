// SPDX-License-Identifier: Apache-2.0
//! Where the bytes of an archive go: always through a digest, and onward where somebody wants them.
//!
//! Reading files and hashing them take turns on two threads. The second one starts only when there is enough to hash.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use wythe_image::{Digest, Hasher};

/// Bytes handed over at a time: large enough to make the hand-over cheap, small enough to stay in a core's cache.
const CHUNK: usize = 256 * 1024;
/// Chunks on the way between the threads.
const AHEAD: usize = 4;

/// A sink that hashes and counts what it passes on.
pub(crate) struct Stream<'out> {
    chunk: Vec<u8>,
    used: usize,
    hashing: Hashing,
    out: Option<&'out mut dyn Write>,
}

enum Hashing {
    Here(Hasher),
    Beside(Beside),
}

/// The hashing thread, and the chunks that travel to it and back.
struct Beside {
    full: SyncSender<(Vec<u8>, usize)>,
    empty: Receiver<Vec<u8>>,
    thread: JoinHandle<Hasher>,
}

/// Why bytes did not pass.
#[derive(Debug)]
pub(crate) enum StreamError {
    /// The content could not be read.
    Read(io::Error),
    /// The receiver did not take them.
    Write(io::Error),
}

impl<'out> Stream<'out> {
    pub(crate) fn new(out: Option<&'out mut dyn Write>) -> Self {
        Self { chunk: vec![0; CHUNK], used: 0, hashing: Hashing::Here(Hasher::new()), out }
    }

    /// Takes bytes.
    pub(crate) fn put(&mut self, mut bytes: &[u8]) -> Result<(), StreamError> {
        while !bytes.is_empty() {
            let room = &mut self.chunk[self.used..];
            let count = room.len().min(bytes.len());
            room[..count].copy_from_slice(&bytes[..count]);
            self.used += count;
            bytes = &bytes[count..];
            self.pass_if_full()?;
        }
        Ok(())
    }

    /// Takes exactly `length` bytes of a file, straight into the chunk.
    pub(crate) fn fill(&mut self, file: impl AsFd, mut length: u64) -> Result<(), StreamError> {
        let file = file.as_fd();
        while length > 0 {
            let room = &mut self.chunk[self.used..];
            let want = usize::try_from(length).unwrap_or(usize::MAX).min(room.len());
            let got = match rustix::io::read(file, &mut room[..want]) {
                Ok(0) => return Err(StreamError::Read(io::ErrorKind::UnexpectedEof.into())),
                Ok(got) => got,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(StreamError::Read(error.into())),
            };
            self.used += got;
            length -= got as u64;
            self.pass_if_full()?;
        }
        Ok(())
    }

    fn pass_if_full(&mut self) -> Result<(), StreamError> {
        if self.used < self.chunk.len() { Ok(()) } else { self.pass() }
    }

    fn pass(&mut self) -> Result<(), StreamError> {
        if let Some(out) = &mut self.out {
            out.write_all(&self.chunk[..self.used]).map_err(StreamError::Write)?;
        }
        if let Hashing::Here(hasher) = &mut self.hashing {
            match start(hasher.clone()) {
                Ok(beside) => self.hashing = Hashing::Beside(beside),
                // No thread to be had: it takes longer, and that is all.
                Err(_) => {
                    hasher.update(&self.chunk[..self.used]);
                    self.used = 0;
                }
            }
        }
        let Hashing::Beside(beside) = &self.hashing else { return Ok(()) };
        let gone = || StreamError::Write(io::Error::other("the hashing thread ended early"));
        let next = beside.empty.recv().map_err(|_| gone())?;
        let full = std::mem::replace(&mut self.chunk, next);
        beside.full.send((full, self.used)).map_err(|_| gone())?;
        self.used = 0;
        Ok(())
    }

    /// Passes the rest on and returns the digest and the number of all bytes.
    pub(crate) fn finish(mut self) -> Result<(Digest, u64), StreamError> {
        if let Some(out) = &mut self.out {
            out.write_all(&self.chunk[..self.used]).and_then(|()| out.flush()).map_err(StreamError::Write)?;
        }
        let mut hasher = match self.hashing {
            Hashing::Here(hasher) => hasher,
            Hashing::Beside(Beside { full, empty, thread }) => {
                drop((full, empty));
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            }
        };
        hasher.update(&self.chunk[..self.used]);
        Ok((hasher.clone().finish(), hasher.length()))
    }
}

fn start(mut hasher: Hasher) -> io::Result<Beside> {
    let (full, to_hash) = sync_channel::<(Vec<u8>, usize)>(AHEAD);
    // One place more than there are chunks: giving one back never waits.
    let (give_back, empty) = sync_channel(AHEAD + 1);
    for _ in 0..AHEAD {
        give_back.send(vec![0; CHUNK]).map_err(io::Error::other)?;
    }
    let thread = std::thread::Builder::new().name("digest".into()).spawn(move || {
        for (chunk, used) in to_hash {
            hasher.update(&chunk[..used]);
            // Nobody wants it back any more when the writer has finished.
            let _finished = give_back.send(chunk);
        }
        hasher
    })?;
    Ok(Beside { full, empty, thread })
}

#[cfg(test)]
mod tests {
    use super::{CHUNK, Stream};
    use wythe_image::Digest;

    #[test]
    fn the_digest_does_not_depend_on_the_pieces() {
        let bytes: Vec<u8> = (0..CHUNK * 7 + 13).map(|at| (at % 251) as u8).collect();
        for piece in [1_000, CHUNK - 1, CHUNK, CHUNK + 1, bytes.len()] {
            let mut copy = Vec::new();
            let mut stream = Stream::new(Some(&mut copy));
            for part in bytes.chunks(piece) {
                stream.put(part).unwrap();
            }
            assert_eq!(stream.finish().unwrap(), (Digest::of(&bytes), bytes.len() as u64), "in pieces of {piece}");
            assert_eq!(copy, bytes);
        }
    }

    #[test]
    fn a_file_that_ends_early_is_an_error() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(10).unwrap();
        assert!(Stream::new(None).fill(&file, 11).is_err());
    }
}
