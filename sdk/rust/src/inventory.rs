// SPDX-License-Identifier: Apache-2.0
//! What a plugin implements that can tell what is installed in an image.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{Failure, State};

/// A plugin that can list what its tool has installed.
pub trait Inventory {
    /// Lists what is installed in a finished image, in any order. The image's facts are all there is: no build, no
    /// options, no network. The same image must give the same list.
    ///
    /// An image without the tool has nothing installed by it: an empty list, not a failure.
    ///
    /// # Errors
    ///
    /// [`Failure::Failed`] where there is something that cannot be read.
    fn packages(image: &State) -> Result<Vec<Package>, Failure>;
}

/// One thing that is installed, in the parts of a package URL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Package {
    /// Type of the package URL, such as `deb`: one that the metadata announces.
    #[serde(rename = "type")]
    pub kind: String,
    /// Namespace of the package URL; empty where the type has none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Its name in the form that the type prescribes.
    pub name: String,
    /// Its version; empty where none is known.
    pub version: String,
    /// Qualifiers of the package URL, such as `arch`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub qualifiers: BTreeMap<String, String>,
    /// What else is known of it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, String>,
}

impl Package {
    /// Returns a package of which nothing else is known.
    #[must_use]
    pub fn new(kind: &str, name: &str, version: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            namespace: String::new(),
            name: name.to_owned(),
            version: version.to_owned(),
            qualifiers: BTreeMap::new(),
            properties: BTreeMap::new(),
        }
    }

    /// Sets the namespace.
    #[must_use]
    pub fn namespace(mut self, namespace: &str) -> Self {
        namespace.clone_into(&mut self.namespace);
        self
    }

    /// Adds a qualifier; an empty value adds none.
    #[must_use]
    pub fn qualifier(mut self, name: &str, value: &str) -> Self {
        if !value.is_empty() {
            self.qualifiers.insert(name.to_owned(), value.to_owned());
        }
        self
    }

    /// Adds what else is known: `license`, `supplier`, `homepage`, `summary`, `source`, `location` mean the same for all
    /// types. An empty value adds nothing.
    #[must_use]
    pub fn property(mut self, name: &str, value: &str) -> Self {
        if !value.is_empty() {
            self.properties.insert(name.to_owned(), value.to_owned());
        }
        self
    }
}
