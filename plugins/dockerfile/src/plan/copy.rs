// SPDX-License-Identifier: Apache-2.0
//! `COPY` and `ADD`: one batch of edits, one layer.

use std::rc::Rc;

use wythe_sdk::{Artifact, Files, Format, State, build};

use super::Planner;
use super::config::check_user;
use super::git::Asked;
use super::ignore::context_path;
use super::paths;
use super::stage::{Built, Work};
use crate::fault::{Fault, Place};
use crate::text::expand::Quotes;
use crate::text::git::{is_git, is_unknown_address};
use crate::text::heredoc::Heredoc;
use crate::text::instruction::{Action, Flag, Instruction, Text};
use crate::text::words::truth;

/// What a copy does beside copying.
struct Brush {
    owner: String,
    mode: Option<u32>,
    mode_edit: String,
    exclude: Vec<String>,
    keeps_parents: bool,
    /// Whether archives of the context are unpacked: none where that depends on what they are.
    unpacks: Option<bool>,
    /// Whether the directory `.git` of a repository is kept, where that is said.
    keep_git_dir: Option<bool>,
}

/// One source, its variables replaced.
struct Source<'a> {
    path: String,
    place: Place,
    heredoc: Option<&'a Heredoc>,
}

impl Planner<'_> {
    pub(super) fn copy(
        &self,
        work: &mut Work,
        one: &Instruction,
        sources: &[Text],
        dest: &Text,
        heredocs: &[Heredoc],
    ) -> Result<(), Fault> {
        let is_add = matches!(one.action, Action::Add { .. });
        let brush = brush(work, one)?;
        let from = match one.flag("from") {
            Some(flag) => Some(self.other(flag.value.as_deref().unwrap_or_default(), work.index, flag.place)?),
            None => None,
        };
        let wanted = work.scope.value(dest, work.escape)?;
        let target = paths::absolute(work.config.workdir(), &wanted);
        if sources.len() > 1 && !target.ends_with('/') {
            let fault =
                Fault::new(dest.place, format!("`{wanted}` is no directory, and there are {} sources", sources.len()));
            return Err(fault.hint("a destination that ends in `/` is a directory"));
        }
        let said: Vec<&str> = sources.iter().map(|source| source.text.as_str()).collect();
        let name = one.name.to_ascii_uppercase();
        let mut files = Files::on(&work.state)
            .describe(&format!("{name} {} {}", said.join(" "), dest.text))
            .place(&work.place)
            .part(&work.part)
            .owner(&brush.owner)
            .mode(brush.mode)
            .exclude(&brush.exclude)
            .follow_links(true)
            .keep_parents(brush.keeps_parents);
        if !brush.mode_edit.is_empty() {
            files = files.mode_edit(&brush.mode_edit);
        }
        for source in read_sources(work, sources, heredocs)? {
            files = files.optional(false);
            files = match (&source.heredoc, &from) {
                (Some(heredoc), _) => put(work, files, heredoc, &target, source.place)?,
                (None, Some(from)) => from_state(files, from, &source, &brush, &target)?,
                (None, None) if is_add && is_url(&source.path) => self.remote(files, one, &source, &brush, &target)?,
                (None, None) if is_add && is_git(&source.path) => {
                    let tree = self.clone_of(work, one, &source, &brush)?;
                    files.from_state(&tree, "/", &target)
                }
                (None, None) if is_add && is_unknown_address(&source.path) => return Err(unknown(&source)),
                (None, None) => self.take_context(files, &source, is_add && brush.unpacks != Some(false), &target)?,
            };
        }
        let is_remote = |source: &Text| is_url(&source.text) || is_git(&source.text) || source.text.contains('$');
        if let Some(flag) = one.flag("checksum")
            && !sources.iter().any(is_remote)
        {
            return Err(Fault::new(flag.place, "`--checksum` is for a source on the network"));
        }
        if let Some(flag) = one.flag("keep-git-dir")
            && !sources.iter().any(|source| is_git(&source.text) || source.text.contains('$'))
        {
            return Err(Fault::new(flag.place, "`--keep-git-dir` is for a source that is a git repository"));
        }
        work.step(files.apply());
        Ok(())
    }

    /// Returns the path of a source in the context. One that leads above it is what other builders take it for, if that is there.
    pub(super) fn of_context(&self, source: &str) -> Option<String> {
        let is_there = |path: &String| {
            let path = context_path(self.options, path);
            if has_wildcard(&path) { !build::glob(&path).is_empty() } else { build::exists(&path) }
        };
        paths::in_context(source).or_else(|| Some(paths::clipped(source)).filter(is_there))
    }

    fn take_context(&self, files: Files, source: &Source<'_>, unpacks: bool, target: &str) -> Result<Files, Fault> {
        let path = self.of_context(&source.path).ok_or_else(|| {
            let fault = Fault::new(source.place, format!("`{}` is outside the build context", source.path));
            fault.hint("the context is the directory that is built, and nothing above it")
        })?;
        self.check_ignored(&path, source.place);
        // The directory that is the context is no parent of what lies in it.
        let pattern = match context_path(self.options, "") {
            root if root.is_empty() || path.contains("/./") => context_path(self.options, &path),
            root => format!("{root}/./{path}"),
        };
        let files = files.ignore(&self.ignore).unpack_archives(unpacks);
        Ok(files.optional(has_wildcard(&path)).context([pattern], target))
    }
}

fn brush(work: &Work, one: &Instruction) -> Result<Brush, Fault> {
    let value = |name: &str| match one.flag(name) {
        None => Ok(None),
        Some(flag) => {
            let text = work.scope.raw_value(flag.value.as_deref().unwrap_or("true"), flag.place, work.escape)?;
            Ok(Some((text, flag.place)))
        }
    };
    let is_set = |name: &str| match value(name)? {
        None => Ok(None),
        Some((text, place)) => match truth(&text) {
            Some(truth) => Ok(Some(truth)),
            None => Err(Fault::new(place, format!("`{text}` is neither `true` nor `false`"))),
        },
    };
    let owner = match value("chown")? {
        None => String::new(),
        Some((user, place)) => {
            check_user(&user, place)?;
            user
        }
    };
    let (mode, mode_edit) = match value("chmod")? {
        None => (None, String::new()),
        Some((text, place)) => mode(text, place)?,
    };
    // Each copy stands on its own layer here anyway.
    is_set("link")?;
    let exclude = one.flags_of("exclude").map(|flag| {
        let text = work.scope.raw_value(flag.value.as_deref().unwrap_or_default(), flag.place, work.escape)?;
        if text.trim().is_empty() {
            Err(Fault::new(flag.place, "an empty pattern leaves nothing out"))
        } else {
            Ok(text)
        }
    });
    Ok(Brush {
        owner,
        mode,
        mode_edit,
        exclude: exclude.collect::<Result<_, _>>()?,
        keeps_parents: is_set("parents")? == Some(true),
        unpacks: is_set("unpack")?,
        keep_git_dir: is_set("keep-git-dir")?,
    })
}

/// Reads mode bits, or changes of them.
fn mode(text: String, place: Place) -> Result<(Option<u32>, String), Fault> {
    let wrong = || Fault::new(place, format!("`{text}` is not a mode such as `0755` or `u=rwX,go=rX`"));
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let mode = u32::from_str_radix(&text, 8).ok().filter(|mode| *mode <= 0o7777);
        return mode.map(|mode| (Some(mode), String::new())).ok_or_else(wrong);
    }
    let is_change = |clause: &str| {
        let rest = clause.trim_start_matches(['u', 'g', 'o', 'a']);
        let is_what =
            |what: &str| ["u", "g", "o"].contains(&what) || what.bytes().all(|letter| b"rwxXst".contains(&letter));
        let mut parts = rest.split(['+', '-', '=']);
        parts.next() == Some("") && rest.len() > parts.clone().map(str::len).sum() && parts.all(is_what)
    };
    if !text.split(',').all(is_change) || text.matches(['+', '-', '=']).count() > 16 {
        return Err(wrong());
    }
    Ok((None, text))
}

fn read_sources<'a>(work: &Work, sources: &[Text], heredocs: &'a [Heredoc]) -> Result<Vec<Source<'a>>, Fault> {
    let mut heredocs = heredocs.iter();
    let one = |source: &Text| {
        if let Some(heredoc) = heredocs.as_slice().first().filter(|heredoc| heredoc.word == source.text) {
            heredocs.next();
            return Ok(Source { path: String::new(), place: source.place, heredoc: Some(heredoc) });
        }
        let path = work.scope.value(source, work.escape)?;
        if path.is_empty() {
            return Err(Fault::new(source.place, format!("`{}` is empty, and a source is needed", source.text)));
        }
        Ok(Source { path, place: source.place, heredoc: None })
    };
    sources.iter().map(one).collect()
}

fn put(work: &Work, files: Files, heredoc: &Heredoc, target: &str, place: Place) -> Result<Files, Fault> {
    let content = heredoc.content();
    let content = match heredoc.expands {
        true => work.scope.long_value(&content, place, '\\', Quotes::Kept)?,
        false => content,
    };
    let path = match target.ends_with('/') {
        false => target.to_owned(),
        true if heredoc.name.contains('/') || [".", ".."].contains(&heredoc.name.as_str()) => {
            return Err(Fault::new(place, format!("`{}` cannot be the name of a file", heredoc.name)));
        }
        true => format!("{target}{}", heredoc.name),
    };
    Ok(files.put(&path, content))
}

fn from_state(
    files: Files,
    from: &Rc<Built>,
    source: &Source<'_>,
    brush: &Brush,
    target: &str,
) -> Result<Files, Fault> {
    let path = paths::clipped(&source.path);
    if brush.keeps_parents || path.contains(['*', '?', '[', '\\']) {
        return Ok(files.optional(has_wildcard(&path)).matching(&from.state, [path], target));
    }
    Ok(files.from_state(&from.state, &paths::clean(&format!("/{path}")), target))
}

/// Whether a path is a pattern, which may find nothing; a character behind a `\` is itself.
fn has_wildcard(path: &str) -> bool {
    let mut letters = path.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => drop(letters.next()),
            '*' | '?' | '[' => return true,
            _ => {}
        }
    }
    false
}

fn is_url(path: &str) -> bool {
    (path.starts_with("https://") || path.starts_with("http://")) && !is_git(path)
}

fn unknown(source: &Source<'_>) -> Fault {
    let fault = Fault::new(source.place, format!("`{}` is no address that is understood", source.path));
    fault.hint("there are `https://` and `http://`, and of repositories also `git://`, `ssh://` and `git@host:path`")
}

impl Planner<'_> {
    fn clone_of(&self, work: &Work, one: &Instruction, source: &Source<'_>, brush: &Brush) -> Result<State, Fault> {
        let checksum = match one.flag("checksum") {
            Some(flag) => {
                let text = work.scope.raw_value(flag.value.as_deref().unwrap_or_default(), flag.place, work.escape)?;
                Some((text, flag.place))
            }
            None => None,
        };
        let asked = Asked { place: source.place, part: &work.part, checksum, keep_git_dir: brush.keep_git_dir };
        self.repository(&source.path, &asked)
    }

    fn remote(
        &self,
        files: Files,
        one: &Instruction,
        source: &Source<'_>,
        brush: &Brush,
        target: &str,
    ) -> Result<Files, Fault> {
        check_url(&source.path, source.place, target)?;
        let artifact = match one.flag("checksum") {
            Some(flag) => Artifact::new(&source.path, checksum(flag)?, None),
            None => {
                let pin = self.downloads.get(&source.path).map_err(|why| {
                    let fault = Fault::new(source.place, format!("`{}` cannot be fetched: {why}", source.path));
                    fault.hint("with `--checksum=sha256:…` it is fetched only where it is not known yet")
                })?;
                Artifact::new(&source.path, &pin.sha256, Some(pin.size))
            }
        };
        if brush.unpacks == Some(true) {
            return Ok(files.unpack(&artifact, Format::Tar, target));
        }
        let has_mode = brush.mode.is_some() || !brush.mode_edit.is_empty();
        let files = if has_mode { files } else { files.mode(0o600) };
        Ok(files.artifact(&artifact, target))
    }

    /// Warns of a source that the context leaves out.
    fn check_ignored(&self, path: &str, place: Place) {
        if !path.contains(['*', '?', '[']) && super::ignore::leaves_out(&self.ignore, &context_path(self.options, path))
        {
            let message = format!("`{path}` is left out of the build context by an ignore file");
            self.warn(Fault::of_rule("CopyIgnoredFile", place, message));
        }
    }
}

fn checksum(flag: &Flag) -> Result<&str, Fault> {
    let text = flag.value.as_deref().unwrap_or_default();
    let digest = text.strip_prefix("sha256:").filter(|digits| {
        digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit))
    });
    digest.ok_or_else(|| {
        let fault = Fault::new(flag.place, format!("`{text}` is not a checksum"));
        fault.hint("write `sha256:` and 64 lower-case hexadecimal digits")
    })
}

fn check_url(url: &str, place: Place, target: &str) -> Result<(), Fault> {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    let is_host =
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte));
    let is_odd = |letter: char| letter.is_control() || letter.is_whitespace() || letter == '\\';
    if !is_host || url.chars().any(is_odd) {
        return Err(Fault::new(place, format!("`{url}` is not an address")));
    }
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    let name = path.split_once('/').and_then(|(_, path)| path.rsplit('/').next()).unwrap_or_default();
    if target.ends_with('/') && name.is_empty() {
        let fault = Fault::new(place, format!("`{url}` has no file name"));
        return Err(fault.hint("give the destination a name that does not end in `/`"));
    }
    Ok(())
}
