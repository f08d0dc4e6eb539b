// SPDX-License-Identifier: Apache-2.0
//! Paths as text.

/// Returns a path without `.`, `..` and slashes too many; `..` at the root stays there. A relative path stays relative.
pub(super) fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            other => parts.push(other),
        }
    }
    let root = if path.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

/// Returns an absolute path: relative ones are joined to `workdir`. A `/` at the end stays, as it does for what ends in `.`.
pub(super) fn absolute(workdir: &str, path: &str) -> String {
    let whole = if path.starts_with('/') { path.to_owned() } else { format!("{workdir}/{path}") };
    let is_directory = path.is_empty() || path.ends_with('/') || matches!(path.rsplit('/').next(), Some("." | ".."));
    let mut cleaned = clean(&format!("/{whole}"));
    if is_directory && !cleaned.ends_with('/') {
        cleaned.push('/');
    }
    cleaned
}

/// Returns a path of a build context; none where it leads out of it. A pivot (`/./`) stays.
pub(super) fn in_context(path: &str) -> Option<String> {
    let mut depth = 0_usize;
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" => {}
            "." => parts.push("."),
            ".." => {
                depth = depth.checked_sub(1)?;
                while parts.pop() == Some(".") {}
            }
            other => {
                depth += 1;
                parts.push(other);
            }
        }
    }
    while parts.last() == Some(&".") {
        parts.pop();
    }
    // A `.` at the beginning means nothing but for `--parents`, where what stands before it is not kept.
    let joined = parts.join("/");
    Some(if joined.is_empty() { ".".to_owned() } else { joined })
}

/// Returns a path of a build context or a stage as other builders read it: above its top is its top.
pub(super) fn clipped(path: &str) -> String {
    in_context(path).unwrap_or_else(|| in_context(&clean(&format!("/{path}"))).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::{absolute, clean, clipped, in_context};

    #[test]
    fn paths_are_cleaned() {
        for (path, cleaned) in [("/a/./b/../c//", "/a/c"), ("/..", "/"), ("a/../..", ""), ("/", "/")] {
            assert_eq!(clean(path), cleaned, "{path}");
        }
    }

    #[test]
    fn a_slash_at_the_end_stays() {
        for (path, expected) in
            [("x", "/w/x"), ("x/", "/w/x/"), (".", "/w/"), ("./", "/w/"), ("..", "/"), ("/", "/"), ("/x/.", "/x/")]
        {
            assert_eq!(absolute("/w", path), expected, "{path}");
        }
        assert_eq!(absolute("/", "x"), "/x");
    }

    #[test]
    fn nothing_leads_out_of_the_context() {
        for (path, expected) in [
            ("a", Some("a")),
            ("/a/b", Some("a/b")),
            ("./a", Some("./a")),
            ("a/./b", Some("a/./b")),
            (".", Some(".")),
            ("/", Some(".")),
            ("a/../b", Some("b")),
            ("../a", None),
            ("a/../../b", None),
        ] {
            assert_eq!(in_context(path).as_deref(), expected, "{path}");
        }
        for (path, expected) in [("../a", "a"), ("a/../../b/./c", "b/c"), ("..", "."), ("a/./b", "a/./b")] {
            assert_eq!(clipped(path), expected, "{path}");
        }
    }
}
