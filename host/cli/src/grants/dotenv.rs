// SPDX-License-Identifier: Apache-2.0
//! Files of `NAME=value` lines, as many tools read them.

/// Returns the value of a name: that of the last line that sets it.
pub(super) fn find(text: &str, name: &str) -> Option<String> {
    text.lines().filter_map(assignment).filter(|(known, _)| *known == name).map(|(_, value)| value).next_back()
}

fn assignment(line: &str) -> Option<(&str, String)> {
    let line = line.trim();
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=').filter(|_| !line.starts_with('#'))?;
    Some((name.trim(), unquoted(value.trim())))
}

/// Single quotes keep everything, double quotes know `\n`, `\"` and `\\`, and without quotes a comment ends the value.
fn unquoted(value: &str) -> String {
    if let Some((inside, _)) = value.strip_prefix('\'').and_then(|rest| rest.split_once('\'')) {
        return inside.to_owned();
    }
    let Some(rest) = value.strip_prefix('"') else {
        return value.split_once(" #").map_or(value, |(value, _)| value.trim_end()).to_owned();
    };
    let mut text = String::new();
    let mut chars = rest.chars();
    while let Some(char) = chars.next() {
        match char {
            '"' => break,
            '\\' => match chars.next() {
                Some('n') => text.push('\n'),
                Some(other) => text.push(other),
                None => {}
            },
            char => text.push(char),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn values_are_read_as_other_tools_read_them() {
        let text =
            "# comment\nA=plain # said\nexport B = 'it #is'\nC=\"two\\nlines \\\"q\\\"\" # c\nA=last\n#D=no\nE=a#b\n";
        let values = ["A", "B", "C", "D", "E"].map(|name| find(text, name));
        let expected = [Some("last"), Some("it #is"), Some("two\nlines \"q\""), None, Some("a#b")];
        assert_eq!(values, expected.map(|value| value.map(str::to_owned)));
    }
}
