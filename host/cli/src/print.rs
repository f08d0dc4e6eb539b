// SPDX-License-Identifier: Apache-2.0
//! Writes to the two streams: data to standard output, everything else to standard error.
//!
//! A reader that has gone away (`wythe images | head -1`) is no failure. A disk that does not take the data is one.

use std::io::{self, Write as _};
use std::sync::{Mutex, PoisonError};

use rustix::io::retry_on_intr;

/// What became of the first write to standard output that failed.
static FAILURE: Mutex<Option<io::Error>> = Mutex::new(None);

/// Writes a line of data. Where that fails, [`finish`] tells of it.
pub(crate) fn to_stdout(line: &str) {
    note(write_all(format!("{line}\n").as_bytes()));
}

/// Writes without a buffer: from one, what could not be written would be written later, behind the message that says so.
fn write_all(mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = retry_on_intr(|| rustix::io::write(rustix::stdio::stdout(), bytes))?;
        bytes = &bytes[written..];
    }
    Ok(())
}

fn note(written: io::Result<()>) {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            FAILURE.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
        _ => {}
    }
}

/// Writes what is left of the data that was written otherwise.
///
/// # Errors
///
/// Where some of it could not be written, unless nobody reads it.
pub(crate) fn finish() -> io::Result<()> {
    note(io::stdout().lock().flush());
    FAILURE.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
}

/// Writes a line for people.
pub(crate) fn to_stderr(line: &str) {
    let _gone = writeln!(io::stderr().lock(), "{line}");
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
