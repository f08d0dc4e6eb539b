// SPDX-License-Identifier: Apache-2.0
//! What can be told of a component without compiling it: its metadata, what it imports, what it exports.
//!
//! `build.rs` includes this file too, so that the bundled plugins are taken apart once, when wythe is compiled.

use wasmparser::component_types::ComponentEntityType;
use wasmparser::{Parser, Payload, Validator, WasmFeatures};

/// The custom section with the metadata. Part of the plugin format.
pub(crate) const METADATA_SECTION: &str = "wythe:plugin";

/// The parts of a component that the host looks at before it runs anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Anatomy {
    /// Content of the metadata section.
    pub metadata: String,
    /// Imports in their order.
    pub imports: Vec<Import>,
    /// Names of the exports.
    pub exports: Vec<String>,
}

/// One import: an interface and what of it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Import {
    /// As in `wythe:step/graph@0.1.0`.
    pub name: String,
    /// Functions of it that the component names; none for what is no interface.
    pub functions: Vec<String>,
}

/// Why bytes are no plugin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnatomyError {
    /// Malformed or invalid.
    #[error("it is not a valid WebAssembly component")]
    Invalid(#[from] wasmparser::BinaryReaderError),
    /// A core module or something else.
    #[error("it is a WebAssembly core module and not a component")]
    CoreModule,
    /// No metadata.
    #[error("it has no `{METADATA_SECTION}` section, so it is not a plugin of wythe")]
    NoMetadata,
    /// Metadata twice.
    #[error("it has more than one `{METADATA_SECTION}` section")]
    TwoMetadata,
    /// Metadata is not text.
    #[error("its `{METADATA_SECTION}` section is not UTF-8 text")]
    NotText,
}

/// Takes a component apart. Validates it first: what is said of an invalid component would be worth nothing.
pub(crate) fn dissect(code: &[u8]) -> Result<Anatomy, AnatomyError> {
    if !Parser::is_component(code) {
        return Err(if Parser::is_core_wasm(code) { AnatomyError::CoreModule } else { invalid(code) });
    }
    let mut features = WasmFeatures::default();
    features.remove(WasmFeatures::THREADS | WasmFeatures::MEMORY64);
    let types = Validator::new_with_features(features).validate_all(code)?;

    let mut metadata: Vec<&[u8]> = Vec::new();
    let mut imports = Vec::new();
    let mut exports = Vec::new();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(code) {
        match payload? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section) if section.name() == METADATA_SECTION => metadata.push(section.data()),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    imports.push(import?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    exports.push(export?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }

    let [metadata] = metadata[..] else {
        return Err(if metadata.is_empty() { AnatomyError::NoMetadata } else { AnatomyError::TwoMetadata });
    };
    let metadata = std::str::from_utf8(metadata).map_err(|_| AnatomyError::NotText)?.to_owned();
    let functions_of = |name: &str| match types.as_ref().component_item_for_import(name).map(|item| item.ty) {
        Some(ComponentEntityType::Instance(instance)) => types[instance]
            .exports
            .iter()
            .filter(|(_, item)| matches!(item.ty, ComponentEntityType::Func(_)))
            .map(|(function, _)| function.clone())
            .collect(),
        _ => Vec::new(),
    };
    let imports = imports.into_iter().map(|name| Import { functions: functions_of(&name), name }).collect();
    Ok(Anatomy { metadata, imports, exports })
}

/// Lets the validator say what is wrong with bytes that do not even start like WebAssembly.
fn invalid(code: &[u8]) -> AnatomyError {
    match Validator::new().validate_all(code) {
        Err(error) => AnatomyError::Invalid(error),
        Ok(_) => AnatomyError::CoreModule,
    }
}
