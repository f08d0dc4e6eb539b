// SPDX-License-Identifier: Apache-2.0
//! Processes: a fork, its end, and becoming another program.

use std::convert::Infallible;
use std::ffi::{CStr, CString, c_int};
use std::io;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit};
use rustix::thread::UnshareFlags;

/// Which side of a fork this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fork {
    /// The new process.
    Child,
    /// The old one, and the id of the new one.
    Parent(Pid),
}

/// How a child ended, and what it and the children it waited for used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Processor time in its own code.
    pub user: Duration,
    /// Processor time in the kernel.
    pub system: Duration,
    /// The most memory that one of them had resident, in bytes.
    pub max_rss: u64,
}

/// Splits this process in two.
///
/// # Panics
///
/// When the process has other threads: the child would have their locks and not them.
pub fn fork() -> io::Result<Fork> {
    let threads = std::fs::read_dir("/proc/self/task")?.count();
    assert_eq!(threads, 1, "only a process with a single thread forks");
    // SAFETY: there is one thread (checked above), so the child's copy of the process is consistent.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        child => Ok(Fork::Parent(Pid::from_raw(child).expect("the id of a child is positive"))),
    }
}

/// Leaves namespaces for new ones. The new process id namespace is for the next child only.
pub fn unshare(namespaces: UnshareFlags) -> io::Result<()> {
    assert!(!namespaces.contains(UnshareFlags::FILES), "descriptors stay shared among threads");
    // SAFETY: the descriptor table is not among the things that are unshared (checked above).
    Ok(unsafe { rustix::thread::unshare_unsafe(namespaces) }?)
}

/// Waits until `child` has ended, and takes it off the process table.
pub fn wait(child: Pid) -> io::Result<Ended> {
    let mut status: c_int = 0;
    // SAFETY: `rusage` consists of integers, for which zero is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both pointers are to values of the right types that outlive the call.
        let waited = unsafe { libc::wait4(child.as_raw_nonzero().get(), &raw mut status, 0, &raw mut usage) };
        if waited >= 0 {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    Ok(Ended {
        code: libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)),
        signal: libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status)),
        user: duration(usage.ru_utime),
        system: duration(usage.ru_stime),
        max_rss: u64::try_from(usage.ru_maxrss).unwrap_or(0).saturating_mul(1024),
    })
}

fn duration(time: libc::timeval) -> Duration {
    let micros = u32::try_from(time.tv_usec).unwrap_or(0);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), micros.saturating_mul(1000))
}

/// Gives every signal its default meaning and blocks none, as a fresh login would. What a program starts with is
/// otherwise whatever its ancestors left behind; our own runtime, for one, ignores broken pipes.
pub fn reset_signals() {
    // The C library refuses to touch two signals that it uses itself, so the kernel is asked directly. Its `sigaction`
    // is a handler, flags, on some architectures a restorer, and a mask; all zero means the default.
    const DEFAULT: [u64; 4] = [0; 4];
    const MASK_SIZE: usize = size_of::<u64>();
    for signal in 1..=64 {
        // SAFETY: the kernel reads no more than the 32 zero bytes, and the default action runs no code of ours. That
        // the action of two signals cannot be set is no loss: nobody could have set it before either.
        unsafe {
            libc::syscall(libc::SYS_rt_sigaction, signal, DEFAULT.as_ptr(), std::ptr::null::<u64>(), MASK_SIZE);
        }
    }
    // SAFETY: the kernel reads one mask of the given size.
    unsafe {
        let nothing = DEFAULT.as_ptr();
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, nothing, std::ptr::null::<u64>(), MASK_SIZE);
    }
}

/// Makes sure that no memory of this process, and of those it starts, is ever written anywhere when one crashes.
pub fn forbid_core_dumps() -> io::Result<()> {
    // A limit of zero is ignored where dumps go to a program; with one, neither that nor a file gets any (core(5)).
    let none = Rlimit { current: Some(1), maximum: Some(1) };
    Ok(rustix::process::setrlimit(Resource::Core, none)?)
}

/// Marks every descriptor after the third to be closed when another program takes over.
pub fn close_on_exec_beyond_stdio() -> io::Result<()> {
    const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;
    // SAFETY: the call takes numbers only, and descriptors stay open for this program.
    let status = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, CLOSE_RANGE_CLOEXEC) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Becomes another program. Returns only when that is refused.
pub fn execute(program: &CStr, arguments: &[CString], environment: &[CString]) -> Result<Infallible, io::Error> {
    let pointers =
        |strings: &[CString]| strings.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect::<Vec<_>>();
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    // SAFETY: all strings end in a zero byte, both lists end in a null pointer, and all of it outlives the call.
    unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    Err(io::Error::last_os_error())
}

/// Ends this process at once: nothing is flushed, no handler of the parent's copy runs.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: the call does not return and touches no memory.
    unsafe { libc::_exit(code) }
}
