// SPDX-License-Identifier: Apache-2.0
//! An ssh agent for the time of one command: it lists keys and signs, and passes nothing else on.
//!
//! A step that reached the real agent could add keys to it, remove the person's own, or have it load a library of
//! the step's choosing (CVE-2023-38408). So it gets a socket of ours, and each request is looked at
//! (<https://datatracker.ietf.org/doc/html/draft-ietf-sshm-ssh-agent>, section 3).

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Requests that are passed on.
const REQUEST_IDENTITIES: u8 = 11;
const SIGN_REQUEST: u8 = 13;

/// Passed on if it is the one by which a client says where a signature is for, which only narrows what keys may do.
const EXTENSION: u8 = 27;
const SESSION_BIND: &[u8] = b"session-bind@openssh.com";

/// What every other request is answered with: a message of one byte, `SSH_AGENT_FAILURE`.
const FAILURE: [u8; 5] = [0, 0, 0, 1, 5];

/// The longest message, as in OpenSSH.
const LONGEST: u32 = 256 << 10;

/// A listening socket. It is closed when the value is dropped.
#[derive(Debug)]
pub(crate) struct Agent {
    path: PathBuf,
    ended: Arc<AtomicBool>,
    listener: UnixListener,
    thread: Option<JoinHandle<()>>,
}

impl Agent {
    /// Listens below `dir` for the user `owner`, on behalf of the agent at `real`.
    pub(crate) fn listen(dir: &Path, name: &str, real: &Path, owner: (u32, u32)) -> io::Result<Self> {
        // An agent that is not there is told of now, and not by a puzzling message of a client.
        UnixStream::connect(real)?;
        let path = dir.join(name);
        // Addresses of sockets are short, and the names of directories may not be.
        let handle = File::open(dir)?;
        let listener = UnixListener::bind(Path::new(&wythe_sys::mount::name_of(&handle)).join(name))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        chown(&path, Some(owner.0), Some(owner.1))?;
        let ended = Arc::new(AtomicBool::new(false));
        let (real, over, accepting) = (real.to_owned(), Arc::clone(&ended), listener.try_clone()?);
        let serve = move || {
            for stream in accepting.incoming() {
                if over.load(Ordering::Acquire) {
                    break;
                }
                let real = real.clone();
                // A connection ends with the command that made it; how is the client's business. Where there is no thread for it,
                // it ends at once.
                let relayed = move || stream.and_then(|client| relay(client, UnixStream::connect(real)?));
                drop(std::thread::Builder::new().name("agent".into()).spawn(relayed));
            }
        };
        let thread = std::thread::Builder::new().name("agents".into()).spawn(serve)?;
        Ok(Self { path, ended, listener, thread: Some(thread) })
    }

    /// Returns the socket.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        if wythe_sys::net::hang_up(&self.listener).is_ok()
            && let Some(thread) = self.thread.take()
        {
            // It does not panic, and if it did the command is over.
            let _ended = thread.join();
        }
    }
}

/// Answers requests until the client hangs up.
fn relay(mut client: impl Read + Write, mut real: impl Read + Write) -> io::Result<()> {
    loop {
        let request = message(&mut client)?;
        if is_harmless(&request) {
            send(&mut real, &request)?;
            let answer = message(&mut real)?;
            send(&mut client, &answer)?;
        } else {
            client.write_all(&FAILURE)?;
        }
    }
}

fn is_harmless(request: &[u8]) -> bool {
    match request.split_first() {
        Some((&(REQUEST_IDENTITIES | SIGN_REQUEST), _)) => true,
        Some((&EXTENSION, rest)) => {
            let length = u32::try_from(SESSION_BIND.len()).expect("a name is short").to_be_bytes();
            rest.strip_prefix(&length).is_some_and(|rest| rest.starts_with(SESSION_BIND))
        }
        _ => false,
    }
}

fn message(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length == 0 || length > LONGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut message = vec![0; length as usize];
    stream.read_exact(&mut message)?;
    Ok(message)
}

fn send(stream: &mut impl Write, message: &[u8]) -> io::Result<()> {
    let length = u32::try_from(message.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), message].concat())
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::{Agent, FAILURE, is_harmless, message, send};

    #[test]
    fn a_client_hears_the_agent_and_the_agent_only_what_is_harmless() {
        let dir = tempfile::tempdir().unwrap();
        let real = UnixListener::bind(dir.path().join("real")).unwrap();
        let heard = std::thread::spawn(move || {
            // The first one only looks whether somebody listens.
            drop(real.accept().unwrap());
            let (mut client, _) = real.accept().unwrap();
            let mut heard = Vec::new();
            while let Ok(request) = message(&mut client) {
                send(&mut client, &[12, request[0]]).unwrap();
                heard.push(request);
            }
            heard
        });
        let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(dir.path()).unwrap());
        let agent = Agent::listen(dir.path(), "ours", &dir.path().join("real"), (owner, owner)).unwrap();
        let mut client = UnixStream::connect(agent.path()).unwrap();
        let mut ask = |request: &[u8]| {
            send(&mut client, request).unwrap();
            message(&mut client).unwrap()
        };
        assert_eq!((ask(&[11]), ask(&[19]), ask(&[13, 7])), (vec![12, 11], FAILURE[4..].to_vec(), vec![12, 13]));
        drop(client);
        assert_eq!(heard.join().unwrap(), [vec![11], vec![13, 7]]);
        let path = agent.path().to_owned();
        drop(agent);
        assert!(UnixStream::connect(path).is_err());
    }

    #[test]
    fn only_listing_and_signing_is_passed_on() {
        let bind = [&[27, 0, 0, 0, 24], b"session-bind@openssh.com".as_slice(), b"..."].concat();
        let query = [&[27, 0, 0, 0, 5], b"query".as_slice()].concat();
        for (request, is_passed) in [
            (vec![11], true),
            (vec![13, 0, 0], true),
            (bind, true),
            (query, false),
            (vec![17], false),
            (vec![19], false),
            (vec![20], false),
            (vec![22], false),
            (vec![], false),
        ] {
            assert_eq!(is_harmless(&request), is_passed, "{request:?}");
        }
    }
}
