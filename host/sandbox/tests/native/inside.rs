// SPDX-License-Identifier: Apache-2.0
//! Questions that a shell cannot ask. Each answer is what the kernel said.

use std::io;
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::process::ExitCode;

use rustix::fs::{CWD, FileType, Mode, OFlags, makedev};
use rustix::io::Errno;
use rustix::thread::UnshareFlags;

pub(crate) const ARGUMENT: &str = "inside";

type Question = fn() -> Result<(), Errno>;

pub(crate) const ESCAPES: &[(&str, Question)] = &[
    ("mount", || rustix::mount::mount("none", "/tmp", "tmpfs", rustix::mount::MountFlags::empty(), None)),
    ("fsopen", || rustix::mount::fsopen("tmpfs", rustix::mount::FsOpenFlags::empty()).map(drop)),
    ("open_tree", || rustix::mount::open_tree(CWD, "/", rustix::mount::OpenTreeFlags::OPEN_TREE_CLONE).map(drop)),
    ("umount", || rustix::mount::unmount("/proc/sys", rustix::mount::UnmountFlags::DETACH)),
    ("pivot_root", || rustix::process::pivot_root("/tmp", "/tmp")),
    ("unshare a user namespace", || unshare(UnshareFlags::NEWUSER)),
    ("unshare a mount namespace", || unshare(UnshareFlags::NEWNS)),
    ("unshare a network namespace", || unshare(UnshareFlags::NEWNET)),
    ("set the host name", || rustix::system::sethostname(b"other")),
    ("join a namespace", || {
        let namespace = rustix::fs::open("/proc/self/ns/uts", OFlags::RDONLY, Mode::empty())?;
        rustix::thread::move_into_link_name_space(namespace.as_fd(), None)
    }),
    ("open a made block device", || {
        rustix::fs::mknodat(CWD, "/tmp/disk", FileType::BlockDevice, Mode::RWXU, makedev(254, 0))?;
        rustix::fs::open("/tmp/disk", OFlags::RDONLY, Mode::empty()).map(drop)
    }),
    ("open made kernel memory in /dev/shm", || {
        rustix::fs::mknodat(CWD, "/dev/shm/mem", FileType::CharacterDevice, Mode::RWXU, makedev(1, 1))?;
        rustix::fs::open("/dev/shm/mem", OFlags::RDONLY, Mode::empty()).map(drop)
    }),
    ("open made kernel memory in /dev", || {
        rustix::fs::mknodat(CWD, "/dev/mem", FileType::CharacterDevice, Mode::RWXU, makedev(1, 1))?;
        rustix::fs::open("/dev/mem", OFlags::RDONLY, Mode::empty()).map(drop)
    }),
    ("write to a sysctl", || write("/proc/sys/kernel/core_pattern", b"|/bin/sh")),
    ("write to sysrq", || write("/proc/sysrq-trigger", b"h")),
    ("write to /sys", || write("/sys/kernel/mm/ksm/run", b"0")),
    ("write to /sys/fs/cgroup", || rustix::fs::mkdir("/sys/fs/cgroup/escape", Mode::RWXU)),
    ("set another clock", || {
        let text = rustix::fs::open("/proc/self/timens_offsets", OFlags::WRONLY, Mode::empty())?;
        rustix::io::write(text, b"monotonic 1 0").map(drop)
    }),
    ("raise a resource limit of another", || rustix::process::setpriority_process(None, -20)),
];

fn unshare(flags: UnshareFlags) -> Result<(), Errno> {
    wythe_sys::process::unshare(flags).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::INVAL))
}

fn write(path: &str, bytes: &[u8]) -> Result<(), Errno> {
    let file = rustix::fs::open(path, OFlags::WRONLY, Mode::empty())?;
    rustix::io::write(file, bytes).map(drop)
}

pub(crate) fn main(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    match arguments.next().as_deref() {
        Some("escapes") => {
            for (name, question) in ESCAPES {
                println!("{name}: {}", question().map_or_else(|error| error.to_string(), |()| "allowed".into()));
            }
        }
        Some("fault") => {
            std::process::abort();
        }
        Some("hog") => {
            let mut hoard = Vec::new();
            loop {
                hoard.push(vec![1_u8; 1 << 20]);
                std::hint::black_box(&hoard);
            }
        }
        Some("threads") => {
            for _ in 0..200 {
                drop(std::thread::Builder::new().spawn(std::thread::park));
            }
        }
        Some("ids") => println!("{} {}", rustix::process::getuid(), rustix::process::geteuid()),
        Some("abstract") => {
            let address = SocketAddr::from_abstract_name(arguments.next().unwrap()).unwrap();
            println!("{:?}", UnixStream::connect_addr(&address).map(drop));
        }
        Some("terminal") => {
            let tty = rustix::fs::open("/dev/tty", OFlags::RDWR, Mode::empty()).map(drop);
            println!("{tty:?} {}", rustix::termios::isatty(io::stdin()));
        }
        question => {
            eprintln!("what is {question:?}?");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
