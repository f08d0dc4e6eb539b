// SPDX-License-Identifier: Apache-2.0
//! The lines in which small text files differ.

use similar::{ChangeTag, TextDiff};
use wythe_snapshot::{Aspect, Comparison, Difference, Shape, Side};

use super::paint::Paint;
use crate::diagnostic::Report;
use crate::exit::Exit;
use crate::print;

/// Files larger than this are not shown line by line.
const LARGEST: u64 = 256 << 10;

/// Lines that stand around those that differ, as in other tools.
const CONTEXT: usize = 3;

/// Prints the lines that differ, in the form of a patch.
pub(super) fn show(files: &Comparison, paint: &Paint) -> Result<(), Report> {
    for difference in files.differences.iter().filter(|difference| has_lines(difference)) {
        let text = |side| read(files, side, difference);
        let (Some(before), Some(after)) = (text(Side::Before)?, text(Side::After)?) else { continue };
        for line in lines(&format!("/{}", difference.path.display()), difference, &before, &after, paint) {
            print::to_stdout(&line);
        }
    }
    Ok(())
}

/// Whether there is content on a side that is not there on the other.
fn has_lines(difference: &Difference) -> bool {
    let sides = [&difference.before, &difference.after];
    let is_small_file = |seen: &wythe_snapshot::Appearance| seen.shape == Shape::File && seen.size <= LARGEST;
    let are_files = sides.into_iter().flatten().all(is_small_file);
    let is_on_one_side = difference.before.is_none() != difference.after.is_none();
    are_files && (is_on_one_side || difference.aspects.contains(&Aspect::Content))
}

/// Returns the text of a side, empty where there is no file; none where it is no text.
fn read(files: &Comparison, side: Side, difference: &Difference) -> Result<Option<String>, Report> {
    let seen = if side == Side::Before { &difference.before } else { &difference.after };
    if seen.is_none() {
        return Ok(Some(String::new()));
    }
    let bytes = files.read(side, &difference.path, LARGEST).map_err(|error| {
        Report::caused(Exit::World, format!("cannot read `/{}`", difference.path.display()), &error)
    })?;
    Ok(if bytes.contains(&0) { None } else { String::from_utf8(bytes).ok() })
}

fn lines(name: &str, difference: &Difference, before: &str, after: &str, paint: &Paint) -> Vec<String> {
    let side = |is_there: bool, letter: &str| if is_there { format!("{letter}{name}") } else { "/dev/null".to_owned() };
    let mut all = vec![
        String::new(),
        paint.gone(&format!("--- {}", side(difference.before.is_some(), "a"))),
        paint.come(&format!("+++ {}", side(difference.after.is_some(), "b"))),
    ];
    let diff = TextDiff::from_lines(before, after);
    for hunk in diff.unified_diff().context_radius(CONTEXT).iter_hunks() {
        all.push(paint.place(&hunk.header().to_string()));
        for change in hunk.iter_changes() {
            let line = change.value().trim_end_matches(['\n', '\r']);
            all.push(match change.tag() {
                ChangeTag::Delete => paint.gone(&format!("-{line}")),
                ChangeTag::Insert => paint.come(&format!("+{line}")),
                ChangeTag::Equal => format!(" {line}"),
            });
            if change.missing_newline() {
                all.push("\\ No newline at end of file".to_owned());
            }
        }
    }
    all
}
