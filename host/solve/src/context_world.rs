// SPDX-License-Identifier: Apache-2.0
//! The world of a plugin that reads a file without building it: the build context and the images of the store, no image below, no
//! network, no command.

use std::path::Path;
use std::sync::{Arc, Mutex};

use wythe_image::{Image, Platform, to_canonical_json};
use wythe_plan::{Fact, FactAnswer, Finding, Fragment, GitUrl, Offer, PlanError, Severity, VertexId, World};
use wythe_store::{Store, StoredImage};

use crate::context::Context;
use crate::error::Cause;
use crate::machine::Pretence;
use crate::reference::image_for;
use crate::trace::full_text;
use crate::world::LARGEST_ANSWER;

/// What such a plugin may look at, and what it had to say.
#[derive(Debug)]
pub struct ContextWorld {
    store: Arc<Store>,
    context: Context,
    platform: Platform,
    machine: Platform,
    pretence: Pretence,
    notes: Mutex<Vec<String>>,
}

impl ContextWorld {
    /// Opens the build context `dir`, for an image of the first platform on a machine of the second.
    ///
    /// # Errors
    ///
    /// Fails where it is no directory that can be read.
    pub fn open(
        store: &Arc<Store>,
        dir: &Path,
        (platform, machine): (Platform, Platform),
        pretence: Pretence,
        now: i64,
    ) -> Result<Self, Cause> {
        let context = Context::open(dir, Arc::clone(store), now)?;
        Ok(Self { store: Arc::clone(store), context, platform, machine, pretence, notes: Mutex::default() })
    }

    /// Returns what the plugin had to say.
    #[must_use]
    pub fn take_notes(&self) -> Vec<String> {
        std::mem::take(&mut *self.notes.lock().expect("no planner panics here"))
    }

    fn stored(&self, reference: &str) -> Result<StoredImage, String> {
        image_for(&self.store, reference, &self.platform)
    }

    fn image_config(&self, reference: &str) -> FactAnswer {
        let stored = self.stored(reference)?;
        let image = Image::unpack(&stored.manifest, &stored.config).map_err(|error| full_text(&error))?;
        Ok(to_canonical_json(image.config()))
    }
}

impl World for ContextWorld {
    fn fact(&self, fact: &Fact) -> Result<FactAnswer, PlanError> {
        let text = |text: &str| Ok(Ok(text.as_bytes().to_vec()));
        match fact {
            Fact::Platform => text(&self.platform.to_string()),
            Fact::MachinePlatform => text(&self.machine.to_string()),
            Fact::BuilderVersion => text(&self.pretence.builder),
            Fact::SourceDateEpoch => text(&self.pretence.source_date_epoch.to_string()),
            Fact::Arg(name) => text(self.pretence.args.get(name).map_or("", String::as_str)),
            Fact::ContextRead(path) => self.context.read_file(path, LARGEST_ANSWER),
            Fact::ContextExists(path) => text(if self.context.exists(path)? { "true" } else { "false" }),
            Fact::ContextGlob(pattern) => self.context.glob(pattern),
            Fact::Image(reference) => Ok(self.stored(reference).map(|stored| stored.digest.to_string().into_bytes())),
            Fact::ImageConfig(reference) => Ok(self.image_config(reference)),
            Fact::BaseConfig | Fact::BaseRead(_) | Fact::BaseExists(_) | Fact::BaseWhich(_) | Fact::BaseGlob(_) => {
                Ok(Err("there is no image below: a file is read, and nothing is built".to_owned()))
            }
        }
    }

    fn fetch(&self, _url: &str) -> Result<FactAnswer, PlanError> {
        Ok(Err("nothing is fetched to read a file".to_owned()))
    }

    fn git_commit(&self, _url: &GitUrl, _reference: Option<&str>) -> Result<FactAnswer, PlanError> {
        Ok(Err("no repository is asked to read a file".to_owned()))
    }

    fn probe(&self, _plan: &Fragment, _command: VertexId) -> Result<FactAnswer, PlanError> {
        Ok(Err("nothing is run to read a file".to_owned()))
    }

    fn is_link(&self, path: &str) -> Result<bool, PlanError> {
        self.context.is_link(path)
    }

    fn log(&self, severity: Severity, message: &str) {
        if severity != Severity::Note {
            self.notes.lock().expect("no planner panics here").push(message.to_owned());
        }
    }

    fn found(&self, _finding: &Finding) {}

    fn offers(&self, _offer: &Offer) {}

    fn progress(&self, _label: &str, _done: u64, _total: u64) {}
}
