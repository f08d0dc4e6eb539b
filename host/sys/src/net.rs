// SPDX-License-Identifier: Apache-2.0
//! The network of a namespace, and namespaces as values.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::retry_on_intr;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};

/// Turns the loopback interface of this network namespace on.
pub fn loopback_up() -> io::Result<()> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    // SAFETY: `ifreq` consists of integers and a union of such, for which zero is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (slot, byte) in request.ifr_name.iter_mut().zip(b"lo") {
        *slot = byte.cast_signed();
    }
    let flags = libc::IFF_UP | libc::IFF_RUNNING;
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(flags).expect("both flags are among the low bits");
    // SAFETY: `SIOCSIFFLAGS` reads an `ifreq`, which `request` is, and outlives the call.
    let status = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Ends what waits for a socket, in whatever thread: it is told that nothing comes any more.
pub fn hang_up(socket: impl AsFd) -> io::Result<()> {
    Ok(rustix::net::shutdown(socket, rustix::net::Shutdown::Both)?)
}

/// A network namespace in which nobody is yet: a loopback interface, and no way out. It is gone with its last descriptor
/// and the last process in it.
#[derive(Debug)]
pub struct Namespace(OwnedFd);

impl Namespace {
    /// Makes one. The process has to be root of its user namespace; its own network stays as it is.
    pub fn new() -> io::Result<Self> {
        in_a_thread(|| {
            crate::process::unshare(UnshareFlags::NEWNET)?;
            loopback_up()?;
            Ok(Self(open(Path::new("/proc/thread-self/ns/net"))?))
        })
    }

    /// A listener on the namespace's own loopback. It stays in the namespace, whoever accepts from it.
    pub fn listen(&self, port: u16) -> io::Result<TcpListener> {
        in_a_thread(|| {
            rustix::thread::move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network))?;
            TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        })
    }

    /// A path by which other processes of this user reach it, as long as this value lives.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd()).into()
    }
}

/// Moves this thread into the network namespace that a path leads to.
pub fn enter(path: &Path) -> io::Result<()> {
    Ok(rustix::thread::move_into_link_name_space(open(path)?.as_fd(), Some(LinkNameSpaceType::Network))?)
}

fn open(path: &Path) -> io::Result<OwnedFd> {
    Ok(retry_on_intr(|| rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()))?)
}

/// Runs something in a thread of its own: the network is a property of threads, and this one's is to stay.
fn in_a_thread<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("network".into()).spawn_scoped(scope, work)?;
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread panicked")))
    })
}
