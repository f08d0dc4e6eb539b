// SPDX-License-Identifier: Apache-2.0
//! The name that somebody may have meant.

/// Returns the name that is fewest edits away, where these are few against its length: what to suggest to a person who
/// wrote one that does not exist.
#[must_use]
pub fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let (edits, name) = names.map(|name| (distance(wanted, name), name)).min()?;
    (edits <= 1 + wanted.len() / 5).then_some(name)
}

/// Levenshtein's distance, one row at a time.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = corner + usize::from(x != y);
            corner = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn distances_count_edits() {
        for (a, b, edits) in [("ffmpg", "ffmpeg", 1), ("", "ab", 2), ("kitten", "sitting", 3), ("same", "same", 0)] {
            assert_eq!(distance(a, b), edits, "{a} {b}");
        }
    }

    #[test]
    fn a_name_far_away_is_none() {
        let names = ["ffmpeg", "ffmpeg-doc", "ffmpegfs"];
        assert_eq!(nearest("ffmpg", names.into_iter()), Some("ffmpeg"));
        assert_eq!(nearest("ffz", names.into_iter()), None);
    }
}
