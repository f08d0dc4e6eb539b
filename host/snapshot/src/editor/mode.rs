// SPDX-License-Identifier: Apache-2.0
//! Changes of mode bits, as chmod(1) writes them.

/// Most changes in one text: nobody means more, and so many fit a value that is copied.
const MOST: usize = 16;

/// Changes of mode bits, one after the other, such as `u=rwX,go=rX`.
///
/// Who is meant without `u`, `g`, `o` or `a` in front is everybody: there is no mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModeEdit {
    changes: [Change; MOST],
    count: usize,
}

/// A text that is no change of mode bits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a change of modes such as `u=rwX,go=rX`")]
pub struct ModeError(String);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Change {
    /// The digits of the mode that are meant: 4 for the user's, 2 for the group's, 1 for the others'.
    who: u32,
    operator: u8,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// Bits of one digit; `X` apart, since it depends on what it is applied to; set-id; sticky.
    Bits { digit: u32, is_conditional: bool, set_id: bool, sticky: bool },
    /// The digit of somebody else, by its place in the mode.
    Digit(u32),
}

impl Default for What {
    fn default() -> Self {
        Self::Bits { digit: 0, is_conditional: false, set_id: false, sticky: false }
    }
}

impl ModeEdit {
    /// Reads changes.
    ///
    /// # Errors
    ///
    /// Where the text is none.
    pub fn parse(text: &str) -> Result<Self, ModeError> {
        let wrong = || ModeError(text.to_owned());
        let mut edit = Self { changes: [Change::default(); MOST], count: 0 };
        for clause in text.split(',') {
            let who_end = clause.find(|letter| !"ugoa".contains(letter)).ok_or_else(wrong)?;
            let mut who = clause[..who_end].chars().fold(0, |who, letter| who | digits_of(letter));
            if who_end == 0 {
                who = 7;
            }
            let mut rest = &clause[who_end..];
            while !rest.is_empty() {
                let operator = rest.bytes().next().filter(|byte| b"+-=".contains(byte)).ok_or_else(wrong)?;
                let end = rest[1..].find(['+', '-', '=']).map_or(rest.len(), |at| at + 1);
                let what = what(&rest[1..end]).ok_or_else(wrong)?;
                *edit.changes.get_mut(edit.count).ok_or_else(wrong)? = Change { who, operator, what };
                edit.count += 1;
                rest = &rest[end..];
            }
        }
        Ok(edit)
    }

    /// Returns what becomes of mode bits.
    #[must_use]
    pub fn apply(&self, mode: u32, is_directory: bool) -> u32 {
        self.changes[..self.count].iter().fold(mode, |mode, change| change.apply(mode, is_directory))
    }
}

fn digits_of(letter: char) -> u32 {
    match letter {
        'u' => 4,
        'g' => 2,
        'o' => 1,
        _ => 7,
    }
}

fn what(letters: &str) -> Option<What> {
    if let Some(place) = ["o", "g", "u"].iter().position(|who| *who == letters) {
        return Some(What::Digit(u32::try_from(place).ok()? * 3));
    }
    let (mut digit, mut is_conditional, mut set_id, mut sticky) = (0, false, false, false);
    for letter in letters.chars() {
        match letter {
            'r' => digit |= 4,
            'w' => digit |= 2,
            'x' => digit |= 1,
            'X' => is_conditional = true,
            's' => set_id = true,
            't' => sticky = true,
            _ => return None,
        }
    }
    Some(What::Bits { digit, is_conditional, set_id, sticky })
}

impl Change {
    fn apply(self, mode: u32, is_directory: bool) -> u32 {
        let spread = |digit: u32| {
            let places = [(4, 6), (2, 3), (1, 0)].into_iter().filter(|(who, _)| self.who & who != 0);
            places.fold(0, |bits, (_, place)| bits | digit << place)
        };
        let (bits, special) = match self.what {
            What::Digit(place) => (spread(mode >> place & 7), 0),
            What::Bits { digit, is_conditional, set_id, sticky } => {
                let runs = is_conditional && (is_directory || mode & 0o111 != 0);
                let user = if set_id && self.who & 4 != 0 { 0o4000 } else { 0 };
                let group = if set_id && self.who & 2 != 0 { 0o2000 } else { 0 };
                let sticky = if sticky && self.who == 7 { 0o1000 } else { 0 };
                (spread(digit | u32::from(runs)), user | group | sticky)
            }
        };
        match self.operator {
            b'+' => mode | bits | special,
            b'-' => mode & !(bits | special),
            _ => {
                // A directory keeps its set-id bits unless they are named, as in GNU coreutils.
                let user = if self.who & 4 != 0 && !is_directory { 0o4000 } else { 0 };
                let group = if self.who & 2 != 0 && !is_directory { 0o2000 } else { 0 };
                let sticky = if self.who == 7 { 0o1000 } else { 0 };
                mode & !(spread(7) | user | group | sticky) | bits | special
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ModeEdit;

    #[test]
    fn changes_are_those_of_chmod() {
        for (text, before, is_directory, after) in [
            ("u=rwX,go=rX", 0o600, false, 0o644),
            ("u=rwX,go=rX", 0o700, false, 0o755),
            ("u=rwX,go=rX", 0o600, true, 0o755),
            ("+x", 0o644, false, 0o755),
            ("a-w", 0o666, false, 0o444),
            ("go=", 0o777, false, 0o700),
            ("g=u", 0o640, false, 0o660),
            ("u+s,g-s", 0o2755, false, 0o4755),
            ("+t", 0o777, true, 0o1777),
            ("u=rw+x", 0o000, false, 0o700),
            ("o+X", 0o644, false, 0o644),
            ("=r", 0o755, true, 0o444),
        ] {
            assert_eq!(ModeEdit::parse(text).unwrap().apply(before, is_directory), after, "{text} of {before:o}");
        }
    }

    #[test]
    fn what_is_no_change_is_refused() {
        for text in ["", "u", "rwx", "u=q", "u=rw,", "z+x", "u=ug", &"+x".repeat(17)] {
            assert!(ModeEdit::parse(text).is_err(), "{text}");
        }
    }
}
