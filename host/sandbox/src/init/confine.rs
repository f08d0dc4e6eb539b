// SPDX-License-Identifier: Apache-2.0
//! What the command may do: its user, its capabilities, its system calls.

use rustix::fs::{Gid, Uid};
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets};
use wythe_sys::landlock;
use wythe_sys::seccomp::Filter;

use super::insecure;
use crate::{Network, Rlimit, RunInputs, SetupError, User, UserError};

/// Docker's default without `NET_RAW`, `MKNOD` and `AUDIT_WRITE`: building needs no packets of one's own making, nodes of
/// devices do not work anyway (every file system of the sandbox says `nodev`), and the audit is the machine's.
const KEPT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::SYS_CHROOT);

/// Returns what root keeps.
fn kept(inputs: &RunInputs) -> Result<CapabilitySet, SetupError> {
    if inputs.insecure { system("read the capabilities", insecure::capabilities()) } else { Ok(KEPT) }
}

/// Returns the names of what is kept (capabilities(7)), sorted.
pub(crate) fn capabilities(inputs: &RunInputs) -> Vec<String> {
    let kept = kept(inputs).unwrap_or(KEPT);
    let mut names: Vec<String> = kept.iter_names().map(|(name, _)| format!("CAP_{name}")).collect();
    names.sort_unstable();
    names
}

/// Gives up everything that the command is not to have.
///
/// The filter comes first, since installing it needs the very privileges that go afterwards; all that follows is among
/// the calls it allows.
pub(super) fn drop_privileges(user: &User, inputs: &RunInputs) -> Result<(), SetupError> {
    let kept = kept(inputs)?;
    if !inputs.may_gain() {
        system("give up new privileges", rustix::thread::set_no_new_privs(true))?;
    }
    scope_sockets(inputs)?;
    if !inputs.insecure {
        Filter::of_steps().install().map_err(SetupError::system("filter system calls"))?;
    }
    // To raise one takes a privilege that goes now, and few open files are enough for what is still to be done.
    inputs.rlimits.iter().try_for_each(Rlimit::set)?;
    system("empty the ambient capabilities", rustix::thread::clear_ambient_capability_set())?;
    drop_bounding(kept)?;
    if inputs.insecure {
        system("keep the capabilities", rustix::thread::set_keep_capabilities(true))?;
        become_user(user)?;
        return system("keep the capabilities", insecure::take_all(kept));
    }
    become_user(user)?;
    keep_capabilities(user, kept)
}

/// Cuts off the machine's abstract sockets, where its network is the command's. An older kernel leaves them open; that they
/// are is part of having the machine's network.
pub(super) fn scope_sockets(inputs: &RunInputs) -> Result<(), SetupError> {
    if inputs.network != Network::Host {
        return Ok(());
    }
    landlock::scope_abstract_sockets().map(drop).map_err(SetupError::system("cut off the machine's abstract sockets"))
}

/// Removes everything else from the set that limits what executing a program can give.
fn drop_bounding(kept: CapabilitySet) -> Result<(), SetupError> {
    for capability in (0..u64::BITS).map(|bit| CapabilitySet::from_bits_retain(1 << bit)) {
        if kept.contains(capability) {
            continue;
        }
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            // The first one that the kernel does not know; there are none after it.
            Err(Errno::INVAL) => break,
            Err(error) => return system("limit the capabilities", Err(error)),
        }
    }
    Ok(())
}

fn become_user(user: &User) -> Result<(), SetupError> {
    let groups: Vec<Gid> = user.groups.iter().copied().map(Gid::from_raw).collect();
    match rustix::thread::set_thread_groups(&groups) {
        Ok(()) => {}
        Err(Errno::INVAL) => return Err(UserError::NotMapped(user.gid).into()),
        // A user namespace with a single id has no say in the groups; those of its owner mean nothing inside.
        Err(Errno::PERM) if wythe_sys::userns::groups_are_fixed() => {}
        Err(error) => return system("set the groups", Err(error)),
    }
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    mapped(user.gid, "set the group", rustix::thread::set_thread_res_gid(gid, gid, gid))?;
    mapped(user.uid, "set the user", rustix::thread::set_thread_res_uid(uid, uid, uid))
}

fn mapped(id: u32, what: &str, result: Result<(), Errno>) -> Result<(), SetupError> {
    match result {
        Err(Errno::INVAL) => Err(UserError::NotMapped(id).into()),
        result => system(what, result),
    }
}

/// Keeps what root is to have, and nothing for anybody else; nothing is inheritable (CVE-2022-29162).
fn keep_capabilities(user: &User, kept: CapabilitySet) -> Result<(), SetupError> {
    let had = system("read the capabilities", rustix::thread::capabilities(None))?.permitted;
    let kept = if user.uid == 0 { had & kept } else { CapabilitySet::empty() };
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    system("drop the capabilities", rustix::thread::set_capabilities(None, sets))
}

fn system<T>(what: &str, result: Result<T, Errno>) -> Result<T, SetupError> {
    result.map_err(|error| SetupError::system(what)(error.into()))
}
