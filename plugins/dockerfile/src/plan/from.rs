// SPDX-License-Identifier: Apache-2.0
//! What a stage, a copy or a mount starts from: a stage, an image, nothing.

use std::rc::Rc;

use wythe_sdk::State;

use super::Planner;
use super::stage::{Built, Config};
use crate::fault::{Fault, Place};
use crate::text::expand::{self, Quotes};

impl Planner<'_> {
    /// Returns the state that a stage begins on.
    pub(super) fn from(&self, index: usize) -> Result<Rc<Built>, Fault> {
        let stage = &self.file.stages[index];
        let Some(from) = &stage.from else { return self.image_so_far(stage.place) };
        self.check_platform(index)?;
        let name = self.base_name(index)?;
        if let Some(earlier) = self.stage_named(&name, index, false) {
            return self.ensure(earlier);
        }
        self.image(&name, from.place)
    }

    /// Returns the name behind `FROM`, its variables replaced.
    pub(super) fn base_name(&self, index: usize) -> Result<String, Fault> {
        let stage = &self.file.stages[index];
        let Some(from) = &stage.from else { return Ok(String::new()) };
        let name = self.global_value(&from.text, from.place)?;
        if name.is_empty() {
            let fault = Fault::new(from.place, format!("`{}` is empty: `FROM` has no image", from.text));
            return Err(fault.hint("give its `ARG` a default before the first `FROM`, or a value"));
        }
        Ok(name)
    }

    fn global_value(&self, text: &str, place: Place) -> Result<String, Fault> {
        expand::value(text, self.file.directives.escape, Quotes::Taken, &self.globals)
            .map_err(|what| Fault::new(place, what))
    }

    fn image_so_far(&self, place: Place) -> Result<Rc<Built>, Fault> {
        let text = self.base.config().map_err(|why| Fault::new(place, why))?;
        let config = read_config(&text, place)?;
        // An edit that changes nothing is a state of its own to go on from.
        let state = Rc::new(self.base.name("so-far"));
        Ok(Rc::new(Built { state, config }))
    }

    /// Returns an image, `scratch`, or what a named context says.
    pub(super) fn image(&self, name: &str, place: Place) -> Result<Rc<Built>, Fault> {
        if let Some(context) = self.options.contexts.get(name) {
            let Some(reference) = context.strip_prefix("docker-image://") else {
                let fault = Fault::new(place, format!("the context `{name}` is `{context}`, which is no image"));
                return Err(fault.hint("only `docker-image://REFERENCE` can be a named context in this version"));
            };
            return self.reference(reference, place);
        }
        if name == "scratch" {
            return Ok(Rc::new(Built { state: Rc::new(State::scratch()), config: Config::default() }));
        }
        self.reference(name, place)
    }

    fn reference(&self, reference: &str, place: Place) -> Result<Rc<Built>, Fault> {
        if let Some(known) = self.images.borrow().get(reference) {
            return Ok(Rc::clone(known));
        }
        super::scope::short(reference, place)?;
        if reference.is_empty() || reference.chars().any(|letter| letter.is_control() || letter.is_whitespace()) {
            return Err(Fault::new(place, format!("`{reference}` is not the name of an image")));
        }
        let state = State::image(reference).map_err(|why| {
            let fault = Fault::new(place, why);
            let names = self.file.names();
            match wythe_sdk::nearest(reference, names) {
                Some(stage) => fault.hint(format!("did you mean the stage `{stage}`?")),
                None => fault,
            }
        })?;
        let text = state.config().map_err(|why| Fault::new(place, why))?;
        let built = Rc::new(Built { state: Rc::new(state), config: read_config(&text, place)? });
        self.images.borrow_mut().insert(reference.to_owned(), Rc::clone(&built));
        Ok(built)
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
        self.image(name, place)
    }

    fn check_platform(&self, index: usize) -> Result<(), Fault> {
        let Some(flag) = &self.file.stages[index].platform else { return Ok(()) };
        let wanted = self.global_value(flag.value.as_deref().unwrap_or_default(), flag.place)?;
        if wanted.is_empty() || normal(&wanted) == normal(&self.platform) {
            return Ok(());
        }
        let fault =
            Fault::new(flag.place, format!("the build is for {}, and this stage for `{wanted}`", self.platform));
        Err(fault.hint("a stage of another platform is not available in this version of wythe"))
    }
}

/// Returns a platform with the names that it has several of brought to one.
fn normal(platform: &str) -> String {
    let lower = platform.to_ascii_lowercase();
    let whole = if lower.contains('/') { lower } else { format!("linux/{lower}") };
    whole.replace("x86_64", "amd64").replace("x86-64", "amd64").replace("aarch64", "arm64").replace("arm64/v8", "arm64")
}

fn read_config(text: &str, place: Place) -> Result<Config, Fault> {
    serde_json::from_str(text)
        .map_err(|error| Fault::new(place, format!("the image's configuration cannot be read: {error}")))
}
