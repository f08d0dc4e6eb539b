// SPDX-License-Identifier: Apache-2.0
//! Compresses what is written into it, block by block on a pool, and passes the results on in order.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};

use rayon::ThreadPool;
use wythe_image::{Digest, Hasher};

use crate::Compression;

/// Blocks in work per thread. Results leave in order; where one is late on a busy machine, the others go on with these.
const AHEAD: usize = 4;

/// A writer that compresses. Blocks travel like this:
///
/// ```text
/// write ──► block ──► pool, `running` in order ──► hash ──► out
/// ```
///
/// Without compression a block goes straight to `out`, and nothing is hashed: whoever wrote the archive knows its digest.
pub(crate) struct Press<'a> {
    pool: Option<&'a ThreadPool>,
    compression: Compression,
    block: Vec<u8>,
    running: VecDeque<Receiver<io::Result<Vec<u8>>>>,
    out: &'a mut dyn Write,
    written: Hasher,
    taken: u64,
    progress: &'a dyn Fn(u64),
    failure: Option<io::Error>,
}

impl<'a> Press<'a> {
    /// Starts with nothing written. The pool is for compressing; without it `compression` is none. `progress` hears how many bytes were taken, about once a block.
    pub(crate) fn new(
        pool: Option<&'a ThreadPool>,
        compression: Compression,
        out: &'a mut dyn Write,
        progress: &'a dyn Fn(u64),
    ) -> Self {
        Self {
            pool,
            compression,
            block: Vec::with_capacity(compression.block_size()),
            running: VecDeque::new(),
            out,
            written: Hasher::new(),
            taken: 0,
            progress,
            failure: None,
        }
    }

    /// Returns how many bytes were taken.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// Returns why writing failed. Whoever writes here wraps the error into its own; this is the one that was meant.
    pub(crate) fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    /// Writes what is left and returns digest and length of what came out, or nothing where that is what went in.
    ///
    /// An empty archive gives one empty block, which is a valid file of each format.
    pub(crate) fn finish(mut self) -> io::Result<Option<(Digest, u64)>> {
        if !self.block.is_empty() || self.taken == 0 {
            self.end_block()?;
        }
        while let Some(result) = self.running.pop_front() {
            self.put(&received(&result)?)?;
        }
        let length = self.written.length();
        Ok(self.pool.map(|_| (self.written.finish(), length)))
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.compression.block_size() - self.block.len();
        let part = &bytes[..bytes.len().min(room)];
        self.block.extend_from_slice(part);
        self.taken += part.len() as u64;
        if self.block.len() == self.compression.block_size() {
            self.end_block()?;
        }
        Ok(part.len())
    }

    fn end_block(&mut self) -> io::Result<()> {
        (self.progress)(self.taken);
        let Some(pool) = self.pool else {
            self.out.write_all(&self.block)?;
            self.block.clear();
            return Ok(());
        };
        let block = std::mem::replace(&mut self.block, Vec::with_capacity(self.compression.block_size()));
        let (sender, receiver) = sync_channel(1);
        let compression = self.compression;
        // The receiver is gone when the export has failed; then nobody wants the block.
        pool.spawn(move || drop(sender.send(compression.compress(block))));
        self.running.push_back(receiver);
        self.pass_on(pool.current_num_threads() * AHEAD)
    }

    /// Passes on what is ready, and waits where too much is in work.
    fn pass_on(&mut self, most: usize) -> io::Result<()> {
        while let Some(first) = self.running.front() {
            let block = if self.running.len() > most {
                received(first)?
            } else {
                match first.try_recv() {
                    Ok(block) => block?,
                    Err(TryRecvError::Empty) => return Ok(()),
                    Err(TryRecvError::Disconnected) => return Err(lost()),
                }
            };
            self.running.pop_front();
            self.put(&block)?;
        }
        Ok(())
    }

    fn put(&mut self, block: &[u8]) -> io::Result<()> {
        self.written.update(block);
        self.out.write_all(block)
    }
}

impl Write for Press<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.take(bytes).inspect_err(|error| self.failure = Some(copied(error)))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn received(result: &Receiver<io::Result<Vec<u8>>>) -> io::Result<Vec<u8>> {
    result.recv().map_err(|_| lost())?
}

fn lost() -> io::Error {
    io::Error::other("a compressing thread ended early")
}

/// An `io::Error` cannot be cloned; number or kind and text are what people see of it.
fn copied(error: &io::Error) -> io::Error {
    let copy = || io::Error::new(error.kind(), error.to_string());
    error.raw_os_error().map_or_else(copy, io::Error::from_raw_os_error)
}
