// SPDX-License-Identifier: Apache-2.0
//! Differences of two JSON values, each at its path.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use similar::{Algorithm, DiffOp};

use super::LockChange;

/// A value that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    /// As `a.b[1]`; `a[]` for an entry that came into a list or left it.
    pub(super) path: String,
    pub(super) old: Option<Value>,
    pub(super) new: Option<Value>,
}

/// Returns what differs, in the order of the paths.
pub(super) fn differences(old: &Value, new: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    walk("", Some(old), Some(new), &mut found);
    found
}

fn walk(path: &str, old: Option<&Value>, new: Option<&Value>, found: &mut Vec<Difference>) {
    match (old, new) {
        (Some(old), Some(new)) if old == new => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for name in names {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                walk(&path, old.get(name), new.get(name), found);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => walk_list(path, old, new, found),
        (None, Some(Value::Object(new))) if !new.is_empty() && !path.is_empty() => {
            new.iter().for_each(|(name, value)| walk(&format!("{path}.{name}"), None, Some(value), found));
        }
        (Some(Value::Object(old)), None) if !old.is_empty() && !path.is_empty() => {
            old.iter().for_each(|(name, value)| walk(&format!("{path}.{name}"), Some(value), None, found));
        }
        (old, new) => found.push(Difference { path: path.to_owned(), old: old.cloned(), new: new.cloned() }),
    }
}

fn walk_list(path: &str, old: &[Value], new: &[Value], found: &mut Vec<Difference>) {
    let texts = |list: &[Value]| list.iter().map(Value::to_string).collect::<Vec<_>>();
    let (old_texts, new_texts) = (texts(old), texts(new));
    let sorted = |texts: &[String]| texts.iter().cloned().collect::<BTreeSet<_>>();
    if old.len() == new.len() && sorted(&old_texts) == sorted(&new_texts) {
        let whole = |list: &[Value]| Some(Value::Array(list.to_vec()));
        return found.push(Difference { path: path.to_owned(), old: whole(old), new: whole(new) });
    }
    let entry = |old: Option<&Value>, new: Option<&Value>| Difference {
        path: format!("{path}[]"),
        old: old.cloned(),
        new: new.cloned(),
    };
    for op in similar::capture_diff_slices(Algorithm::Myers, &old_texts, &new_texts) {
        match op {
            DiffOp::Equal { .. } => {}
            DiffOp::Delete { old_index, old_len, .. } => {
                found.extend(old[old_index..old_index + old_len].iter().map(|value| entry(Some(value), None)));
            }
            DiffOp::Insert { new_index, new_len, .. } => {
                found.extend(new[new_index..new_index + new_len].iter().map(|value| entry(None, Some(value))));
            }
            DiffOp::Replace { old_index, old_len, new_index, new_len } => {
                let both = old_len.min(new_len);
                for offset in 0..both {
                    let path = format!("{path}[{}]", new_index + offset);
                    walk(&path, Some(&old[old_index + offset]), Some(&new[new_index + offset]), found);
                }
                found.extend(old[old_index + both..old_index + old_len].iter().map(|value| entry(Some(value), None)));
                found.extend(new[new_index + both..new_index + new_len].iter().map(|value| entry(None, Some(value))));
            }
        }
    }
}

/// Returns what differs between two lock entries: packages by name and version, whatever tool they are of (objects with
/// a `name` and a `version`), and where these are the same, whatever else differs.
pub(super) fn lock_changes(old: Option<&Value>, new: Option<&Value>) -> Vec<LockChange> {
    let (mut before, mut now) = (BTreeMap::new(), BTreeMap::new());
    old.into_iter().for_each(|value| collect(value, &mut before));
    new.into_iter().for_each(|value| collect(value, &mut now));
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let changed = names.into_iter().filter(|name| before.get(*name) != now.get(*name));
    let changes: Vec<LockChange> = changed
        .map(|name| LockChange { name: name.clone(), old: joined(before.get(name)), new: joined(now.get(name)) })
        .collect();
    if !changes.is_empty() {
        return changes;
    }
    let (old, new) = (old.unwrap_or(&Value::Null), new.unwrap_or(&Value::Null));
    let text =
        |value: Option<Value>| value.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    let all = differences(old, new).into_iter();
    all.map(|found| LockChange { name: found.path, old: text(found.old), new: text(found.new) }).collect()
}

fn joined(versions: Option<&BTreeSet<String>>) -> Option<String> {
    versions.map(|versions| versions.iter().cloned().collect::<Vec<_>>().join(", "))
}

fn collect(value: &Value, packages: &mut BTreeMap<String, BTreeSet<String>>) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| collect(value, packages)),
        Value::Object(object) => {
            let text = |name: &str| object.get(name).and_then(Value::as_str);
            if let (Some(name), Some(version)) = (text("name").or_else(|| text("package")), text("version")) {
                packages.entry(name.to_owned()).or_default().insert(version.to_owned());
            }
            object.values().for_each(|value| collect(value, packages));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{differences, lock_changes};

    fn texts(old: &serde_json::Value, new: &serde_json::Value) -> Vec<String> {
        let text = |value: Option<serde_json::Value>| value.map_or("-".to_owned(), |value| value.to_string());
        differences(old, new).into_iter().map(|d| format!("{} {} {}", d.path, text(d.old), text(d.new))).collect()
    }

    #[test]
    fn each_difference_has_its_path() {
        for (old, new, expected) in [
            (json!({"a": 1}), json!({"a": 1}), &[][..]),
            (json!({"a": 1}), json!({"a": 2, "b": true}), &["a 1 2", "b - true"]),
            (json!({"a": {"x": 1}}), json!({"a": {"x": 2}}), &["a.x 1 2"]),
            (json!({}), json!({"env": {"A": "1"}}), &["env.A - \"1\""]),
            (json!({"l": ["a", "b"]}), json!({"l": ["a", "c"]}), &["l[1] \"b\" \"c\""]),
            (json!({"l": ["a"]}), json!({"l": ["a", "b"]}), &["l[] - \"b\""]),
            (json!({"l": ["a", "b", "c"]}), json!({"l": ["a", "c"]}), &["l[] \"b\" -"]),
            (json!({"l": ["a", "b"]}), json!({"l": ["b", "a"]}), &["l [\"a\",\"b\"] [\"b\",\"a\"]"]),
        ] {
            assert_eq!(texts(&old, &new), expected, "{old} {new}");
        }
    }

    #[test]
    fn packages_are_compared_by_version_whatever_the_tool() {
        let entry =
            |version: &str| json!({"wheels": [{"name": "numpy", "version": version, "sha256": "x"}], "time": 1});
        let changes = lock_changes(Some(&entry("1.26")), Some(&entry("2.0")));
        assert_eq!(serde_json::to_value(changes).unwrap(), json!([{"name": "numpy", "old": "1.26", "new": "2.0"}]));
        let changes = lock_changes(Some(&json!({"oak": "1"})), Some(&json!({"oak": "2"})));
        assert_eq!(serde_json::to_value(changes).unwrap(), json!([{"name": "oak", "old": "1", "new": "2"}]));
        assert_eq!(lock_changes(Some(&entry("1")), Some(&entry("1"))), []);
    }
}
