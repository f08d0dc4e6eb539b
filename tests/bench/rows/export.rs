// SPDX-License-Identifier: Apache-2.0
//! A layer of 1 GiB on its way out.

use std::fs;

use crate::bench::{Bench, line, remove, shell};
use crate::table::Row;

/// Compressed as a registry wants it.
pub(super) fn layer(bench: &Bench) -> Result<Vec<Row>, String> {
    let text = "base = \"scratch\"\n[[steps]]\nkind = \"files\"\nfrom = \"files\"\nto = \"/files\"\n";
    let dir = bench.definition("layer", text)?;
    fs::create_dir_all(dir.join("files")).map_err(|error| error.to_string())?;
    let file = bench.path("layer/files/blob");
    // Programs and their data compress as layers do; random bytes and zeroes do not.
    // A file that changes meanwhile is 1; that nobody reads any more is the end.
    let fill = format!("while tar -cf - -C / usr 2>/dev/null; [ $? -lt 2 ]; do :; done | head -c 1G > {file}");
    bench.measure(&shell(&fill))?;
    let length = fs::metadata(&file).map_err(|error| error.to_string())?.len();
    if length != 1 << 30 {
        return Err(format!("{file} has {length} bytes"));
    }
    bench.measure(&bench.build("layer", &["-t", "bench-layer"]))?;
    let out = bench.path("out");
    let save = |compression: &str| {
        bench.wythe(&["save", "bench-layer", "--format", "oci-dir", "--compression", compression, "-o", &out])
    };
    let mut rows = Vec::new();
    for (compression, peer, command) in [
        ("gzip:6", "pigz", format!("pigz -6 -c {file} > {out}")),
        ("zstd:3", "zstd", format!("zstd -q -T0 -3 -c {file} > {out}")),
    ] {
        let mut lines = vec![line(&format!("wythe save, {compression}"), save(compression))];
        if crate::peers::has(peer) {
            bench.add_peer(&mut lines, &format!("limit: {peer} on all processors"), shell(&command));
        } else {
            bench.note(format!("{peer} is not installed"));
        }
        remove(&out)?;
        let figures = bench.paired(bench.pace.long, &lines, &|_| remove(&out))?;
        let method = "from the store to a layout; target 1.2 × the limit".to_owned();
        rows.push(Row { name: format!("export of a layer of 1 GiB, {compression}"), method, figures });
    }
    Ok(rows)
}
