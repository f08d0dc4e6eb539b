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
            }
        ",
        path: "../../wit",
        pub_export_macro: true,
        default_bindings_module: "wythe_guests",
        export_macro_name: "export_bindings",
        generate_all,
    });
}

pub use bindings::exports::wythe::step::{plugin, resolver};
pub use bindings::wythe::step::{build, fetch, graph, probe, report, steps, types};
pub use bindings::*;
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
        $crate::export_bindings!($type);
    };
}
