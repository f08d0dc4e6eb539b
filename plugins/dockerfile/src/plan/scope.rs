// SPDX-License-Identifier: Apache-2.0
//! Which variables stand where: arguments of the file, arguments of a stage, the environment.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use wythe_sdk::build;

use super::Given;
use super::platform::normal;
use crate::fault::{Fault, Place};
use crate::text::expand::{self, Quotes, Variables};
use crate::text::instruction::{Action, Assignment, Instruction, Text};
use crate::text::stages::Dockerfile;

/// Arguments that every build has without naming them. They reach `RUN`, and no key unless a stage declares them.
pub(super) const PROXIES: [&str; 10] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// What arguments begin with that describe the machine that builds.
const MACHINE: &str = "BUILD";

/// The arguments before the first `FROM`, and those that describe the build.
#[derive(Debug, Default)]
pub(super) struct Globals {
    values: BTreeMap<String, Option<String>>,
    /// The same where nobody gives a value.
    defaults: BTreeMap<String, Option<String>>,
    /// What describes the machine that builds, once it is asked for: a plan that does not depend on it is the same everywhere.
    machine: OnceCell<[(String, String); 4]>,
    unset: RefCell<Vec<String>>,
}

/// The arguments of a file where nobody gives a value.
#[derive(Debug)]
pub(super) struct Defaults<'a>(&'a Globals);

impl Variables for Defaults<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.value(&self.0.defaults, name)
    }
}

/// Returns the arguments that describe a platform.
fn describing(prefix: &str, platform: &str) -> [(String, String); 4] {
    let mut parts = platform.split('/');
    let mut next = || parts.next().unwrap_or_default();
    let values = [("PLATFORM", platform), ("OS", next()), ("ARCH", next()), ("VARIANT", next())];
    values.map(|(name, value)| (format!("{prefix}{name}"), value.to_owned()))
}

impl Defaults<'_> {
    pub(super) fn value(&self, text: &str, escape: char) -> Result<String, String> {
        expand::value(text, escape, Quotes::Taken, self)
    }
}

impl Globals {
    pub(super) fn read(file: &Dockerfile, given: &Given<'_>, platform: &str, target: &str) -> Result<Self, Fault> {
        let mut globals = Self::default();
        for (name, value) in describing("TARGET", platform) {
            let value = given.get(&name).unwrap_or(value);
            globals.values.insert(name, Some(value));
        }
        for (name, _) in describing(MACHINE, "") {
            let value = given.get(&name);
            globals.values.insert(name, value);
        }
        globals.values.insert("TARGETSTAGE".to_owned(), Some(target.to_owned()));
        globals.defaults = globals.values.clone();
        for one in &file.global {
            let Action::Arg(assignments) = &one.action else { continue };
            for assignment in assignments {
                let value = match (given.get(&assignment.name.text), &assignment.value) {
                    (Some(given), _) => Some(given),
                    (None, Some(default)) => Some(
                        expand::value(default, file.directives.escape, Quotes::Taken, &globals)
                            .map_err(|what| Fault::new(assignment.name.place, what))?,
                    ),
                    (None, None) => globals.get(&assignment.name.text).map(str::to_owned),
                };
                globals.values.insert(assignment.name.text.clone(), value);
                let default = assignment
                    .value
                    .as_ref()
                    .and_then(|default| globals.defaults().value(default, file.directives.escape).ok());
                globals.defaults.insert(assignment.name.text.clone(), default);
            }
        }
        Ok(globals)
    }

    pub(super) fn defaults(&self) -> Defaults<'_> {
        Defaults(self)
    }

    /// Returns a value; what describes the machine is asked for now.
    fn value<'a>(&'a self, values: &'a BTreeMap<String, Option<String>>, name: &str) -> Option<&'a str> {
        let of_machine = || {
            let machine = || {
                let platform = build::machine_platform();
                describing(MACHINE, &normal(&platform).unwrap_or(platform))
            };
            let is_one = describing(MACHINE, "").iter().any(|(known, _)| known == name);
            let known = is_one.then(|| self.machine.get_or_init(machine))?;
            known.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
        };
        values.get(name)?.as_deref().or_else(of_machine)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.values.keys().map(String::as_str)
    }

    /// Returns the names in a text that nobody declares.
    pub(super) fn unset_in(&self, text: &str, escape: char) -> Vec<String> {
        self.unset.borrow_mut().clear();
        let _value = expand::value(text, escape, Quotes::Taken, self);
        let names = std::mem::take(&mut *self.unset.borrow_mut());
        names.into_iter().filter(|name| !self.values.contains_key(name)).collect()
    }
}

impl Variables for Globals {
    fn get(&self, name: &str) -> Option<&str> {
        self.value(&self.values, name)
    }

    fn missing(&self, name: &str) {
        self.unset.borrow_mut().push(name.to_owned());
    }
}

/// The variables of a stage at one instruction.
#[derive(Debug, Default)]
pub(super) struct Scope {
    /// The environment of the image, in its order.
    pub(super) env: Vec<(String, String)>,
    /// The arguments that the stage, or one below it, has declared, with their values.
    pub(super) args: BTreeMap<String, Option<String>>,
    /// Those of them that were given a value after the environment had one: who comes last wins, and an `ENV` is of the image
    /// all the same.
    pub(super) over: BTreeSet<String>,
    /// Names that were used and that nobody had set or declared, each with the one that may have been meant.
    unset: RefCell<BTreeMap<String, Option<String>>>,
}

impl Variables for Scope {
    fn get(&self, name: &str) -> Option<&str> {
        if self.is_argument(name) {
            return self.args.get(name)?.as_deref();
        }
        self.env.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn missing(&self, name: &str) {
        // Who declares an argument without a value means it to be empty where none is given.
        if self.args.contains_key(name) || self.unset.borrow().contains_key(name) {
            return;
        }
        let known = self.env.iter().map(|(name, _)| name.as_str()).chain(self.args.keys().map(String::as_str));
        let near = wythe_sdk::nearest(name, known).map(str::to_owned);
        self.unset.borrow_mut().insert(name.to_owned(), near);
    }
}

impl Scope {
    /// Returns the scope at the beginning of a stage.
    pub(super) fn new(
        env: Vec<(String, String)>,
        args: BTreeMap<String, Option<String>>,
        over: BTreeSet<String>,
    ) -> Self {
        Self { env, args, over, unset: RefCell::default() }
    }

    /// Whether a name stands for an argument here, if for anything: nobody has set it in the image, or not after it.
    pub(super) fn is_argument(&self, name: &str) -> bool {
        self.over.contains(name) || !self.env.iter().any(|(known, _)| known == name)
    }

    /// Replaces the variables of a text.
    pub(super) fn value(&self, text: &Text, escape: char) -> Result<String, Fault> {
        self.raw_value(&text.text, text.place, escape)
    }

    pub(super) fn raw_value(&self, text: &str, place: Place, escape: char) -> Result<String, Fault> {
        let value = expand::value(text, escape, Quotes::Taken, self).map_err(|what| Fault::new(place, what))?;
        short(&value, place)?;
        Ok(value)
    }

    /// Replaces the variables of a value of any length.
    pub(super) fn long_value(&self, text: &str, place: Place, escape: char, quotes: Quotes) -> Result<String, Fault> {
        let value = expand::value(text, escape, quotes, self).map_err(|what| Fault::new(place, what))?;
        if value.contains('\0') {
            return Err(Fault::new(place, "a value has a NUL in it"));
        }
        Ok(value)
    }

    /// Sets a variable of the image.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.over.remove(name);
        match self.env.iter_mut().find(|(known, _)| known == name) {
            Some(pair) => value.clone_into(&mut pair.1),
            None => self.env.push((name.to_owned(), value.to_owned())),
        }
    }

    /// Declares arguments.
    pub(super) fn declare(
        &mut self,
        assignments: &[Assignment],
        globals: &Globals,
        given: &Given<'_>,
        escape: char,
    ) -> Result<(), Fault> {
        for one in assignments {
            let name = self.value(&one.name, escape)?;
            let value = match (given.get(&name), &one.value) {
                (Some(given), _) => Some(given),
                (None, Some(default)) => Some(self.long_value(default, one.name.place, escape, Quotes::Taken)?),
                (None, None) => globals.get(&name).map(str::to_owned).or_else(|| predefined(&name)),
            };
            if value.is_some() {
                self.over.insert(name.clone());
            }
            // Nothing new is said of a value that the argument may have already.
            let value = value.or_else(|| self.args.get(&name).cloned().flatten());
            self.args.insert(name, value);
        }
        Ok(())
    }

    /// Returns what a command gets beside the environment of the image.
    pub(super) fn for_command(&self, given: &Given<'_>) -> Vec<(String, String)> {
        let declared = self.args.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
        let proxies = PROXIES.iter().filter_map(|name| Some(((*name).to_owned(), given.args.get(*name)?.clone())));
        let mut all: BTreeMap<String, String> = proxies.collect();
        all.extend(declared);
        all.into_iter().filter(|(name, _)| self.is_argument(name)).collect()
    }

    /// Returns the names that were used and not known since the last call, each with the one that may have been meant.
    pub(super) fn take_unset(&self) -> BTreeMap<String, Option<String>> {
        std::mem::take(&mut *self.unset.borrow_mut())
    }
}

/// Tells whether an argument means something without being declared.
pub(super) fn is_predefined(name: &str) -> bool {
    PROXIES.contains(&name) || name == "SOURCE_DATE_EPOCH" || name.starts_with("BUILDKIT_")
}

/// Arguments that have a value where nobody gives one.
fn predefined(name: &str) -> Option<String> {
    (name == "SOURCE_DATE_EPOCH").then(|| build::source_date_epoch().to_string())
}

/// Most bytes of a name or path.
const MOST_BYTES: usize = 4096;

/// Refuses what is no name or path.
pub(super) fn short(value: &str, place: Place) -> Result<(), Fault> {
    if value.len() > MOST_BYTES {
        return Err(Fault::new(place, format!("this is longer than {MOST_BYTES} bytes")));
    }
    if value.contains('\0') {
        return Err(Fault::new(place, "this has a NUL in it"));
    }
    Ok(())
}

/// Says which instruction of a stage uses a variable that nobody sets.
pub(super) fn undefined(one: &Instruction, scope: &Scope) -> Vec<Fault> {
    let fault = |(name, near): (String, Option<String>)| {
        let fault = Fault::of_rule("UndefinedVar", one.place, format!("`${name}` is not set here"));
        near.iter().fold(fault, |fault, near| fault.hint(format!("did you mean `${near}`?")))
    };
    scope.take_unset().into_iter().map(fault).collect()
}
