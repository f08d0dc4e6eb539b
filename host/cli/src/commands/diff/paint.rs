// SPDX-License-Identifier: Apache-2.0
//! Lines of a diff: red went, green came, yellow changed. Readable without colour.

use anstyle::{AnsiColor, Style};

use crate::print;

/// How lines are coloured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    has_color: bool,
}

/// What happened to a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    Removed,
    Added,
    Changed,
}

impl Change {
    /// Of something that was there before, after, or both.
    pub(super) fn of(before: bool, after: bool) -> Self {
        match (before, after) {
            (_, false) => Self::Removed,
            (false, true) => Self::Added,
            (true, true) => Self::Changed,
        }
    }

    /// The word of programs.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::Added => "added",
            Self::Changed => "changed",
        }
    }
}

impl Paint {
    pub(super) fn new(has_color: bool) -> Self {
        Self { has_color }
    }

    /// Something that went.
    pub(super) fn gone(self, text: &str) -> String {
        self.dress(text, AnsiColor::Red)
    }

    /// Something that came.
    pub(super) fn come(self, text: &str) -> String {
        self.dress(text, AnsiColor::Green)
    }

    /// Where lines of a file are.
    pub(super) fn place(self, text: &str) -> String {
        self.dress(text, AnsiColor::Cyan)
    }

    /// Something that happened, with its sign before it.
    pub(super) fn change(self, change: Change, text: &str) -> String {
        match change {
            Change::Removed => self.gone(&format!("- {text}")),
            Change::Added => self.come(&format!("+ {text}")),
            Change::Changed => self.dress(&format!("~ {text}"), AnsiColor::Yellow),
        }
    }

    fn dress(self, text: &str, color: AnsiColor) -> String {
        if !self.has_color {
            return text.to_owned();
        }
        let style: Style = color.on_default();
        format!("{style}{text}{style:#}")
    }

    /// Prints a heading and changes below each other, with their columns aligned.
    pub(super) fn section(self, heading: &str, rows: &[(Change, Vec<String>)]) {
        print::to_stdout(&format!("\n{heading}"));
        let cells: Vec<Vec<String>> = rows.iter().map(|(_, cells)| cells.clone()).collect();
        for (line, (change, _)) in print::aligned(&cells).iter().zip(rows) {
            print::to_stdout(&self.change(*change, line));
        }
    }
}
