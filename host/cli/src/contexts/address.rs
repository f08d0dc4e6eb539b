// SPDX-License-Identifier: Apache-2.0
//! What names a build context: a place here, standard input, or an address.

use wythe_plan::{GitUrl, check_git_reference, check_git_subdir};
use wythe_solve::Repository;

use crate::diagnostic::Report;
use crate::exit::Exit;

/// Where a build context is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A directory or a file here.
    Here,
    /// What is read from standard input.
    Input,
    /// Files of a repository.
    Repository(Repository),
    /// What is at an address.
    Address(String),
}

impl Place {
    /// Tells them apart as other builders do.
    pub(super) fn of(text: &str) -> Result<Self, Report> {
        let full = match text.strip_prefix("github.com/") {
            Some(_) => format!("https://{text}"),
            None => text.to_owned(),
        };
        match () {
            () if text == "-" => Ok(Self::Input),
            // What is there is meant, whatever else it looks like.
            () if std::path::Path::new(text).exists() => Ok(Self::Here),
            () if is_repository(&full) || full != text => repository(&full).map(Self::Repository),
            () if is_of_the_web(text) => Ok(Self::Address(text.to_owned())),
            () => match text.split_once("://") {
                None => Ok(Self::Here),
                Some((scheme, _)) => {
                    let report = Report::new(Exit::Usage, format!("`{scheme}://` is no address of a build context"));
                    Err(report.hint(
                        "there are `https://` and `http://` for archives and files, and of git repositories also `git://`, \
                         `ssh://` and `git@host:path`",
                    ))
                }
            },
        }
    }
}

/// Whether a text is the address of a git repository: other builders tell it alike.
pub(super) fn is_repository(text: &str) -> bool {
    let address = text.split(['?', '#']).next().unwrap_or_default();
    let begins = |starts: &[&str]| starts.iter().any(|start| address.starts_with(start));
    begins(&["git://", "ssh://", "git@"]) || (is_of_the_web(address) && address.ends_with(".git"))
}

/// Whether a text is the address of something that is fetched with HTTP.
pub(super) fn is_of_the_web(text: &str) -> bool {
    ["https://", "http://"].iter().any(|scheme| text.starts_with(scheme))
}

/// Reads `ADDRESS?QUERY#REFERENCE:DIRECTORY`. No message repeats it: it may have a password in it.
fn repository(text: &str) -> Result<Repository, Report> {
    let wrong = |what: String| Report::new(Exit::Usage, format!("the build context: {what}"));
    let (address, fragment) = text.split_once('#').unwrap_or((text, ""));
    let (url, query) = address.split_once('?').unwrap_or((address, ""));
    let url: GitUrl = url.parse().map_err(|error: wythe_plan::GitUrlError| {
        wrong(error.to_string())
            .hint("a token opens a repository: `--secret id=GIT_AUTH_TOKEN,env=NAME`; for ssh there is `--ssh default`")
    })?;
    let mut found = Repository {
        url,
        reference: None,
        checksum: None,
        subdir: String::new(),
        keep_git_dir: false,
        submodules: true,
    };
    let (reference, subdir) = fragment.split_once(':').unwrap_or((fragment, ""));
    let mut asked = vec![("ref", reference), ("subdir", subdir)];
    asked.extend(
        query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, ""))),
    );
    for (name, value) in asked {
        set(&mut found, name, value).map_err(wrong)?;
    }
    Ok(found)
}

fn set(found: &mut Repository, name: &str, value: &str) -> Result<(), String> {
    let is_true = |value: &str| match value {
        "" | "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        other => Err(format!("`{name}={}` is neither `true` nor `false`", other.escape_debug())),
    };
    let mut refer = |name: String| {
        check_git_reference(&name).map_err(|why| format!("the reference `{}` {why}", name.escape_debug()))?;
        match found.reference.replace(name) {
            Some(other) if Some(&other) != found.reference.as_ref() => {
                Err("two references are asked for, and one can be had".to_owned())
            }
            _ => Ok(()),
        }
    };
    match name {
        "ref" | "subdir" if value.trim_matches('/').is_empty() => Ok(()),
        "ref" => refer(value.to_owned()),
        "branch" => refer(format!("refs/heads/{}", value.trim_start_matches("refs/heads/"))),
        "tag" => refer(format!("refs/tags/{}", value.trim_start_matches("refs/tags/"))),
        "subdir" => {
            let path = value.trim_matches('/');
            check_git_subdir(path).map_err(|why| format!("the directory `{}` {why}", path.escape_debug()))?;
            match std::mem::replace(&mut found.subdir, path.to_owned()) {
                other if other.is_empty() || other == path => Ok(()),
                _ => Err("two directories are asked for, and one can be had".to_owned()),
            }
        }
        "commit" | "checksum" => {
            let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            if !(7..=64).contains(&value.len()) || !value.bytes().all(is_digit) {
                return Err(format!("`{name}=` takes the id of a commit, or at least 7 digits of its beginning"));
            }
            found.checksum = Some(value.to_owned());
            Ok(())
        }
        "keep-git-dir" => is_true(value).map(|truth| found.keep_git_dir = truth),
        "submodules" => is_true(value).map(|truth| found.submodules = truth),
        other => Err(format!("`{}` is nothing that can be asked of a repository", other.escape_debug())),
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, is_repository};

    #[test]
    fn a_repository_is_known_by_its_address() {
        for (text, is_one) in [
            ("https://a/r.git#main:dir", true),
            ("http://a/r.git?ref=x", true),
            ("https://a/r#x.git", false),
            ("git@a:r", true),
            ("ssh://a/r", true),
            ("git://a/r", true),
            ("https://a/r.tar.gz", false),
            ("dir/r.git", false),
        ] {
            assert_eq!(is_repository(text), is_one, "{text}");
        }
    }

    #[test]
    fn what_is_asked_of_a_repository_is_read() {
        let Ok(Place::Repository(found)) = Place::of("github.com/a/r?submodules=false&commit=0123abc#v1:sub/dir/")
        else {
            panic!("it is a repository")
        };
        assert_eq!(
            (found.url.as_str(), &*found.subdir, found.submodules),
            ("https://github.com/a/r", "sub/dir", false)
        );
        assert_eq!((found.reference.as_deref(), found.checksum.as_deref()), (Some("v1"), Some("0123abc")));
        for text in [
            "https://a/r.git#-x",
            "https://a/r.git#main:../up",
            "https://a/r.git?ref=a#b",
            "https://a/r.git?what=x",
            "https://u:p@a/r.git",
            "ftp://a/x.tar",
        ] {
            assert!(Place::of(text).is_err(), "{text}");
        }
        assert_eq!(Place::of("no/such/place").unwrap(), Place::Here);
    }
}
