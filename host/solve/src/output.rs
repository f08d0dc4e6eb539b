// SPDX-License-Identifier: Apache-2.0
//! The output of a command on its way to the log (all of it) and to whoever looks (line by line).

use std::collections::VecDeque;
use std::io::Write;

use crate::{Event, EventSink, StepId, Stream};

/// Lines kept for a message about a failure.
const TAIL_LINES: usize = 30;

/// Longest line that is shown in one piece; a program that never ends its line must not fill the memory.
const LONGEST_LINE: usize = 16 * 1024;

/// Most bytes of one command's output that are shown; all of it is in the log.
const MOST_SHOWN: usize = 16 << 20;

/// Takes a command's output apart into lines.
pub(crate) struct Output<'a> {
    step: &'a StepId,
    part: &'a str,
    events: &'a dyn EventSink,
    log: Box<dyn Write + Send>,
    pending: [Vec<u8>; 2],
    tail: VecDeque<String>,
    /// Bytes shown so far.
    shown: usize,
}

impl<'a> Output<'a> {
    /// `part` is the part of the step's own source that the command belongs to.
    pub(crate) fn new(
        (step, part): (&'a StepId, &'a str),
        events: &'a dyn EventSink,
        log: Box<dyn Write + Send>,
    ) -> Self {
        Self { step, part, events, log, pending: [Vec::new(), Vec::new()], tail: VecDeque::new(), shown: 0 }
    }

    /// Takes the next bytes of a stream.
    pub(crate) fn take(&mut self, stream: Stream, mut bytes: &[u8]) -> std::io::Result<()> {
        self.log.write_all(bytes)?;
        while !bytes.is_empty() {
            let room = LONGEST_LINE - self.pending(stream).len();
            let end = bytes.iter().take(room).position(|byte| *byte == b'\n');
            let (piece, is_line) = end.map_or((room.min(bytes.len()), room <= bytes.len()), |at| (at, true));
            self.pending(stream).extend_from_slice(&bytes[..piece]);
            bytes = &bytes[piece + usize::from(end.is_some())..];
            if is_line {
                self.flush_line(stream);
            }
        }
        Ok(())
    }

    fn pending(&mut self, stream: Stream) -> &mut Vec<u8> {
        &mut self.pending[stream as usize]
    }

    fn flush_line(&mut self, stream: Stream) {
        let bytes = std::mem::take(self.pending(stream));
        let line = printable(&String::from_utf8_lossy(&bytes));
        if self.tail.len() == TAIL_LINES {
            self.tail.pop_front();
        }
        self.tail.push_back(line.clone());
        if self.shown < MOST_SHOWN {
            self.shown += line.len() + 1;
            self.show(stream, line);
            if self.shown >= MOST_SHOWN {
                let line = format!("(more than {} MiB: what follows is in the log only)", MOST_SHOWN >> 20);
                self.show(stream, line);
            }
        }
    }

    fn show(&self, stream: Stream, line: String) {
        self.events.event(Event::Output { step: self.step.clone(), part: self.part.to_owned(), stream, line });
    }

    /// Ends both streams and returns the last lines of both.
    pub(crate) fn finish(mut self) -> std::io::Result<Vec<String>> {
        for stream in [Stream::Stdout, Stream::Stderr] {
            if !self.pending(stream).is_empty() {
                self.flush_line(stream);
            }
        }
        self.log.flush()?;
        Ok(self.tail.into())
    }
}

/// Returns a line as a terminal may show it: what stands before a carriage return is overwritten, as a progress
/// bar means it, and control characters are made visible, so that a step cannot write to the terminal itself.
fn printable(line: &str) -> String {
    let line = line.trim_end_matches('\r');
    let last = line.rsplit('\r').next().unwrap_or(line);
    let mut text = String::with_capacity(last.len());
    let mut chars = last.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\t' => text.push('\t'),
            '\u{1b}' if chars.peek() == Some(&'[') => skip_control_sequence(&mut chars),
            char if char.is_control() => text.extend(char.escape_default()),
            char => text.push(char),
        }
    }
    disarmed(text)
}

/// Returns a line that build services do not take for a command of theirs: `##vso[…]`, `##[…]`, `##teamcity[…]`, which
/// they look for anywhere in a line. (`::…` they look for at its beginning only, where there is always something of ours.)
fn disarmed(mut text: String) -> String {
    let mut from = 0;
    while let Some(at) = text[from..].find("##").map(|at| from + at) {
        let name = text[at + 2..].trim_start_matches(|char: char| char.is_ascii_alphabetic());
        if name.starts_with('[') {
            text.insert(at + 1, '\\');
        }
        from = at + 1;
    }
    text
}

/// Passes over the rest of a control sequence (ECMA-48, 5.4): parameters, then one final byte.
fn skip_control_sequence(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    chars.next();
    for char in chars.by_ref() {
        if ('\u{40}'..='\u{7e}').contains(&char) {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::{LONGEST_LINE, MOST_SHOWN, Output, printable};
    use crate::{Event, EventSink, StepId, Stream};

    #[derive(Default)]
    struct Lines(Mutex<Vec<(Stream, String)>>);

    impl EventSink for Lines {
        fn event(&self, event: Event) {
            if let Event::Output { stream, line, .. } = event {
                self.0.lock().unwrap().push((stream, line));
            }
        }
    }

    fn step() -> StepId {
        StepId { image: Arc::from(""), step: Arc::from("run") }
    }

    #[test]
    fn lines_are_put_together_and_streams_kept_apart() {
        let lines = Lines::default();
        let step = step();
        let mut output = Output::new((&step, ""), &lines, Box::new(std::io::sink()));
        output.take(Stream::Stdout, b"one\ntw").unwrap();
        output.take(Stream::Stderr, b"oops\n").unwrap();
        output.take(Stream::Stdout, b"o\n\nlast").unwrap();
        let tail = output.finish().unwrap();
        assert_eq!(tail, ["one", "oops", "two", "", "last"]);
        let seen = lines.0.into_inner().unwrap();
        assert_eq!(seen[1], (Stream::Stderr, "oops".to_owned()));
        assert_eq!(seen.len(), 5);
    }

    #[test]
    fn an_endless_line_is_cut_and_nothing_is_lost() {
        let lines = Lines::default();
        let step = step();
        let mut output = Output::new((&step, ""), &lines, Box::new(std::io::sink()));
        for _ in 0..5 {
            output.take(Stream::Stdout, &vec![b'x'; LONGEST_LINE - 7]).unwrap();
        }
        let all = 5 * (LONGEST_LINE - 7);
        output.finish().unwrap();
        let seen = lines.0.into_inner().unwrap();
        assert!(seen.iter().all(|(_, line)| line.len() <= LONGEST_LINE));
        assert_eq!(seen.iter().map(|(_, line)| line.len()).sum::<usize>(), all);
    }

    #[test]
    fn what_is_shown_has_an_end_and_what_is_logged_has_not() {
        let lines = Lines::default();
        let step = step();
        let mut output = Output::new((&step, ""), &lines, Box::new(std::io::sink()));
        let line = [vec![b'x'; LONGEST_LINE - 1], b"\n".to_vec()].concat();
        for _ in 0..2 * MOST_SHOWN / line.len() {
            output.take(Stream::Stdout, &line).unwrap();
        }
        output.take(Stream::Stdout, b"the end\n").unwrap();
        assert_eq!(output.finish().unwrap().last().unwrap(), "the end");
        let seen = lines.0.into_inner().unwrap();
        assert_eq!(seen.len(), MOST_SHOWN / line.len() + 1);
        assert_eq!(seen.last().unwrap().1, "(more than 16 MiB: what follows is in the log only)");
    }

    #[test]
    fn a_step_cannot_command_a_build_service() {
        for (line, shown) in [
            ("##vso[task.setvariable variable=PATH]/evil", "#\\#vso[task.setvariable variable=PATH]/evil"),
            ("x ##[group]y ##teamcity[z", "x #\\#[group]y #\\#teamcity[z"),
            ("####[error]", "###\\#[error]"),
            ("## a heading, ##1[", "## a heading, ##1["),
        ] {
            assert_eq!(printable(line), shown);
        }
    }

    #[test]
    fn a_step_cannot_write_to_the_terminal() {
        assert_eq!(printable("10%\r50%\r100%\r"), "100%");
        assert_eq!(printable("\u{1b}[31mred\u{1b}[0m"), "red");
        assert_eq!(printable("\u{1b}]0;title\u{7}x"), "\\u{1b}]0;title\\u{7}x");
        assert_eq!(printable("a\tb\u{9b}31m"), "a\tb\\u{9b}31m");
    }
}
