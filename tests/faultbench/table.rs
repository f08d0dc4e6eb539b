// SPDX-License-Identifier: Apache-2.0
//! What is printed.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::invariants::{Class, Verdict};

/// The figures of one kind of fault.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) points: u64,
    struck: u64,
    counts: [u64; CLASSES.len()],
    /// Points at which the bench itself failed.
    pub(crate) broken: u64,
    opened: Duration,
    pub(crate) time: Duration,
    /// Why nothing was tried.
    pub(crate) left_out: Option<String>,
    pub(crate) is_control: bool,
}

const CLASSES: [Class; 5] = [Class::Damaged, Class::Leaked, Class::WrongExit, Class::Hung, Class::Gap];

impl Row {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            points: 0,
            struck: 0,
            counts: [0; CLASSES.len()],
            broken: 0,
            opened: Duration::ZERO,
            time: Duration::ZERO,
            left_out: None,
            is_control: false,
        }
    }

    /// Adds a point. A point counts once in each class, however many breaches it has.
    pub(crate) fn count(&mut self, verdict: &Verdict) {
        self.points += 1;
        self.struck += u64::from(verdict.is_struck);
        self.opened = self.opened.max(verdict.opened);
        for (class, count) in CLASSES.iter().zip(&mut self.counts) {
            *count += u64::from(verdict.breaches.iter().any(|breach| breach.class == *class));
        }
    }

    /// Returns how many points broke an invariant, by class, and how many the bench could not try.
    pub(crate) fn breaches(&self) -> u64 {
        let is_failure = |class: &Class| *class != Class::Gap;
        let counts = CLASSES.iter().zip(self.counts).filter(|(class, _)| is_failure(class));
        counts.map(|(_, count)| count).sum::<u64>() + self.broken
    }

    pub(crate) fn progress(&self) -> String {
        match &self.left_out {
            Some(reason) => format!("{:<22} left out: {reason}", self.name),
            None => format!("{:<22} {} points, {} breaches", self.name, self.points, self.breaches()),
        }
    }
}

/// Adds the figures of another scenario to those of the same kind.
pub(crate) fn add(rows: &mut Vec<Row>, row: Row) {
    match rows.iter_mut().find(|known| known.name == row.name) {
        None => rows.push(row),
        Some(known) => {
            known.points += row.points;
            known.struck += row.struck;
            known.broken += row.broken;
            known.opened = known.opened.max(row.opened);
            known.time += row.time;
            for (sum, count) in known.counts.iter_mut().zip(row.counts) {
                *sum += count;
            }
        }
    }
}

pub(crate) fn print(rows: &[Row]) {
    println!(
        "\n| fault | points | struck | damaged | leaked | wrong exit | hung | known gap | not tried | open, at most | time |"
    );
    println!("| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |");
    for row in rows.iter().filter(|row| row.left_out.is_none()) {
        let counts = row.counts.map(|count| count.to_string()).join(" | ");
        println!(
            "| {} | {} | {} | {counts} | {} | {} ms | {:.0} s |",
            row.name,
            row.points,
            row.struck,
            row.broken,
            row.opened.as_millis(),
            row.time.as_secs_f64()
        );
    }
}

/// What was run, and where.
pub(crate) fn machine(wythe: &Path) -> String {
    let version = Command::new(wythe).arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{version} · Linux {}", kernel.trim())
}
