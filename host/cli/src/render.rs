// SPDX-License-Identifier: Apache-2.0
//! Progress for whoever waits: the same events as a live tree, as plain lines, or as JSON lines.

mod json;
mod plain;
mod tally;
mod tree;

use std::sync::Arc;

use wythe_solve::{EventSink, Reason, Silent, StepAccount};

use crate::arguments::Progress;

pub(crate) use tally::Tally;

/// Returns the sink for a way of showing progress.
pub(crate) fn sink(progress: Progress, is_terminal: bool) -> Arc<dyn EventSink> {
    match progress {
        Progress::Tty => Arc::new(tree::Tree::new()),
        Progress::Auto if is_terminal => Arc::new(tree::Tree::new()),
        Progress::Auto | Progress::Plain => Arc::new(plain::Plain::default()),
        Progress::Json => Arc::new(json::Json),
        Progress::Quiet => Arc::new(Silent),
    }
}

/// Returns the sentence that explains a step; none where nothing is remembered that it could be compared with, since
/// saying so of every step of a first build tells nobody anything.
pub(crate) fn explanation(account: &StepAccount) -> Option<&str> {
    let is_first = account.reasons == [Reason::FirstBuild];
    (!is_first).then_some(account.sentence.as_str())
}

/// Returns a number of bytes for people, in the units of the SI, as container tools print them.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if count < 1000 {
        return format!("{count} B");
    }
    #[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut value = count as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if value < 10.0 { format!("{value:.1} {}", UNITS[unit]) } else { format!("{value:.0} {}", UNITS[unit]) }
}

/// Returns a length of time for people.
pub(crate) fn time(time: std::time::Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 0.0995 {
        format!("{:.0} ms", seconds * 1000.0)
    } else if seconds < 99.95 {
        format!("{seconds:.1} s")
    } else {
        format!("{:.0} min {:02} s", (seconds / 60.0).floor(), (seconds % 60.0).floor())
    }
}

/// Returns "1 step", "2 steps".
pub(crate) fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    #[test]
    fn numbers_are_for_people() {
        let bytes = [0, 999, 1000, 9_949, 52_300_000, 999_600, 1_500_000_000].map(super::bytes);
        assert_eq!(bytes, ["0 B", "999 B", "1.0 kB", "9.9 kB", "52 MB", "1.0 MB", "1.5 GB"]);
        let times = [3, 99, 1_234, 83_000, 125_000].map(|ms| super::time(Duration::from_millis(ms)));
        assert_eq!(times, ["3 ms", "99 ms", "1.2 s", "83.0 s", "2 min 05 s"]);
        assert_eq!([super::plural(1, "hit"), super::plural(0, "hit")], ["1 hit", "0 hits"]);
    }
}
