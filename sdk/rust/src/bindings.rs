// SPDX-License-Identifier: Apache-2.0
//! What wit-bindgen makes of `wit/step.wit`. Not an interface: plugins use the crate's root.
#![allow(
    unsafe_code,
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::semicolon_if_nothing_returned,
    clippy::uninlined_format_args,
    clippy::use_self,
    clippy::undocumented_unsafe_blocks,
    reason = "generated code: the canonical ABI is made of raw pointers"
)]

use core::marker::PhantomData;

use crate::entry;

// One world for what every plugin has, and one for each addition: a component's world is the union of those that its
// export macros name, and an import that is not used is left out of it.
wit_bindgen::generate!({
    path: "../../wit",
    world: "step",
    pub_export_macro: true,
    export_macro_name: "export_plan",
    default_bindings_module: "wythe_sdk::bindings",
});

/// What a resolving step has beside a step.
pub mod resolving {
    wit_bindgen::generate!({
        inline: "
            package wythe:sdk;
            world resolving {
                import wythe:step/fetch@0.1.0;
                import wythe:step/probe@0.1.0;
                export wythe:step/resolver@0.1.0;
            }
        ",
        path: "../../wit",
        world: "wythe:sdk/resolving",
        pub_export_macro: true,
        export_macro_name: "export_resolve",
        default_bindings_module: "wythe_sdk::bindings::resolving",
        generate_all,
        with: {
            "wythe:step/types@0.1.0": crate::bindings::wythe::step::types,
            "wythe:step/graph@0.1.0": crate::bindings::wythe::step::graph,
        },
    });
}

/// What a composite step has beside a step.
pub mod composite {
    wit_bindgen::generate!({
        inline: "
            package wythe:sdk;
            world composite {
                import wythe:step/steps@0.1.0;
            }
        ",
        path: "../../wit",
        world: "wythe:sdk/composite",
        generate_all,
        with: {
            "wythe:step/types@0.1.0": crate::bindings::wythe::step::types,
            "wythe:step/graph@0.1.0": crate::bindings::wythe::step::graph,
        },
    });
}

/// What a plugin that lists packages has beside a step.
pub mod listing {
    wit_bindgen::generate!({
        inline: "
            package wythe:sdk;
            world listing {
                export wythe:step/inventory@0.1.0;
            }
        ",
        path: "../../wit",
        world: "wythe:sdk/listing",
        pub_export_macro: true,
        export_macro_name: "export_inventory",
        default_bindings_module: "wythe_sdk::bindings::listing",
        generate_all,
        with: {
            "wythe:step/types@0.1.0": crate::bindings::wythe::step::types,
            "wythe:step/graph@0.1.0": crate::bindings::wythe::step::graph,
        },
    });
}

/// What a plugin that knows commands has beside a step.
pub mod recognising {
    wit_bindgen::generate!({
        inline: "
            package wythe:sdk;
            world recognising {
                export wythe:step/recogniser@0.1.0;
            }
        ",
        path: "../../wit",
        world: "wythe:sdk/recognising",
        pub_export_macro: true,
        export_macro_name: "export_recogniser",
        default_bindings_module: "wythe_sdk::bindings::recognising",
        generate_all,
    });
}

/// What a plugin that translates files has beside a step.
pub mod importing {
    wit_bindgen::generate!({
        inline: "
            package wythe:sdk;
            world importing {
                import wythe:step/recognition@0.1.0;
                export wythe:step/importer@0.1.0;
            }
        ",
        path: "../../wit",
        world: "wythe:sdk/importing",
        pub_export_macro: true,
        export_macro_name: "export_importer",
        default_bindings_module: "wythe_sdk::bindings::importing",
        generate_all,
        with: {
            "wythe:step/types@0.1.0": crate::bindings::wythe::step::types,
        },
    });
}

use importing::exports::wythe::step::importer;
use importing::wythe::step::commands as asked;
use listing::exports::wythe::step::inventory;
use recognising::exports::wythe::step::recogniser;
use recognising::wythe::step::commands;
use wythe::step::graph::State;
use wythe::step::types;

/// Exports a [`crate::Step`].
pub struct Plain<T>(PhantomData<T>);

impl<T: crate::Step> exports::wythe::step::plugin::Guest for Plain<T> {
    fn plan(base: &State, options: String, _lock: Option<String>) -> Result<State, types::Failure> {
        hook_panics();
        entry::plan_step::<T>(base, &options).map_err(Into::into)
    }
}

/// Exports a [`crate::ResolvingStep`].
pub struct Resolving<T>(PhantomData<T>);

impl<T: crate::ResolvingStep> exports::wythe::step::plugin::Guest for Resolving<T> {
    fn plan(base: &State, options: String, lock: Option<String>) -> Result<State, types::Failure> {
        hook_panics();
        entry::plan_resolving::<T>(base, &options, lock.as_deref()).map_err(Into::into)
    }
}

impl<T: crate::ResolvingStep> resolving::exports::wythe::step::resolver::Guest for Resolving<T> {
    fn resolve(base: &State, options: String, previous: Option<String>) -> Result<String, types::Failure> {
        hook_panics();
        entry::resolve::<T>(base, &options, previous.as_deref()).map_err(Into::into)
    }
}

impl<T: crate::Step + crate::Inventory> inventory::Guest for Plain<T> {
    fn packages(image: &State) -> Result<Vec<inventory::Installed>, types::Failure> {
        packages::<T>(image)
    }
}

impl<T: crate::ResolvingStep + crate::Inventory> inventory::Guest for Resolving<T> {
    fn packages(image: &State) -> Result<Vec<inventory::Installed>, types::Failure> {
        packages::<T>(image)
    }
}

fn packages<T: crate::Inventory>(image: &State) -> Result<Vec<inventory::Installed>, types::Failure> {
    hook_panics();
    let packages = T::packages(image)?;
    Ok(packages.into_iter().map(Into::into).collect())
}

impl From<crate::Package> for inventory::Installed {
    fn from(package: crate::Package) -> Self {
        let crate::Package { kind, namespace, name, version, qualifiers, properties } = package;
        let pairs = |map: std::collections::BTreeMap<String, String>| map.into_iter().collect();
        Self { kind, namespace, name, version, qualifiers: pairs(qualifiers), properties: pairs(properties) }
    }
}

impl<T: crate::ResolvingStep + crate::Recogniser> recogniser::Guest for Resolving<T> {
    fn recognise(command: commands::Command) -> commands::Verdict {
        hook_panics();
        T::recognise(&command.into()).into()
    }
}

impl<T: crate::ResolvingStep + crate::Importer> importer::Guest for Resolving<T> {
    fn translate(options: String, exact: bool, added: Vec<String>) -> Result<importer::Definition, types::Failure> {
        hook_panics();
        let wish = crate::Wish { exact, added };
        let crate::Translation { base, steps, closing } = entry::translate::<T>(&options, &wish)?;
        Ok(importer::Definition { base: base.into(), steps: steps.into_iter().map(Into::into).collect(), closing })
    }
}

impl From<crate::Translated> for importer::Step {
    fn from(step: crate::Translated) -> Self {
        let crate::Translated { kind, options, comment, line, said, note } = step;
        Self { kind, options: options.to_string(), comment, line, said, note }
    }
}

impl From<commands::Command> for crate::Commanded {
    fn from(command: commands::Command) -> Self {
        let commands::Command { text, programs, workdir, env, caches, copied, earlier } = command;
        let program = |commands::Program { env, argv, patterns }| crate::Program { env, argv, patterns };
        let copied = copied.into_iter().map(|one| (one.path, one.source)).collect();
        Self { text, programs: programs.into_iter().map(program).collect(), workdir, env, caches, copied, earlier }
    }
}

impl From<&crate::Commanded> for asked::Command {
    fn from(command: &crate::Commanded) -> Self {
        let crate::Commanded { text, programs, workdir, env, caches, copied, earlier } = command.clone();
        let program = |crate::Program { env, argv, patterns }| asked::Program { env, argv, patterns };
        let copied = copied.into_iter().map(|(path, source)| asked::Copied { path, source }).collect();
        Self { text, programs: programs.into_iter().map(program).collect(), workdir, env, caches, copied, earlier }
    }
}

impl From<crate::Verdict> for commands::Verdict {
    fn from(verdict: crate::Verdict) -> Self {
        match verdict {
            crate::Verdict::Other => Self::Other,
            crate::Verdict::Step { kind, options } => {
                Self::Step(commands::Equivalent { kind, options: options.to_string() })
            }
            crate::Verdict::Near(why) => Self::Near(why),
        }
    }
}

impl From<asked::Verdict> for crate::Verdict {
    fn from(verdict: asked::Verdict) -> Self {
        match verdict {
            asked::Verdict::Other => Self::Other,
            // The host has read it as JSON before it passes it on.
            asked::Verdict::Step(asked::Equivalent { kind, options }) => {
                serde_json::from_str(&options).map_or(Self::Other, |options| Self::Step { kind, options })
            }
            asked::Verdict::Near(why) => Self::Near(why),
        }
    }
}

/// Tells the host where a panic happened: without it a trap is all that is seen.
fn hook_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let (file, line, column) =
            panic.location().map_or(("", 0, 0), |place| (place.file(), place.line(), place.column()));
        let message = panic.payload_as_str().unwrap_or("a panic without a message");
        wythe::step::report::panicked(message, file, line, column);
    }));
}

impl From<crate::Failure> for types::Failure {
    fn from(failure: crate::Failure) -> Self {
        match failure {
            crate::Failure::Options(problems) => Self::Options(problems.into_iter().map(Into::into).collect()),
            crate::Failure::Failed(message) => Self::Failed(message),
        }
    }
}

impl From<types::Failure> for crate::Failure {
    fn from(failure: types::Failure) -> Self {
        match failure {
            types::Failure::Options(problems) => Self::Options(problems.into_iter().map(Into::into).collect()),
            types::Failure::Failed(message) => Self::Failed(message),
        }
    }
}

impl From<crate::Problem> for types::Problem {
    fn from(problem: crate::Problem) -> Self {
        Self { severity: problem.severity.into(), path: problem.path, message: problem.message, hint: problem.hint }
    }
}

impl From<crate::report::Finding> for wythe::step::report::Finding {
    fn from(finding: crate::report::Finding) -> Self {
        let crate::report::Finding { severity, rule, message, hint, place } = finding;
        Self { severity: severity.into(), rule, message, hint, place: place.map(Into::into) }
    }
}

impl From<crate::report::Offer> for wythe::step::report::Offer {
    fn from(offer: crate::report::Offer) -> Self {
        use wythe::step::report::Offering;
        let crate::report::Offer { kind, name, description, value, required, place } = offer;
        let kind = match kind {
            crate::report::Offering::Target => Offering::Target,
            crate::report::Offering::Argument => Offering::Argument,
            crate::report::Offering::Secret => Offering::Secret,
            crate::report::Offering::Ssh => Offering::Ssh,
        };
        Self { kind, name, description, value, required, place: place.map(Into::into) }
    }
}

impl From<crate::report::Place> for wythe::step::report::Place {
    fn from(place: crate::report::Place) -> Self {
        let crate::report::Place { source, line, column, length } = place;
        Self { source, line, column, length }
    }
}

impl From<crate::Severity> for types::Severity {
    fn from(severity: crate::Severity) -> Self {
        match severity {
            crate::Severity::Error => Self::Error,
            crate::Severity::Warning => Self::Warning,
            crate::Severity::Note => Self::Note,
        }
    }
}

impl From<types::Problem> for crate::Problem {
    fn from(problem: types::Problem) -> Self {
        let severity = match problem.severity {
            types::Severity::Error => crate::Severity::Error,
            types::Severity::Warning => crate::Severity::Warning,
            types::Severity::Note => crate::Severity::Note,
        };
        Self { severity, path: problem.path, message: problem.message, hint: problem.hint }
    }
}
