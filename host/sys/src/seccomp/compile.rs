// SPDX-License-Identifier: Apache-2.0
//! From the list of calls to instructions of the kernel's filter machine.

use libc::{BPF_ABS, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W, sock_filter};

use super::calls::CALLS;

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Allow,
    Refuse,
    Unknown,
    /// Allowed unless it makes a namespace.
    Clone,
    /// Allowed for the address families below.
    Socket,
    /// Allowed for personalities that change nothing that protects.
    Personality,
    /// Allowed unless it types on a terminal for somebody else.
    Ioctl,
}

/// An architecture: how the kernel names it, and the column of its numbers.
struct Architecture {
    audit: u32,
    column: usize,
}

/// What programs of one machine may be compiled for.
pub(super) struct Machine(&'static [Architecture]);

#[cfg(target_arch = "x86_64")]
pub(super) const NATIVE: Machine = X86;
#[cfg(target_arch = "aarch64")]
pub(super) const NATIVE: Machine = ARM;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("the list of system calls lacks a column for this architecture");

#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "compiled everywhere, used on its own machine"))]
pub(super) const X86: Machine =
    Machine(&[Architecture { audit: 0xc000_003e, column: 0 }, Architecture { audit: 0x4000_0003, column: 1 }]);
#[cfg_attr(not(target_arch = "aarch64"), allow(dead_code, reason = "compiled everywhere, used on its own machine"))]
pub(super) const ARM: Machine =
    Machine(&[Architecture { audit: 0xc000_00b7, column: 2 }, Architecture { audit: 0x4000_0028, column: 3 }]);

/// The newest number that the list knows (`removexattrat`); new calls have the same number everywhere.
const NEWEST: u32 = 466;
/// Where the calls that only 32-bit Arm has begin; between them and [`NEWEST`] there is nothing yet.
const PRIVATE_TO_ARM: u32 = 0x000f_0000;

/// `CLONE_NEWNS`, `NEWCGROUP`, `NEWUTS`, `NEWIPC`, `NEWUSER`, `NEWPID` and `NEWNET`.
pub(super) const NAMESPACES: u32 = 0x7e02_0000;
/// Address families, first and last of each run. Not here: families without an implementation in current kernels,
/// the kernel's cryptography (38, a source of holes) and virtual machine sockets (40, which no namespace contains).
pub(super) const FAMILIES: &[(u32, u32)] =
    &[(0, 11), (13, 18), (21, 22), (24, 24), (26, 33), (35, 36), (39, 39), (41, 45)];
/// The family of the kernel's own protocols, and the one of them that speaks to the audit. It is refused with Docker's
/// error, which programs that change users take for that of a kernel without an audit.
pub(super) const NETLINK: u32 = 16;
pub(super) const AUDIT: u32 = 9;
pub(super) const NO_AUDIT: u32 = libc::EINVAL as u32;
/// `PER_LINUX`, `PER_LINUX32`, each also with `UNAME26`, and the question for the current one.
pub(super) const PERSONALITIES: &[u32] = &[0, 8, 0x0002_0000, 0x0002_0008, u32::MAX];
/// `TIOCSTI` and `TIOCLINUX`.
pub(super) const TYPING: &[u32] = &[0x5412, 0x541c];

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const REFUSE: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
const UNKNOWN: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
const ABSENT: u32 = libc::SECCOMP_RET_ERRNO | NO_AUDIT;
const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;

/// Where the call's number, its architecture and the low halves of its arguments lie.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// The whole filter of a machine.
pub(super) fn program(machine: &Machine) -> Vec<sock_filter> {
    let mut program = vec![load(ARCHITECTURE)];
    for architecture in machine.0 {
        let mut part = vec![load(NUMBER)];
        part.extend(search(&ranges(architecture.column)));
        program.push(jump(BPF_JEQ, architecture.audit, 1, 0));
        program.push(skip(part.len()));
        program.extend(part);
    }
    program.push(ret(KILL));
    program
}

/// The verdicts over all numbers: each holds from its number to the next one.
pub(super) fn ranges(column: usize) -> Vec<(u32, Verdict)> {
    let mut calls: Vec<(u32, Verdict)> = CALLS
        .iter()
        .map(|(name, numbers)| (numbers[column], verdict(name)))
        .filter(|call| call.0 != u32::MAX)
        .collect();
    calls.sort_unstable_by_key(|call| call.0);
    let mut ranges = vec![(0, Verdict::Refuse)];
    let mut set = |from: u32, verdict: Verdict| match ranges.last_mut() {
        Some(last) if last.0 == from => last.1 = verdict,
        _ => ranges.push((from, verdict)),
    };
    let mut newest_seen = false;
    for (number, verdict) in calls {
        if number > NEWEST && !newest_seen {
            newest_seen = true;
            set(NEWEST + 1, Verdict::Unknown);
        }
        set(number, verdict);
        set(number + 1, if number < NEWEST { Verdict::Refuse } else { Verdict::Unknown });
    }
    ranges.dedup_by(|later, earlier| later.1 == earlier.1);
    debug_assert!(ranges.iter().all(|range| range.0 <= NEWEST + 1 || range.0 >= PRIVATE_TO_ARM));
    ranges
}

pub(super) fn verdict(name: &str) -> Verdict {
    match name {
        "clone" => Verdict::Clone,
        "clone3" => Verdict::Unknown,
        "socket" => Verdict::Socket,
        "personality" => Verdict::Personality,
        "ioctl" => Verdict::Ioctl,
        _ => Verdict::Allow,
    }
}

/// Instructions that find the range of the loaded number and end with its verdict.
fn search(ranges: &[(u32, Verdict)]) -> Vec<sock_filter> {
    if let [(_, verdict)] = ranges {
        return end(*verdict);
    }
    let (lower, upper) = ranges.split_at(ranges.len() / 2);
    let below = search(lower);
    let mut program = match u8::try_from(below.len()) {
        Ok(distance) => vec![jump(BPF_JGE, upper[0].0, distance, 0)],
        Err(_) => vec![jump(BPF_JGE, upper[0].0, 0, 1), skip(below.len())],
    };
    program.extend(below);
    program.extend(search(upper));
    program
}

/// Instructions that end the filter.
fn end(verdict: Verdict) -> Vec<sock_filter> {
    match verdict {
        Verdict::Allow => vec![ret(ALLOW)],
        Verdict::Refuse => vec![ret(REFUSE)],
        Verdict::Unknown => vec![ret(UNKNOWN)],
        Verdict::Clone => vec![load(ARGUMENTS), jump(BPF_JSET, NAMESPACES, 0, 1), ret(REFUSE), ret(ALLOW)],
        Verdict::Ioctl => among(ARGUMENTS + 8, TYPING, REFUSE, ALLOW),
        Verdict::Personality => among(ARGUMENTS, PERSONALITIES, ALLOW, REFUSE),
        Verdict::Socket => {
            let mut program = vec![load(ARGUMENTS), jump(BPF_JEQ, NETLINK, 0, 4)];
            program.extend([load(ARGUMENTS + 16), jump(BPF_JEQ, AUDIT, 0, 1), ret(ABSENT), ret(ALLOW)]);
            for (first, last) in FAMILIES {
                program.extend([jump(BPF_JGE, *first, 0, 2), jump(BPF_JGE, last + 1, 1, 0), ret(ALLOW)]);
            }
            program.push(ret(REFUSE));
            program
        }
    }
}

/// One verdict for the listed values of an argument, another for the rest.
fn among(argument: u32, values: &[u32], listed: u32, others: u32) -> Vec<sock_filter> {
    let mut program = vec![load(argument)];
    for value in values {
        program.extend([jump(BPF_JEQ, *value, 0, 1), ret(listed)]);
    }
    program.push(ret(others));
    program
}

fn load(offset: u32) -> sock_filter {
    instruction(BPF_LD | BPF_W | BPF_ABS, offset, 0, 0)
}

fn jump(condition: u32, value: u32, if_true: u8, if_false: u8) -> sock_filter {
    instruction(BPF_JMP | condition | BPF_K, value, if_true, if_false)
}

fn skip(distance: usize) -> sock_filter {
    instruction(BPF_JMP | libc::BPF_JA, u32::try_from(distance).expect("a filter is short"), 0, 0)
}

fn ret(action: u32) -> sock_filter {
    instruction(BPF_RET | BPF_K, action, 0, 0)
}

fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: u16::try_from(code).expect("codes have sixteen bits"), jt, jf, k }
}
