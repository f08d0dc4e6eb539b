// SPDX-License-Identifier: Apache-2.0
//! Reading requirements, as far as a plan depends on them: which files they name, and which hosts.

/// What one line of a requirement file means for the build context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// Another requirement or constraint file, relative to the file that names it.
    File(String),
    /// A page, or a directory, that lists files.
    FindLinks(String),
    /// A project to be installed in place.
    Editable(String),
    /// A file or directory, by path.
    Path(String),
    /// A project by name, or anything that names no file.
    Other,
}

/// Returns the lines that say something, with their numbers. A line that ends in a backslash goes on.
pub(crate) fn lines(text: &str) -> Vec<(usize, Line)> {
    let mut found = Vec::new();
    let mut joined: Option<(usize, String)> = None;
    for (number, raw) in (1..).zip(text.lines()) {
        let (start, mut line) = joined.take().unwrap_or((number, String::new()));
        let is_comment = line.is_empty() && raw.trim_start().starts_with('#');
        match raw.strip_suffix('\\') {
            Some(part) if !is_comment => {
                line.push_str(part);
                joined = Some((start, line));
                continue;
            }
            _ => line.push_str(raw),
        }
        push(&mut found, start, &line);
    }
    if let Some((start, line)) = joined {
        push(&mut found, start, &line);
    }
    found
}

fn push(found: &mut Vec<(usize, Line)>, number: usize, line: &str) {
    let line = strip_comment(line).trim();
    if !line.is_empty() {
        found.push((number, classify(line)));
    }
}

/// A `#` begins a comment at the start of a line or after white space; within an address it is a fragment.
fn strip_comment(line: &str) -> &str {
    let starts = line.match_indices('#').map(|(at, _)| at);
    let is_start = |at: &usize| *at == 0 || line[..*at].ends_with(char::is_whitespace);
    match starts.into_iter().find(is_start) {
        Some(at) => &line[..at],
        None => line,
    }
}

/// Says what a line, or one of `packages`, means.
pub(crate) fn classify(line: &str) -> Line {
    const FILES: [&str; 4] = ["--requirement", "--constraint", "-r", "-c"];
    let value = |names: &[&str]| names.iter().find_map(|name| option_value(line, name));
    if let Some(path) = value(&FILES) {
        return if is_url(path) { Line::Other } else { Line::File(path.to_owned()) };
    }
    if let Some(path) = value(&["--find-links", "-f"]) {
        return Line::FindLinks(path.to_owned());
    }
    if let Some(path) = value(&["--editable", "-e"]) {
        return Line::Editable(path.to_owned());
    }
    let is_archive = [".whl", ".tar.gz", ".zip"].iter().any(|ending| line.ends_with(ending));
    let is_path = line.starts_with("./") || line.starts_with("../") || line.starts_with('/') || is_archive;
    if is_path && !is_url(line) && !line.starts_with('-') && !line.contains(" @ ") {
        let path = line.split(" ;").next().unwrap_or(line).trim();
        return Line::Path(path.to_owned());
    }
    Line::Other
}

/// `-r x`, `-rx`, `--requirement x` and `--requirement=x`.
fn option_value<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let rest = line.strip_prefix(name)?;
    let is_long = name.starts_with("--");
    let value = match rest.strip_prefix('=') {
        Some(value) if is_long => value,
        _ if is_long && !rest.starts_with(char::is_whitespace) => return None,
        _ => rest,
    };
    let value = value.trim();
    (!value.is_empty()).then_some(value)
}

pub(crate) fn is_url(text: &str) -> bool {
    text.contains("://")
}

/// Returns the host of the first address in a text, with its port where the address has one.
#[must_use]
pub fn host_of(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("://")?;
    let authority = rest.split(['/', '?', '#', ' ', ';']).next()?;
    let host = authority.rsplit('@').next()?;
    (!host.is_empty()).then_some(host)
}

/// Tells whether the first address in a text is reached by other means than the web's, which a gate for named hosts is for.
#[must_use]
pub fn needs_more_than_the_web(text: &str) -> bool {
    let scheme = text.split_once("://").and_then(|(before, _)| before.rsplit([' ', '+', '@']).next());
    scheme.is_some_and(|scheme| !["http", "https", "file"].contains(&scheme))
}

/// Returns the normalised name of the project that a requirement names (PEP 503), none for a path or a bare address.
#[must_use]
pub fn project_name(requirement: &str) -> Option<String> {
    let end = requirement.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')));
    let name = &requirement[..end.unwrap_or(requirement.len())];
    if name.is_empty() || name.starts_with('.') || requirement[name.len()..].starts_with([':', '/']) {
        return None;
    }
    let mut normal = String::new();
    for c in name.chars() {
        let c = if matches!(c, '_' | '.') { '-' } else { c.to_ascii_lowercase() };
        if !(c == '-' && normal.ends_with('-')) {
            normal.push(c);
        }
    }
    Some(normal)
}

#[cfg(test)]
mod tests {
    use super::{Line, host_of, lines, needs_more_than_the_web, project_name};

    #[test]
    fn lines_name_files_directories_and_projects() {
        let text = "# -r not-this.txt\n\
            -r base.txt  # but this\n\
            --constraint=pins.txt\n\
            requests[socks] >= 2 ; python_version < '4'\n\
            numpy == 1.26 \\\n    --hash=sha256:aa\n\
            -e ./project\n\
            --find-links ./wheels\n\
            ./wheels/a-1-py3-none-any.whl\n\
            tool @ https://example.org/tool.tar.gz#sha256=bb\n\
            --requirements-like-option x\n\
            -r https://example.org/r.txt";
        let expected = [
            (2, Line::File("base.txt".into())),
            (3, Line::File("pins.txt".into())),
            (4, Line::Other),
            (5, Line::Other),
            (7, Line::Editable("./project".into())),
            (8, Line::FindLinks("./wheels".into())),
            (9, Line::Path("./wheels/a-1-py3-none-any.whl".into())),
            (10, Line::Other),
            (11, Line::Other),
            (12, Line::Other),
        ];
        assert_eq!(lines(text), expected);
    }

    #[test]
    fn hosts_are_read_without_credentials_and_ports() {
        assert_eq!(host_of("git+https://user:x@git.example.org:8443/a/b@v1"), Some("git.example.org:8443"));
        assert_eq!(host_of("tool @ https://example.org"), Some("example.org"));
        assert_eq!(host_of("requests"), None);
        assert!(needs_more_than_the_web("tool @ git+ssh://git@example.org/a/b"));
        for text in ["tool @ git+https://example.org/a", "https://example.org", "file:///a", "requests"] {
            assert!(!needs_more_than_the_web(text), "{text}");
        }
    }

    #[test]
    fn names_are_normalised() {
        let table = [
            ("Ruamel.YAML_clib>=1", Some("ruamel-yaml-clib")),
            ("requests[socks]", Some("requests")),
            ("tool @ https://example.org/t.whl", Some("tool")),
            ("https://example.org/t.whl", None),
            ("./a.whl", None),
        ];
        for (requirement, name) in table {
            assert_eq!(project_name(requirement).as_deref(), name, "{requirement}");
        }
    }
}
