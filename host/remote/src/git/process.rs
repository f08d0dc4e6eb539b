// SPDX-License-Identifier: Apache-2.0
//! One call of `git`, and what bounds it.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use wythe_plan::GitUrl;

use super::surrounding::Surrounding;
use super::{GitError, GitOptions, GitProgress};

/// One call.
pub(super) struct Call<'a> {
    pub(super) options: &'a GitOptions,
    pub(super) url: &'a GitUrl,
    pub(super) surrounding: &'a Surrounding,
    /// What is measured while it runs.
    pub(super) scratch: &'a Path,
    pub(super) deadline: Instant,
    pub(super) args: &'a [&'a str],
    /// Where it runs.
    pub(super) at: &'a Path,
    pub(super) progress: GitProgress<'a>,
}

/// Most bytes of an answer.
const MOST_OUTPUT: u64 = 16 << 20;

/// Time between two looks at what a call has done.
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// Ends the processes of a call that nobody waits for any more.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // It fails where all have ended.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

impl Call<'_> {
    /// Runs it and returns its standard output.
    pub(super) async fn run(&self) -> Result<Vec<u8>, GitError> {
        let Surrounding { program, environment, .. } = self.surrounding;
        let mut command = Command::new(program);
        command.args(self.args.iter().map(OsStr::new)).current_dir(self.at).env_clear().process_group(0);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let failed = || GitError::doing(format!("cannot run `{}`", program.display()));
        let mut child = command.spawn().map_err(failed())?;
        let leader = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).unwrap_or_default()));
        let mut group = Group(leader);
        let (stdout, stderr) = (child.stdout.take().expect("it is piped"), child.stderr.take().expect("it is piped"));
        let heard = Mutex::new(Instant::now());
        let mut output = Vec::new();
        let mut limited = stdout.take(MOST_OUTPUT);
        let work = async {
            let (read, said) = tokio::join!(limited.read_to_end(&mut output), self.listen(stderr, &heard));
            read?;
            Ok::<_, std::io::Error>((child.wait().await?, said?))
        };
        let (status, said) = tokio::select! {
            ended = work => ended.map_err(failed())?,
            excess = self.watch(&heard) => return Err(excess),
        };
        group.0 = None;
        if status.success() {
            return Ok(output);
        }
        let command = self.args.iter().find(|arg| !arg.starts_with('-') && !arg.starts_with('/'));
        let command = command.map_or_else(String::new, |name| (*name).to_owned());
        Err(GitError::Failed { url: self.url.clone(), command, said })
    }

    /// Hears what the program says: how far it is, and what is to be told where it fails.
    async fn listen(&self, mut stderr: impl AsyncRead + Unpin, heard: &Mutex<Instant>) -> std::io::Result<Vec<String>> {
        const MOST_LINES: usize = 20;
        const LONGEST: usize = 4096;
        let (mut piece, mut line, mut lines) = ([0; 4096], Vec::new(), VecDeque::new());
        loop {
            let count = stderr.read(&mut piece).await?;
            if count == 0 {
                self.take(&std::mem::take(&mut line), &mut lines);
                return Ok(lines.into());
            }
            *heard.lock().expect("no look at the clock panics") = Instant::now();
            for byte in &piece[..count] {
                if !matches!(byte, b'\n' | b'\r') {
                    if line.len() < LONGEST {
                        line.push(*byte);
                    }
                    continue;
                }
                self.take(&std::mem::take(&mut line), &mut lines);
                if lines.len() > MOST_LINES {
                    lines.pop_front();
                }
            }
        }
    }

    fn take(&self, line: &[u8], lines: &mut VecDeque<String>) {
        let text: String =
            String::from_utf8_lossy(line).chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        if !is_progress(&text) && !text.trim().is_empty() {
            lines.push_back(text.trim().to_owned());
        }
    }

    /// Returns when a bound is reached.
    async fn watch(&self, heard: &Mutex<Instant>) -> GitError {
        let (options, url) = (self.options, || self.url.clone());
        let mut last = 0;
        loop {
            tokio::time::sleep(BETWEEN_LOOKS).await;
            let scratch = self.scratch.to_owned();
            let limit = options.most_bytes;
            let bytes = tokio::task::spawn_blocking(move || taken(&scratch, limit)).await.unwrap_or_default();
            if bytes > limit {
                return GitError::TooLarge { url: url(), limit };
            }
            if bytes != last {
                last = bytes;
                (self.progress)(bytes);
                *heard.lock().expect("no look at the clock panics") = Instant::now();
            }
            if Instant::now() > self.deadline {
                return GitError::TooSlow { url: url(), limit: options.patience };
            }
            if heard.lock().expect("no look at the clock panics").elapsed() > options.silence {
                return GitError::Silent { url: url(), limit: options.silence };
            }
        }
    }
}

/// Whether a line says how far it is, as `Receiving objects:  45% (123/456), 1.20 MiB | …` does.
fn is_progress(line: &str) -> bool {
    let line = line.strip_prefix("remote: ").unwrap_or(line);
    let percent = line.split_once(": ").and_then(|(_, rest)| rest.split_once("% ("));
    let is_percent = percent.is_some_and(|(number, _)| number.trim().parse::<u32>().is_ok());
    is_percent || line.starts_with("Enumerating objects: ") || line.starts_with("Total ")
}

/// Returns the bytes that a directory takes, every name in it counted too; as soon as they are more than `limit`.
fn taken(top: &Path, limit: u64) -> u64 {
    const NAME: u64 = 512;
    let (mut bytes, mut pending) = (0u64, vec![top.to_owned()]);
    while let Some(dir) = pending.pop() {
        // What is made or removed meanwhile is seen by the next look.
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let Ok(found) = entry.metadata() else { continue };
            bytes = bytes.saturating_add(NAME).saturating_add(found.blocks().saturating_mul(512));
            if bytes > limit {
                return bytes;
            }
            if found.is_dir() {
                pending.push(entry.path());
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::is_progress;

    #[test]
    fn progress_is_read_and_prose_is_not() {
        for (line, expected) in [
            ("Receiving objects:  45% (123/456), 1.20 MiB | 1 MiB/s", true),
            ("remote: Counting objects: 100% (3/3), done.", true),
            ("remote: Total 3 (delta 0), reused 3 (delta 0)", true),
            ("fatal: repository 'x' not found", false),
            ("remote: this repository has moved", false),
        ] {
            assert_eq!(is_progress(line), expected, "{line}");
        }
    }
}
