// SPDX-License-Identifier: Apache-2.0
//! Where the bytes of an archive go: always through a digest, and onward where somebody wants them.
//!
//! Reading files and hashing them take turns on two threads. The second one starts only when there is enough to hash.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use wythe_image::{Digest, Hasher};

use crate::layer::marks::{EVERY, Mark, Marks};

/// Bytes handed over at a time: large enough to make the hand-over cheap, small enough to stay in a core's cache.
const CHUNK: usize = 256 * 1024;
/// Chunks on the way between the threads.
const AHEAD: usize = 4;

/// A sink that hashes and counts what it passes on.
pub(crate) struct Stream<'out> {
    chunk: Vec<u8>,
    used: usize,
    /// Bytes before the chunk.
    passed: u64,
    /// Bytes that are still to be dropped: the digest has them already.
    known: u64,
    /// The entry that is being written, and where it begins.
    entry: (Vec<u8>, u64),
    hashing: Hashing,
    out: Option<&'out mut dyn Write>,
}

/// What a stream has computed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finished {
    pub(crate) digest: Digest,
    pub(crate) length: u64,
    pub(crate) marks: Marks,
}

enum Hashing {
    Here(Sum),
    Beside(Beside),
}

/// A digest on its way, and the places from which it can be computed on.
#[derive(Clone, Default)]
struct Sum {
    hasher: Hasher,
    marks: Vec<Mark>,
}

impl Sum {
    fn update(&mut self, piece: &Piece) {
        self.hasher.update(&piece.chunk[..piece.used]);
        if let (Some((path, start)), Some(midway)) = (&piece.entry, self.hasher.midway()) {
            self.marks.push(Mark { midway, path: path.clone(), start: *start });
        }
    }
}

/// A chunk, with the entry that its end is in where that is to be marked.
struct Piece {
    chunk: Vec<u8>,
    used: usize,
    entry: Option<(Vec<u8>, u64)>,
}

/// The hashing thread, and the chunks that travel to it and back.
struct Beside {
    full: SyncSender<Piece>,
    empty: Receiver<Vec<u8>>,
    thread: JoinHandle<Sum>,
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
        let hashing = Hashing::Here(Sum::default());
        Self { chunk: vec![0; CHUNK], used: 0, passed: 0, known: 0, entry: (Vec::new(), 0), hashing, out }
    }

    /// Goes on from a mark: what is put is the archive from the beginning of the marked entry on. Returns none where the mark is
    /// none.
    pub(crate) fn resume(mark: &Mark) -> Option<Self> {
        let hasher = Hasher::resume(&mark.midway)?;
        let known = mark.midway.length.checked_sub(mark.start)?;
        let hashing = Hashing::Here(Sum { hasher, marks: Vec::new() });
        Some(Self { passed: mark.midway.length, known, hashing, ..Self::new(None) })
    }

    /// Says that an entry begins.
    pub(crate) fn begin(&mut self, path: &[u8]) {
        self.entry.0.clear();
        self.entry.0.extend_from_slice(path);
        self.entry.1 = (self.passed - self.known) + self.used as u64;
    }

    /// Takes bytes.
    pub(crate) fn put(&mut self, mut bytes: &[u8]) -> Result<(), StreamError> {
        bytes = &bytes[self.drop_known(bytes.len() as u64)..];
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
        let known = self.drop_known(length);
        if known > 0 {
            let at = rustix::fs::SeekFrom::Current(i64::try_from(known).unwrap_or(i64::MAX));
            rustix::fs::seek(file, at).map_err(|error| StreamError::Read(error.into()))?;
            length -= known as u64;
        }
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

    /// Returns how many of the next bytes the digest has already.
    fn drop_known(&mut self, length: u64) -> usize {
        let dropped = self.known.min(length);
        self.known -= dropped;
        usize::try_from(dropped).expect("bytes that were counted fit into memory or a file's length")
    }

    fn pass_if_full(&mut self) -> Result<(), StreamError> {
        if self.used < self.chunk.len() { Ok(()) } else { self.pass() }
    }

    fn pass(&mut self) -> Result<(), StreamError> {
        if let Some(out) = &mut self.out {
            out.write_all(&self.chunk[..self.used]).map_err(StreamError::Write)?;
        }
        let used = std::mem::take(&mut self.used);
        self.passed += used as u64;
        let entry = self.passed.is_multiple_of(EVERY).then(|| self.entry.clone());
        if let Hashing::Here(sum) = &mut self.hashing {
            match start(sum.clone()) {
                Ok(beside) => self.hashing = Hashing::Beside(beside),
                // No thread to be had: it takes longer, and that is all.
                Err(_) => {
                    let piece = Piece { chunk: std::mem::take(&mut self.chunk), used, entry };
                    sum.update(&piece);
                    self.chunk = piece.chunk;
                    return Ok(());
                }
            }
        }
        let Hashing::Beside(beside) = &self.hashing else { return Ok(()) };
        let gone = || StreamError::Write(io::Error::other("the hashing thread ended early"));
        let next = beside.empty.recv().map_err(|_| gone())?;
        let chunk = std::mem::replace(&mut self.chunk, next);
        beside.full.send(Piece { chunk, used, entry }).map_err(|_| gone())
    }

    /// Passes the rest on and returns the digest and the number of all bytes.
    pub(crate) fn finish(mut self) -> Result<Finished, StreamError> {
        if let Some(out) = &mut self.out {
            out.write_all(&self.chunk[..self.used]).and_then(|()| out.flush()).map_err(StreamError::Write)?;
        }
        let Sum { mut hasher, marks } = match self.hashing {
            Hashing::Here(sum) => sum,
            Hashing::Beside(Beside { full, empty, thread }) => {
                drop((full, empty));
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            }
        };
        hasher.update(&self.chunk[..self.used]);
        Ok(Finished { length: hasher.length(), digest: hasher.finish(), marks: Marks(marks) })
    }
}

fn start(mut sum: Sum) -> io::Result<Beside> {
    let (full, to_hash) = sync_channel::<Piece>(AHEAD);
    // One place more than there are chunks: giving one back never waits.
    let (give_back, empty) = sync_channel(AHEAD + 1);
    for _ in 0..AHEAD {
        give_back.send(vec![0; CHUNK]).map_err(io::Error::other)?;
    }
    let thread = std::thread::Builder::new().name("digest".into()).spawn(move || {
        for piece in to_hash {
            sum.update(&piece);
            // Nobody wants it back any more when the writer has finished.
            let _finished = give_back.send(piece.chunk);
        }
        sum
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
            let finished = stream.finish().unwrap();
            let expected = (Digest::of(&bytes), bytes.len() as u64);
            assert_eq!((finished.digest, finished.length), expected, "in pieces of {piece}");
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
