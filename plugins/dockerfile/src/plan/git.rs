// SPDX-License-Identifier: Apache-2.0
//! `ADD` of a git repository: its files are a state of their own, found again by the commit, from which they are copied.

use wythe_sdk::{Checkout, Files, State};

use super::Planner;
use crate::fault::{Fault, Place};
use crate::text::git::{Repository, Wrong, is_commit};

/// Who asks for a repository.
pub(super) struct Asked<'a> {
    pub(super) place: Place,
    pub(super) part: &'a str,
    /// `--checksum`, and where it stands.
    pub(super) checksum: Option<(String, Place)>,
    /// `--keep-git-dir`, where it is said.
    pub(super) keep_git_dir: Option<bool>,
}

impl Planner<'_> {
    /// Returns the files of a repository.
    pub(super) fn repository(&self, source: &str, asked: &Asked<'_>) -> Result<State, Fault> {
        let fault = |wrong: Wrong| at(wrong, asked.place);
        let mut wanted = Repository::parse(source).map_err(fault)?;
        if let Some((text, place)) = &asked.checksum {
            wanted.demand(text).map_err(|wrong| at(wrong, *place))?;
        }
        let (commit, name) = self.commit(&wanted, asked.place)?;
        let mut checkout = Checkout::new(&wanted.url, &commit)
            .keep_git_dir(asked.keep_git_dir.or(wanted.keep_git_dir).unwrap_or(false))
            .submodules(wanted.submodules.unwrap_or(true));
        if let Some(name) = &name {
            checkout = checkout.reference(name);
        }
        if !wanted.subdir.is_empty() {
            checkout = checkout.subdir(&wanted.subdir);
        }
        let text = format!("git {} {}", wanted.url, &commit[..12]);
        let files =
            Files::on(&State::scratch()).describe(&text).place(&self.source.place(asked.place)).part(asked.part);
        Ok(files.checkout(&checkout, "/").apply())
    }

    /// Returns the commit that is wanted, and the name that it has where it was looked for by one.
    fn commit(&self, wanted: &Repository, place: Place) -> Result<(String, Option<String>), Fault> {
        let named = wanted.reference.as_deref();
        let whole = match (named, &wanted.checksum) {
            (Some(name), _) if is_commit(name) => Some(name.to_owned()),
            (None, Some(checksum)) if is_commit(checksum) => Some(checksum.clone()),
            _ => None,
        };
        let (commit, name) = match whole {
            Some(commit) => (commit, None),
            None => {
                let found = self.downloads.commit(&wanted.url, named).map_err(|why| {
                    Fault::new(place, format!("the commit of the repository cannot be told: {why}"))
                        .hint("a commit that is written in full is fetched only where its files are not known yet")
                })?;
                (found.commit, found.reference)
            }
        };
        match &wanted.checksum {
            Some(checksum) if !self.downloads.are_guessed() && !commit.starts_with(checksum.as_str()) => {
                let what = named.map_or_else(|| "its branch".to_owned(), |name| format!("`{name}`"));
                let message = format!("{what} of the repository is {commit}, and {checksum} is asked for");
                Err(Fault::new(place, message).hint("if it was moved on purpose, ask for what it is now"))
            }
            _ => Ok((commit, name)),
        }
    }
}

fn at(wrong: Wrong, place: Place) -> Fault {
    let Wrong { message, hint, is_secret } = wrong;
    let fault = match is_secret {
        false => Fault::new(place, message),
        true => Fault::new(place, format!("line {}: {message}", place.line)).of_secret(),
    };
    hint.into_iter().fold(fault, |fault, hint| fault.hint(hint))
}
