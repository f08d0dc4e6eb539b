// SPDX-License-Identifier: Apache-2.0
//! What is installed in an image, as the plugins know it: listed once for each content, then remembered.

use std::sync::{Mutex, OnceLock};

use serde::{Deserialize, Serialize};
use wythe_image::{Digest, Image, to_canonical_json};
use wythe_plan::{
    Fact, FactAnswer, Finding, Fragment, GitUrl, Inventory, Offer, Package, PlanError, Severity, StepPlanner, VertexId,
    World,
};
use wythe_store::Store;

use crate::error::Cause;
use crate::state::StateFiles;
use crate::trace::full_text;
use crate::world::LARGEST_ANSWER;

/// Version of the recorded form. A change raises it, and every image is looked at again.
const FORMAT: u32 = 2;

/// What is installed in an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    /// Sorted by type, then by name.
    pub packages: Vec<Package>,
    /// What plugins had to say about it.
    pub notes: Vec<String>,
}

/// Lists what is installed in an image. A plugin runs only for an image whose content it has not seen.
///
/// # Errors
///
/// Fails where a plugin or the store does.
pub fn installed(store: &Store, planner: &dyn StepPlanner, image: &Image) -> Result<Installed, Cause> {
    let mut all = Installed::default();
    let world = ImageWorld { store, image, files: OnceLock::new(), notes: Mutex::default() };
    for inventory in planner.inventories() {
        let name = name_of(inventory, image);
        let known = store.trace(&name).map_err(Cause::store)?;
        // A record that cannot be read is as good as none.
        let mut part = match known.and_then(|text| serde_json::from_str::<Installed>(&text).ok()) {
            Some(part) => part,
            None => {
                let packages = planner.packages(inventory, &world).map_err(Cause::Plan)?;
                let notes = std::mem::take(&mut *world.notes.lock().expect("no note panics"));
                let part = Installed { packages, notes };
                let text = String::from_utf8(to_canonical_json(&part)).expect("JSON is UTF-8");
                store.put_trace(&name, &text).map_err(Cause::store)?;
                part
            }
        };
        all.packages.append(&mut part.packages);
        all.notes.append(&mut part.notes);
    }
    all.packages.sort();
    Ok(all)
}

/// Returns the name under which an answer is kept: who answers what, and all that can be asked about.
fn name_of(inventory: &Inventory, image: &Image) -> Digest {
    let (Inventory { digest, types, .. }, layers) = (inventory, image.chain_id());
    Digest::of(&to_canonical_json(&(FORMAT, "installed", digest, types, image.platform(), layers, image.config())))
}

/// A finished image as a planner sees it: no build, no network.
struct ImageWorld<'a> {
    store: &'a Store,
    image: &'a Image,
    /// Mounted where the first file is asked for.
    files: OnceLock<Result<StateFiles, String>>,
    notes: Mutex<Vec<String>>,
}

impl ImageWorld<'_> {
    fn files(&self) -> Result<&StateFiles, PlanError> {
        let mount = || StateFiles::mount(self.store, self.image).map_err(|cause| full_text(&cause));
        self.files.get_or_init(mount).as_ref().map_err(|why| PlanError::World(why.clone()))
    }
}

impl World for ImageWorld<'_> {
    fn fact(&self, fact: &Fact) -> Result<FactAnswer, PlanError> {
        let text = |text: &str| Ok(Ok(text.as_bytes().to_vec()));
        match fact {
            Fact::Platform => text(&self.image.platform().to_string()),
            Fact::BaseConfig => Ok(Ok(to_canonical_json(self.image.config()))),
            Fact::BaseRead(path) => self.files()?.told(path, LARGEST_ANSWER),
            Fact::BaseExists(path) => text(if self.files()?.exists(path)? { "true" } else { "false" }),
            Fact::BaseGlob(pattern) => self.files()?.glob(pattern),
            Fact::BaseWhich(program) => {
                let path = self.image.config().env_value("PATH");
                text(&self.files()?.which(program, path)?.unwrap_or_default())
            }
            _ => Ok(Err("there is no build: a finished image is looked at".to_owned())),
        }
    }

    fn fetch(&self, _url: &str) -> Result<FactAnswer, PlanError> {
        Ok(Err("nothing is fetched to look at an image".to_owned()))
    }

    fn git_commit(&self, _url: &GitUrl, _reference: Option<&str>) -> Result<FactAnswer, PlanError> {
        Ok(Err("nothing is fetched to look at an image".to_owned()))
    }

    fn probe(&self, _plan: &Fragment, _command: VertexId) -> Result<FactAnswer, PlanError> {
        Ok(Err("nothing is run to look at an image".to_owned()))
    }

    fn log(&self, severity: Severity, message: &str) {
        if severity != Severity::Note {
            self.notes.lock().expect("no note panics").push(message.to_owned());
        }
    }

    fn found(&self, _finding: &Finding) {}

    fn offers(&self, _offer: &Offer) {}

    fn progress(&self, _label: &str, _done: u64, _total: u64) {}
}
