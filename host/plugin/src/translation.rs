// SPDX-License-Identifier: Apache-2.0
//! Files that plugins turn into definitions, commands that plugins know, and what of both is believed.

use serde_json::Value;
use wasmtime::Store;
use wasmtime::component::InstancePre;
use wythe_plan::{PlanError, StepCall, Translated, Translation, World};

use crate::Plugins;
use crate::guest::{Guest, Phase};
use crate::plugin::Plugin;
use crate::plugins::options_text;
use crate::surroundings::Surroundings;
use crate::untrusted;
use crate::v0_1::commands::{Command, Verdict};
use crate::v0_1::{self, Exports};

impl Plugins {
    /// Has the plugin of a kind turn a file into a definition. `exact` leaves commands as they are; `added` are files that come
    /// into the build context with the translation.
    ///
    /// # Errors
    ///
    /// See [`PlanError`]; [`PlanError::Failed`] where the kind translates nothing.
    pub fn translate(
        &self,
        step: StepCall<'_>,
        exact: bool,
        added: &[String],
        world: &dyn World,
    ) -> Result<Translation, PlanError> {
        let plugin = self.plugin(step.kind)?;
        if !plugin.provides().importer {
            return Err(PlanError::Failed(format!("the kind `{}` cannot turn a file into a definition", step.kind)));
        }
        let options = options_text(plugin, step);
        let surroundings = Surroundings { world, plugins: self, depth: 0 };
        let translate = |exports: &Exports, store: &mut Store<Guest>, component: &InstancePre<Guest>| {
            exports.translate(store, component, &options, exact, added)
        };
        let (translated, _) = self.call(Phase::Translate, plugin, surroundings, translate)?;
        checked(translated).map_err(|what| broken(plugin, what))
    }

    /// Shows a command to all plugins that know some: what the first says that knows it, else what the first says that came
    /// near.
    pub(crate) fn recognise(&self, command: &Command, surroundings: Surroundings<'_>) -> Result<Verdict, PlanError> {
        let surroundings = Surroundings { depth: surroundings.depth + 1, ..surroundings };
        let mut near = None;
        for plugin in self.recognisers() {
            let look = |exports: &Exports, store: &mut Store<Guest>, component: &InstancePre<Guest>| {
                exports.recognise(store, component, command)
            };
            match self.call(Phase::Recognise, plugin, surroundings, look)?.0 {
                Verdict::Other => {}
                Verdict::Step(step) => {
                    if !self.kinds_of(plugin).any(|kind| kind == step.kind) {
                        return Err(broken(
                            plugin,
                            "knows a command as a step of a kind that is not its own".to_owned(),
                        ));
                    }
                    object(&step.options).map_err(|what| broken(plugin, what))?;
                    return Ok(Verdict::Step(step));
                }
                Verdict::Near(why) => drop(near.get_or_insert(why)),
            }
        }
        Ok(near.map_or(Verdict::Other, Verdict::Near))
    }
}

fn broken(plugin: &Plugin, what: String) -> PlanError {
    PlanError::Broken { plugin: plugin.name.to_string(), what, frames: Vec::new() }
}

fn checked(translated: v0_1::Translated) -> Result<Translation, String> {
    let v0_1::Translated { base, steps, closing } = translated;
    Ok(Translation {
        base: step(base)?,
        steps: steps.into_iter().map(step).collect::<Result<_, _>>()?,
        closing: closing.iter().map(|text| untrusted::line(text)).collect(),
    })
}

fn step(step: v0_1::TranslatedStep) -> Result<Translated, String> {
    Ok(Translated {
        options: object(&step.options)?,
        kind: untrusted::name("kind", &step.kind).map(|()| step.kind)?,
        comment: step.comment.iter().map(|text| untrusted::line(text)).collect(),
        line: step.line,
        said: untrusted::label(&step.said),
        note: step.note.as_deref().map(untrusted::line),
    })
}

fn object(options: &str) -> Result<serde_json::Map<String, Value>, String> {
    match serde_json::from_str(options) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err("returned options of a step that are no object".to_owned()),
        Err(error) => Err(format!("returned options of a step that are not JSON ({error})")),
    }
}
