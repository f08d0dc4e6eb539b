// SPDX-License-Identifier: Apache-2.0
//! The first line in which two texts differ.

use similar::{Algorithm, DiffOp};

use super::FileChange;

/// Returns how two different texts differ.
pub(super) fn change(old: &str, new: &str) -> FileChange {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let ops = similar::capture_diff_slices(Algorithm::Myers, &old, &new);
    let all: usize = ops.iter().map(changed_lines).sum();
    let Some(first) = ops.iter().find(|op| changed_lines(op) > 0) else { return FileChange::LineEnds };
    let line = |lines: &[&str], index: usize| Some(lines[index].to_owned());
    let (at, old, new) = match *first {
        DiffOp::Delete { old_index, .. } => (old_index, line(&old, old_index), None),
        DiffOp::Insert { new_index, .. } => (new_index, None, line(&new, new_index)),
        DiffOp::Replace { old_index, new_index, .. } => (new_index, line(&old, old_index), line(&new, new_index)),
        DiffOp::Equal { .. } => unreachable!("an equal part has no changed line"),
    };
    FileChange::Line { line: at + 1, old, new, more: all - 1 }
}

fn changed_lines(op: &DiffOp) -> usize {
    match *op {
        DiffOp::Equal { .. } => 0,
        DiffOp::Delete { old_len, .. } => old_len,
        DiffOp::Insert { new_len, .. } => new_len,
        DiffOp::Replace { old_len, new_len, .. } => old_len.max(new_len),
    }
}

#[cfg(test)]
mod tests {
    use super::change;
    use crate::why::FileChange;

    fn line(line: usize, old: Option<&str>, new: Option<&str>, more: usize) -> FileChange {
        FileChange::Line { line, old: old.map(str::to_owned), new: new.map(str::to_owned), more }
    }

    #[test]
    fn the_first_line_that_differs_is_named() {
        for (old, new, expected) in [
            ("a\nb\n", "a\nc\n", line(2, Some("b"), Some("c"), 0)),
            ("a\nb\n", "a\nb\nc\n", line(3, None, Some("c"), 0)),
            ("a\nb\nc\n", "b\nc\n", line(1, Some("a"), None, 0)),
            ("a\nb\nc\n", "x\nb\ny\nz\n", line(1, Some("a"), Some("x"), 2)),
            ("", "a\n", line(1, None, Some("a"), 0)),
            ("a\n", "a", FileChange::LineEnds),
            ("a\n", "a\r\n", FileChange::LineEnds),
            ("a\n", "a \n", line(1, Some("a"), Some("a "), 0)),
        ] {
            assert_eq!(change(old, new), expected, "{old:?} {new:?}");
        }
    }
}
