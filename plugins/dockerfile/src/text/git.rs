// SPDX-License-Identifier: Apache-2.0
//! Sources that are git repositories: `https://host/path.git#reference:directory`, and the same with a query.
//!
//! What is written here goes to a program on the machine of whoever builds, so everything that it could take for an option, a
//! helper or a file of that machine is refused by name. No message repeats an address: it may have a password in it.

/// A repository and what is wanted of it, as it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repository {
    /// The address, without query and fragment.
    pub url: String,
    /// A branch, a tag, a full name or a commit; none for what the repository checks out by itself.
    pub reference: Option<String>,
    /// The directory that is taken; empty for all.
    pub subdir: String,
    /// The beginning of the commit that it has to be.
    pub checksum: Option<String>,
    /// Whether `.git` is kept, where that is said.
    pub keep_git_dir: Option<bool>,
    /// Whether submodules are fetched, where that is said.
    pub submodules: Option<bool>,
}

/// What is wrong with a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// A lower-case fragment.
    pub message: String,
    /// What can be done.
    pub hint: Option<&'static str>,
    /// Whether the source has a secret in it, so that its line is not to be shown.
    pub is_secret: bool,
}

impl Wrong {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, is_secret: false }
    }

    fn hint(self, hint: &'static str) -> Self {
        Self { hint: Some(hint), ..self }
    }
}

/// The addresses that there are.
const KNOWN: &str = "write `https://host/path.git`, `git://`, `ssh://` or `git@host:path`";

/// Tells whether a source is a git repository, as the established builders tell it.
#[must_use]
pub fn is_git(source: &str) -> bool {
    let address = source.split(['#', '?']).next().unwrap_or_default();
    ["git://", "ssh://"].iter().any(|start| source.starts_with(start))
        || is_scp(address)
        || (["https://", "http://"].iter().any(|start| source.starts_with(start)) && address.ends_with(".git"))
}

/// Tells whether a source looks like an address of a kind that is not understood.
#[must_use]
pub fn is_unknown_address(source: &str) -> bool {
    let is_scheme =
        |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    ["://", "::"].iter().any(|mark| source.split_once(mark).is_some_and(|(word, _)| is_scheme(word)))
}

/// `user@host:path`
fn is_scp(address: &str) -> bool {
    let Some((authority, _)) = address.split_once(':') else { return false };
    let Some((user, host)) = authority.split_once('@') else { return false };
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    is_word(user) && is_word(host)
}

impl Repository {
    /// Reads a source that [`is_git`].
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(source: &str) -> Result<Self, Wrong> {
        let (address, fragment) = source.split_once('#').map_or((source, None), |(url, rest)| (url, Some(rest)));
        let (url, query) = address.split_once('?').map_or((address, None), |(url, rest)| (url, Some(rest)));
        let mut found = Self { url: url.to_owned(), ..Self::default() };
        check_url(url)?;
        if let Some(fragment) = fragment {
            let (reference, subdir) = fragment.split_once(':').unwrap_or((fragment, ""));
            found.refer_to(decoded(reference)?)?;
            found.take(decoded(subdir)?)?;
        }
        for pair in query.into_iter().flat_map(|query| query.split('&')).filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            found.set(name, decoded(value)?)?;
        }
        Ok(found)
    }

    fn set(&mut self, name: &str, value: String) -> Result<(), Wrong> {
        let truth = |value: &str| match value {
            "" => Ok(true),
            text => super::words::truth(text)
                .ok_or_else(|| Wrong::new(format!("`{name}={text}` is neither `true` nor `false`"))),
        };
        match name {
            "ref" => self.refer_to(value),
            "branch" | "tag" if value.is_empty() => Err(Wrong::new(format!("`{name}=` names nothing"))),
            "branch" => self.refer_to(format!("refs/heads/{}", value.trim_start_matches("refs/heads/"))),
            "tag" => self.refer_to(format!("refs/tags/{}", value.trim_start_matches("refs/tags/"))),
            "subdir" => self.take(value),
            "commit" | "checksum" => self.demand(&value),
            "keep-git-dir" => truth(&value).map(|truth| self.keep_git_dir = Some(truth)),
            "submodules" => truth(&value).map(|truth| self.submodules = Some(truth)),
            other => {
                let wrong =
                    Wrong::new(format!("`{}` is nothing that can be asked of a repository", other.escape_debug()));
                Err(wrong.hint("there is: ref, branch, tag, commit, checksum, subdir, keep-git-dir, submodules"))
            }
        }
    }

    fn refer_to(&mut self, name: String) -> Result<(), Wrong> {
        if name.is_empty() {
            return Ok(());
        }
        if !is_reference(&name) {
            return Err(Wrong::new(format!("`{}` is no reference of a repository", name.escape_debug())));
        }
        match self.reference.replace(name) {
            Some(other) if Some(&other) != self.reference.as_ref() => {
                Err(Wrong::new("two references are asked for, and one can be had"))
            }
            _ => Ok(()),
        }
    }

    fn take(&mut self, path: String) -> Result<(), Wrong> {
        // As others read it, `/` is the top of the repository.
        let path = path.trim_matches('/').to_owned();
        if path.is_empty() || path == "." {
            return Ok(());
        }
        let is_part = |part: &str| !["", ".", ".."].contains(&part) && !part.eq_ignore_ascii_case(".git");
        if path.len() > 4096 || path.chars().any(char::is_control) || !path.split('/').all(is_part) {
            let wrong = Wrong::new(format!("`{}` is no directory of a repository", path.escape_debug()));
            return Err(wrong.hint("name it from the top, without `.`, `..` and `.git`"));
        }
        if !self.subdir.is_empty() && self.subdir != path {
            return Err(Wrong::new("two directories are asked for, and one can be had"));
        }
        self.subdir = path;
        Ok(())
    }

    /// Asks for a commit by the beginning of its id.
    ///
    /// # Errors
    ///
    /// Where the text is none, and where another one is asked for.
    pub fn demand(&mut self, text: &str) -> Result<(), Wrong> {
        let wanted = text.to_ascii_lowercase();
        if !(7..=64).contains(&wanted.len()) || !wanted.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            let wrong = Wrong::new(format!("`{}` is not a commit", text.escape_debug()));
            return Err(wrong.hint("write its id, or at least its first 7 hexadecimal digits"));
        }
        match &self.checksum {
            Some(other) if !other.starts_with(&wanted) && !wanted.starts_with(other) => {
                Err(Wrong::new(format!("both {other} and {wanted} are asked for, and it can be one commit")))
            }
            // The longer one says more.
            Some(other) if other.len() >= wanted.len() => Ok(()),
            _ => {
                self.checksum = Some(wanted);
                Ok(())
            }
        }
    }
}

/// Tells whether a text is the whole id of a commit.
#[must_use]
pub fn is_commit(text: &str) -> bool {
    [40, 64].contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn check_url(url: &str) -> Result<(), Wrong> {
    let refuse = |why: &str| Err(Wrong::new(format!("the address of the repository {why}")).hint(KNOWN));
    if url.len() > 8192 || !url.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\\"'`<>|^{}".contains(&byte)) {
        return refuse("has blanks, quotes or letters that are not ASCII in it, or is too long");
    }
    let (scheme, authority, path) = match url.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            (scheme, authority, path)
        }
        None => {
            let (authority, path) = url.split_once(':').unwrap_or((url, ""));
            ("ssh", authority, path)
        }
    };
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    if scheme == "ssh" && user.is_some_and(|user| !user.contains(':') && !is_name(user)) {
        return refuse("has a user that is not plain letters");
    }
    if user.is_some_and(|user| scheme != "ssh" || user.contains(':')) {
        return Err(Wrong {
            message: "the address of the repository has a user or a password in it, which would be kept in the plan"
                .into(),
            hint: Some("take it out, and give a token with `--secret id=GIT_AUTH_TOKEN,env=NAME`"),
            is_secret: true,
        });
    }
    check_host(host).or_else(refuse)?;
    if path.is_empty() || path.starts_with('-') || path == "/" {
        return refuse("has no path");
    }
    Ok(())
}

/// Checks `host`, `host:port` and the same with an address of version 6 in brackets.
fn check_host(text: &str) -> Result<(), &'static str> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, "")) if is_ipv6(address) => (None, None),
        Some((address, rest)) if is_ipv6(address) && rest.starts_with(':') => (None, rest.strip_prefix(':')),
        Some(_) => return Err("has no host that is understood"),
        None => text.split_once(':').map_or((Some(text), None), |(host, port)| (Some(host), Some(port))),
    };
    if host.is_some_and(|host| !is_name(host)) {
        return Err("has no host that is understood");
    }
    if port.is_some_and(|port| port.parse::<u16>().is_err() || port.parse() == Ok(0u16)) {
        return Err("has no port that is a number");
    }
    Ok(())
}

fn is_ipv6(text: &str) -> bool {
    text.parse::<std::net::Ipv6Addr>().is_ok()
}

/// Letters that neither begin an option nor mean anything to a shell.
fn is_name(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !text.is_empty() && text.len() <= 253 && !text.starts_with(['-', '.']) && text.bytes().all(is_plain)
}

/// Tells whether a text can be the name of a reference, by the rules of git-check-ref-format(1).
#[must_use]
pub fn is_reference(name: &str) -> bool {
    let is_odd = |c: char| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c);
    let is_part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
    name.len() <= 1024
        && !name.starts_with(['-', '+'])
        && !name.contains(is_odd)
        && !["..", "@{"].iter().any(|odd| name.contains(odd))
        && !name.ends_with('.')
        && name != "@"
        && name.split('/').all(is_part)
}

/// Replaces `%` and two digits by what they stand for.
fn decoded(text: &str) -> Result<String, Wrong> {
    let wrong = || Wrong::new(format!("`{}` is not written as in an address", text.escape_debug()));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16)).ok_or_else(wrong);
        let value = digit(rest.next())? * 16 + digit(rest.next())?;
        bytes.push(u8::try_from(value).expect("two digits are a byte"));
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::{Repository, is_git, is_unknown_address};

    fn parse(source: &str) -> Repository {
        assert!(is_git(source), "{source}");
        Repository::parse(source).unwrap_or_else(|wrong| panic!("{source}: {}", wrong.message))
    }

    #[test]
    fn what_is_a_repository_is_told_from_what_is_not() {
        for source in [
            "https://h/r.git",
            "http://h/r.git#main",
            "https://h/r.git?ref=main",
            "git://h/r",
            "ssh://git@h/r",
            "git@h:r",
            "me@h.example:a/b.git#v1:sub",
        ] {
            assert!(is_git(source), "{source}");
        }
        for source in
            ["https://h/r", "https://h/r.git/x", "https://h/?r.git", "r.git", "git", "a@b", "a:b", "./git@h:r", "C:x"]
        {
            assert!(!is_git(source), "{source}");
        }
        for source in ["file:///r.git", "ext::sh -c id", "ftp://h/r", "oci-layout://x"] {
            assert!(!is_git(source) && is_unknown_address(source), "{source}");
        }
        assert!(!is_unknown_address("a/b://c") && !is_unknown_address("a:b"));
    }

    #[test]
    fn fragments_and_queries_say_what_is_wanted() {
        let url = "https://h/r.git".to_owned();
        let reference = |name: &str| Some(name.to_owned());
        assert_eq!(parse("https://h/r.git"), Repository { url: url.clone(), ..Repository::default() });
        assert_eq!(
            parse("https://h/r.git#v1:a/b"),
            Repository { url: url.clone(), reference: reference("v1"), subdir: "a/b".into(), ..Repository::default() }
        );
        assert_eq!(
            parse("https://h/r.git#:a"),
            Repository { url: url.clone(), subdir: "a".into(), ..Repository::default() }
        );
        assert_eq!(
            parse("https://h/r.git?branch=a%2Fb&subdir=x&keep-git-dir&submodules=0&commit=ABCDEF1"),
            Repository {
                url,
                reference: reference("refs/heads/a/b"),
                subdir: "x".into(),
                checksum: reference("abcdef1"),
                keep_git_dir: Some(true),
                submodules: Some(false),
            }
        );
        assert_eq!(parse("git@h:a/r.git?tag=v1").reference, reference("refs/tags/v1"));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for source in [
            "https://h/r.git#-x",
            "https://h/r.git#--upload-pack=id",
            "https://h/r.git#a..b",
            "https://h/r.git#a%20b",
            "https://h/r.git#main:../x",
            "https://h/r.git#main:a/../../x",
            "https://h/r.git#main:.git/hooks",
            "https://h/r.git#main:a/.GIT",
            "https://h/r.git#main:%2e%2e",
            "https://h/r.git#%zz",
            "https://h/r.git?ref=-x",
            "https://h/r.git?tag=a&branch=a",
            "https://h/r.git?ref=a#b",
            "https://h/r.git?subdir=a#:b",
            "https://h/r.git?upload-pack=id",
            "https://h/r.git?commit=xyz",
            "https://h/r.git?commit=abc",
            "https://h/r.git?commit=abcdef1&checksum=1234567",
            "https://h/r.git?keep-git-dir=maybe",
            "https://h/r.git?branch=",
            "https://-oProxyCommand=id/r.git",
            "ssh://-oProxyCommand=id/r",
            "ssh://git@-x/r",
            "-x@h:r",
            "git@h:-r",
            "git@h:",
            "ssh://h",
            "git://h:0/r",
            "git://[x]/r",
            "http://[::1].evil.example/r.git",
            "https://[::1]evil.example:443/r.git",
            "ssh://git@[::1]x/r",
            "https://h/`id`.git",
            "https://h/a b.git",
            "https://h/ü.git",
        ] {
            assert!(is_git(source), "{source}");
            let wrong = Repository::parse(source).expect_err(source);
            assert!(!wrong.is_secret, "{source}: {}", wrong.message);
        }
        for source in ["https://secret@h/r.git", "https://u:secret@h/r.git", "ssh://u:secret@h/r", "git://secret@h/r"] {
            let wrong = Repository::parse(source).expect_err(source);
            assert!(wrong.is_secret && !wrong.message.contains("secret@"), "{source}: {}", wrong.message);
        }
    }
}
