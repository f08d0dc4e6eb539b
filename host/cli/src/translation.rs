// SPDX-License-Identifier: Apache-2.0
//! A translation as text that a person goes on writing.

use serde_json::{Map, Value};
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table};
use wythe_plan::{Translated, Translation};

/// Longest line that is written where it can be broken.
const WIDTH: usize = 100;

/// Writes a translation as a definition. `origin` is what the file is called.
pub(crate) fn to_toml(translation: &Translation, origin: &str, builder: &str) -> String {
    let mut document = DocumentMut::new();
    document.insert("builder", toml_edit::value(builder));
    let head = format!("# Made of {} by `wythe import`.\n\n", comment_text(origin));
    if let Some(mut key) = document.key_mut("builder") {
        key.leaf_decor_mut().set_prefix(head);
    }
    let mut base = table(&translation.base);
    let above = above(&translation.base);
    let written = base.to_string();
    let is_short = base.iter().all(|(_, item)| item.is_value())
        && written.lines().count() == base.len()
        && written.lines().all(|line| line.len() < WIDTH / 2);
    let value = match (translation.base.options.is_empty(), is_short) {
        // The name of a kind says it all.
        (true, _) => Some(translation.base.kind.as_str().into()),
        (false, true) => Some(toml_edit::Value::from(base.clone().into_inline_table())),
        (false, false) => None,
    };
    if let Some(value) = value {
        document.insert("base", Item::Value(value));
        if let Some(mut key) = document.key_mut("base").filter(|_| !above.trim().is_empty()) {
            key.leaf_decor_mut().set_prefix(above);
        }
    } else {
        base.decor_mut().set_prefix(above);
        document.insert("base", Item::Table(base));
    }
    let mut steps = ArrayOfTables::new();
    for step in &translation.steps {
        let mut table = table(step);
        table.decor_mut().set_prefix(self::above(step));
        steps.push(table);
    }
    if !steps.is_empty() {
        document.insert("steps", Item::ArrayOfTables(steps));
    }
    let closing: String = translation.closing.iter().map(|line| comment(line)).collect();
    if !closing.is_empty() {
        document.set_trailing(format!("\n{closing}"));
    }
    document.to_string()
}

/// What stands above a step: an empty line, and comments.
fn above(step: &Translated) -> String {
    let lines: String = step.comment.iter().map(|line| comment(line)).collect();
    let note = step.note.as_ref().map(|note| comment(&format!("(line {}: {note})", step.line)));
    format!("\n{lines}{}", note.unwrap_or_default())
}

fn comment(line: &str) -> String {
    format!("# {}", comment_text(line)).trim_end().to_owned() + "\n"
}

/// Comments have no control characters.
fn comment_text(line: &str) -> String {
    line.chars().map(|letter| if letter.is_control() && letter != '\t' { ' ' } else { letter }).collect()
}

fn table(step: &Translated) -> Table {
    let mut table = Table::new();
    table.insert("kind", toml_edit::value(&step.kind));
    let (tables, values): (Vec<_>, Vec<_>) = step.options.iter().partition(|(_, value)| needs_table(value));
    for (name, value) in values {
        table.insert(name, Item::Value(value_of(value, name.len() + 3)));
    }
    // Tables come after what is not in one of them.
    for (name, value) in tables {
        let members = value.as_object().into_iter().flatten();
        let inner: Table = members.map(|(name, value)| (name, value_of(value, name.len() + 3))).collect();
        table.insert(name, Item::Table(inner));
    }
    table
}

/// Whether a value is a table of more than fits into a line.
fn needs_table(value: &Value) -> bool {
    let Value::Object(members) = value else { return false };
    inline(members).to_string().len() > WIDTH - 20
}

fn inline(members: &Map<String, Value>) -> InlineTable {
    members.iter().map(|(name, value)| (name.as_str(), value_of(value, 0))).collect()
}

/// Returns a value; `before` letters stand in front of it.
fn value_of(value: &Value, before: usize) -> toml_edit::Value {
    match value {
        Value::Bool(truth) => (*truth).into(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => whole.into(),
            (None, fraction) => fraction.unwrap_or_default().into(),
        },
        Value::String(text) => string(text, before),
        Value::Array(list) => array(list, before).into(),
        Value::Object(members) => inline(members).into(),
        // TOML has no such value, and no option has it.
        Value::Null => "".into(),
    }
}

fn array(list: &[Value], before: usize) -> Array {
    let mut array: Array = list.iter().map(|value| value_of(value, 4)).collect();
    let text = array.to_string();
    if text.contains('\n') && list.len() == 1 || !text.contains('\n') && before + text.len() <= WIDTH {
        return array;
    }
    for value in array.iter_mut() {
        value.decor_mut().set_prefix("\n    ");
    }
    array.set_trailing("\n");
    array.set_trailing_comma(true);
    array
}

/// Returns a string: one that is too long for a line is broken at blanks, where a `\` at the end of a line swallows the break.
fn string(text: &str, before: usize) -> toml_edit::Value {
    let is_plain =
        !text.contains(['\n', '\r', '\\']) && !text.contains("\"\"\"") && !text.chars().any(char::is_control);
    if !is_plain || before + text.len() <= WIDTH {
        return text.into();
    }
    let written = format!("\"\"\"\\\n    {}\\\n    \"\"\"", broken(text).join("\\\n    "));
    written.parse().ok().filter(|value: &toml_edit::Value| value.as_str() == Some(text)).unwrap_or_else(|| text.into())
}

/// Cuts a command line: before what joins two commands, and where a piece is still too long, behind a blank.
fn broken(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_inclusive(' ') {
        let is_joint = ["&& ", "|| ", "| "].contains(&word);
        let is_full = line.len() + word.trim_end().len() > WIDTH - 6;
        if !line.is_empty() && (is_joint || is_full) {
            lines.push(std::mem::take(&mut line));
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wythe_plan::{Translated, Translation};

    use super::to_toml;

    fn step(kind: &str, options: &serde_json::Value) -> Translated {
        Translated {
            kind: kind.to_owned(),
            options: options.as_object().unwrap().clone(),
            comment: Vec::new(),
            line: 1,
            said: String::new(),
            note: None,
        }
    }

    #[test]
    fn a_translation_is_written_for_people() {
        let long = format!("first {}&& second   'a  b' && third", "word ".repeat(20));
        let translation = Translation {
            base: step("image", &json!({ "reference": "a:1" })),
            steps: vec![
                Translated {
                    comment: vec!["why".to_owned(), String::new()],
                    note: Some("stays".to_owned()),
                    line: 7,
                    ..step("run", &json!({ "commands": [long] }))
                },
                step("run", &json!({ "script": "a 'b' \\\n  \"c\"\n" })),
                step("env", &json!({ "set": { "A": "x".repeat(60), "B c": "y".repeat(60) } })),
                step("env", &json!({ "set": { "A": "1" } })),
                step("files", &json!({ "from": ".", "exclude": ["a".repeat(60), "b".repeat(60)] })),
            ],
            closing: vec!["the end".to_owned()],
        };
        let text = to_toml(&translation, "a file", "2026.11");
        let expected = r#"# Made of a file by `wythe import`.

builder = "2026.11"
base = { kind = "image", reference = "a:1" }

# why
#
# (line 7: stays)
[[steps]]
kind = "run"
commands = ["""\
    first word word word word word word word word word word word word word word word word word \
    word word word \
    && second   'a  b' \
    && third\
    """]

[[steps]]
kind = "run"
script = '''
a 'b' \
  "c"
'''

[[steps]]
kind = "env"

[steps.set]
A = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
"B c" = "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"

[[steps]]
kind = "env"
set = { A = "1" }

[[steps]]
kind = "files"
exclude = [
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
]
from = "."

# the end
"#;
        assert_eq!(text, expected);
        let read: toml_edit::DocumentMut = text.parse().unwrap();
        assert_eq!(read["steps"][0]["commands"][0].as_str(), Some(long.as_str()));
    }
}
