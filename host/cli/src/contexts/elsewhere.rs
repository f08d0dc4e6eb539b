// SPDX-License-Identifier: Apache-2.0
//! A build context that is not a directory here: brought into the store for as long as the command lasts.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wythe_plan::spec::BuilderVersion;
use wythe_plan::{Kind, StepPlanner as _};
use wythe_plugin::Plugins;
use wythe_solve::{Brought, Cause, Engine, Silent};
use wythe_store::Store;
use wythe_sys::root::Root;

use super::address::Place;
use crate::arguments::{self, Definition};
use crate::commands::block_on;
use crate::definition::{DEFINITION, LARGEST_TEXT};
use crate::diagnostic::{Report, of_bringing};
use crate::exit::Exit;
use crate::named;
use crate::print;
use crate::workshop::{Stops, Workshop};

/// What was brought, and what it is called.
#[derive(Debug)]
pub(crate) struct Elsewhere {
    /// What a person calls it: `-`, or an address without what opens it.
    pub(crate) name: String,
    /// A claimed file that is no file of the context.
    pub(crate) text: Option<String>,
    brought: Brought,
}

impl Elsewhere {
    /// Returns the directory that is the context.
    pub(crate) fn dir(&self) -> &Path {
        self.brought.path()
    }
}

/// Who brings it.
pub(super) struct Bringer<'a> {
    pub(super) workshop: &'a Workshop,
    pub(super) store: &'a Arc<Store>,
    pub(super) plugins: &'a Arc<Plugins>,
    pub(super) grants: Option<&'a arguments::Grants>,
}

impl Bringer<'_> {
    /// Brings the build context of a definition, where it is elsewhere.
    pub(super) fn context(&self, wanted: &mut Definition) -> Result<(), Report> {
        let Some(text) = wanted.path.to_str() else { return Ok(()) };
        let place = Place::of(text)?;
        if place == Place::Here {
            return Ok(());
        }
        let kinds = self.plugins.kinds();
        let found = self.bring(place, wanted)?;
        found.check(wanted, kinds)?;
        wanted.path = found.dir().to_owned();
        wanted.elsewhere = Some(Arc::new(found));
        Ok(())
    }

    fn bring(&self, place: Place, wanted: &Definition) -> Result<Elsewhere, Report> {
        match place {
            Place::Here => unreachable!("it is there already"),
            Place::Input => {
                if wanted.file.as_deref() == Some(Path::new("-")) {
                    return Err(Report::new(
                        Exit::Usage,
                        "standard input cannot be both the build context and the file",
                    ));
                }
                let stdin = std::io::stdin();
                if stdin.is_terminal() {
                    let report = Report::new(Exit::Usage, "standard input is a terminal, and no build context");
                    return Err(report.hint("`wythe build - < FILE`, or `tar -c . | wythe build -`"));
                }
                let failed = |cause| of_bringing("cannot read the build context from standard input", &cause);
                let brought = Brought::stream(self.store, &mut stdin.lock()).map_err(failed)?;
                self.opened("-".to_owned(), brought, wanted)
            }
            Place::Repository(mut repository) => {
                let keeps = |text: &String| {
                    matches!(text.as_str(), "BUILDKIT_CONTEXT_KEEP_GIT_DIR=1" | "BUILDKIT_CONTEXT_KEEP_GIT_DIR=true")
                };
                repository.keep_git_dir |= wanted.args.iter().any(keeps);
                let name = repository.url.to_string();
                let brought =
                    self.with_engine(wanted, &name, async |engine| Brought::repository(&engine, &repository).await)?;
                let brought = brought
                    .map_err(|cause| of_bringing(&format!("cannot fetch the build context `{name}`"), &cause))?;
                Ok(Elsewhere { name, text: None, brought })
            }
            Place::Address(url) => {
                let name = wythe_remote::shown(&url);
                let brought = self.download(&url, wanted)?;
                self.opened(name, brought, wanted)
            }
        }
    }

    fn download(&self, url: &str, wanted: &Definition) -> Result<Brought, Report> {
        let brought =
            self.with_engine(wanted, &wythe_remote::shown(url), async |engine| Brought::download(&engine, url).await)?;
        brought.map_err(|cause| of_bringing(&format!("cannot fetch `{}`", wythe_remote::shown(url)), &cause))
    }

    /// Returns the files of an archive at an address.
    pub(super) fn archive(&self, url: &str, wanted: &Definition) -> Result<Brought, Report> {
        let brought = self.download(url, wanted)?;
        let name = wythe_remote::shown(url);
        if !brought.is_archive() {
            let report = Report::new(Exit::Spec, format!("what is at `{name}` is no archive"));
            return Err(report.hint("there are tar archives, plain or compressed with gzip, bzip2, xz or zstd"));
        }
        unpacked(brought, &name)
    }

    /// An archive is a build context, and everything else the file to build.
    fn opened(&self, name: String, brought: Brought, wanted: &Definition) -> Result<Elsewhere, Report> {
        if brought.is_archive() {
            let brought = unpacked(brought, &name)?;
            return Ok(Elsewhere { name, text: None, brought });
        }
        let called = if name == "-" { "what is read from standard input" } else { &*name };
        if wanted.file.is_some() {
            let report = Report::new(Exit::Usage, format!("{called} is no archive, and `--file` names a file in one"));
            return Err(report.hint("an archive is the build context, and anything else the file to build"));
        }
        let bytes = std::fs::read(brought.path()).ok().filter(|bytes| bytes.len() as u64 <= LARGEST_TEXT);
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).filter(|text| !text.contains('\0'));
        let text = text.ok_or_else(|| {
            let report = Report::new(Exit::Spec, format!("{called} is neither a tar archive nor a text"));
            report.hint("an archive may be compressed with gzip, bzip2, xz or zstd")
        })?;
        // What a site shows of a repository to people.
        if text.trim_start().starts_with('<') {
            let report = Report::new(Exit::Spec, format!("{called} is a page of a web site, and no file to build"));
            return Err(report.hint("the address of a git repository ends in `.git`: `https://HOST/PATH.git#REF:DIR`"));
        }
        if text.trim().is_empty() {
            return Err(Report::new(Exit::Spec, format!("{called} is empty")));
        }
        let nothing =
            Brought::nothing(self.store).map_err(|cause| of_bringing("cannot make an empty build context", &cause))?;
        Ok(Elsewhere { name, text: Some(text), brought: nothing })
    }

    fn with_engine<T>(
        &self,
        wanted: &Definition,
        name: &str,
        act: impl AsyncFnOnce(Arc<Engine>) -> Result<T, Cause>,
    ) -> Result<Result<T, Cause>, Report> {
        let workshop = self.workshop;
        if workshop.is_terminal {
            print::to_stderr(&format!("fetching {name}"));
        }
        let grants = self.grants.map(|given| crate::grants::read(given, &workshop.surroundings));
        let grants = grants.transpose()?.unwrap_or_default();
        block_on(async {
            let stops = Stops::listen()?;
            let parts =
                workshop.parts(self.store, Arc::clone(self.plugins), grants, Arc::new(Silent), &stops, wanted)?;
            Ok(act(Engine::new(parts)).await)
        })
    }
}

fn unpacked(brought: Brought, name: &str) -> Result<Brought, Report> {
    let epoch = BuilderVersion::newest().source_date_epoch();
    brought.unpacked(epoch).map_err(|cause| of_bringing(&format!("cannot unpack the build context `{name}`"), &cause))
}

impl Elsewhere {
    /// Whether there is such a file in the context.
    pub(crate) fn has(&self, name: &Path) -> bool {
        Root::open(self.dir()).is_ok_and(|root| is_file_in(&root, name))
    }

    /// Makes sure that there is something to build, and that no name of ours is a link: what a stranger has sent says nothing
    /// about files of this machine.
    fn check(&self, wanted: &Definition, kinds: &[Kind]) -> Result<(), Report> {
        if self.text.is_some() {
            return Ok(());
        }
        let root = Root::open(self.dir());
        let root = root.map_err(|error| Report::caused(Exit::World, "cannot open the build context", &error))?;
        let is_file = |name: &Path| is_file_in(&root, name);
        let names = kinds.iter().flat_map(|kind| &kind.files);
        let mut ours = vec![PathBuf::from(DEFINITION), PathBuf::from(DEFINITION).with_extension("lock")];
        ours.extend(names.clone().map(|name| PathBuf::from(name).with_added_extension("lock")));
        match wanted.file.as_deref() {
            Some(file) if file == Path::new("-") => {}
            Some(file) => {
                if file.is_absolute() || !is_file(file) {
                    let what = format!("there is no file `{}` in the build context `{}`", file.display(), self.name);
                    return Err(
                        Report::new(Exit::Spec, what).hint("`--file` names a file relative to the top of the context")
                    );
                }
                // Its lock would lie behind the link, wherever that leads.
                if !root.is_without_links(named::parent(file)) {
                    let what = format!("a link leads to `{}` in the build context `{}`", file.display(), self.name);
                    return Err(Report::new(Exit::Spec, what).hint("name the file by the directory that it is in"));
                }
                ours.push(file.with_added_extension("lock"));
            }
            None => {
                let mut names = std::iter::once(DEFINITION).chain(names.map(String::as_str));
                if !names.clone().any(|name| is_file(Path::new(name))) {
                    let names: Vec<String> = names.by_ref().map(|name| format!("`{name}`")).collect();
                    let what = format!("the build context `{}` has none of {}", self.name, names.join(", "));
                    return Err(Report::new(Exit::Spec, what).hint("`--file` names another file in it"));
                }
            }
        }
        match ours.iter().find(|name| root.symlink_metadata(name).is_ok_and(|found| found.is_symlink())) {
            Some(link) => {
                let what = format!("`{}` of the build context `{}` is a link", link.display(), self.name);
                Err(Report::new(Exit::Spec, what).hint("in a context that is fetched it has to be a file"))
            }
            None => Ok(()),
        }
    }
}

fn is_file_in(root: &Root, name: &Path) -> bool {
    root.metadata(name).is_ok_and(|found| found.is_file())
}
