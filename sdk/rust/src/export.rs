// SPDX-License-Identifier: Apache-2.0
//! The macro that makes a component of a crate.

/// Exports a step from a plugin's crate, and embeds the plugin's metadata.
///
/// The second argument is the metadata file, relative to the crate's manifest; its form is described in `METADATA.md`.
/// The first names the type and the trait that it implements:
///
/// ```text
/// wythe_sdk::export!(Greeting: Step, "plugin.json");
/// wythe_sdk::export!(Packages: ResolvingStep, "plugin.json");
/// wythe_sdk::export!(Packages: ResolvingStep + Inventory, "plugin.json");
/// wythe_sdk::export!(Packages: ResolvingStep + Recogniser, "plugin.json");
/// wythe_sdk::export!(Packages: ResolvingStep + Inventory + Recogniser, "plugin.json");
/// wythe_sdk::export!(Language: ResolvingStep + Importer, "plugin.json");
/// ```
///
/// On a native target the macro makes nothing: exported names of the component model do not link there.
#[macro_export]
macro_rules! export {
    ($step:ty : Step, $metadata:literal) => {
        $crate::export!(@component $step, $metadata, Plain [export_plan $crate::bindings]);
    };
    ($step:ty : ResolvingStep, $metadata:literal) => {
        $crate::export!(
            @component $step, $metadata, Resolving
            [export_plan $crate::bindings] [export_resolve $crate::bindings::resolving]
        );
    };
    ($step:ty : Step + Inventory, $metadata:literal) => {
        $crate::export!(
            @component $step, $metadata, Plain
            [export_plan $crate::bindings] [export_inventory $crate::bindings::listing]
        );
    };
    ($step:ty : ResolvingStep + Inventory, $metadata:literal) => {
        $crate::export!(
            @component $step, $metadata, Resolving
            [export_plan $crate::bindings] [export_resolve $crate::bindings::resolving]
            [export_inventory $crate::bindings::listing]
        );
    };
    ($step:ty : ResolvingStep + Recogniser, $metadata:literal) => {
        $crate::export!(
            @component $step, $metadata, Resolving
            [export_plan $crate::bindings] [export_resolve $crate::bindings::resolving]
            [export_recogniser $crate::bindings::recognising]
        );
    };
    ($step:ty : ResolvingStep + Inventory + Recogniser, $metadata:literal) => {
        $crate::export!(
            @component $step, $metadata, Resolving
            [export_plan $crate::bindings] [export_resolve $crate::bindings::resolving]
            [export_inventory $crate::bindings::listing] [export_recogniser $crate::bindings::recognising]
        );
    };
    ($step:ty : ResolvingStep + Importer, $metadata:literal) => {
        $crate::export!(
            @component $step, $metadata, Resolving
            [export_plan $crate::bindings] [export_resolve $crate::bindings::resolving]
            [export_importer $crate::bindings::importing]
        );
    };
    (@component $step:ty, $metadata:literal, $adapter:ident $([$export:ident $($bindings:tt)*])+) => {
        #[cfg(target_family = "wasm")]
        #[allow(unsafe_code, reason = "exported names and custom sections are `unsafe` attributes")]
        mod wythe_component {
            use super::*;
            type Exported = $crate::bindings::$adapter<$step>;
            $($($bindings)*::$export!(Exported with_types_in $($bindings)*);)+

            const LENGTH: usize = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $metadata)).len();

            // SAFETY: the section's name is nobody else's, and its content is bytes.
            #[unsafe(link_section = "wythe:plugin")]
            static SECTION: [u8; LENGTH] =
                *include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $metadata));
        }
    };
}
