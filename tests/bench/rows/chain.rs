// SPDX-License-Identifier: Apache-2.0
//! Long chains of steps.

use crate::bench::{Bench, line};
use crate::measure::Figure;
use crate::table::Row;

use super::steps::definition;

const LENGTHS: [u32; 3] = [10, 100, 500];

/// 10, 100 and 500 steps: made, and found.
pub(super) fn lengths(bench: &Bench) -> Result<Vec<Row>, String> {
    let (mut cold, mut known) = (Vec::new(), Vec::new());
    for length in LENGTHS {
        let name = format!("chain-{length}");
        let runs = if length == 500 { 1 } else { bench.pace.long };
        let mut costs = Vec::new();
        for _ in 0..runs {
            bench.definition(&name, &definition(length, bench.fresh()))?;
            costs.push(bench.measure(&bench.build(&name, &[]))?);
        }
        cold.push((format!("wythe, {length} steps, cold"), Figure::new(costs)));
        let lines = [line(&format!("wythe, {length} steps, no-op"), bench.build(&name, &[]))];
        known.extend(bench.paired(bench.pace.short, &lines, &|_| Ok(()))?);
    }
    let row = |method: &str, figures| Row { name: "length of the chain".into(), method: method.into(), figures };
    Ok(vec![row("each step made; target: linear", cold), row("each step found; target: linear", known)])
}
