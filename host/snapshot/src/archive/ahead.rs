// SPDX-License-Identifier: Apache-2.0
//! Decompresses archives ahead of the one that is being applied.
//!
//! ```text
//! jobs ──► threads ──► per archive: a bounded queue of chunks ──► the one applier, in order
//! ```
//!
//! A thread that is ahead stops when the queue of its archive is full. Each batch has the archive that is being applied, and
//! all batches of the process share [`WINDOW`] places for those that are ahead of it. So what waits is bounded by
//! `(batches + WINDOW) * DEPTH * CHUNK` bytes and as many archives are being decompressed at most, however many images are
//! built at once. A batch that finds no place goes on with one archive at a time, and waits for nobody.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use super::{Archive, ArchiveError};

/// Bytes handed over at a time.
const CHUNK: usize = 128 * 1024;
/// Chunks that wait for the applier, per archive: most packages fit whole.
const DEPTH: usize = 128;
/// Archives of all batches that are ahead at most: 128 MiB.
const WINDOW: usize = 8;

/// The places of this process.
pub(crate) static PLACES: Places = Places(AtomicUsize::new(WINDOW));

/// Places for archives that are ahead.
#[derive(Debug)]
pub(crate) struct Places(AtomicUsize);

/// A place that is taken. Dropping it gives it back.
#[derive(Debug)]
struct Place<'a>(&'a Places);

impl Places {
    fn try_take(&self) -> Option<Place<'_>> {
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| free.checked_sub(1));
        taken.ok().map(|_| Place(self))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// An archive to decompress, with the queue for its bytes.
struct Job<'a> {
    path: &'a Path,
    format: Archive,
    to: SyncSender<Result<Vec<u8>, ArchiveError>>,
}

/// The bytes of an archive, chunk by chunk.
type Queue = Receiver<Result<Vec<u8>, ArchiveError>>;

/// Hands out archives in their order, decompressed.
pub(crate) struct Ahead<'a> {
    jobs: Sender<Job<'a>>,
    waiting: std::vec::IntoIter<(&'a Path, Archive)>,
    places: &'a Places,
    /// The next archive first. One that is wanted at once needs no place.
    queues: VecDeque<(Option<Place<'a>>, Queue)>,
}

impl<'a> Ahead<'a> {
    /// Starts `threads` threads on archives, none of which is a zip archive.
    pub(crate) fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        archives: Vec<(&'a Path, Archive)>,
        threads: usize,
        places: &'a Places,
    ) -> io::Result<Self>
    where
        'a: 'scope,
    {
        let (jobs, todo) = channel::<Job<'a>>();
        let todo = std::sync::Arc::new(Mutex::new(todo));
        for _ in 0..threads.min(archives.len()).min(WINDOW + 1) {
            let todo = todo.clone();
            let body = move || {
                while let Some(job) = next(&todo) {
                    decompress(&job);
                }
            };
            let _joined_by_the_scope: ScopedJoinHandle<'_, ()> =
                std::thread::Builder::new().name("unpack".into()).spawn_scoped(scope, body)?;
        }
        let mut ahead = Self { jobs, waiting: archives.into_iter(), places, queues: VecDeque::new() };
        ahead.hand_out(None);
        ahead.go_ahead();
        Ok(ahead)
    }

    /// Hands out as many archives as there are places for.
    fn go_ahead(&mut self) {
        while self.waiting.len() > 0
            && let Some(place) = self.places.try_take()
        {
            self.hand_out(Some(place));
        }
    }

    fn hand_out(&mut self, place: Option<Place<'a>>) {
        let Some((path, format)) = self.waiting.next() else { return };
        let (to, queue) = sync_channel(DEPTH);
        self.queues.push_back((place, queue));
        // Without a thread nobody fills the queue, and its reader says so.
        let _no_thread = self.jobs.send(Job { path, format, to });
    }

    /// Returns the bytes of the next archive. The one before is finished with.
    pub(crate) fn next(&mut self) -> Option<Chunks> {
        if self.queues.is_empty() {
            self.hand_out(None);
        }
        let (place, queue) = self.queues.pop_front()?;
        drop(place);
        self.go_ahead();
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

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::{Ahead, Places};
    use crate::archive::Archive;

    #[test]
    fn batches_share_the_places_ahead_and_none_waits_for_another() {
        let dir = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = (0..6).map(|number| dir.path().join(format!("{number}.tar"))).collect();
        for (number, path) in paths.iter().enumerate() {
            std::fs::write(path, [u8::try_from(number).unwrap(); 1024]).unwrap();
        }
        let archives = || paths.iter().map(|path| (path.as_path(), Archive::Tar)).collect::<Vec<_>>();
        let places = Places(AtomicUsize::new(3));
        std::thread::scope(|scope| {
            let mut one = Ahead::start(scope, archives(), 2, &places).unwrap();
            assert_eq!((one.queues.len(), places.0.load(Ordering::Relaxed)), (4, 0));
            let mut other = Ahead::start(scope, archives(), 2, &places).unwrap();
            assert_eq!(other.queues.len(), 1);
            for first in 0..6 {
                let mut bytes = Vec::new();
                other.next().unwrap().read_to_end(&mut bytes).unwrap();
                assert_eq!(bytes, [first; 1024]);
            }
            assert!(other.next().is_none());
            for _ in 0..2 {
                drop(one.next());
                assert_eq!((one.queues.len(), places.0.load(Ordering::Relaxed)), (3, 0), "what is ahead stays ahead");
            }
        });
        assert_eq!(places.0.load(Ordering::Relaxed), 3);
    }
}
