// SPDX-License-Identifier: Apache-2.0
//! What a step has pinned, and how it comes about: taken from the lock where that stands, resolved where it is due and
//! allowed.

use std::collections::BTreeMap;
use std::sync::Arc;

use wythe_image::Digest;
use wythe_plan::spec::Step;
use wythe_plan::{Fact, Kind, LockedStep, PlanError, Resolved, StepCall};

use crate::Event;
use crate::chain::{Mode, Turn};
use crate::error::Cause;
use crate::step::{LockUse, Progress};
use crate::trace::ResolveTrace;
use crate::world::StepWorld;

impl Progress {
    /// Returns what the lock has for a step; nothing where it is to be renewed, or was of another kind.
    pub(crate) fn present(&self, step: &Step) -> Option<LockedStep> {
        let present = self.lock.get(&self.image, &step.id).filter(|locked| locked.kind == step.kind);
        present.filter(|_| !self.lock_use.renews(step)).cloned()
    }

    /// Returns what resolving a step found, now or when the lock was made.
    pub(crate) async fn pin(
        &self,
        world: &Arc<StepWorld>,
        turn: &Arc<Turn>,
        step: &Step,
        kind: &Kind,
        present: Option<&LockedStep>,
    ) -> Result<Arc<Resolved>, Cause> {
        let (reason, previous) = match present.and_then(|locked| Some((locked, locked.resolved.as_ref()?))) {
            None if self.lock_use.renews(step) => ("it is to be renewed".to_owned(), None),
            None => ("it has none".to_owned(), None),
            Some((locked, resolved)) => match self.reason_to_resolve(world, step, kind, locked, resolved).await? {
                None => return Ok(Arc::clone(resolved)),
                Some(reason) => (reason, Some(resolved.entry_text())),
            },
        };
        if self.lock_use == LockUse::Enforce {
            return Err(Cause::Locked { reason });
        }
        if let Some(known) = self.known_resolution(world, step, kind, previous.as_deref())? {
            return Ok(Arc::new(known));
        }
        self.chain.engine.tell(Event::Resolving { step: turn.step.clone() });
        self.resolve(world, step, kind, previous).await.map(Arc::new).map_err(|cause| match world.take_denied() {
            Some(wanted) => Cause::NotPinned { reason, wanted },
            None => world.take_barred().unwrap_or(cause),
        })
    }

    /// Says why the lock's entry cannot be used, or nothing where it can.
    async fn reason_to_resolve(
        &self,
        world: &Arc<StepWorld>,
        step: &Step,
        kind: &Kind,
        locked: &LockedStep,
        resolved: &Resolved,
    ) -> Result<Option<String>, Cause> {
        if resolved.options != step.options_digest() {
            return Ok(Some("the options have changed".to_owned()));
        }
        if locked.plugin != Some(kind.digest) {
            return Ok(Some("the plugin has changed".to_owned()));
        }
        let (world, facts) = (Arc::clone(world), resolved.facts.clone());
        let is_look = self.chain.mode != Mode::Build;
        let changed = move || match world.first_changed(&facts) {
            // What is only looked at is shown as the lock has it: the image below may not be built yet.
            Err(PlanError::NotYet) if is_look => Ok(None),
            changed => Ok(changed?.map(describe_fact)),
        };
        self.chain.engine.blocking(changed).await
    }

    /// Returns what a resolver found before without asking anybody outside, while the facts stand that it rests on.
    fn known_resolution(
        &self,
        world: &Arc<StepWorld>,
        step: &Step,
        kind: &Kind,
        previous: Option<&str>,
    ) -> Result<Option<Resolved>, Cause> {
        let call = StepCall { kind: &step.kind, options: &step.options, lock: previous };
        let store = &self.chain.engine.store;
        let Some((facts, entry)) = ResolveTrace::load(store, &ResolveTrace::name(kind, &call))? else {
            return Ok(None);
        };
        if self.chain.mode == Mode::Check || world.first_changed(&facts)?.is_some() {
            return Ok(None);
        }
        Ok(Some(Resolved { options: step.options_digest(), facts, entry }))
    }

    async fn resolve(
        &self,
        world: &Arc<StepWorld>,
        step: &Step,
        kind: &Kind,
        previous: Option<String>,
    ) -> Result<Resolved, Cause> {
        let (world, engine) = (Arc::clone(world), Arc::clone(&self.chain.engine));
        let (kind, options, digest) = (kind.clone(), step.options.clone(), step.options_digest());
        let resolve = move || {
            let call = StepCall { kind: &kind.name, options: &options, lock: previous.as_deref() };
            world.forget();
            let resolved = engine.planner.resolve(call, &*world);
            world.tell(&world.take_findings());
            let text = resolved?;
            let entry = serde_json::from_str(&text).map_err(|error| {
                let what = format!("returned a lock entry that is no JSON: {error}");
                PlanError::Broken { plugin: kind.plugin.clone(), what, frames: Vec::new() }
            })?;
            let mut facts = world.take_asked();
            if !world.has_reached_out() {
                ResolveTrace::save(&engine.store, &ResolveTrace::name(&kind, &call), &facts, &entry)?;
            }
            // Whoever sets a time sets another one for each release: a lock is there to hold still what was found at the
            // first of them.
            facts.remove(&Fact::SourceDateEpoch);
            Ok(Resolved { options: digest, facts, entry })
        };
        self.chain.engine.blocking(resolve).await
    }

    /// Writes down what a step has pinned, once it is planned. An enforced lock must have had all of it.
    pub(crate) fn hold(&mut self, step: &Step, present: Option<&LockedStep>, locked: LockedStep) -> Result<(), Cause> {
        if self.lock_use == LockUse::Enforce {
            return enforce(present, &locked).map_err(|reason| Cause::Locked { reason });
        }
        self.lock.set(&self.image, &step.id, locked);
        Ok(())
    }

    /// Says of an image that is not there that the lock names it, where it does: its name may be known all the same.
    pub(crate) fn blame_pin(&self, step: &Step, cause: Cause) -> Cause {
        let Cause::NoImage { reference } = &cause else { return cause };
        let locked = self.lock.get(&self.image, &step.id);
        let pinned = locked.and_then(|locked| {
            let is_it = |(name, digest): &(&String, &Digest)| format!("{name}@{digest}") == *reference;
            locked.images.iter().find(is_it)
        });
        match pinned {
            Some((name, digest)) => Cause::PinnedImageGone { reference: name.clone(), digest: *digest },
            None => cause,
        }
    }
}

fn enforce(present: Option<&LockedStep>, locked: &LockedStep) -> Result<(), String> {
    if locked.is_empty() {
        return Ok(());
    }
    let Some(present) = present else { return Err("it has none".to_owned()) };
    if present.plugin != locked.plugin {
        return Err("the plugin has changed".to_owned());
    }
    let pinned: &BTreeMap<String, Digest> = &present.images;
    match locked.images.keys().find(|name| !pinned.contains_key(*name)) {
        Some(name) => Err(format!("it does not pin the image `{name}`")),
        None => Ok(()),
    }
}

/// Says what has changed, to follow "because".
fn describe_fact(fact: &Fact) -> String {
    match fact {
        Fact::Platform => "the platform has changed".to_owned(),
        Fact::MachinePlatform => "the platform of the machine has changed".to_owned(),
        Fact::BuilderVersion => "the builder version has changed".to_owned(),
        Fact::SourceDateEpoch => "the time that the build pretends has changed".to_owned(),
        Fact::Arg(name) => format!("the build argument `{name}` has changed"),
        Fact::ContextRead(path) => format!("`{path}` has changed"),
        Fact::ContextExists(path) => format!("`{path}` has come or gone"),
        Fact::ContextGlob(pattern) => format!("the files that match `{pattern}` have changed"),
        Fact::BaseConfig => "the configuration of the image below has changed".to_owned(),
        Fact::BaseRead(path) => format!("`{path}` of the image below has changed"),
        Fact::BaseExists(path) => format!("`{path}` of the image below has come or gone"),
        Fact::BaseWhich(program) => format!("the place of `{program}` in the image below has changed"),
        Fact::BaseGlob(pattern) => format!("the files of the image below that match `{pattern}` have changed"),
        Fact::ImageConfig(reference) => format!("the configuration of image `{reference}` has changed"),
        Fact::Image(reference) => format!("image `{reference}` has changed"),
    }
}

#[cfg(test)]
mod tests {
    use wythe_image::Digest;
    use wythe_plan::LockedStep;

    use super::enforce;

    fn locked(plugin: Option<&str>, images: &[&str]) -> LockedStep {
        LockedStep {
            kind: "wood".to_owned(),
            plugin: plugin.map(|name| Digest::of(name.as_bytes())),
            resolved: None,
            images: images.iter().map(|name| ((*name).to_owned(), Digest::of(b""))).collect(),
        }
    }

    #[test]
    fn an_enforced_lock_has_everything_and_may_have_more() {
        let present = locked(Some("a"), &["one", "two"]);
        assert_eq!(enforce(None, &locked(None, &[])), Ok(()));
        assert_eq!(enforce(Some(&present), &locked(Some("a"), &["one"])), Ok(()));
        assert_eq!(enforce(None, &locked(Some("a"), &[])), Err("it has none".to_owned()));
        assert_eq!(enforce(Some(&present), &locked(Some("b"), &[])), Err("the plugin has changed".to_owned()));
        let missing = Err("it does not pin the image `three`".to_owned());
        assert_eq!(enforce(Some(&present), &locked(Some("a"), &["one", "three"])), missing);
    }
}
