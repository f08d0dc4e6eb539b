// SPDX-License-Identifier: Apache-2.0
//! The value of `--mount`: comma-separated fields, some of which have several names.

/// Cuts comma-separated values; a field in quotes may hold commas.
#[must_use]
pub fn cut(text: &str) -> Vec<String> {
    let (mut fields, mut field, mut is_quoted) = (Vec::new(), String::new(), false);
    for letter in text.chars() {
        match letter {
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => fields.push(std::mem::take(&mut field)),
            other => field.push(other),
        }
    }
    fields.push(field);
    fields
}

/// Returns the one name of a field that has several.
#[must_use]
pub fn canonical(name: &str) -> &str {
    match name {
        "dst" | "destination" => "target",
        "src" => "source",
        "ro" => "readonly",
        "rw" => "readwrite",
        other => other,
    }
}

/// Returns the value of a field as it is written; that of one without a value is empty.
#[must_use]
pub fn field(text: &str, wanted: &str) -> Option<String> {
    cut(text).into_iter().find_map(|field| {
        let (name, value) = field.split_once('=').unwrap_or((&field, ""));
        (canonical(&name.to_ascii_lowercase()) == wanted).then(|| value.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::{cut, field};

    #[test]
    fn fields_are_cut_at_commas_outside_of_quotes() {
        assert_eq!(cut(r#"type=bind,"target=/a,b",ro"#), ["type=bind", "target=/a,b", "ro"]);
        assert_eq!(field("type=bind,FROM=x,dst=/y", "from").as_deref(), Some("x"));
        assert_eq!(field("type=bind,dst=/y", "target").as_deref(), Some("/y"));
        assert_eq!(field("required", "required").as_deref(), Some(""));
    }
}
