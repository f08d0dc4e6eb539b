// SPDX-License-Identifier: Apache-2.0
//! The part of WASI that a language's standard library imports whether or not a plugin needs it.
//!
//! Everything here answers the same on every machine and every run: no arguments, no environment, empty input, output into
//! the log, a fixed seed. What would make no sense traps and says its name.

use wasmtime::component::{HasSelf, Linker, Resource};

use crate::guest::Guest;

/// How much an output stream takes at once; the log's own limit ends a flood.
const WRITE_BYTES: u64 = 64 << 10;

/// The seed of hash tables. Any value would do, as long as it is always the same.
const SEED: (u64, u64) = (0x7779_7468_6500_0001, 0x7779_7468_6500_0002);

/// What the handles of this module stand for: nothing. All streams are alike.
#[derive(Debug)]
#[allow(unreachable_pub, reason = "the bindings re-export it")]
pub struct Nothing;

#[allow(missing_docs, reason = "generated; the documentation is in the WIT")]
#[allow(clippy::all, unreachable_pub, missing_debug_implementations, reason = "generated")]
mod bindings {
    wasmtime::component::bindgen!({
        path: "wit/std.wit",
        world: "wythe:inert/inert",
        imports: { default: trappable },
        with: {
            "wasi:io/error.error": crate::inert::Nothing,
            "wasi:io/poll.pollable": crate::inert::Nothing,
            "wasi:io/streams.input-stream": crate::inert::Nothing,
            "wasi:io/streams.output-stream": crate::inert::Nothing,
            "wasi:cli/terminal-input.terminal-input": crate::inert::Nothing,
            "wasi:cli/terminal-output.terminal-output": crate::inert::Nothing,
        },
    });
}

use bindings::wasi::cli::{
    environment, exit, stderr, stdin, stdout, terminal_input, terminal_output, terminal_stderr, terminal_stdin,
    terminal_stdout,
};
use bindings::wasi::io::{error, poll, streams};
use bindings::wasi::random::insecure_seed;
use streams::StreamError;

type Handle = Resource<Nothing>;
type Streamed<T> = wasmtime::Result<Result<T, StreamError>>;

/// Gives a linker these interfaces.
pub(crate) fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    environment::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?;
    exit::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?;
    stdin::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?;
    stdout::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?;
    stderr::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?;
    terminal_input::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?;
    terminal_output::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?;
    terminal_stdin::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?;
    terminal_stdout::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?;
    terminal_stderr::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?;
    error::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?;
    poll::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?;
    streams::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?;
    insecure_seed::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)
}

impl Guest {
    /// Hands out a handle that stands for nothing; it counts like every other.
    fn nothing(&mut self) -> wasmtime::Result<Handle> {
        self.meter.open_handle()?;
        Ok(Resource::new_own(0))
    }

    fn gone(&mut self) -> wasmtime::Result<()> {
        self.meter.close_handle();
        Ok(())
    }

    fn senseless(&mut self, call: &str) -> wasmtime::Error {
        self.break_off(format!("called `{call}`, which makes no sense for a plugin"))
    }
}

impl environment::Host for Guest {
    fn get_environment(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(Vec::new())
    }

    fn get_arguments(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn initial_cwd(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(None)
    }
}

impl exit::Host for Guest {
    fn exit(&mut self, _status: Result<(), ()>) -> wasmtime::Result<()> {
        Err(self.break_off("ended its own process instead of returning a plan"))
    }
}

impl stdin::Host for Guest {
    fn get_stdin(&mut self) -> wasmtime::Result<Handle> {
        self.nothing()
    }
}

impl stdout::Host for Guest {
    fn get_stdout(&mut self) -> wasmtime::Result<Handle> {
        self.nothing()
    }
}

impl stderr::Host for Guest {
    fn get_stderr(&mut self) -> wasmtime::Result<Handle> {
        self.nothing()
    }
}

impl terminal_input::Host for Guest {}
impl terminal_input::HostTerminalInput for Guest {
    fn drop(&mut self, _handle: Handle) -> wasmtime::Result<()> {
        self.gone()
    }
}

impl terminal_output::Host for Guest {}
impl terminal_output::HostTerminalOutput for Guest {
    fn drop(&mut self, _handle: Handle) -> wasmtime::Result<()> {
        self.gone()
    }
}

impl terminal_stdin::Host for Guest {
    fn get_terminal_stdin(&mut self) -> wasmtime::Result<Option<Handle>> {
        Ok(None)
    }
}

impl terminal_stdout::Host for Guest {
    fn get_terminal_stdout(&mut self) -> wasmtime::Result<Option<Handle>> {
        Ok(None)
    }
}

impl terminal_stderr::Host for Guest {
    fn get_terminal_stderr(&mut self) -> wasmtime::Result<Option<Handle>> {
        Ok(None)
    }
}

impl error::Host for Guest {}
impl error::HostError for Guest {
    fn to_debug_string(&mut self, _error: Handle) -> wasmtime::Result<String> {
        Ok("a plugin has no files".to_owned())
    }

    fn drop(&mut self, _handle: Handle) -> wasmtime::Result<()> {
        self.gone()
    }
}

impl poll::Host for Guest {
    fn poll(&mut self, _pollables: Vec<Handle>) -> wasmtime::Result<Vec<u32>> {
        Err(self.senseless("wasi:io/poll.poll"))
    }
}

impl poll::HostPollable for Guest {
    fn ready(&mut self, _pollable: Handle) -> wasmtime::Result<bool> {
        Ok(true)
    }

    fn block(&mut self, _pollable: Handle) -> wasmtime::Result<()> {
        Ok(())
    }

    fn drop(&mut self, _handle: Handle) -> wasmtime::Result<()> {
        self.gone()
    }
}

impl streams::Host for Guest {}

impl streams::HostInputStream for Guest {
    fn read(&mut self, _stream: Handle, _len: u64) -> Streamed<Vec<u8>> {
        Ok(Err(StreamError::Closed))
    }

    fn blocking_read(&mut self, _stream: Handle, _len: u64) -> Streamed<Vec<u8>> {
        Ok(Err(StreamError::Closed))
    }

    fn skip(&mut self, _stream: Handle, _len: u64) -> Streamed<u64> {
        Ok(Err(StreamError::Closed))
    }

    fn blocking_skip(&mut self, _stream: Handle, _len: u64) -> Streamed<u64> {
        Ok(Err(StreamError::Closed))
    }

    fn subscribe(&mut self, _stream: Handle) -> wasmtime::Result<Handle> {
        self.nothing()
    }

    fn drop(&mut self, _handle: Handle) -> wasmtime::Result<()> {
        self.gone()
    }
}

impl streams::HostOutputStream for Guest {
    fn check_write(&mut self, _stream: Handle) -> Streamed<u64> {
        Ok(Ok(WRITE_BYTES))
    }

    fn write(&mut self, _stream: Handle, contents: Vec<u8>) -> Streamed<()> {
        Self::write(self, &contents).map(Ok)
    }

    fn blocking_write_and_flush(&mut self, _stream: Handle, contents: Vec<u8>) -> Streamed<()> {
        Self::write(self, &contents).map(Ok)
    }

    fn flush(&mut self, _stream: Handle) -> Streamed<()> {
        Ok(Ok(()))
    }

    fn blocking_flush(&mut self, _stream: Handle) -> Streamed<()> {
        Ok(Ok(()))
    }

    fn subscribe(&mut self, _stream: Handle) -> wasmtime::Result<Handle> {
        self.nothing()
    }

    fn write_zeroes(&mut self, _stream: Handle, _len: u64) -> Streamed<()> {
        Err(self.senseless("wasi:io/streams.output-stream.write-zeroes"))
    }

    fn blocking_write_zeroes_and_flush(&mut self, _stream: Handle, _len: u64) -> Streamed<()> {
        Err(self.senseless("wasi:io/streams.output-stream.blocking-write-zeroes-and-flush"))
    }

    fn splice(&mut self, _stream: Handle, _source: Handle, _len: u64) -> Streamed<u64> {
        Err(self.senseless("wasi:io/streams.output-stream.splice"))
    }

    fn blocking_splice(&mut self, _stream: Handle, _source: Handle, _len: u64) -> Streamed<u64> {
        Err(self.senseless("wasi:io/streams.output-stream.blocking-splice"))
    }

    fn drop(&mut self, _handle: Handle) -> wasmtime::Result<()> {
        self.gone()
    }
}

impl insecure_seed::Host for Guest {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok(SEED)
    }
}
