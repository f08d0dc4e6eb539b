// SPDX-License-Identifier: Apache-2.0
//! What all plugins share once one of them runs: the engine, its ticker, and the linked interfaces.

use std::path::Path;

use wasmtime::Engine;
use wasmtime::component::Linker;

use crate::engine::{Ticker, engine};
use crate::guest::Guest;
use crate::{Limits, inert, v0_1};

/// Made when the first plugin runs.
pub(crate) struct Machine {
    pub engine: Engine,
    pub linker: Linker<Guest>,
    pub ticker: Ticker,
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine").field("ticker", &self.ticker).finish_non_exhaustive()
    }
}

impl Machine {
    pub(crate) fn start(compiled: Option<&Path>, limits: &Limits) -> wasmtime::Result<Self> {
        let engine = engine(compiled, limits)?;
        let mut linker = Linker::new(&engine);
        v0_1::add_to_linker(&mut linker)?;
        inert::add_to_linker(&mut linker)?;
        let ticker = Ticker::start(&engine)?;
        Ok(Self { engine, linker, ticker })
    }
}
