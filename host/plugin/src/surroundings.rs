// SPDX-License-Identifier: Apache-2.0
//! What a running plugin reaches through the host: the world of its step, and the other plugins.
//!
//! A store of wasmtime owns its data for as long as it likes, and a world is borrowed for one call. The borrow is therefore
//! kept beside the store, scoped to the call on the thread that runs it: a plugin never leaves that thread.

use wythe_plan::World;

use crate::Plugins;

/// The borrowed things of one call.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub world: &'a dyn World,
    pub plugins: &'a Plugins,
    /// How many plugins deep this call is.
    pub depth: u32,
}

scoped_tls_hkt::scoped_thread_local!(
    /// Set while a plugin runs on this thread.
    pub(crate) static SURROUNDINGS: for<'a> Surroundings<'a>
);
