// SPDX-License-Identifier: Apache-2.0
//! What the parts of the sandbox cost, as the example `overhead` of `wythe-sandbox` measures them of itself.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::bench::Bench;
use crate::measure::Figure;
use crate::table::Row;

/// A run of a program that does nothing, with and without each part.
pub(super) fn parts(bench: &Bench) -> Result<Vec<Row>, String> {
    if !bench.sandbox_time.exists() {
        return Err("the example overhead of wythe-sandbox is not built".to_owned());
    }
    let places = ["/bin/busybox", "/usr/bin/busybox"].map(Path::new);
    let busybox =
        places.into_iter().find(|path| path.exists()).ok_or("there is no busybox (package busybox-static)")?;
    let root = bench.path("sandbox-root");
    let program = Path::new(&root).join("bin/true");
    let text = |error: std::io::Error| error.to_string();
    fs::create_dir_all(Path::new(&root).join("bin")).map_err(text)?;
    fs::copy(busybox, &program).map_err(text)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).map_err(text)?;
    let runs = (bench.pace.short * 10).to_string();
    let output = Command::new(&bench.sandbox_time).args([&root, &runs]).output().map_err(text)?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let last: Value = said
        .lines()
        .last()
        .unwrap_or_default()
        .parse()
        .map_err(|_| said.clone() + &String::from_utf8_lossy(&output.stderr))?;
    let of = |name: &str| last[name].as_f64();
    let row = |name: &str, without: &str, with: &str| -> Option<Row> {
        let (less, more) = (of(without)?, of(with)?);
        let figures = vec![
            ("wythe, without".to_owned(), Figure::of_seconds(less)),
            ("wythe, with".to_owned(), Figure::of_seconds(more)),
        ];
        Some(Row {
            name: name.to_owned(),
            method: format!("`{without}` and `{with}`, median of {runs} in turns"),
            figures,
        })
    };
    let rows = [
        row("sandbox: the filter of system calls", "exec", "exec, filtered"),
        row("sandbox: a network namespace", "network host", "network none"),
        row("sandbox: a control group", "network none", "network none, limited"),
        row("sandbox: a network with a stack", "network none", "network of its own"),
        row("sandbox: all of it", "exec", "network none"),
    ];
    Ok(rows.into_iter().flatten().collect())
}
