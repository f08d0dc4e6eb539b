// SPDX-License-Identifier: Apache-2.0
//! What is measured. The targets stand in `docs/performance.md`.

mod chain;
mod context;
mod dockerfiles;
mod export;
mod packages;
mod sandbox;
mod steps;

use crate::bench::Bench;
use crate::table::Row;

/// How a row, or a few that belong together, are measured.
pub(crate) type Measurement = fn(&Bench) -> Result<Vec<Row>, String>;

/// All rows by the names that `--only` takes.
pub(crate) const ROWS: &[(&str, Measurement)] = &[
    ("no-op", steps::no_op),
    ("step", steps::step),
    ("step-rootless", steps::step_rootless),
    ("sandbox", sandbox::parts),
    ("plan", steps::plan),
    ("stages", steps::stages),
    ("context", context::small_files),
    ("dockerfile-no-op", dockerfiles::no_op),
    ("dockerfile-copy", dockerfiles::copy),
    ("dockerfile-stages", dockerfiles::stages),
    ("file", context::large_file),
    ("slope", context::slope),
    ("bootstrap", packages::bootstrap),
    ("uv", packages::uv),
    ("apt", packages::apt),
    ("export", export::layer),
    ("chain", chain::lengths),
];
