// SPDX-License-Identifier: Apache-2.0
//! One plugin: its code, what it says of itself, and its compiled form once it is needed.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use wasmtime::component::{Component, InstancePre};
use wythe_image::Digest;
use wythe_plan::Kind;

use crate::anatomy::{AnatomyError, dissect};
use crate::guest::Guest;
use crate::machine::Machine;
use crate::metadata::{KindMetadata, Metadata, MetadataError};
use crate::offer::{self, ImportError};
use crate::v0_1::Exports;

const PLUGIN_EXPORT: &str = "wythe:step/plugin@0.1.";
const RESOLVER_EXPORT: &str = "wythe:step/resolver@0.1.";
const INVENTORY_EXPORT: &str = "wythe:step/inventory@0.1.";
const IMPORTER_EXPORT: &str = "wythe:step/importer@0.1.";
const RECOGNISER_EXPORT: &str = "wythe:step/recogniser@0.1.";

/// A plugin that passed all checks that need no compiler.
#[derive(Debug)]
pub(crate) struct Plugin {
    pub name: Arc<str>,
    /// Hosts that it may fetch from.
    pub hosts: Arc<[String]>,
    /// Whether options carry the name of the kind, because there are several.
    pub names_kind: bool,
    /// Digest of its component.
    pub digest: Digest,
    /// The types of packages that it can list.
    pub inventory: Vec<String>,
    code: Cow<'static, [u8]>,
    provides: Provides,
    prepared: OnceLock<Result<Prepared, String>>,
}

/// What a plugin exports beside `plugin`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Provides {
    pub resolver: bool,
    pub inventory: bool,
    pub importer: bool,
    pub recogniser: bool,
}

impl Provides {
    fn of(metadata: &Metadata) -> Self {
        let any = |says: fn(&KindMetadata) -> bool| metadata.kinds.iter().any(says);
        Self {
            resolver: any(|kind| kind.resolves),
            inventory: !metadata.inventory.is_empty(),
            importer: any(|kind| kind.translates),
            recogniser: any(|kind| kind.recognises),
        }
    }
}

/// Ready to be instantiated.
pub(crate) struct Prepared {
    pub component: InstancePre<Guest>,
    pub exports: Exports,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared").finish_non_exhaustive()
    }
}

/// Why a component is not accepted as a plugin.
#[derive(Debug, thiserror::Error)]
pub enum ComponentError {
    /// Not a component, or one without metadata.
    #[error("{0}")]
    Anatomy(String, #[source] Option<Box<dyn std::error::Error + Send + Sync>>),
    /// Its metadata is not as agreed.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// It asks for what it cannot be given.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// It exports no plan.
    #[error("it exports no `wythe:step/{0}` of version 0.1")]
    NoExport(&'static str),
    /// It is too large to be compiled.
    #[error("it has {length} bytes, and {most} are allowed (limit `component-bytes`)")]
    TooLarge {
        /// Its length.
        length: u64,
        /// The limit.
        most: u64,
    },
}

impl From<AnatomyError> for ComponentError {
    fn from(error: AnatomyError) -> Self {
        let text = error.to_string();
        match error {
            AnatomyError::Invalid(source) => Self::Anatomy(text, Some(source.into())),
            _ => Self::Anatomy(text, None),
        }
    }
}

impl Plugin {
    /// Takes a component apart, checks it, and returns it with its kinds.
    pub(crate) fn open(code: Vec<u8>) -> Result<(Self, Vec<Kind>), ComponentError> {
        let anatomy = dissect(&code)?;
        let metadata = Metadata::parse(&anatomy.metadata)?;
        offer::check(&anatomy.imports)?;
        let provides = Provides::of(&metadata);
        let is_exported = |name: &str| anatomy.exports.iter().any(|export| export.starts_with(name));
        if !is_exported(PLUGIN_EXPORT) {
            return Err(ComponentError::NoExport("plugin"));
        }
        for (is_announced, name, export) in [
            (provides.resolver, "resolver", RESOLVER_EXPORT),
            (provides.inventory, "inventory", INVENTORY_EXPORT),
            (provides.importer, "importer", IMPORTER_EXPORT),
            (provides.recogniser, "recogniser", RECOGNISER_EXPORT),
        ] {
            if is_announced && !is_exported(export) {
                return Err(ComponentError::NoExport(name));
            }
        }
        let imports: Vec<&str> = anatomy.imports.iter().map(|import| import.name.as_str()).collect();
        let digest = Digest::of(&code);
        Ok(Self::checked(Cow::Owned(code), digest, metadata, &imports))
    }

    /// Makes a plugin of what was checked before: now, or when wythe was compiled.
    pub(crate) fn checked(
        code: Cow<'static, [u8]>,
        digest: Digest,
        metadata: Metadata,
        imports: &[&str],
    ) -> (Self, Vec<Kind>) {
        let provides = Provides::of(&metadata);
        let names_kind = metadata.kinds.len() > 1;
        let Metadata { name, version, kinds, hosts, inventory, .. } = metadata;
        let kinds = kinds
            .into_iter()
            .map(|kind| Kind {
                name: kind.name,
                summary: kind.summary,
                plugin: name.clone(),
                version: version.clone(),
                digest,
                is_base: kind.base,
                is_step: kind.step.unwrap_or(!kind.base),
                files: kind.files.clone(),
                resolves: kind.resolves,
                hosts: hosts.clone(),
                imports: imports.iter().map(|import| (*import).to_owned()).collect(),
                schema: kind.schema,
            })
            .collect();
        let (name, hosts, prepared) = (name.into(), hosts.into(), OnceLock::new());
        (Self { name, hosts, names_kind, digest, inventory, code, provides, prepared }, kinds)
    }

    /// Returns what it exports beside `plugin`.
    pub(crate) fn provides(&self) -> Provides {
        self.provides
    }

    /// Compiles the plugin, or finds its compiled form; once.
    pub(crate) fn prepared(&self, machine: &Machine) -> Result<&Prepared, String> {
        let prepare = || self.prepare(machine).map_err(|error| format!("{error:#}"));
        self.prepared.get_or_init(prepare).as_ref().map_err(Clone::clone)
    }

    fn prepare(&self, machine: &Machine) -> wasmtime::Result<Prepared> {
        let component = Component::from_binary(&machine.engine, &self.code)?;
        let component = machine.linker.instantiate_pre(&component)?;
        let exports = Exports::find(&component, self.provides)?;
        Ok(Prepared { component, exports })
    }
}
