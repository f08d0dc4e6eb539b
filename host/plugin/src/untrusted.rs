// SPDX-License-Identifier: Apache-2.0
//! Checks of what a plugin hands over. Each returns what is wrong with a value, in words that follow "with".

use wythe_image::Platform;

/// Longest path, name or other short text. Linux takes no longer path.
const MOST_BYTES: usize = 4096;

/// Longest URL; more is refused by servers anyway.
const MOST_URL_BYTES: usize = 8192;

/// Longest label of an operation: it has to fit a line on a screen.
const MOST_LABEL_CHARS: usize = 200;

type Checked = Result<(), String>;

fn quote(text: &str) -> String {
    const MOST: usize = 80;
    let short: String = line(text).chars().take(MOST).collect();
    if text.chars().nth(MOST).is_some() { format!("`{short}…`") } else { format!("`{short}`") }
}

/// Makes a line harmless for a terminal: control characters, escapes and marks that reorder text are replaced.
pub(crate) fn line(text: &str) -> String {
    let is_harmful = |c: char| {
        (c.is_control() && c != '\t')
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if is_harmful(c) { '\u{fffd}' } else { c }).collect()
}

/// Text for a person: its lines, each harmless.
pub(crate) fn lines(text: &str) -> String {
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// A label: one harmless line, cut where it would fill a screen.
pub(crate) fn label(text: &str) -> String {
    line(text).chars().take(MOST_LABEL_CHARS).collect()
}

/// A short text without NUL.
pub(crate) fn text(what: &str, value: &str) -> Checked {
    if value.contains('\0') {
        return Err(format!("the {what} {}, which has a NUL in it", quote(value)));
    }
    if value.len() > MOST_BYTES {
        return Err(format!("the {what} {}, which is longer than {MOST_BYTES} bytes", quote(value)));
    }
    Ok(())
}

/// As [`text`], and not empty.
pub(crate) fn some_text(what: &str, value: &str) -> Checked {
    if value.is_empty() {
        return Err(format!("an empty {what}"));
    }
    text(what, value)
}

/// Patterns of paths.
pub(crate) fn patterns(patterns: &[String]) -> Checked {
    patterns.iter().try_for_each(|pattern| some_text("pattern", pattern))
}

/// As [`patterns`], at least one.
pub(crate) fn some_patterns(patterns: &[String]) -> Checked {
    if patterns.is_empty() { Err("no pattern".to_owned()) } else { self::patterns(patterns) }
}

/// As [`some_text`], without control characters: it becomes part of a message or of a file name.
pub(crate) fn name(what: &str, value: &str) -> Checked {
    some_text(what, value)?;
    if value.chars().any(char::is_control) {
        return Err(format!("the {what} {}, which has control characters in it", quote(value)));
    }
    Ok(())
}

/// A platform that a state can be for.
pub(crate) fn platform(value: &str) -> Result<Platform, String> {
    some_text("platform", value)?;
    Platform::named(value).map_err(|_| format!("the platform {}, which is none", quote(value)))
}

/// An absolute path of a state.
pub(crate) fn absolute(what: &str, path: &str) -> Checked {
    some_text(what, path)?;
    if !path.starts_with('/') {
        return Err(format!("the {what} {}, which is not absolute", quote(path)));
    }
    Ok(())
}

/// A path of a file to be made: absolute and not the root or a directory.
pub(crate) fn file(what: &str, path: &str) -> Checked {
    absolute(what, path)?;
    if path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..") {
        return Err(format!("the {what} {}, which names a directory", quote(path)));
    }
    Ok(())
}

/// The name of an environment variable.
pub(crate) fn variable(value: &str) -> Checked {
    some_text("variable", value)?;
    if value.contains('=') {
        return Err(format!("the variable {}, which has a `=` in it", quote(value)));
    }
    Ok(())
}

/// Any text that becomes a C string: a variable's value, an argument.
pub(crate) fn c_string(what: &str, value: &str) -> Checked {
    if value.contains('\0') {
        return Err(format!("the {what} {}, which has a NUL in it", quote(value)));
    }
    Ok(())
}

/// Arguments; empty only where that is a meaning of its own.
pub(crate) fn argv(argv: &[String], may_be_empty: bool) -> Checked {
    if !may_be_empty && argv.first().is_none_or(String::is_empty) {
        return Err("an empty command".to_owned());
    }
    argv.iter().try_for_each(|argument| c_string("argument", argument))
}

/// The words of a program that stands in a command: who looks at it may rely on its name.
pub(crate) fn program(argv: &[String]) -> Checked {
    if argv.is_empty() { Err("a program that has no name".to_owned()) } else { Ok(()) }
}

/// `name`, `uid`, `name:group`, `uid:gid`, or nothing.
pub(crate) fn user(what: &str, value: &str) -> Checked {
    text(what, value)?;
    if value.matches(':').count() > 1 || value.chars().any(|c| c.is_control() || c.is_whitespace() || c == '/') {
        return Err(format!("the {what} {}, which is not `user` or `user:group`", quote(value)));
    }
    Ok(())
}

/// Mode bits.
pub(crate) fn mode(value: u32) -> Checked {
    if value > 0o7777 {
        return Err(format!("the mode {value:#o}, which has more than permission bits"));
    }
    Ok(())
}

/// Changes of mode bits, as chmod(1) writes them. What they mean is for who makes them.
pub(crate) fn mode_edit(value: &str) -> Checked {
    text("change of modes", value)?;
    if !value.bytes().all(|byte| b"ugoarwxXst+-=,".contains(&byte)) {
        return Err(format!("the change of modes {}, which is not of the form u=rwX,go=rX", quote(value)));
    }
    Ok(())
}

/// A lower-case SHA-256.
pub(crate) fn sha256(value: &str) -> Result<wythe_image::Digest, String> {
    wythe_image::Digest::from_hex(value)
        .map_err(|_| format!("the digest {}, which is not 64 lower-case hexadecimal digits", quote(value)))
}

/// An address on the network. Returns its host.
pub(crate) fn url(value: &str) -> Result<String, String> {
    let refuse = |why: &str| Err(format!("the address {}, which {why}", quote(value)));
    if value.len() > MOST_URL_BYTES {
        return refuse("is longer than 8192 bytes");
    }
    if value.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
        return refuse("has blanks, control characters or backslashes in it");
    }
    let Some(rest) = value.strip_prefix("https://").or_else(|| value.strip_prefix("http://")) else {
        return refuse("is neither https:// nor http://");
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host_and_port = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host_and_port.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host_and_port.split(':').next().unwrap_or_default(),
    };
    if host.is_empty() {
        return refuse("has no host");
    }
    // An escaped or international host would be read in another way by who connects than by who grants.
    if !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte)) {
        return refuse("has a host that is not written in plain letters, digits, `-` and `.`");
    }
    Ok(host.to_ascii_lowercase())
}

/// The address of a git repository.
pub(crate) fn git_url(value: &str) -> Result<wythe_plan::GitUrl, String> {
    // It is not repeated: there may be a password in it.
    value.parse().map_err(|error: wythe_plan::GitUrlError| format!("an address of a git repository, which {}", error.0))
}

/// The id of a commit.
pub(crate) fn commit(value: &str) -> Checked {
    if wythe_plan::is_commit(value) {
        return Ok(());
    }
    Err(format!("the commit {}, which is not 40 or 64 lower-case hexadecimal digits", quote(value)))
}

/// The name of a reference of a git repository.
pub(crate) fn git_reference(value: &str) -> Checked {
    wythe_plan::check_git_reference(value).map_err(|why| format!("the reference {}, which {why}", quote(value)))
}

/// A directory of a git repository.
pub(crate) fn git_subdir(value: &str) -> Checked {
    wythe_plan::check_git_subdir(value).map_err(|why| format!("the directory {}, which {why}", quote(value)))
}

/// A host that a command wants to reach.
pub(crate) fn host(value: &str) -> Checked {
    name("host", value)?;
    match value.parse::<wythe_plan::HostEntry>() {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("the host {}, which is not a host name or address", quote(value))),
    }
}

/// A device by its CDI name, `vendor/class=name`, or a kind of devices, `vendor/class`.
pub(crate) fn device(value: &str) -> Checked {
    name("device", value)?;
    let (kind, device) = value.split_once('=').unwrap_or((value, "*"));
    match kind.split_once('/') {
        Some((vendor, class)) if ![vendor, class, device].contains(&"") && !class.contains('/') => Ok(()),
        _ => Err(format!("the device {}, which is not of the form vendor/class=name", quote(value))),
    }
}

/// A port, as `80`, `80/tcp` or `53/udp`.
pub(crate) fn port(value: &str) -> Checked {
    let (number, protocol) = value.split_once('/').unwrap_or((value, "tcp"));
    let is_number =
        number.bytes().all(|byte| byte.is_ascii_digit()) && number.parse::<u16>().is_ok_and(|port| port > 0);
    if is_number && ["tcp", "udp", "sctp"].contains(&protocol) {
        return Ok(());
    }
    Err(format!("the port {}, which is not of the form 80, 80/tcp or 53/udp", quote(value)))
}

/// A signal by name or number.
pub(crate) fn signal(value: &str) -> Checked {
    name("signal", value)?;
    if value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'-') {
        return Ok(());
    }
    Err(format!("the signal {}, which is neither a name nor a number", quote(value)))
}

#[cfg(test)]
mod tests {
    use super::{
        absolute, argv, commit, device, file, git_reference, git_subdir, git_url, host, line, mode, port, program,
        sha256, signal, text, url, user, variable,
    };

    #[test]
    fn what_is_meant_passes() {
        for checked in [
            absolute("target", "/a b/é"),
            file("path", "/etc/hosts"),
            variable("PATH"),
            user("user", ""),
            user("user", "1000:staff"),
            mode(0o4755),
            port("80"),
            port("53/udp"),
            signal("SIGRTMIN+3"),
            signal("9"),
            device("nvidia.com/gpu=all"),
            device("nvidia.com/gpu=*"),
            device("nvidia.com/gpu"),
            host("[::1]:8080"),
            argv(&[], true),
            program(&[String::new()]),
            argv(&["echo".to_owned(), String::new()], false),
        ] {
            assert_eq!(checked, Ok(()));
        }
        for (address, expected) in [
            ("https://deb.debian.org/debian", "deb.debian.org"),
            ("http://user:word@Host.Example:8080?x", "host.example"),
            ("https://[2001:db8::1]:443/", "2001:db8::1"),
            ("https://granted.example@evil.example/", "evil.example"),
        ] {
            assert_eq!(url(address).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn what_is_not_meant_is_named() {
        let long = "x".repeat(4097);
        for (checked, expected) in [
            (absolute("target", "data"), "the target `data`, which is not absolute"),
            (absolute("target", ""), "an empty target"),
            (absolute("target", "/a\0"), "the target `/a\u{fffd}`, which has a NUL in it"),
            (file("path", "/etc/"), "the path `/etc/`, which names a directory"),
            (variable("A=B"), "the variable `A=B`, which has a `=` in it"),
            (variable(""), "an empty variable"),
            (user("owner", "a:b:c"), "the owner `a:b:c`, which is not `user` or `user:group`"),
            (mode(0o10000), "the mode 0o10000, which has more than permission bits"),
            (port("http"), "the port `http`, which is not of the form 80, 80/tcp or 53/udp"),
            (port("0"), "the port `0`, which is not of the form 80, 80/tcp or 53/udp"),
            (port("+80"), "the port `+80`, which is not of the form 80, 80/tcp or 53/udp"),
            (signal("SIG TERM"), "the signal `SIG TERM`, which is neither a name nor a number"),
            (device("gpu"), "the device `gpu`, which is not of the form vendor/class=name"),
            (host("a/b"), "the host `a/b`, which is not a host name or address"),
            (argv(&[], false), "an empty command"),
            (program(&[]), "a program that has no name"),
            (argv(&["a".to_owned(), "b\0".to_owned()], false), "the argument `b\u{fffd}`, which has a NUL in it"),
            (sha256("ABC").map(drop), "the digest `ABC`, which is not 64 lower-case hexadecimal digits"),
            (url("ftp://a/").map(drop), "the address `ftp://a/`, which is neither https:// nor http://"),
            (
                url("https://evil.example%2f.debian.org/").map(drop),
                "the address `https://evil.example%2f.debian.org/`, which has a host that is not written in plain letters, \
                 digits, `-` and `.`",
            ),
            (
                git_url("https://user:word@a/r").map(drop),
                "an address of a git repository, which has a user or a password in it, which would be kept with all that is made of it",
            ),
            (commit("main"), "the commit `main`, which is not 40 or 64 lower-case hexadecimal digits"),
            (git_reference("--upload-pack=x"), "the reference `--upload-pack=x`, which begins like an option"),
            (git_subdir("a/../b"), "the directory `a/../b`, which has a part that is empty, `.`, `..` or `.git`"),
            (url("https:///x").map(drop), "the address `https:///x`, which has no host"),
            (
                url("https://a/\r\nX: y").map(drop),
                "the address `https://a/\u{fffd}\u{fffd}X: y`, which has blanks, control characters or backslashes in it",
            ),
            (text("name", &long), &format!("the name `{}…`, which is longer than 4096 bytes", &long[..80])),
        ] {
            assert_eq!(checked, Err(expected.to_owned()));
        }
    }

    #[test]
    fn a_line_cannot_drive_a_terminal() {
        assert_eq!(line("a\x1b[2J\rb\u{202e}c\td"), "a\u{fffd}[2J\u{fffd}b\u{fffd}c\td");
    }
}
