// SPDX-License-Identifier: Apache-2.0
//! Bindings for the guests, straight on the interface: an SDK would keep them from misbehaving.

#[allow(missing_docs)]
mod bindings {
    wit_bindgen::generate!({
        inline: "
            package wythe:guests;
            world everything {
                include wythe:step/resolving-step@0.1.0;
                include wythe:step/composite-step@0.1.0;
                include wythe:step/inventory-step@0.1.0;
                include wythe:step/importing-step@0.1.0;
            }
        ",
        path: "../../wit",
        pub_export_macro: true,
        default_bindings_module: "wythe_guests",
        export_macro_name: "export_bindings",
        generate_all,
    });
}

pub use bindings::exports::wythe::step::{importer, inventory, plugin, resolver};
pub use bindings::wythe::step::{build, commands, fetch, graph, probe, recognition, report, steps, types};
pub use bindings::*;
pub use importer::Definition;
pub use inventory::Installed;
pub use graph::{Artifact, Command, Files, State};
pub use types::{Failure, Problem, Severity};

/// A guest: what it does when it is asked to plan and to resolve.
pub trait Misbehave {
    /// Plans.
    fn plan(base: &State, options: String) -> Result<State, Failure>;
    /// Resolves.
    fn resolve(_base: &State, _options: String) -> Result<String, Failure> {
        Ok("{}".to_owned())
    }
    /// Lists what is installed.
    fn packages(_image: &State) -> Result<Vec<Installed>, Failure> {
        Ok(Vec::new())
    }
    /// Translates.
    fn translate(_options: String) -> Result<Definition, Failure> {
        Err(Failure::Failed("nothing to translate".to_owned()))
    }
}

/// A package of a type and nothing else.
pub fn installed(kind: &str, name: &str) -> Installed {
    Installed {
        kind: kind.to_owned(),
        namespace: String::new(),
        name: name.to_owned(),
        version: "1".to_owned(),
        qualifiers: Vec::new(),
        properties: Vec::new(),
    }
}

/// Exports a guest and embeds its metadata: name, hosts.
#[macro_export]
macro_rules! guest {
    ($type:ident, $metadata:literal) => {
        const METADATA: &str = $metadata;
        #[used]
        #[unsafe(link_section = "wythe:plugin")]
        static SECTION: [u8; METADATA.len()] = {
            let mut bytes = [0; METADATA.len()];
            bytes.copy_from_slice(METADATA.as_bytes());
            bytes
        };

        impl $crate::plugin::Guest for $type {
            fn plan(
                base: &$crate::State,
                options: String,
                _lock: Option<String>,
            ) -> Result<$crate::State, $crate::Failure> {
                <$type as $crate::Misbehave>::plan(base, options)
            }
        }
        impl $crate::resolver::Guest for $type {
            fn resolve(
                base: &$crate::State,
                options: String,
                _previous: Option<String>,
            ) -> Result<String, $crate::Failure> {
                <$type as $crate::Misbehave>::resolve(base, options)
            }
        }
        impl $crate::inventory::Guest for $type {
            fn packages(image: &$crate::State) -> Result<Vec<$crate::Installed>, $crate::Failure> {
                <$type as $crate::Misbehave>::packages(image)
            }
        }
        impl $crate::importer::Guest for $type {
            fn translate(
                options: String,
                _exact: bool,
                _added: Vec<String>,
            ) -> Result<$crate::Definition, $crate::Failure> {
                <$type as $crate::Misbehave>::translate(options)
            }
        }
        $crate::export_bindings!($type);
    };
}
