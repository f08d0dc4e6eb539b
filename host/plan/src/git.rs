// SPDX-License-Identifier: Apache-2.0
//! Git repositories as sources: which addresses, references and directories are understood.
//!
//! Whoever fetches hands all of these to a program, so what could be an option, a helper or a file of this machine is no
//! address: the transports are counted up, and everything has a closed alphabet.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The files of a commit of a git repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Checkout {
    /// Where it can be fetched. Not part of any key unless `keep_git_dir`: the commit is.
    pub url: GitUrl,
    /// The commit: 40 or 64 lower-case hexadecimal digits.
    pub commit: String,
    /// The full name of a reference by which it can be had from a server that gives out only what has a name; may be empty.
    /// As `url`, not part of any key unless `keep_git_dir`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reference: String,
    /// The directory that is taken, relative to the top; empty for all of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subdir: String,
    /// Whether the directory `.git` is taken too, where all of the repository is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep_git_dir: bool,
    /// Whether submodules are fetched, and their submodules.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub submodules: bool,
}

impl Checkout {
    /// Returns all files of a commit, without submodules.
    #[must_use]
    pub fn new(url: GitUrl, commit: impl Into<String>) -> Self {
        let (reference, subdir) = (String::new(), String::new());
        Self { url, commit: commit.into(), reference, subdir, keep_git_dir: false, submodules: false }
    }
}

/// How a repository is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GitTransport {
    /// `https://`
    Https,
    /// `http://`
    Http,
    /// `git://`
    Git,
    /// `ssh://`, and `user@host:path`
    Ssh,
}

/// The address of a git repository: `https://`, `http://`, `git://`, `ssh://`, or `user@host:path`. It has no password, and a
/// user only with ssh.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct GitUrl {
    text: String,
    transport: GitTransport,
    host: String,
    port: Option<u16>,
}

/// A text that is no address of a git repository. It is not repeated: it may have a password in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the address of a git repository {0}")]
pub struct GitUrlError(pub &'static str);

/// Longest address; more is refused by servers anyway.
const MOST_BYTES: usize = 8192;

impl GitUrl {
    /// Returns the address as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns how it is spoken to.
    #[must_use]
    pub fn transport(&self) -> GitTransport {
        self.transport
    }

    /// Returns its host in lower case, an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port, where it names one.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }
}

impl FromStr for GitUrl {
    type Err = GitUrlError;

    fn from_str(text: &str) -> Result<Self, GitUrlError> {
        let refuse = |why| Err(GitUrlError(why));
        if text.len() > MOST_BYTES {
            return refuse("is longer than 8192 bytes");
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\\"'`<>|^{}".contains(&byte)) {
            return refuse("has blanks, quotes, control characters or letters that are not ASCII in it");
        }
        if text.contains(['?', '#']) {
            return refuse("has a query or a fragment");
        }
        let (transport, authority, path) = parts(text)?;
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        match (user, transport) {
            (None, _) => {}
            (Some(user), GitTransport::Ssh) if is_name(user) => {}
            (Some(_), GitTransport::Ssh) => return refuse("has a user that is not plain letters, or a password"),
            (Some(_), _) => {
                return refuse("has a user or a password in it, which would be kept with all that is made of it");
            }
        }
        let (host, port) = host_and_port(host)?;
        if path.is_empty() || path.starts_with('-') || path == "/" {
            return refuse("has no path");
        }
        Ok(Self { text: text.to_owned(), transport, host: host.to_ascii_lowercase(), port })
    }
}

/// Takes an address apart into how it is spoken to, who with and where, and the path there.
fn parts(text: &str) -> Result<(GitTransport, &str, &str), GitUrlError> {
    const UNKNOWN: GitUrlError = GitUrlError("is none of https://, http://, git://, ssh:// and user@host:path");
    let Some((scheme, rest)) = text.split_once("://") else {
        // As git reads it: what is before the first colon is a host. The user is asked for, so that it is told from a path.
        return match text.split_once(':') {
            Some((authority, path)) if authority.contains('@') => Ok((GitTransport::Ssh, authority, path)),
            _ => Err(UNKNOWN),
        };
    };
    let transport = match scheme {
        "https" => GitTransport::Https,
        "http" => GitTransport::Http,
        "git" => GitTransport::Git,
        "ssh" => GitTransport::Ssh,
        _ => return Err(UNKNOWN),
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    Ok((transport, authority, path))
}

/// Reads `host`, `host:port` and the same with an address of version 6 in brackets, which are taken off.
fn host_and_port(text: &str) -> Result<(&str, Option<u16>), GitUrlError> {
    const NO_HOST: GitUrlError = GitUrlError("has no host that is understood");
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) if address.parse::<core::net::Ipv6Addr>().is_ok() && is_port_or_nothing(rest) => {
            (address, rest.strip_prefix(':'))
        }
        Some(_) => return Err(NO_HOST),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = match port.map(|port| port.parse::<u16>().ok().filter(|port| *port > 0)) {
        Some(None) => return Err(GitUrlError("has no port that is a number")),
        port => port.flatten(),
    };
    if !is_name(host) && host.parse::<core::net::Ipv6Addr>().is_err() {
        return Err(NO_HOST);
    }
    Ok((host, port))
}

/// Whether nothing but a port can follow an address in brackets.
fn is_port_or_nothing(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with(':')
}

/// Letters that neither begin an option nor mean anything to a shell.
fn is_name(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !text.is_empty() && text.len() <= 253 && !text.starts_with(['-', '.']) && text.bytes().all(is_plain)
}

impl fmt::Display for GitUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<GitUrl> for String {
    fn from(url: GitUrl) -> Self {
        url.text
    }
}

impl TryFrom<String> for GitUrl {
    type Error = GitUrlError;

    fn try_from(text: String) -> Result<Self, GitUrlError> {
        text.parse()
    }
}

/// Tells whether a text is the id of a commit, written in full: of a repository of SHA-1 or one of SHA-256.
#[must_use]
pub fn is_commit(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    [40, 64].contains(&text.len()) && text.bytes().all(is_digit)
}

/// Checks the name of a reference, by the rules of git-check-ref-format(1).
///
/// # Errors
///
/// Says what is wrong, to follow "the reference".
pub fn check_git_reference(name: &str) -> Result<(), &'static str> {
    let is_odd = |c: char| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c);
    let is_part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
    match name {
        "" => Err("is empty"),
        _ if name.len() > 1024 => Err("is longer than 1024 bytes"),
        _ if name.starts_with(['-', '+']) => Err("begins like an option"),
        _ if name.contains(is_odd) => Err("has blanks or one of `~^:?*[\\` in it"),
        _ if name.contains("..") || name.contains("@{") || name.ends_with('.') || name == "@" => {
            Err("is no name to git")
        }
        _ if !name.split('/').all(is_part) => Err("is no name to git"),
        _ => Ok(()),
    }
}

/// Checks the directory of a repository that is taken.
///
/// # Errors
///
/// Says what is wrong, to follow "the directory".
pub fn check_git_subdir(path: &str) -> Result<(), &'static str> {
    let is_part = |part: &str| !["", ".", ".."].contains(&part) && !part.eq_ignore_ascii_case(".git");
    match path {
        _ if path.len() > 4096 => Err("is longer than 4096 bytes"),
        _ if path.chars().any(char::is_control) => Err("has control characters in it"),
        _ if path.starts_with('/') => Err("is not relative to the repository"),
        _ if !path.split('/').all(is_part) => Err("has a part that is empty, `.`, `..` or `.git`"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{GitTransport, GitUrl, check_git_reference, check_git_subdir, is_commit};

    #[test]
    fn addresses_are_told_apart() {
        for (text, transport, host, port) in [
            ("https://example.com/a/b.git", GitTransport::Https, "example.com", None),
            ("https://Example.com:8443/a", GitTransport::Https, "example.com", Some(8443)),
            ("http://127.0.0.1:80/~me/r", GitTransport::Http, "127.0.0.1", Some(80)),
            ("git://[::1]:9418/r", GitTransport::Git, "::1", Some(9418)),
            ("ssh://git@example.com:2222/r.git", GitTransport::Ssh, "example.com", Some(2222)),
            ("ssh://example.com/r", GitTransport::Ssh, "example.com", None),
            ("git@example.com:a/b.git", GitTransport::Ssh, "example.com", None),
            ("git@example.com:/a/b", GitTransport::Ssh, "example.com", None),
        ] {
            let url: GitUrl = text.parse().unwrap();
            assert_eq!((url.transport(), url.host(), url.port(), url.as_str()), (transport, host, port, text));
        }
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_repeated() {
        for text in [
            "",
            "/etc",
            "../r",
            "r.git",
            "C:/r",
            "host:path",
            "file:///etc",
            "ext::sh -c id",
            "ext::sh",
            "fd::7",
            "ftp://a/b",
            "git+ssh://a/b",
            "HTTPS://a/b",
            "-oProxyCommand=id@a:b",
            "--upload-pack=id",
            "ssh://-oProxyCommand=id/r",
            "ssh://git@-oProxyCommand=id/r",
            "-u@host:r",
            "git@host:-r",
            "git@host:",
            "ssh://git:secret@host/r",
            "https://user:secret@host/r",
            "https://secret@host/r",
            "http://secret@host/r",
            "git://secret@host/r",
            "https:///r",
            "https://host",
            "https://host/",
            "https://host:x/r",
            "https://host:0/r",
            "https://[::1/r",
            "https://[evil]/r",
            "http://[::1].evil.example/r",
            "https://[::1]evil.example:443/r",
            "ssh://git@[::1]x/r",
            "https://host%2f/r",
            "https://host/a b",
            "https://host/a\nb",
            "https://host/$(id)`",
            "https://host/a?b",
            "https://host/a#b",
            "https://ä/r",
        ] {
            let error = text.parse::<GitUrl>().expect_err(text).to_string();
            assert!(!error.contains("secret"), "{error}");
        }
        assert!(format!("https://a/{}", "x".repeat(8192)).parse::<GitUrl>().is_err());
    }

    #[test]
    fn references_directories_and_commits_are_checked() {
        for name in ["main", "v1.0", "feature/x", "refs/heads/main", "HEAD", "a-b", "ü"] {
            assert_eq!(check_git_reference(name), Ok(()), "{name}");
        }
        for name in [
            "",
            "-x",
            "--upload-pack=id",
            "+a",
            "a b",
            "a..b",
            "a~1",
            "a^",
            "a:b",
            "a*",
            "/a",
            "a/",
            "a//b",
            ".a",
            "a/.b",
            "a.lock",
            "a.",
            "@",
            "@{u}",
            "a\\b",
            "a\n",
        ] {
            assert!(check_git_reference(name).is_err(), "{name:?}");
        }
        for path in ["a", "a/b c", "..a", ".github", "-x"] {
            assert_eq!(check_git_subdir(path), Ok(()), "{path}");
        }
        for path in ["", ".", "..", "/a", "a/", "a//b", "a/../b", "a/.", ".git", "a/.GIT/hooks", "a\nb"] {
            assert!(check_git_subdir(path).is_err(), "{path:?}");
        }
        assert!(is_commit(&"a1".repeat(20)) && is_commit(&"0f".repeat(32)));
        assert!(!is_commit(&"A1".repeat(20)) && !is_commit(&"a1".repeat(19)) && !is_commit(""));
    }
}
