// SPDX-License-Identifier: Apache-2.0
//! The one engine, set so that a plugin's result is a function of its inputs, and the ticker that ends a loop.

use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use wasmtime::{Cache, CacheConfig, Config, Engine, EngineWeak, WasmBacktraceDetails, WasmFeatures};

use crate::Limits;

/// How often a running plugin is looked at. Its clock is this coarse; smaller costs more wake-ups and nothing else.
const TICK: Duration = Duration::from_millis(10);

/// Makes the engine. Costs about half a millisecond, so it is made when the first plugin runs and not before.
pub(crate) fn engine(compiled: Option<&Path>, limits: &Limits) -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        // What may differ between machines or runs is off or pinned down.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .wasm_memory64(false)
        .wasm_features(WasmFeatures::THREADS, false)
        .epoch_interruption(true)
        .max_wasm_stack(limits.stack)
        .wasm_backtrace_details(WasmBacktraceDetails::Enable);
    if let Some(directory) = compiled {
        config.cache(Some(compiled_code(directory)?));
    }
    Engine::new(&config)
}

/// Opens the directory of compiled code. It is private: what lies in it is run as native code.
fn compiled_code(directory: &Path) -> wasmtime::Result<Cache> {
    create_private(directory)?;
    let mut config = CacheConfig::new();
    config.with_directory(directory);
    Cache::new(config)
}

/// Makes the directory, or makes it private. Somebody else's cannot be made private, and is refused so.
fn create_private(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    const MODE: u32 = 0o700;
    std::fs::DirBuilder::new().recursive(true).mode(MODE).create(directory)?;
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(MODE))
}

/// Advances the engine's epoch while a plugin runs, and sleeps otherwise.
#[derive(Debug)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    /// Whether the thread waits to be told that something runs: then, and only then, it has to be.
    is_asleep: bool,
    is_closed: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticker {
    /// Starts the thread, asleep.
    pub(crate) fn start(engine: &Engine) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (theirs, engine) = (Arc::clone(&shared), engine.weak());
        thread::Builder::new().name("plugin-ticker".to_owned()).spawn(move || tick(&theirs, &engine))?;
        Ok(Self { shared })
    }

    /// Ticks until the returned value is dropped.
    pub(crate) fn tick_while(&self) -> Ticking<'_> {
        let mut state = self.shared.state();
        state.running += 1;
        if state.is_asleep {
            state.is_asleep = false;
            self.shared.changed.notify_one();
        }
        Ticking(self)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.state().is_closed = true;
        self.shared.changed.notify_one();
    }
}

/// A plugin is running.
#[derive(Debug)]
pub(crate) struct Ticking<'a>(&'a Ticker);

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        self.0.shared.state().running -= 1;
    }
}

fn tick(shared: &Shared, engine: &EngineWeak) {
    let mut state = shared.state();
    while !state.is_closed {
        if state.running == 0 {
            state.is_asleep = true;
            state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        state = shared.changed.wait_timeout(state, TICK).unwrap_or_else(PoisonError::into_inner).0;
        match engine.upgrade() {
            Some(engine) => engine.increment_epoch(),
            None => return,
        }
    }
}
