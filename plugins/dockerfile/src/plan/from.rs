// SPDX-License-Identifier: Apache-2.0
//! What a stage, a copy or a mount starts from: a stage, an image, nothing.

use std::rc::Rc;

use wythe_sdk::{State, build};

use super::git::Asked;
use super::platform::normal;
use super::stage::{Built, Config};
use super::{Planner, references};
use crate::fault::{Fault, Place};
use crate::text::git::is_git;

impl Planner<'_> {
    /// Returns the state that a stage begins on.
    pub(super) fn from(&self, index: usize) -> Result<Rc<Built>, Fault> {
        let stage = &self.file.stages[index];
        let Some(from) = &stage.from else { return self.image_so_far(stage.place) };
        let platform = self.platform_of(index)?;
        let name = references::base_name(self.file, &self.globals, index)?;
        self.check_arguments(index);
        if let Some(earlier) = self.stage_named(&name, index, false) {
            return self.ensure(earlier);
        }
        if name == "scratch" && !self.options.contexts.contains_key("scratch") {
            let state = platform.as_deref().map_or_else(State::scratch, State::scratch_for).env("PATH", USUAL_PATH);
            let config = Config { env: vec![format!("PATH={USUAL_PATH}")], ..Config::default() };
            return Ok(Rc::new(Built::of_image(state, config)));
        }
        self.image(&name, platform.as_deref(), from.place)
    }

    fn image_so_far(&self, place: Place) -> Result<Rc<Built>, Fault> {
        let text = self.base.config().map_err(|why| Fault::new(place, why))?;
        let config = read_config(&text, place)?;
        // An edit that changes nothing is a state of its own to go on from.
        Ok(Rc::new(Built::of_image(self.base.name("so-far"), config)))
    }

    /// Returns an image, `scratch`, or what a named context says: of a platform, if it is another one than the image's.
    fn image(&self, name: &str, platform: Option<&str>, place: Place) -> Result<Rc<Built>, Fault> {
        let contexts = &self.options.contexts;
        let of_platform = platform.and_then(|platform| contexts.get(&format!("{name}@{platform}")));
        if let Some(context) = of_platform.or_else(|| contexts.get(name)) {
            return match context.strip_prefix("docker-image://") {
                Some(reference) => self.reference(reference, platform, place),
                None => self.other_context(name, context, place),
            };
        }
        if name == "scratch" {
            return Ok(Rc::new(Built::of_image(State::scratch(), Config::default())));
        }
        self.reference(name, platform, place)
    }

    /// Returns the files of a named context that is no image: of a git repository.
    fn other_context(&self, name: &str, context: &str, place: Place) -> Result<Rc<Built>, Fault> {
        if !is_git(context) {
            // It is not repeated: there may be a password in it.
            let fault = Fault::new(place, format!("the context `{name}` is neither an image nor a git repository"));
            return Err(fault.hint(
                "write `docker-image://REFERENCE`, or an address as `https://host/path.git`; directories and layouts can be \
                 named on the command line",
            ));
        }
        if let Some(known) = self.images.borrow().get(context) {
            return Ok(Rc::clone(known));
        }
        let asked = Asked { place, part: name, checksum: None, keep_git_dir: None };
        let state = self.repository(context, &asked).map_err(|fault| {
            let message = format!("the context `{name}`: {}", fault.message);
            Fault { message, ..fault }
        })?;
        let built = Rc::new(Built::of_image(state, Config::default()));
        self.images.borrow_mut().insert(context.to_owned(), Rc::clone(&built));
        Ok(built)
    }

    fn reference(&self, reference: &str, platform: Option<&str>, place: Place) -> Result<Rc<Built>, Fault> {
        let asked = platform.map_or_else(|| reference.to_owned(), |platform| format!("{reference}@{platform}"));
        if let Some(known) = self.images.borrow().get(&asked) {
            return Ok(Rc::clone(known));
        }
        super::scope::short(reference, place)?;
        if reference.is_empty() || reference.chars().any(|letter| letter.is_control() || letter.is_whitespace()) {
            return Err(Fault::new(place, format!("`{reference}` is not the name of an image")));
        }
        let found = match platform {
            Some(platform) => State::image_for(reference, platform),
            None => State::image(reference),
        };
        if found.is_err() && self.stands_in {
            self.missing.borrow_mut().insert(reference.to_owned());
            let built = Rc::new(Built::of_image(State::scratch(), Config::default()));
            self.images.borrow_mut().insert(asked, Rc::clone(&built));
            return Ok(built);
        }
        let state = found.map_err(|why| {
            let fault = Fault::new(place, why);
            let names = self.file.names();
            match wythe_sdk::nearest(reference, names) {
                Some(stage) => fault.hint(format!("did you mean the stage `{stage}`?")),
                None => fault.hint(self.how_to_have(reference, platform)),
            }
        })?;
        let text = state.config().map_err(|why| Fault::new(place, why))?;
        let built = Rc::new(Built::of_image(state, read_config(&text, place)?));
        self.images.borrow_mut().insert(asked, Rc::clone(&built));
        Ok(built)
    }

    /// Says how an image comes into the store that is not there.
    fn how_to_have(&self, reference: &str, platform: Option<&str>) -> String {
        let platform = platform.unwrap_or(&self.platform);
        let is_native = normal(&build::machine_platform()).is_ok_and(|machine| machine == platform);
        let (build, copy) = match platform.split('/').nth(1).filter(|_| !is_native) {
            None => (String::new(), String::new()),
            Some(architecture) => (format!(" --platform {platform}"), format!(" --override-arch {architecture}")),
        };
        format!(
            "images are not pulled: build it, `wythe build{build} -t {reference} DIR`, or name a layout that has it, \
             `--build-context {reference}=oci-layout://DIR:TAG` (`skopeo copy{copy} docker://{reference} oci:DIR:TAG` makes one)"
        )
    }

    /// Returns what `--from` or `from=` names: a stage before this one, by name or number, or an image.
    pub(super) fn other(&self, name: &str, index: usize, place: Place) -> Result<Rc<Built>, Fault> {
        if name.contains('$') {
            let fault = Fault::new(place, format!("`{name}`: variables are not replaced here"));
            return Err(fault.hint("name a stage of its own: `FROM ${IMAGE} AS name`"));
        }
        if let Some(earlier) = self.stage_named(name, index, true) {
            return self.ensure(earlier);
        }
        if self.stage_named(name, self.file.stages.len(), true) == Some(index) {
            return Err(Fault::new(place, format!("the stage `{name}` cannot be a source of itself")));
        }
        if self.file.stage(name, self.file.stages.len()).is_some() {
            let fault = Fault::new(place, format!("the stage `{name}` stands below this one"));
            return Err(fault.hint("move it up: a stage names only those above it, so that there is no cycle"));
        }
        if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()) {
            let fault = Fault::new(place, format!("there is no stage {name} before this one"));
            return Err(fault.hint("stages are counted from 0"));
        }
        // As in BuildKit it is the one for the image's platform, whatever the stage's.
        self.image(name, None, place)
    }

    /// Warns of arguments in `FROM` that nobody declares, and of those whose defaults make no image of it.
    fn check_arguments(&self, index: usize) {
        let Some(from) = &self.file.stages[index].from else { return };
        let names = self.globals.unset_in(&from.text, self.file.directives.escape);
        for name in &names {
            let fault = Fault::of_rule(
                "UndefinedArgInFrom",
                from.place,
                format!("no `ARG` before the first `FROM` declares `{name}`"),
            );
            self.warn(fault.nearest(name, self.globals.names()));
        }
        if names.is_empty()
            && let Ok(value) = self.globals.defaults().value(&from.text, self.file.directives.escape)
            && from.text.contains('$')
            && !is_reference(&value)
        {
            let message =
                format!("with the defaults of its arguments, `{}` is `{value}`, which is no image", from.text);
            self.warn(Fault::of_rule("InvalidDefaultArgInFrom", from.place, message));
        }
    }
}

/// What a stage on nothing has as its `PATH`.
const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Whether a text can be the name of an image, as far as its marks show.
fn is_reference(text: &str) -> bool {
    let parts_are_there = text.split(['/', ':', '@']).all(|part| !part.is_empty());
    parts_are_there && !text.ends_with(['.', '-', '_']) && !text.contains(char::is_whitespace)
}

fn read_config(text: &str, place: Place) -> Result<Config, Fault> {
    serde_json::from_str(text)
        .map_err(|error| Fault::new(place, format!("the image's configuration cannot be read: {error}")))
}
