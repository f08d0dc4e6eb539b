// SPDX-License-Identifier: Apache-2.0
//! Many differences on few lines: the directories that hold most of them are opened first, as far as the lines go.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use wythe_snapshot::Difference;

use super::super::packages::counts;
use super::super::paint::Change;
use super::{name, row, sign};
use crate::render::bytes;

/// Returns at most about `most` rows for all differences.
pub(super) fn rows(differences: &[Difference], most: usize) -> Vec<(Change, Vec<String>)> {
    let tree = Tree::of(differences);
    let mut opened: BTreeSet<&Path> = BTreeSet::new();
    let mut lines: BTreeSet<&Path> = tree.inside(Path::new("")).collect();
    // The fullest is opened, as long as what is in it has room.
    while let Some(&fullest) = lines
        .iter()
        .filter(|path| !opened.contains(**path) && tree.can_be_opened(path))
        .filter(|path| lines.len() + tree.growth(path) <= most)
        .max_by_key(|path| (tree.count(path), std::cmp::Reverse(**path)))
    {
        opened.insert(fullest);
        // The directory keeps a line only where it differs itself.
        if !tree.differs_itself(fullest) {
            lines.remove(fullest);
        }
        lines.extend(tree.inside(fullest));
    }
    lines.into_iter().map(|path| tree.row(path, opened.contains(path))).collect()
}

/// The directories of differences, with what is in them.
struct Tree<'a> {
    itself: BTreeMap<&'a Path, &'a Difference>,
    inside: BTreeMap<&'a Path, BTreeSet<&'a Path>>,
    counts: BTreeMap<&'a Path, Vec<&'a Difference>>,
}

impl<'a> Tree<'a> {
    fn of(differences: &'a [Difference]) -> Self {
        let mut tree = Self { itself: BTreeMap::new(), inside: BTreeMap::new(), counts: BTreeMap::new() };
        for difference in differences {
            tree.itself.insert(&difference.path, difference);
            for path in difference.path.ancestors() {
                tree.counts.entry(path).or_default().push(difference);
                if let Some(parent) = path.parent() {
                    tree.inside.entry(parent).or_default().insert(path);
                }
            }
        }
        tree
    }

    fn inside(&self, path: &Path) -> impl Iterator<Item = &'a Path> {
        self.inside.get(path).into_iter().flatten().copied()
    }

    fn count(&self, path: &Path) -> usize {
        self.counts.get(path).map_or(0, Vec::len)
    }

    /// Whether there is something in it that its own line does not say: not where all of it came or went.
    fn can_be_opened(&self, path: &Path) -> bool {
        let is_on_one_side = |difference: &&Difference| difference.before.is_none() || difference.after.is_none();
        self.inside(path).next().is_some() && !self.itself.get(path).is_some_and(is_on_one_side)
    }

    /// How many lines more there are when it is opened.
    fn growth(&self, path: &Path) -> usize {
        self.inside(path).count() - usize::from(!self.differs_itself(path))
    }

    fn differs_itself(&self, path: &Path) -> bool {
        self.itself.contains_key(path)
    }

    fn row(&self, path: &Path, is_opened: bool) -> (Change, Vec<String>) {
        let all = &self.counts[path];
        if is_opened || all.len() == 1 && all[0].path == path {
            return row(self.itself[path]);
        }
        let signs: BTreeSet<Change> = all.iter().map(|difference| sign(difference)).collect();
        let one = if signs.len() == 1 { *signs.first().expect("there is one") } else { Change::Changed };
        let added: u64 = all.iter().filter_map(|d| d.after.as_ref()).map(|seen| seen.size).sum();
        let removed: u64 = all.iter().filter_map(|d| d.before.as_ref()).map(|seen| seen.size).sum();
        let sizes = match one {
            Change::Added => bytes(added),
            Change::Removed => bytes(removed),
            Change::Changed => format!("{} → {}", bytes(removed), bytes(added)),
        };
        (one, vec![name(path, true), counts(all.iter().map(|d| sign(d))), sizes])
    }
}
