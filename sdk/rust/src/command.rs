// SPDX-License-Identifier: Apache-2.0
//! Commands in a sandbox.

use crate::files::strings;
use crate::host::graph as host;
use crate::report::Place;
use crate::{Artifact, Format, State};

/// How parallel commands share a cache mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// All at once.
    Shared,
    /// Each its own.
    Private,
    /// One after the other.
    Locked,
}

impl Sharing {
    fn as_str(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Private => "private",
            Self::Locked => "locked",
        }
    }
}

/// A command to run in a sandbox on a state. What it changes is one layer.
///
/// It sees the state's files, the mounts below, and nothing else. Without `network_host` or `allow_host` it has no network.
#[derive(Debug)]
#[must_use = "a command does nothing until it is run"]
pub struct Command(host::Command);

impl Command {
    /// Returns a command given as a program and its arguments.
    pub fn new<S: Into<String>>(on: &State, argv: impl IntoIterator<Item = S>) -> Self {
        Self(host::Command::new(on, &strings(argv)))
    }

    /// Returns a command given as a script for the state's shell.
    pub fn shell(on: &State, script: &str) -> Self {
        Self(host::Command::shell(on, script))
    }

    /// Sets an environment variable for this command only.
    pub fn env(self, name: &str, value: &str) -> Self {
        self.0.env(name, value);
        self
    }

    /// Runs in this directory instead of the state's.
    pub fn workdir(self, path: &str) -> Self {
        self.0.workdir(path);
        self
    }

    /// Runs as this user instead of the state's.
    pub fn user(self, user: &str) -> Self {
        self.0.user(user);
        self
    }

    /// Gives the command these bytes on standard input; otherwise it is empty.
    pub fn stdin(self, bytes: impl AsRef<[u8]>) -> Self {
        self.0.stdin(bytes.as_ref());
        self
    }

    /// Mounts a directory that outlives the build and is shared by all builds that use the same `id`.
    pub fn cache(self, id: &str, target: &str, sharing: Sharing) -> Self {
        self.0.cache(id, target, sharing.as_str());
        self
    }

    /// Mounts a secret as a file for the time of the command.
    pub fn secret_file(self, id: &str, target: &str, mode: u32, required: bool) -> Self {
        self.0.secret_file(id, target, mode, required);
        self
    }

    /// Passes a secret in an environment variable for the time of the command.
    pub fn secret_env(self, id: &str, name: &str, required: bool) -> Self {
        self.0.secret_env(id, name, required);
        self
    }

    /// Forwards the ssh agent to a socket at `target`.
    pub fn ssh(self, id: &str, target: &str, required: bool) -> Self {
        self.0.ssh(id, target, required);
        self
    }

    /// Mounts a file or directory of the build context read-only.
    pub fn bind_context(self, path: &str, target: &str) -> Self {
        self.0.bind_context(path, target);
        self
    }

    /// Mounts a path of another state read-only.
    pub fn bind_state(self, source: &State, path: &str, target: &str) -> Self {
        self.0.bind_state(source, path, target);
        self
    }

    /// Mounts a fetched file read-only.
    pub fn bind_artifact(self, source: &Artifact, target: &str) -> Self {
        self.0.bind_artifact(source, target);
        self
    }

    /// Mounts the content of a fetched archive read-only.
    pub fn bind_unpacked(self, source: &Artifact, format: Format, target: &str) -> Self {
        self.0.bind_unpacked(source, format.as_str(), target);
        self
    }

    /// Mounts an empty directory in memory, of at most `size` bytes where one is given.
    pub fn tmpfs(self, target: &str, size: impl Into<Option<u64>>) -> Self {
        self.0.tmpfs(target, size.into());
        self
    }

    /// Mounts a named volume that outlives the build. Its content is not part of the layer.
    pub fn volume(self, name: &str, target: &str) -> Self {
        self.0.volume(name, target);
        self
    }

    /// Brush of mounts, for those that are added after it: whose a secret, a socket or a new cache is; empty for the usual.
    pub fn mount_owner(self, owner: &str) -> Self {
        self.0.mount_owner(owner);
        self
    }

    /// Brush of mounts: mode bits of a socket or a new cache.
    pub fn mount_mode(self, mode: impl Into<Option<u32>>) -> Self {
        self.0.mount_mode(mode.into());
        self
    }

    /// Brush of mounts: whether the command may write to a cache or to what is bound, none for the usual way. What is
    /// written to what is bound is thrown away.
    pub fn mount_writable(self, writable: impl Into<Option<bool>>) -> Self {
        self.0.mount_writable(writable.into());
        self
    }

    /// As [`Command::cache`]; one that is made begins with the files of a directory of another state.
    pub fn cache_from(self, id: &str, target: &str, sharing: Sharing, source: &State, path: &str) -> Self {
        self.0.cache_from(id, target, sharing.as_str(), source, path);
        self
    }

    /// Asks for all of the machine's network.
    pub fn network_host(self) -> Self {
        self.0.network("host");
        self
    }

    /// Asks for no network at all, the default.
    pub fn network_none(self) -> Self {
        self.0.network("none");
        self
    }

    /// Asks for a network that reaches this host, besides those already asked for.
    pub fn allow_host(self, host: &str) -> Self {
        self.0.allow_host(host);
        self
    }

    /// Asks for a device by its CDI name, `vendor/class=name`; `vendor/class=*` is all of a kind, `vendor/class` its first.
    pub fn device(self, name: &str) -> Self {
        self.0.device(name);
        self
    }

    /// Asks to run without the sandbox's protections, which only a person can grant.
    pub fn insecure(self) -> Self {
        self.0.security("insecure");
        self
    }

    /// Says what the command does, in a few words, for the person who waits. Not part of the key.
    pub fn describe(self, text: &str) -> Self {
        self.0.describe(text);
        self
    }

    /// Says where in the step's own source the command stands. Not part of the key.
    pub fn at(self, line: u32, column: u32) -> Self {
        self.0.at(line, column);
        self
    }

    /// Says where in a text that the step is made of the command stands, so that a failure can show the line.
    pub fn place(self, place: &Place) -> Self {
        self.0.at(place.line, place.column);
        self.0.in_text(&place.source, place.length);
        self
    }

    /// Says which part of the step's own source the command belongs to, by which a person can name it.
    pub fn part(self, name: &str) -> Self {
        self.0.part(name);
        self
    }

    /// Closes the command and returns the state that it makes.
    #[must_use]
    pub fn run(self) -> State {
        host::Command::run(self.0)
    }

    /// Runs the command now, in a throw-away sandbox, and returns its standard output. Only while resolving.
    ///
    /// # Errors
    ///
    /// The exit status and the last lines of the standard error.
    pub fn output(self) -> Result<Vec<u8>, String> {
        crate::probe::output(self.0)
    }

    /// Runs the command now, as [`Command::output`] does, and returns its standard output as text.
    ///
    /// # Errors
    ///
    /// As [`Command::output`]. Bytes that are not UTF-8 are replaced.
    pub fn output_text(self) -> Result<String, String> {
        Ok(String::from_utf8_lossy(&self.output()?).into_owned())
    }
}
