// SPDX-License-Identifier: Apache-2.0
//! Takes secrets out of a stream, wherever its pieces are cut.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use aho_corasick::AhoCorasick;
use wythe_sandbox::Secret;

use super::forms::{SHORTEST_SHOWN, forms, lines};

/// What stands in the place of a secret.
const MASK: &[u8] = b"***";

/// What to look for. Shared by the streams of a run.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    finder: AhoCorasick,
    words: Vec<Vec<u8>>,
}

impl Pattern {
    /// Returns what to look for, or nothing where there is nothing.
    fn of(secrets: &[(&str, &Secret)]) -> Option<Self> {
        let all = |secret: &Secret| forms(secret.bytes(), SHORTEST_SHOWN).into_iter().chain(lines(secret.bytes()));
        let words: Vec<Vec<u8>> = secrets.iter().flat_map(|(_, secret)| all(secret)).collect();
        if words.is_empty() {
            return None;
        }
        let finder = AhoCorasick::new(&words).expect("secrets are bounded, and so is what is made of them");
        Some(Self { finder, words })
    }

    /// How many of the last bytes could be the beginning of a secret whose rest is to come.
    fn open_end(&self, bytes: &[u8]) -> usize {
        self.words.iter().map(|word| longest_overlap(bytes, word)).max().unwrap_or(0)
    }
}

/// The length of the longest end of `bytes` that is a beginning of `word`, but not all of it (Knuth, Morris, Pratt).
fn longest_overlap(bytes: &[u8], word: &[u8]) -> usize {
    let mut borders = vec![0; word.len()];
    let mut length = 0;
    for at in 1..word.len() {
        while length > 0 && word[at] != word[length] {
            length = borders[length - 1];
        }
        length += usize::from(word[at] == word[length]);
        borders[at] = length;
    }
    let mut matched = 0;
    for byte in &bytes[bytes.len().saturating_sub(word.len() - 1)..] {
        while matched > 0 && (matched == word.len() || *byte != word[matched]) {
            matched = borders[matched - 1];
        }
        matched += usize::from(*byte == word[matched]);
    }
    if matched == word.len() { borders[matched - 1] } else { matched }
}

/// One stream. What could be the beginning of a secret is held back until it is known.
#[derive(Debug)]
pub(crate) struct Redactor {
    pattern: Option<Pattern>,
    held: Vec<u8>,
    /// How many of the held bytes belong to a secret whose beginning has been taken out already.
    covered: usize,
    /// Whether the last thing that came out is the mask of a secret that goes on.
    in_mask: bool,
}

impl Redactor {
    /// Returns a redactor for each of two streams.
    pub(crate) fn pair(secrets: &[(&str, &Secret)]) -> [Self; 2] {
        let pattern = Pattern::of(secrets);
        [(); 2].map(|()| Self { pattern: pattern.clone(), held: Vec::new(), covered: 0, in_mask: false })
    }

    /// Takes the next bytes and passes on what is known to be harmless.
    pub(crate) fn take(&mut self, bytes: &[u8], sink: &mut dyn FnMut(&[u8])) {
        let Some(pattern) = &self.pattern else { return sink(bytes) };
        self.held.extend_from_slice(bytes);
        let known = self.held.len() - pattern.open_end(&self.held);
        self.pass(known, sink);
    }

    /// Passes on what is left.
    pub(crate) fn finish(&mut self, sink: &mut dyn FnMut(&[u8])) {
        self.pass(self.held.len(), sink);
    }

    /// Passes on the first `known` bytes, of which no secret begins that is not there as a whole.
    fn pass(&mut self, known: usize, sink: &mut dyn FnMut(&[u8])) {
        let Some(pattern) = &self.pattern else { return };
        // Secrets may overlap, so what is covered by any of them is taken together.
        let mut spans = vec![(0, self.covered)];
        spans.extend(pattern.finder.find_overlapping_iter(&self.held).map(|found| (found.start(), found.end())));
        spans.sort_unstable();
        let (mut out, mut at) = (Vec::with_capacity(known), 0);
        for (start, end) in spans.into_iter().filter(|(start, end)| start < end && *start < known) {
            if start > at {
                out.extend_from_slice(&self.held[at..start]);
                self.in_mask = false;
            }
            if end > at {
                if !self.in_mask {
                    out.extend_from_slice(MASK);
                }
                self.in_mask = true;
                at = end;
            }
        }
        if at < known {
            out.extend_from_slice(&self.held[at..known]);
            self.in_mask = false;
        }
        self.covered = at.saturating_sub(known);
        self.held.drain(..known);
        if !out.is_empty() {
            sink(&out);
        }
    }
}

/// A path that may be shown: a name that a command has given may have a secret in it.
pub(crate) fn masked(secrets: &[(&str, &Secret)], path: &Path) -> String {
    let [mut redactor, _] = Redactor::pair(secrets);
    let mut shown = Vec::new();
    let mut keep = |bytes: &[u8]| shown.extend_from_slice(bytes);
    redactor.take(path.as_os_str().as_bytes(), &mut keep);
    redactor.finish(&mut keep);
    String::from_utf8_lossy(&shown).into_owned()
}

#[cfg(test)]
mod tests {
    use wythe_sandbox::Secret;

    use super::Redactor;

    fn redacted(secrets: &[&[u8]], pieces: &[&[u8]]) -> String {
        let secrets: Vec<Secret> = secrets.iter().map(|secret| Secret::from(secret.to_vec())).collect();
        let secrets: Vec<(&str, &Secret)> = secrets.iter().map(|secret| ("id", secret)).collect();
        let [mut redactor, _] = Redactor::pair(&secrets);
        let mut out = Vec::new();
        for piece in pieces {
            redactor.take(piece, &mut |bytes| out.extend_from_slice(bytes));
        }
        redactor.finish(&mut |bytes| out.extend_from_slice(bytes));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_secret_is_found_wherever_the_stream_is_cut() {
        let text = b"before hunter2hunter2 between aHVudGVyMg== after hunter";
        let expected = "before *** between ***== after hunter";
        for cut in 0..text.len() {
            assert_eq!(redacted(&[b"hunter2"], &[&text[..cut], &text[cut..]]), expected, "{cut}");
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(redacted(&[b"hunter2\n"], &bytes), expected);
    }

    #[test]
    fn secrets_that_overlap_are_taken_out_as_a_whole() {
        let text = b"x abcabcabd y abcabcdef z";
        for cut in 0..text.len() {
            let out = redacted(&[b"abcabd", b"abcd", b"bcabcabd", b"abcdef"], &[&text[..cut], &text[cut..]]);
            assert_eq!(out, "x a*** y abc*** z", "{cut}");
        }
    }

    #[test]
    fn without_secrets_nothing_is_held_back() {
        let [mut redactor, _] = Redactor::pair(&[]);
        let mut out = Vec::new();
        redactor.take(b"as it is", &mut |bytes| out.extend_from_slice(bytes));
        assert_eq!(out, b"as it is");
    }

    #[test]
    fn a_key_of_several_lines_is_taken_out_line_by_line() {
        let key = b"-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\nAQEFAASCBKcwggSjAgEAAoIBAQ\n-----END KEY-----\n";
        let shown = String::from_utf8(key.to_vec()).unwrap().replace('\n', "\r\n  ");
        assert_eq!(
            redacted(&[key], &[shown.as_bytes()]),
            "-----BEGIN KEY-----\r\n  ***\r\n  ***\r\n  -----END KEY-----\r\n  "
        );
    }
}
