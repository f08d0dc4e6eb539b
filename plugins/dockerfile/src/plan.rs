// SPDX-License-Identifier: Apache-2.0
//! From stages to states.

mod check;
mod config;
mod copy;
mod duration;
mod from;
mod git;
mod ignore;
mod import;
mod mounts;
mod paths;
mod platform;
mod ports;
mod references;
mod run;
mod scope;
mod stage;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use wythe_sdk::report::{self, Finding};
use wythe_sdk::{Severity, State, build};

use crate::Options;
use crate::fault::{Fault, Place};
use crate::pins::Downloads;
use crate::source::Source;
use crate::text::stages::Dockerfile;
pub(crate) use check::Rules;
pub use ignore::context_path;
pub(crate) use import::translate;
use scope::Globals;
use stage::Built;

/// Plans the target of a file.
///
/// # Errors
///
/// What is wrong, and where.
pub(crate) fn plan(
    file: &Dockerfile,
    source: &Source,
    base: &State,
    options: &Options,
    downloads: &Downloads,
    warnings: &mut Vec<Fault>,
) -> Result<Planned, Fault> {
    check::text(file, &source.text, warnings);
    let target = target(file, options)?;
    let planner = Planner::new(file, source, base, options, downloads, target)?;
    let built = planner.all(target);
    warnings.append(&mut planner.warnings.take());
    warnings.sort_by_key(|warning| warning.place);
    let built = built?;
    let mut state = Rc::clone(&built.state);
    for (name, value) in &options.labels {
        state = Rc::new(state.label(name, value));
    }
    if let Some(name) = &file.stages[target].name {
        state = Rc::new(state.name(&name.text));
    }
    let unread = planner.unread();
    drop((built, planner));
    Ok(Planned { state: Rc::try_unwrap(state).unwrap_or_else(|shared| shared.name("result")), unread })
}

/// What came of a file.
pub(crate) struct Planned {
    pub(crate) state: State,
    pub(crate) unread: Vec<Unread>,
}

/// A build argument that was given and that nothing takes.
pub(crate) struct Unread {
    name: String,
    /// One that something takes, if it has nearly the same name.
    near: Option<String>,
}

impl Unread {
    /// Tells of it. It is no fault of the file, and so no error where warnings are errors: who builds many files gives all of them the
    /// same arguments.
    pub(crate) fn tell(&self) {
        report::found(Finding {
            severity: Severity::Warning,
            rule: String::new(),
            message: format!("nothing takes the build argument `{}`: no `ARG` declares it", self.name),
            hint: self.near.as_ref().map(|near| format!("did you mean `{near}`?")),
            place: None,
        });
    }
}

/// Returns the stages that a target is made of, as far as its text shows.
pub(crate) fn needed(file: &Dockerfile, options: &Options, target: usize) -> Result<Vec<usize>, Fault> {
    let given = Given { args: &options.args };
    let globals = Globals::read(file, &given, &build::platform(), &target_name(file, target))?;
    references::needed(file, options, &globals, target)
}

/// The values that a person gave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Given<'a> {
    args: &'a BTreeMap<String, String>,
}

impl Given<'_> {
    /// Returns the value of an argument, none where it was not given.
    fn get(&self, name: &str) -> Option<String> {
        self.args.get(name).cloned().or_else(|| build::arg(name))
    }
}

/// A file on its way to states.
struct Planner<'a> {
    file: &'a Dockerfile,
    source: &'a Source,
    options: &'a Options,
    base: &'a State,
    downloads: &'a Downloads,
    platform: String,
    globals: Globals,
    /// What should be looked at.
    warnings: RefCell<Vec<Fault>>,
    /// What the build context leaves out.
    ignore: Vec<String>,
    built: RefCell<Vec<Option<Rc<Built>>>>,
    /// Images and repositories that were asked for, by reference or address.
    images: RefCell<BTreeMap<String, Rc<Built>>>,
    depth: RefCell<usize>,
    /// Whether nothing stands in for an image that is not to be had, and those for which it does.
    stands_in: bool,
    missing: RefCell<BTreeSet<String>>,
}

/// Stages that triggers bring in nest no deeper than this.
const MOST_DEPTH: usize = 50;

impl<'a> Planner<'a> {
    fn new(
        file: &'a Dockerfile,
        source: &'a Source,
        base: &'a State,
        options: &'a Options,
        downloads: &'a Downloads,
        target: usize,
    ) -> Result<Self, Fault> {
        let platform = build::platform();
        let given = Given { args: &options.args };
        let globals = Globals::read(file, &given, &platform, &target_name(file, target))?;
        Ok(Self {
            file,
            source,
            options,
            base,
            downloads,
            platform,
            globals,
            warnings: RefCell::default(),
            ignore: ignore::rules(options)?,
            built: RefCell::new(vec![None; file.stages.len()]),
            images: RefCell::default(),
            depth: RefCell::new(0),
            stands_in: false,
            missing: RefCell::default(),
        })
    }
}

impl Planner<'_> {
    fn given(&self) -> Given<'_> {
        Given { args: &self.options.args }
    }

    /// Returns a stage, planned once.
    fn ensure(&self, index: usize) -> Result<Rc<Built>, Fault> {
        if let Some(built) = &self.built.borrow()[index] {
            return Ok(Rc::clone(built));
        }
        let place = self.file.stages[index].place;
        if self.depth.replace_with(|depth| *depth + 1) >= MOST_DEPTH {
            return Err(Fault::new(place, "triggers of images bring in stages that bring in stages without end"));
        }
        let built = Rc::new(self.stage(index)?);
        self.depth.replace_with(|depth| *depth - 1);
        self.built.borrow_mut()[index] = Some(Rc::clone(&built));
        Ok(built)
    }

    /// Plans all stages that the target is made of, in the order of the file.
    fn all(&self, target: usize) -> Result<Rc<Built>, Fault> {
        for index in references::needed(self.file, self.options, &self.globals, target)? {
            self.ensure(index)?;
        }
        self.ensure(target)
    }

    /// Returns the arguments that were given and that none of what was planned takes.
    fn unread(&self) -> Vec<Unread> {
        let built = self.built.borrow();
        let of_stages = || built.iter().flatten().flat_map(|built| built.args.keys().map(String::as_str));
        let known = || self.globals.names().chain(of_stages());
        let is_unread = |name: &&String| !scope::is_predefined(name) && !known().any(|known| known == *name);
        let unread =
            |name: &String| Unread { name: name.clone(), near: wythe_sdk::nearest(name, known()).map(str::to_owned) };
        self.options.args.keys().filter(is_unread).map(unread).collect()
    }

    fn warn(&self, warning: Fault) {
        self.warnings.borrow_mut().push(warning);
    }

    /// Returns the earlier stage of a name, unless a named context takes its place.
    fn stage_named(&self, name: &str, before: usize, or_number: bool) -> Option<usize> {
        references::stage_named(self.file, self.options, name, before, or_number)
    }
}

pub(crate) fn target(file: &Dockerfile, options: &Options) -> Result<usize, Fault> {
    let last = file.stages.len() - 1;
    let Some(wanted) = options.target.as_deref().filter(|wanted| !wanted.is_empty()) else { return Ok(last) };
    file.stage_or_number(wanted, file.stages.len()).ok_or_else(|| {
        let fault = Fault::new(Place::line(1), format!("there is no stage `{wanted}`"));
        fault.nearest(wanted, file.names())
    })
}

fn target_name(file: &Dockerfile, target: usize) -> String {
    let name = file.stages[target].name.as_ref();
    name.map_or_else(
        || if target + 1 == file.stages.len() { "default".into() } else { target.to_string() },
        |name| name.text.clone(),
    )
}
