// SPDX-License-Identifier: Apache-2.0
//! JSON for people who read differences: one member or one element of a list a line, and whatever is inside of an
//! element stands on its line, its name and version first.

use std::io::{self, Write};

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::ser::Formatter;

/// Members that say what an element is. They come first, the others follow sorted by name.
const LEADING: [&str; 2] = ["name", "version"];

/// Returns the text of a value, which ends in a newline.
pub(super) fn to_text(value: &impl Serialize) -> String {
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, Lines::default());
    value.serialize(&mut serializer).expect("a lock is representable as JSON");
    bytes.push(b'\n');
    String::from_utf8(bytes).expect("JSON is UTF-8")
}

/// A value whose objects begin with what names them.
pub(super) struct Told<'a>(pub(super) &'a Value);

impl Serialize for Told<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Array(list) => serializer.collect_seq(list.iter().map(Told)),
            Value::Object(members) => {
                let leading = LEADING.iter().filter_map(|name| members.get_key_value(*name));
                let others = members.iter().filter(|(name, _)| !LEADING.contains(&name.as_str()));
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, value) in leading.chain(others) {
                    map.serialize_entry(name, &Told(value))?;
                }
                map.end()
            }
            plain => plain.serialize(serializer),
        }
    }
}

#[derive(Default)]
struct Lines {
    indent: usize,
    /// How many elements of lists are open; inside of one there is no new line.
    elements: usize,
    /// Whether what was opened last has anything in it.
    is_filled: bool,
}

impl Lines {
    fn open<W: ?Sized + Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        if self.elements == 0 {
            self.indent += 1;
            self.is_filled = false;
        }
        writer.write_all(bracket)
    }

    fn next<W: ?Sized + Write>(&mut self, writer: &mut W, is_first: bool) -> io::Result<()> {
        match (self.elements, is_first) {
            (0, true) => self.new_line(writer),
            (0, false) => writer.write_all(b",").and_then(|()| self.new_line(writer)),
            (_, true) => Ok(()),
            (_, false) => writer.write_all(b", "),
        }
    }

    fn close<W: ?Sized + Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        if self.elements == 0 {
            self.indent -= 1;
            if self.is_filled {
                self.new_line(writer)?;
            }
        }
        writer.write_all(bracket)
    }

    fn new_line<W: ?Sized + Write>(&self, writer: &mut W) -> io::Result<()> {
        write!(writer, "\n{:width$}", "", width = 2 * self.indent)
    }
}

impl Formatter for Lines {
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"[")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.next(writer, first)?;
        self.elements += 1;
        Ok(())
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.elements -= 1;
        self.is_filled = true;
        Ok(())
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"]")
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"{")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.next(writer, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.is_filled = true;
        Ok(())
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"}")
    }
}

#[cfg(test)]
mod tests {
    use super::{Told, to_text};
    use serde_json::json;

    #[test]
    fn an_element_of_a_list_is_one_line_and_says_first_what_it_is() {
        let value = json!({
            "empty": {}, "none": [],
            "list": [{"sha256": "aa", "version": "1", "file": {"url": "b", "a": []}, "name": "oak"}, [1, [2]], "x"],
            "object": {"b": null, "a": {"name": 1, "c": {}}},
        });
        let expected = r#"{
  "empty": {},
  "list": [
    {"name": "oak", "version": "1", "file": {"a": [], "url": "b"}, "sha256": "aa"},
    [1, [2]],
    "x"
  ],
  "none": [],
  "object": {
    "a": {
      "name": 1,
      "c": {}
    },
    "b": null
  }
}
"#;
        assert_eq!(to_text(&Told(&value)), expected);
        assert_eq!(serde_json::from_str::<serde_json::Value>(expected).unwrap(), value);
    }
}
