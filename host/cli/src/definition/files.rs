// SPDX-License-Identifier: Apache-2.0
//! The files of a definition: found, read, replaced.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use wythe_plan::{Kind, Lock, ParseLockError};

use super::{DEFINITION, LARGEST_TEXT};
use crate::diagnostic::Report;
use crate::exit::Exit;
use crate::named;

pub(super) fn find(path: &Path, kinds: &[Kind]) -> Result<PathBuf, Report> {
    if !named::is_dir(path)? {
        return Ok(path.to_owned());
    }
    let file = path.join(DEFINITION);
    if named::is_file(&file)? {
        return Ok(if path == Path::new(".") { PathBuf::from(DEFINITION) } else { file });
    }
    let claimed = kinds.iter().flat_map(|kind| &kind.files).map(|name| format!(" and no `{name}`"));
    let claimed: String = claimed.collect();
    let report = Report::new(Exit::Spec, format!("there is no `{DEFINITION}`{claimed} in `{}`", path.display()));
    Err(report.hint("name a directory or a file: `wythe build DIR`; docs/definition.md says what to write into it"))
}

pub(crate) fn read_text(path: &Path) -> Result<String, Report> {
    let failed = |error: &std::io::Error| {
        let report =
            Report::new(named::fault(error), format!("cannot read `{}`", path.display())).note(error.to_string());
        match error.kind() {
            std::io::ErrorKind::NotFound => {
                report.hint(format!("name a directory with a `{DEFINITION}`, or the file itself"))
            }
            _ => report,
        }
    };
    let size = fs::metadata(path).map_err(|error| failed(&error))?.len();
    if size > LARGEST_TEXT {
        return Err(Report::new(Exit::Spec, format!("`{}` is too large to be a text: {size} bytes", path.display())));
    }
    let bytes = fs::read(path).map_err(|error| failed(&error))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        Report::new(Exit::Spec, format!("`{}` is not UTF-8: line {line}", path.display()))
    })
}

/// Reads a lock and returns its text with it; one that is not there, or is empty, locks nothing.
pub(super) fn read_lock(path: &Path) -> Result<(String, Lock), Report> {
    let text = if named::look(path)?.is_some() { read_text(path)? } else { String::new() };
    let lock = if text.is_empty() { Lock::default() } else { parse_lock(path, &text)? };
    Ok((text, lock))
}

fn parse_lock(path: &Path, text: &str) -> Result<Lock, Report> {
    Lock::parse(text).map_err(|error| {
        let hint = match &error {
            ParseLockError::Merge { .. } => {
                "take one of the two versions as a whole, then `wythe lock` pins what it lacks"
            }
            ParseLockError::Newer { .. } => "use the wythe that the others of this project use",
            _ => "restore it from version control, or remove it to have everything pinned anew",
        };
        Report::caused(Exit::Spec, format!("`{}` is not a lock", path.display()), &error).hint(hint)
    })
}

pub(super) fn name_of(path: &Path) -> String {
    path.display().to_string()
}

/// Replaces a file as a whole: who reads it sees the old text or the new one.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = named::parent(path).join(format!(".{name}.{}", std::process::id()));
    let written = fs::File::create(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&beside, path)).inspect_err(|_| {
        // The message is about the failure above; a file that is left over here is only untidy.
        let _left_over = fs::remove_file(&beside);
    })
}
