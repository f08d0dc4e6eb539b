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

use listing::exports::wythe::step::inventory;
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
