// SPDX-License-Identifier: Apache-2.0
//! The exec form: a JSON array of strings.

/// Reads the exec form; none where the text is something else, which makes it the shell form.
#[must_use]
pub fn exec_form(text: &str) -> Option<Vec<String>> {
    // Looked at first: a shell form of a megabyte need not be read as JSON.
    if !text.trim_start().starts_with('[') {
        return None;
    }
    serde_json::from_str(text).ok()
}

/// Returns whether the text is a JSON array of something else than strings: meant as the exec form, and none.
#[must_use]
pub fn is_other_array(text: &str) -> bool {
    text.trim_start().starts_with('[')
        && exec_form(text).is_none()
        && serde_json::from_str::<Vec<serde_json::Value>>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::{exec_form, is_other_array};

    #[test]
    fn arrays_of_something_else_are_told_apart_from_shell_forms() {
        assert!(is_other_array("[1]") && is_other_array("[\"a\", [\"b\"]]"));
        assert!(!is_other_array("[ -f x ]") && !is_other_array("[\"a\"]") && !is_other_array("a"));
    }

    #[test]
    fn only_strings_in_double_quotes_are_the_exec_form() {
        assert_eq!(exec_form(r#" [ "a b", "c\u00e9" ] "#), Some(vec!["a b".into(), "cé".into()]));
        assert_eq!(exec_form("[]"), Some(vec![]));
        for text in ["['a']", "[1]", "[\"a\"] b", "[\"a\",]", "a", "", "[ -f x ] && y"] {
            assert_eq!(exec_form(text), None, "{text}");
        }
        assert_eq!(exec_form(&"[".repeat(1 << 20)), None);
    }
}
