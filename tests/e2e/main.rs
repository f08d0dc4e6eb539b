// SPDX-License-Identifier: Apache-2.0
//! The real binary with the real kernel, mirrors and package indexes.
//!
//! Names of modules and tests say what they need: `network` a Debian mirror and PyPI, `rootless` root (to become an
//! ordinary user), the rest nothing but a machine on which wythe can build.

#![allow(clippy::print_stderr, reason = "a test that cannot run says why")]
#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

mod attacks;
mod bad_input;
mod cache;
mod check;
mod contexts;
mod deep;
mod diff;
mod dockerfile;
mod dockerfile_cases;
mod dockerfile_insecure;
mod dockerfile_judged;
mod dockerfile_layouts;
mod dockerfile_options;
mod dockerfile_own;
mod dockerfile_sandbox;
mod escape;
mod explain;
mod git;
mod git_hostile;
mod gpu;
mod gpu_hostile;
mod hostile;
mod hosts;
mod images;
mod import;
mod interrupt;
mod limits;
mod lock;
mod logs;
mod messages;
mod network_explain;
mod network_import;
mod network_packages;
mod network_platforms;
mod network_plumbing;
mod network_proxy;
mod network_quickstart;
mod network_reproducible;
mod own_network;
mod parallel;
mod plan;
mod platforms;
mod quota;
mod recopy;
mod reproducible;
mod rootless;
mod sandbox;
mod secrets;
mod shell;
mod terminal;
mod verify;
mod volumes;
