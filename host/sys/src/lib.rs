// SPDX-License-Identifier: Apache-2.0
//! What wythe asks of the Linux kernel: overlay mounts, files below a root, namespaces, cancellation.
//!
//! This crate refuses to know what a layer, a step or an image is. It is the only crate of the host in which `unsafe`
//! may occur, and it occurs where neither `rustix` nor the standard library offers a safe call.
//!
//! Two rules hold throughout:
//!
//! - **By descriptor.** A file whose name somebody else chose is reached through a [`root::Root`], which resolves the
//!   name inside one directory (`openat2`), never through a host path built by concatenation.
//! - **Detached.** A file system is mounted as a descriptor that is attached nowhere. Nothing on the machine sees it,
//!   and it is gone when the descriptor is closed, also after a crash.
//!
//! The oldest kernel is 5.12 (`mount_setattr`); 6.7 and newer mount more cheaply.
#![allow(unsafe_code, reason = "system calls that neither rustix nor the standard library wraps")]

pub mod cancel;
pub mod fault;
pub mod fsync;
pub mod kernel;
pub mod landlock;
pub mod mount;
pub mod net;
pub mod overlay;
pub mod process;
pub mod root;
pub mod seccomp;
pub mod userns;
pub mod xattr;

mod raw;
