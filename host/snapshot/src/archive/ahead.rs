// SPDX-License-Identifier: Apache-2.0
//! Decompresses archives ahead of the one that is being applied.
//!
//! ```text
//! jobs ──► threads ──► per archive: a bounded queue of chunks ──► the one applier, in order
//! ```
//!
//! A thread that is ahead stops when the queue of its archive is full. The applier hands out a new job when it has
//! finished an archive, so at most [`WINDOW`] queues hold anything: memory is bounded by `WINDOW * DEPTH * CHUNK`.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use super::{Archive, ArchiveError};

/// Bytes handed over at a time.
const CHUNK: usize = 128 * 1024;
/// Chunks that wait for the applier, per archive: most packages fit whole.
const DEPTH: usize = 128;
/// Archives that are ahead at most, so that no more than 128 MiB wait.
const WINDOW: usize = 8;

/// An archive to decompress, with the queue for its bytes.
struct Job<'a> {
    path: &'a Path,
    format: Archive,
    to: SyncSender<Result<Vec<u8>, ArchiveError>>,
}

/// Hands out archives in their order, decompressed.
pub(crate) struct Ahead<'a> {
    jobs: Sender<Job<'a>>,
    waiting: std::vec::IntoIter<(&'a Path, Archive)>,
    queues: std::collections::VecDeque<Receiver<Result<Vec<u8>, ArchiveError>>>,
}

impl<'a> Ahead<'a> {
    /// Starts `threads` threads on archives, none of which is a zip archive.
    pub(crate) fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        archives: Vec<(&'a Path, Archive)>,
        threads: usize,
    ) -> io::Result<Self>
    where
        'a: 'scope,
    {
        let (jobs, todo) = channel::<Job<'a>>();
        let todo = std::sync::Arc::new(Mutex::new(todo));
        for _ in 0..threads.min(archives.len()) {
            let todo = todo.clone();
            let body = move || {
                while let Some(job) = next(&todo) {
                    decompress(&job);
                }
            };
            let _joined_by_the_scope: ScopedJoinHandle<'_, ()> =
                std::thread::Builder::new().name("unpack".into()).spawn_scoped(scope, body)?;
        }
        let mut ahead = Self { jobs, waiting: archives.into_iter(), queues: std::collections::VecDeque::new() };
        for _ in 0..WINDOW {
            ahead.hand_out();
        }
        Ok(ahead)
    }

    fn hand_out(&mut self) {
        let Some((path, format)) = self.waiting.next() else { return };
        let (to, queue) = sync_channel(DEPTH);
        self.queues.push_back(queue);
        // Without a thread nobody fills the queue, and its reader says so.
        let _no_thread = self.jobs.send(Job { path, format, to });
    }

    /// Returns the bytes of the next archive. The one before is finished with.
    pub(crate) fn next(&mut self) -> Option<Chunks> {
        let queue = self.queues.pop_front()?;
        self.hand_out();
        Some(Chunks { queue, chunk: io::Cursor::new(Vec::new()), is_at_end: false, failure: None })
    }
}

fn next<'a>(todo: &Mutex<Receiver<Job<'a>>>) -> Option<Job<'a>> {
    todo.lock().ok()?.recv().ok()
}

/// Sends the bytes of an archive, or what is wrong with it, and an empty chunk at its end.
fn decompress(job: &Job<'_>) {
    let result = job.format.open_tar(job.path).and_then(|plain| match plain {
        Some(mut plain) => send_all(&mut plain, job),
        None => Ok(()),
    });
    let last = result.map(|()| Vec::new());
    // Nobody reads on where an earlier archive was refused.
    let _unwanted = job.to.send(last);
}

fn send_all(plain: &mut dyn Read, job: &Job<'_>) -> Result<(), ArchiveError> {
    loop {
        let mut chunk = Vec::with_capacity(CHUNK);
        let count = plain.take(CHUNK as u64).read_to_end(&mut chunk).map_err(ArchiveError::Decompress)?;
        if count == 0 || job.to.send(Ok(chunk)).is_err() {
            return Ok(());
        }
    }
}

/// The uncompressed bytes of an archive.
pub(crate) struct Chunks {
    queue: Receiver<Result<Vec<u8>, ArchiveError>>,
    chunk: io::Cursor<Vec<u8>>,
    is_at_end: bool,
    /// What the thread said, kept for whoever asks after a failed read.
    failure: Option<ArchiveError>,
}

impl Chunks {
    /// Returns what is wrong with the archive, after a read has failed.
    pub(crate) fn failure(&mut self) -> Option<ArchiveError> {
        self.failure.take()
    }

    fn refill(&mut self) -> io::Result<()> {
        match self.queue.recv() {
            Ok(Ok(chunk)) => {
                self.is_at_end = chunk.is_empty();
                self.chunk = io::Cursor::new(chunk);
                Ok(())
            }
            Ok(Err(error)) => {
                self.failure = Some(error);
                Err(io::Error::other("the archive cannot be decompressed"))
            }
            Err(_) => Err(io::Error::other("the decompressing thread ended early")),
        }
    }
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.chunk.position() == self.chunk.get_ref().len() as u64 {
            if self.is_at_end {
                return Ok(0);
            }
            self.refill()?;
        }
        self.chunk.read(buffer)
    }
}
