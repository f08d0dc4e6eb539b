// SPDX-License-Identifier: Apache-2.0
//! The lines of the file as they stand there: comments, and instructions that stay what they are.

use super::Walk;
use super::surely::leaves_out_surely;
use crate::plan::ignore;
use crate::plan::paths;
use crate::text::instruction::{Action, Instruction};

/// Longest text that says what stands somewhere.
const SAID: usize = 72;

/// The lines of a file.
#[derive(Debug)]
pub(super) struct Raw<'p> {
    lines: Vec<&'p str>,
}

impl<'p> Raw<'p> {
    pub(super) fn of(text: &'p str) -> Self {
        Self { lines: text.strip_prefix('\u{feff}').unwrap_or(text).lines().collect() }
    }

    /// Returns the comments directly above a line, up to the instruction before it.
    pub(super) fn comments_above(&self, line: u32) -> Vec<String> {
        let end = (line as usize).saturating_sub(1).min(self.lines.len());
        let is_comment = |text: &&str| text.trim_start().starts_with('#') || text.trim().is_empty();
        let count = self.lines[..end].iter().rev().take_while(|text| is_comment(text)).count();
        let directives = match end - count {
            0 => self.lines.iter().take_while(|text| is_directive(text)).count(),
            _ => 0,
        };
        self.comments(end - count + directives.min(count), end)
    }

    /// Returns the comments inside of an instruction.
    pub(super) fn comments_in(&self, one: &Instruction) -> Vec<String> {
        let has_heredocs = match &one.action {
            Action::Run { heredocs, .. } | Action::Copy { heredocs, .. } | Action::Add { heredocs, .. } => {
                !heredocs.is_empty()
            }
            _ => false,
        };
        if has_heredocs { Vec::new() } else { self.comments(one.place.line as usize, one.last as usize) }
    }

    pub(super) fn comments_at_the_end(&self) -> Vec<String> {
        self.comments_above(u32::try_from(self.lines.len() + 1).unwrap_or(u32::MAX))
    }

    fn comments(&self, from: usize, to: usize) -> Vec<String> {
        let text = |line: &&str| {
            let rest = line.trim_start().strip_prefix('#')?;
            Some(rest.strip_prefix(' ').unwrap_or(rest).trim_end().to_owned())
        };
        self.between(from, to).iter().filter_map(text).collect()
    }

    /// Says what stands in a line.
    pub(super) fn said(&self, line: u32) -> String {
        let text = self.lines.get((line as usize).saturating_sub(1)).copied().unwrap_or_default();
        let words = text.split_whitespace().filter(|word| *word != "\\").collect::<Vec<_>>().join(" ");
        match words.char_indices().nth(SAID) {
            None => words,
            Some((at, _)) => format!("{}…", &words[..at]),
        }
    }

    /// Returns the lines from one, counted from 0, up to another one.
    fn between(&self, from: usize, to: usize) -> &[&'p str] {
        self.lines.get(from..to.min(self.lines.len())).unwrap_or_default()
    }
}

fn is_directive(line: &str) -> bool {
    let name = line.strip_prefix('#').and_then(|rest| rest.split_once('=')).map(|(name, _)| name.trim());
    name.is_some_and(|name| ["check", "escape", "syntax"].iter().any(|known| known.eq_ignore_ascii_case(name)))
}

impl Walk<'_, '_> {
    /// Returns an instruction as it stands in the file, but that files which come with the translation stay out of the image.
    pub(super) fn raw_of(&self, one: &Instruction) -> String {
        let lines = self.raw.between(one.place.line as usize - 1, one.last as usize);
        let first = lines.first().map_or("", |line| line.trim_start()).to_owned();
        let rest = lines.iter().skip(1).map(|line| format!("\n{line}"));
        std::iter::once(self.kept_out(one, &first)).chain(rest).collect()
    }

    /// Returns the text up to a line.
    pub(super) fn text_up_to(&self, last: u32) -> String {
        let mut lines: Vec<String> = self.raw.between(0, last as usize).iter().map(|line| (*line).to_owned()).collect();
        for one in self.planner.file.stages.iter().flat_map(|stage| &stage.instructions) {
            if let Some(line) = lines.get_mut(one.place.line as usize - 1) {
                let indent = line.len() - line.trim_start().len();
                *line = format!("{}{}", &line[..indent], self.kept_out(one, &line[indent..]));
            }
        }
        lines.join("\n") + "\n"
    }

    /// Adds to the first line of a copy that takes the whole context what it is to leave out.
    fn kept_out(&self, one: &Instruction, line: &str) -> String {
        let (Action::Copy { sources, .. } | Action::Add { sources, .. }) = &one.action else { return line.to_owned() };
        let takes_all = |text: &str| {
            let path = paths::in_context(text).unwrap_or_default();
            path == "." || (!path.contains('/') && path.contains(['*', '?', '[']))
        };
        let is_of_context = one.flag("from").is_none() && self.planner.options.context.is_none();
        if !is_of_context || !sources.iter().any(|source| source.text.contains('$') || takes_all(&source.text)) {
            return line.to_owned();
        }
        let flags: String = self.added().iter().map(|file| format!(" --exclude={file}")).collect();
        let name = one.name.len().min(line.len());
        format!("{}{flags}{}", &line[..name], &line[name..])
    }

    /// Returns the files that come with the translation and that no ignore file leaves out.
    pub(super) fn added(&self) -> Vec<&String> {
        let rules = &self.planner.ignore;
        self.wish.added.iter().filter(|file| !leaves_out_surely(rules, file)).collect()
    }

    /// Whether the ignore file of this file is another one than that of its instructions alone.
    pub(super) fn ignores_otherwise(&self) -> bool {
        let options = self.planner.options;
        let alone = crate::Options { path: None, text: None, ..options.clone() };
        ignore::file(options) != ignore::file(&alone)
    }

    /// Whether something stays an instruction, or may, that reads the ignore file.
    pub(super) fn needs_ignore_file(&self, target: usize) -> bool {
        let reads = |one: &Instruction| match &one.action {
            Action::Copy { .. } | Action::Add { .. } => one.flag("from").is_none(),
            Action::Run { .. } => one.flags_of("mount").next().is_some(),
            _ => false,
        };
        let stages = &self.planner.file.stages;
        stages[..=target].iter().flat_map(|stage| &stage.instructions).any(reads)
    }
}
