// SPDX-License-Identifier: Apache-2.0
//! The nearest known name to one that is not known.

/// Returns the known name that was most likely meant, if any is near enough to say so.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace('_', "-");
    let wanted = plain(name);
    let allowed = (wanted.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, &plain(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.chars().count())
        .min()
        .map(|(_, candidate)| candidate)
}

/// Returns a hint that names what is known, and what was most likely meant.
///
/// `what` is the plural, as in `kinds`.
#[must_use]
pub fn known_hint(name: &str, what: &str, known: &[&str]) -> String {
    let list = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    match nearest(name, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`? known {what}: {list}"),
        None => format!("known {what}: {list}"),
    }
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn only_a_near_name_is_proposed() {
        let known = ["commands", "script", "shell", "workdir"];
        for (name, meant) in [
            ("command", Some("commands")),
            ("comands", Some("commands")),
            ("Script", Some("script")),
            ("work_dir", Some("workdir")),
            ("wrokdir", Some("workdir")),
            ("packages", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, known), meant, "{name}");
        }
    }
}
