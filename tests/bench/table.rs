// SPDX-License-Identifier: Apache-2.0
//! The table, as it stands in the documentation.

use std::io::Write as _;

use serde_json::json;

use crate::measure::Figure;

/// One thing measured in several ways, ours first.
pub(crate) struct Row {
    pub(crate) name: String,
    /// How, and what the target is.
    pub(crate) method: String,
    pub(crate) figures: Vec<(String, Figure)>,
}

/// Returns the line that says what is wrong.
pub(crate) fn told(reason: &str) -> &str {
    let error = |line: &&str| line.contains("error:") || line.contains("Error");
    reason.lines().find(error).or(reason.lines().last()).unwrap_or_default()
}

/// Prints rows as they come, as Markdown or as a JSON line each.
pub(crate) struct Table {
    is_json: bool,
}

impl Table {
    pub(crate) fn new(is_json: bool) -> Self {
        Self { is_json }
    }

    pub(crate) fn open(&mut self, machine: &str) {
        if self.is_json {
            println!("{}", json!({"machine": machine}));
            return;
        }
        println!("{machine}\n");
        println!("| Row | | median | least … most | CPU | peak | written | wythe ÷ this |");
        println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    }

    pub(crate) fn print(&mut self, row: &Row) {
        let ours = row.figures.first().map_or(f64::NAN, |(_, figure)| figure.median());
        for (place, (name, figure)) in row.figures.iter().enumerate() {
            if self.is_json {
                let value = json!({"row": row.name, "method": row.method, "what": name, "median": figure.median(),
                    "cpu": figure.cpu(), "peak": figure.memory(), "written": figure.written(), "walls": figure.walls()});
                println!("{value}");
                continue;
            }
            let title = if place == 0 { format!("**{}** ({})", row.name, row.method) } else { String::new() };
            let ratio =
                if name.starts_with("wythe") { "–".to_owned() } else { format!("{:.2}", ours / figure.median()) };
            println!("| {title} | {name} | {} | {ratio} |", figure.cells());
        }
        // Rows take minutes: who looks wants to see what there is.
        drop(std::io::stdout().flush());
    }

    pub(crate) fn left_out(&mut self, row: &str, reason: &str) {
        if self.is_json {
            println!("{}", json!({"row": row, "left-out": reason}));
        } else {
            println!("| **{row}** | left out: {} | | | | | | |", told(reason));
        }
    }

    pub(crate) fn close(&mut self, notes: &[String]) {
        if !self.is_json && !notes.is_empty() {
            println!();
        }
        for note in notes {
            if self.is_json {
                println!("{}", json!({ "note": note }));
            } else {
                println!("- {note}");
            }
        }
    }
}
