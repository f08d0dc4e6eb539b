// SPDX-License-Identifier: Apache-2.0
//! Writes to the two streams: data to standard output, everything else to standard error.
//!
//! A reader that has gone away (`wythe images | head -1`) is no failure.

use std::io::Write as _;

/// Writes a line of data.
pub(crate) fn to_stdout(line: &str) {
    let _gone = writeln!(std::io::stdout().lock(), "{line}");
}

/// Writes a line for people.
pub(crate) fn to_stderr(line: &str) {
    let _gone = writeln!(std::io::stderr().lock(), "{line}");
}

/// Writes a value as JSON, for people who read it and programs that parse it.
pub(crate) fn json<T: serde::Serialize>(value: &T) {
    to_stdout(&serde_json::to_string_pretty(value).expect("the value is representable as JSON"));
}

/// Writes rows below each other, each column as wide as its widest entry, the last one as it is.
pub(crate) fn table(rows: &[Vec<String>]) {
    for line in aligned(rows) {
        to_stdout(&line);
    }
}

/// Returns rows as lines, each column but the last as wide as its widest entry.
pub(crate) fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_stand_below_each_other() {
        let rows = [["NAME", "SIZE"], ["a", "1"], ["longer", "20 MB"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(super::aligned(&rows), ["NAME    SIZE", "a       1", "longer  20 MB"]);
    }
}
