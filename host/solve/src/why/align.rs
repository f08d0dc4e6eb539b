// SPDX-License-Identifier: Apache-2.0
//! Which step of the last build a step of this one was: ids alone do not say, since a step without a name is numbered.

use super::Said;

/// Returns for each step the place of the one it was, each at most once.
pub(super) fn align(now: &[&Said], then: &[&Said]) -> Vec<Option<usize>> {
    let mut matching = Matching { found: vec![None; now.len()], taken: vec![false; then.len()] };
    // The surest first: the same step, the same words elsewhere or under another name, the same name, the same kind.
    matching.pair(now, then, |is, was| is.id == was.id && is.is_like(was));
    matching.pair(now, then, |is, was| is.is_like(was));
    matching.pair(now, then, |is, was| is.id == was.id && is.is_named && was.is_named);
    matching.pair(now, then, |is, was| is.id == was.id && is.kind == was.kind);
    matching.pair_in_gaps(now, then);
    matching.pair(now, then, |is, was| is.id == was.id);
    matching.found
}

struct Matching {
    found: Vec<Option<usize>>,
    taken: Vec<bool>,
}

impl Matching {
    fn pair(&mut self, now: &[&Said], then: &[&Said], fits: impl Fn(&Said, &Said) -> bool) {
        for (place, is) in now.iter().enumerate() {
            if self.found[place].is_some() {
                continue;
            }
            let was = (0..then.len()).find(|at| !self.taken[*at] && fits(is, then[*at]));
            if let Some(at) = was {
                self.found[place] = Some(at);
                self.taken[at] = true;
            }
        }
    }

    /// Pairs steps of one kind that stand between the same neighbours.
    fn pair_in_gaps(&mut self, now: &[&Said], then: &[&Said]) {
        for (place, is) in now.iter().enumerate() {
            if self.found[place].is_some() {
                continue;
            }
            let below = self.found[..place].iter().rev().find_map(|at| *at).map_or(0, |at| at + 1);
            let above = self.found[place..].iter().find_map(|at| *at).filter(|at| *at >= below).unwrap_or(then.len());
            let fits = |at: &usize| !self.taken[*at] && then[*at].kind == is.kind;
            if let Some(at) = (below..above).find(fits) {
                self.found[place] = Some(at);
                self.taken[at] = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Said, align};

    /// `id=kind:option`, with `!` before an id that is a name.
    fn steps(texts: &[&str]) -> Vec<Said> {
        let one = |text: &&str| {
            let (id, rest) = text.split_once('=').unwrap();
            let (kind, option) = rest.split_once(':').unwrap();
            let is_named = id.starts_with('!');
            let id = id.trim_start_matches('!').to_owned();
            Said { id, is_named, kind: kind.to_owned(), options: json!({ "o": option }) }
        };
        texts.iter().map(one).collect()
    }

    #[test]
    fn steps_are_found_again() {
        let then = ["base=scratch:", "run=run:a", "run-2=run:b", "!deps=tool:x"];
        for (now, expected) in [
            (
                &["base=scratch:", "run=run:a", "run-2=run:b", "!deps=tool:x"][..],
                &[Some(0), Some(1), Some(2), Some(3)][..],
            ),
            // Another one before them all.
            (&["base=scratch:", "run=run:new", "run-2=run:a", "run-3=run:b"], &[Some(0), None, Some(1), Some(2)]),
            // Swapped.
            (&["base=scratch:", "run=run:b", "run-2=run:a"], &[Some(0), Some(2), Some(1)]),
            // One gone.
            (&["base=scratch:", "run=run:b", "!deps=tool:x"], &[Some(0), Some(2), Some(3)]),
            // Renamed, and renamed with another option.
            (&["base=scratch:", "run=run:a", "!check=run:b"], &[Some(0), Some(1), Some(2)]),
            (&["base=scratch:", "run=run:a", "!check=run:c", "!deps=tool:x"], &[Some(0), Some(1), Some(2), Some(3)]),
            // Another kind under the same name.
            (&["base=scratch:", "!deps=other:x"], &[Some(0), Some(3)]),
            (&["base=debian:", "env=env:x"], &[Some(0), None]),
        ] {
            let (now, then) = (steps(now), steps(&then));
            let found = align(&now.iter().collect::<Vec<_>>(), &then.iter().collect::<Vec<_>>());
            assert_eq!(found, expected, "{now:?}");
        }
    }
}
