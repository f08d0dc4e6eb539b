// SPDX-License-Identifier: Apache-2.0
//! Finds and reads a definition and its lock, and writes the lock back.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use wythe_image::{NamePlatformError, Platform};
use wythe_plan::spec::{Limits, Spec, SpecErrors, known_hint};
use wythe_plan::{Kind, Lock};
use wythe_solve::{BuildError, Force, LockUse, Order, Pretence};
use wythe_store::Store;

use crate::arguments;
use crate::claimed::Claimed;
use crate::diagnostic::{Report, Texts, explain, warnings};
use crate::environment::now;
use crate::exit::Exit;
use crate::named;
use crate::workshop::{Workshop, absolute};

mod files;

use files::{find, name_of, read_lock};
pub(crate) use files::{read_text, replace};

/// The file that a directory's definition is in.
pub(crate) const DEFINITION: &str = "wythe.toml";

/// What the store remembers of a definition that was accepted: that it was.
const ACCEPTED: &str = "true";

/// Largest definition or lock that is read. A lock of a thousand packages has less than a megabyte.
pub(crate) const LARGEST_TEXT: u64 = 64 << 20;

/// A definition, read and checked.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) spec: Spec,
    pub(crate) lock: Lock,
    /// The names of all its images, those too that are not wanted.
    images: Vec<Option<String>>,
    /// None where what floats is looked up anew by every build.
    lock_path: Option<PathBuf>,
    lock_text: String,
    /// Whether a build writes the lock: that of a claimed file is made by who asks for it.
    keeps_lock: bool,
    /// What messages call a text that nobody wrote into a definition.
    claimed: Option<String>,
    dir: PathBuf,
    /// What the context is called where it was brought here.
    elsewhere: Option<String>,
    /// Names the definition in the store's memory of earlier builds.
    file: PathBuf,
    args: Vec<(String, String)>,
}

impl Definition {
    /// Reads the definition that the command line names, and warns of what should be looked at.
    pub(crate) fn read(workshop: &Workshop, wanted: &arguments::Definition, kinds: &[Kind]) -> Result<Self, Report> {
        Self::read_with(workshop, wanted, kinds, |name, text| Spec::parse(name, text, kinds))
    }

    /// Does the same, and has the store remember which definitions were accepted.
    pub(crate) fn read_remembering(
        workshop: &Workshop,
        wanted: &arguments::Definition,
        kinds: &[Kind],
        store: &Store,
    ) -> Result<Self, Report> {
        Self::read_with(workshop, wanted, kinds, |name, text| {
            let acceptance = Spec::acceptance(text, kinds);
            // A memory that cannot be used costs time and nothing else; the build is about to say what is wrong with it.
            if store.trace(&acceptance).is_ok_and(|known| known.is_some()) {
                return Spec::parse_accepted(name, text, kinds);
            }
            let spec = Spec::parse(name, text, kinds)?;
            drop(store.put_trace(&acceptance, ACCEPTED));
            Ok(spec)
        })
    }

    /// Does the same as [`Definition::read`], and hands over all that is wrong with the text where that is why it fails.
    pub(crate) fn read_telling(
        workshop: &Workshop,
        wanted: &arguments::Definition,
        kinds: &[Kind],
        errors: &mut Option<SpecErrors>,
    ) -> Result<Self, Report> {
        Self::read_with(workshop, wanted, kinds, |name, text| {
            Spec::parse(name, text, kinds).inspect_err(|found| *errors = Some(found.clone()))
        })
    }

    fn read_with(
        workshop: &Workshop,
        wanted: &arguments::Definition,
        kinds: &[Kind],
        parse: impl FnOnce(&str, &str) -> Result<Spec, SpecErrors>,
    ) -> Result<Self, Report> {
        let platform = platform_wanted(workshop, wanted)?;
        let is_definition = wanted.file.is_none()
            && match &wanted.elsewhere {
                Some(elsewhere) => elsewhere.has(Path::new(DEFINITION)),
                None => named::is_file(&wanted.path.join(DEFINITION))?,
            };
        if !is_definition && let Some(claimed) = Claimed::find(workshop, wanted, kinds)? {
            return Self::of_claimed(workshop, claimed, wanted, platform, parse);
        }
        refuse_what_is_for_claimed(wanted)?;
        let path = find(&wanted.path, kinds)?;
        let text = read_text(&path)?;
        let elsewhere = wanted.elsewhere.as_ref().map(|elsewhere| elsewhere.name.clone());
        let name = if elsewhere.is_some() { DEFINITION.to_owned() } else { name_of(&path) };
        let mut spec = parse(&name, &text)?;
        if let Some(text) = warnings(&spec.warnings, &spec.source, workshop.color) {
            crate::print::to_stderr(&text);
        }
        let images = spec.images.iter().map(|image| image.name.clone()).collect();
        choose_images(&mut spec, &wanted.images)?;
        set_platform(&mut spec, platform.as_ref());
        let dir = absolute(named::parent(&path))?;
        let lock_path = path.with_extension("lock");
        let (lock_text, lock) = read_lock(&lock_path)?;
        let args = arguments_given(workshop, wanted)?;
        let file = dir.join(path.file_name().unwrap_or_default());
        let lock_path = Some(lock_path);
        let keeps_lock = elsewhere.is_none();
        Ok(Self { spec, lock, images, lock_path, lock_text, keeps_lock, claimed: None, dir, elsewhere, file, args })
    }

    /// Makes a definition of a file that a kind claims. Its text has no name: nobody wrote it, so nobody is shown it.
    fn of_claimed(
        workshop: &Workshop,
        claimed: Claimed,
        wanted: &arguments::Definition,
        platform: Option<Platform>,
        parse: impl FnOnce(&str, &str) -> Result<Spec, SpecErrors>,
    ) -> Result<Self, Report> {
        let mut spec = parse("", &claimed.text)?;
        set_platform(&mut spec, platform.as_ref());
        let images = spec.images.iter().map(|image| image.name.clone()).collect();
        let args = arguments_given(workshop, wanted)?;
        let (dir, file) = (absolute(&claimed.dir)?, absolute(&claimed.file)?);
        // Beside the file and called after it, since a directory may have several.
        let lock_path = (claimed.file != Path::new("-")).then(|| claimed.file.with_added_extension("lock"));
        let (lock_text, lock) = lock_path.as_deref().map(read_lock).transpose()?.unwrap_or_default();
        let elsewhere = wanted.elsewhere.as_ref().map(|elsewhere| elsewhere.name.clone());
        let keeps_lock = !lock_text.is_empty() && elsewhere.is_none();
        let inside = claimed.file.strip_prefix(&claimed.dir).ok().filter(|_| elsewhere.is_some());
        let name = Some(inside.map_or_else(|| name_of(&claimed.file), |file| file.display().to_string()));
        Ok(Self { spec, lock, images, lock_path, lock_text, keeps_lock, claimed: name, dir, elsewhere, file, args })
    }

    /// Forgets the limits that a machine may be unable to keep.
    pub(crate) fn forget_limits(&mut self) {
        for image in &mut self.spec.images {
            for step in std::iter::once(&mut image.base).chain(&mut image.steps) {
                let limits = &mut step.ambient.limits;
                *limits = Limits { timeout: limits.timeout, disk: limits.disk, ..Limits::default() };
            }
        }
    }

    /// Returns what is to be built.
    pub(crate) fn order(&self, workshop: &Workshop, lock_use: LockUse, force: Force) -> Result<Order, Report> {
        let epoch = match workshop.surroundings.source_date_epoch() {
            None => self.spec.builder.source_date_epoch(),
            Some(Ok(epoch)) => epoch,
            Some(Err(text)) => {
                let report = Report::new(Exit::Spec, format!("SOURCE_DATE_EPOCH is `{text}`, not a number of seconds"));
                return Err(report.hint("unset it, or set it to seconds since 1970: `date +%s`"));
            }
        };
        if i64::try_from(epoch).is_ok_and(|epoch| epoch > now()) {
            let note = "the clock of this machine is before the time that the build pretends";
            crate::print::to_stderr(&format!("warning: {note}: times of files will differ from build to build"));
        }
        Ok(Order {
            images: self.spec.images.clone(),
            context: self.dir.clone(),
            pretence: Pretence {
                source_date_epoch: epoch,
                created: rfc3339(epoch)?,
                builder: self.spec.builder.to_string(),
                args: self.args.iter().cloned().collect(),
            },
            lock: self.lock.clone(),
            lock_use,
            force,
            definition: self.name(),
        })
    }

    /// Returns what names the definition in the store's memory of earlier builds: the file, whatever it is called by.
    pub(crate) fn name(&self) -> String {
        // Where it was brought to says nothing, and is another place each time.
        match &self.elsewhere {
            Some(name) => format!("{name} {}", self.file.strip_prefix(&self.dir).unwrap_or(&self.file).display()),
            None => self.file.display().to_string(),
        }
    }

    /// Returns the lock that `found` leads to. Where every image reached its end, steps that the definition does not have
    /// any more are dropped; those of images that were not wanted stay.
    pub(crate) fn lock_after(&self, found: &Lock, all_done: bool) -> Lock {
        let mut lock = found.clone();
        if all_done {
            lock.retain(|image, step| match self.spec.image(image.name.as_deref()) {
                Some(wanted) => wanted.step(step).is_some(),
                None => self.images.contains(&image.name),
            });
        }
        lock
    }

    /// Returns whether writing this lock would change the file.
    pub(crate) fn lock_differs(&self, lock: &Lock) -> bool {
        self.lock_path.is_some() && *lock != self.lock && lock.to_text() != self.lock_text
    }

    /// Explains why a build stopped, with the place in the definition or in the text that a step is made of.
    pub(crate) fn explain(&self, error: &BuildError) -> Report {
        explain(error, &self.texts())
    }

    /// Returns the texts that steps are made of.
    pub(crate) fn texts(&self) -> Texts<'_> {
        let is_brought = self.elsewhere.is_some();
        Texts { spec: &self.spec, dir: &self.dir, is_brought, claimed: self.claimed.as_deref() }
    }

    /// Returns the name of the lock's file.
    pub(crate) fn lock_name(&self) -> String {
        let name = self.lock_path.as_deref().and_then(Path::file_name).unwrap_or("the lock".as_ref());
        name.to_string_lossy().into_owned()
    }

    /// Writes the lock beside the definition, where a build may and it has changed.
    pub(crate) fn keep_lock(&self, lock: &Lock) -> Result<(), Report> {
        if self.keeps_lock { self.write_lock(lock) } else { Ok(()) }
    }

    /// Writes the lock beside the definition, where it has changed.
    pub(crate) fn write_lock(&self, lock: &Lock) -> Result<(), Report> {
        let Some(path) = self.lock_path.as_ref().filter(|_| self.lock_differs(lock)) else { return Ok(()) };
        replace(path, lock.to_text().as_bytes())
            .map_err(|error| Report::caused(Exit::World, format!("cannot write `{}`", path.display()), &error))
    }
}

/// Returns seconds since 1970 as RFC 3339.
pub(crate) fn rfc3339(epoch: u64) -> Result<String, Report> {
    let stamp = i64::try_from(epoch).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    let stamp = stamp.ok_or_else(|| Report::new(Exit::Spec, format!("{epoch} seconds is not a time")))?;
    Ok(stamp.to_string())
}

/// Returns the platform that the command line names. `local` is that of this machine.
pub(crate) fn platform_wanted(workshop: &Workshop, wanted: &arguments::Definition) -> Result<Option<Platform>, Report> {
    match wanted.platform.as_deref() {
        None | Some("") => Ok(None),
        Some("local") => Ok(Some(workshop.machine().platform)),
        Some(text) => Platform::named(text).map(Some).map_err(|error| {
            let report = Report::new(Exit::Usage, format!("`--platform {text}` cannot be built for"));
            let report = report.note(error.to_string());
            match error {
                NamePlatformError::Several(_) => {
                    report.hint("build them one after the other; each finds what the others fetched")
                }
                _ => report,
            }
        }),
    }
}

/// Makes the images ones for the platform that the command line names, whatever the definition says.
fn set_platform(spec: &mut Spec, platform: Option<&Platform>) {
    if let Some(platform) = platform {
        spec.images.iter_mut().for_each(|image| image.platform = Some(platform.clone()));
    }
}

/// Returns the build arguments; one without a value has that of the variable of its name, and is none where there is none.
pub(crate) fn arguments_given(
    workshop: &Workshop,
    wanted: &arguments::Definition,
) -> Result<Vec<(String, String)>, Report> {
    let given = wanted.args.iter().filter_map(|text| match text.split_once('=') {
        None if !text.is_empty() => {
            let value = String::from_utf8(workshop.surroundings.bytes(text)?).map_err(|_| {
                Report::new(Exit::Usage, format!("`--arg {text}`: the variable of this name is not UTF-8"))
            });
            Some(value.map(|value| (text.clone(), value)))
        }
        _ => Some(split_assignment(text, "--arg")),
    });
    given.collect()
}

/// Refuses options that a definition says in its own words.
fn refuse_what_is_for_claimed(wanted: &arguments::Definition) -> Result<(), Report> {
    const NO_WORD: &str = "write it into the definition: docs/definition.md says how";
    let given = [
        ("--target", wanted.target.is_some(), NO_WORD),
        ("--build-context", !wanted.build_contexts.is_empty(), NO_WORD),
        ("--label", !wanted.labels.is_empty(), NO_WORD),
        (
            "--network",
            wanted.network.is_some(),
            "write it into the step: `network = \"host\"`, or `\"none\"`, or a list of hosts",
        ),
        (
            "--add-host",
            !wanted.extra_hosts.is_empty(),
            "write it into the step: `extra-hosts = { NAME = \"ADDRESS\" }`",
        ),
        ("--shm-size", wanted.shm_size.is_some(), "write it into the step: `shm-size = \"1GiB\"`"),
        ("--memory", wanted.memory.is_some(), "write it into the step: `memory = \"2GiB\"`"),
        ("--cpu-quota", wanted.cpu_quota.is_some(), "write it into the step: `cpu = 0.5`"),
        ("--ulimit", !wanted.ulimits.is_empty(), "write it into the step: `ulimits = { nofile = \"1024:4096\" }`"),
    ];
    match given.iter().find(|(_, is_given, _)| *is_given) {
        None => Ok(()),
        Some((option, _, hint)) => {
            Err(Report::new(Exit::Usage, format!("`{option}` is for files that a plugin claims")).hint(*hint))
        }
    }
}

fn choose_images(spec: &mut Spec, wanted: &[String]) -> Result<(), Report> {
    if wanted.is_empty() {
        return Ok(());
    }
    let known: Vec<&str> = spec.images.iter().filter_map(|image| image.name.as_deref()).collect();
    if let Some(missing) = wanted.iter().find(|name| !known.contains(&name.as_str())) {
        let report = Report::new(Exit::Spec, format!("the definition has no image `{missing}`"));
        let hint = match known.is_empty() {
            true => "it has one image, which has no name: leave `--image` out".to_owned(),
            false => known_hint(missing, "images", &known),
        };
        return Err(report.hint(hint));
    }
    spec.images.retain(|image| image.name.as_ref().is_some_and(|name| wanted.contains(name)));
    Ok(())
}

/// Takes `NAME=VALUE` apart.
pub(crate) fn split_assignment(text: &str, option: &str) -> Result<(String, String), Report> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(Report::new(Exit::Usage, format!("`{option} {text}` is not of the form NAME=VALUE"))),
    }
}

#[cfg(test)]
mod tests {
    use super::{rfc3339, split_assignment};

    #[test]
    fn assignments_are_taken_apart_at_the_first_sign() {
        assert_eq!(split_assignment("A=b=c", "--arg").unwrap(), ("A".to_owned(), "b=c".to_owned()));
        assert_eq!(split_assignment("A=", "--arg").unwrap(), ("A".to_owned(), String::new()));
        assert!(split_assignment("A", "--arg").is_err());
        assert!(split_assignment("=b", "--arg").is_err());
    }

    #[test]
    fn times_are_written_as_rfc_3339() {
        assert_eq!(rfc3339(1_793_491_200).unwrap(), "2026-11-01T00:00:00Z");
        assert!(rfc3339(u64::MAX).is_err());
    }
}
