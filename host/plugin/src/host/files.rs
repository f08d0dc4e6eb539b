// SPDX-License-Identifier: Apache-2.0
//! `graph.files`: batches of file edits.

use wasmtime::component::Resource;
use wythe_plan::{Action, Checkout, Source, Vertex};

use crate::draft::{ArtifactHandle, Batch, State};
use crate::guest::Guest;
use crate::host::{archive, vertex};
use crate::untrusted;
use crate::v0_1::graph::HostFiles;

type Handle = Resource<Batch>;

impl Guest {
    fn batch(&mut self, handle: &Handle) -> wasmtime::Result<&mut Batch> {
        Ok(self.draft.open.get_mut(handle)?)
    }

    /// Charges for an action and for the brush that it carries.
    fn charge_action(&mut self, handle: &Handle, texts: &[&str]) -> wasmtime::Result<()> {
        let brush = self.batch(handle)?.brush_bytes();
        self.meter.take(brush)?;
        self.charge(texts.iter().copied())
    }

    /// Adds a copy with the present brush.
    fn copy(&mut self, handle: &Handle, source: Source, dest: String) -> wasmtime::Result<()> {
        let batch = self.batch(handle)?;
        let brush = batch.brush.clone();
        batch.push(Action::Copy { source, dest, brush });
        Ok(())
    }
}

impl HostFiles for Guest {
    fn new(&mut self, on: Resource<State>) -> wasmtime::Result<Handle> {
        self.meter.open_handle()?;
        Ok(self.draft.open.push(Batch::new(vertex(&on)))?)
    }

    fn owner(&mut self, batch: Handle, owner: String) -> wasmtime::Result<()> {
        self.charge([owner.as_str()])?;
        self.demand("files.owner", untrusted::user("owner", &owner))?;
        self.batch(&batch)?.brush.owner = owner;
        Ok(())
    }

    fn mode(&mut self, batch: Handle, mode: Option<u32>) -> wasmtime::Result<()> {
        self.demand("files.mode", mode.map_or(Ok(()), untrusted::mode))?;
        let brush = &mut self.batch(&batch)?.brush;
        (brush.mode, brush.mode_edit) = (mode, String::new());
        Ok(())
    }

    fn mode_edit(&mut self, batch: Handle, edit: String) -> wasmtime::Result<()> {
        self.charge([edit.as_str()])?;
        self.demand("files.mode-edit", untrusted::mode_edit(&edit))?;
        let brush = &mut self.batch(&batch)?.brush;
        (brush.mode, brush.mode_edit) = (None, edit);
        Ok(())
    }

    fn exclude(&mut self, batch: Handle, patterns: Vec<String>) -> wasmtime::Result<()> {
        self.charge_list(&patterns)?;
        self.demand("files.exclude", untrusted::patterns(&patterns))?;
        self.batch(&batch)?.brush.exclude = patterns;
        Ok(())
    }

    fn follow_links(&mut self, batch: Handle, follow: bool) -> wasmtime::Result<()> {
        self.batch(&batch)?.brush.follow_links = follow;
        Ok(())
    }

    fn keep_parents(&mut self, batch: Handle, keep: bool) -> wasmtime::Result<()> {
        self.batch(&batch)?.brush.keep_parents = keep;
        Ok(())
    }

    fn optional(&mut self, batch: Handle, optional: bool) -> wasmtime::Result<()> {
        self.batch(&batch)?.brush.optional = optional;
        Ok(())
    }

    fn ignore(&mut self, batch: Handle, patterns: Vec<String>) -> wasmtime::Result<()> {
        self.charge_list(&patterns)?;
        self.demand("files.ignore", untrusted::patterns(&patterns))?;
        self.batch(&batch)?.brush.ignore = patterns;
        Ok(())
    }

    fn unpack_archives(&mut self, batch: Handle, unpack: bool) -> wasmtime::Result<()> {
        self.batch(&batch)?.brush.unpack = unpack;
        Ok(())
    }

    fn context(&mut self, batch: Handle, patterns: Vec<String>, dest: String) -> wasmtime::Result<()> {
        self.charge_list(&patterns)?;
        self.charge_action(&batch, &[&dest])?;
        self.demand("files.context", untrusted::some_patterns(&patterns))?;
        self.demand("files.context", untrusted::absolute("destination", &dest))?;
        self.copy(&batch, Source::Context { patterns }, dest)
    }

    fn from_state(
        &mut self,
        batch: Handle,
        source: Resource<State>,
        path: String,
        dest: String,
    ) -> wasmtime::Result<()> {
        self.charge_action(&batch, &[&path, &dest])?;
        self.demand("files.from-state", untrusted::absolute("path", &path))?;
        self.demand("files.from-state", untrusted::absolute("destination", &dest))?;
        self.copy(&batch, Source::State { vertex: vertex(&source), path }, dest)
    }

    fn matching(
        &mut self,
        batch: Handle,
        source: Resource<State>,
        patterns: Vec<String>,
        dest: String,
    ) -> wasmtime::Result<()> {
        self.charge_list(&patterns)?;
        self.charge_action(&batch, &[&dest])?;
        self.demand("files.matching", untrusted::some_patterns(&patterns))?;
        self.demand("files.matching", untrusted::absolute("destination", &dest))?;
        self.copy(&batch, Source::Matching { vertex: vertex(&source), patterns }, dest)
    }

    fn artifact(&mut self, batch: Handle, source: Resource<ArtifactHandle>, dest: String) -> wasmtime::Result<()> {
        let artifact = self.draft.artifact(source.rep()).clone();
        self.charge_action(&batch, &[&artifact.url, &dest])?;
        self.demand("files.artifact", untrusted::absolute("destination", &dest))?;
        self.copy(&batch, Source::Artifact(artifact), dest)
    }

    fn unpack(
        &mut self,
        batch: Handle,
        source: Resource<ArtifactHandle>,
        format: String,
        dest: String,
    ) -> wasmtime::Result<()> {
        let artifact = self.draft.artifact(source.rep()).clone();
        self.charge_action(&batch, &[&artifact.url, &dest])?;
        let format = self.demand("files.unpack", archive(&format))?;
        self.demand("files.unpack", untrusted::absolute("destination", &dest))?;
        self.copy(&batch, Source::Unpacked { artifact, format }, dest)
    }

    fn unpack_names(
        &mut self,
        batch: Handle,
        source: Resource<ArtifactHandle>,
        format: String,
        dest: String,
    ) -> wasmtime::Result<()> {
        let artifact = self.draft.artifact(source.rep()).clone();
        self.charge_action(&batch, &[&artifact.url, &dest])?;
        let format = self.demand("files.unpack-names", archive(&format))?;
        self.demand("files.unpack-names", untrusted::file("destination", &dest))?;
        self.copy(&batch, Source::Names { artifact, format }, dest)
    }

    fn checkout(&mut self, batch: Handle, source: Resource<Checkout>, dest: String) -> wasmtime::Result<()> {
        let checkout = self.draft.open.get(&source)?.clone();
        let Checkout { url, commit, reference, subdir, .. } = &checkout;
        self.charge_action(&batch, &[url.as_str(), commit, reference, subdir, &dest])?;
        self.demand("files.checkout", untrusted::absolute("destination", &dest))?;
        self.copy(&batch, Source::Git(checkout), dest)
    }

    fn put(&mut self, batch: Handle, path: String, bytes: Vec<u8>) -> wasmtime::Result<()> {
        self.meter.take(bytes.len())?;
        self.charge_action(&batch, &[&path])?;
        self.demand("files.put", untrusted::file("path", &path))?;
        let batch = self.batch(&batch)?;
        let brush = batch.brush.clone();
        batch.push(Action::Put { path, bytes, brush });
        Ok(())
    }

    fn mkdir(&mut self, batch: Handle, path: String) -> wasmtime::Result<()> {
        self.charge_action(&batch, &[&path])?;
        self.demand("files.mkdir", untrusted::absolute("path", &path))?;
        let batch = self.batch(&batch)?;
        let brush = batch.brush.clone();
        batch.push(Action::Mkdir { path, brush });
        Ok(())
    }

    fn symlink(&mut self, batch: Handle, target: String, path: String) -> wasmtime::Result<()> {
        self.charge_action(&batch, &[&target, &path])?;
        self.demand("files.symlink", untrusted::some_text("target", &target))?;
        self.demand("files.symlink", untrusted::file("path", &path))?;
        self.batch(&batch)?.push(Action::Symlink { target, path });
        Ok(())
    }

    fn remove(&mut self, batch: Handle, path: String) -> wasmtime::Result<()> {
        self.charge_action(&batch, &[&path])?;
        self.demand("files.remove", untrusted::absolute("path", &path))?;
        let is_root = path.split('/').all(|part| part.is_empty() || part == ".");
        self.demand(
            "files.remove",
            if is_root { Err(format!("the path `{path}`, which is the root")) } else { Ok(()) },
        )?;
        self.batch(&batch)?.push(Action::Remove { path });
        Ok(())
    }

    fn describe(&mut self, batch: Handle, text: String) -> wasmtime::Result<()> {
        self.charge([text.as_str()])?;
        self.batch(&batch)?.label.text = untrusted::label(&text);
        Ok(())
    }

    fn at(&mut self, batch: Handle, line: u32, column: u32) -> wasmtime::Result<()> {
        self.batch(&batch)?.label.at = Some((line, column));
        Ok(())
    }

    fn in_text(&mut self, batch: Handle, source: String, length: u32) -> wasmtime::Result<()> {
        self.charge([source.as_str()])?;
        let label = &mut self.batch(&batch)?.label;
        (label.in_text, label.length) = (untrusted::line(&source), length);
        Ok(())
    }

    fn part(&mut self, batch: Handle, name: String) -> wasmtime::Result<()> {
        self.charge([name.as_str()])?;
        self.batch(&batch)?.label.part = untrusted::label(&name);
        Ok(())
    }

    fn apply(&mut self, batch: Handle) -> wasmtime::Result<Resource<State>> {
        self.meter.close_handle();
        let Batch { files, label, .. } = self.draft.open.delete(batch)?;
        // A batch without an edit changes nothing, so it is no operation.
        if files.actions.is_empty() { self.state(files.on) } else { self.add(Vertex::Files(files), label) }
    }

    fn drop(&mut self, batch: Handle) -> wasmtime::Result<()> {
        self.meter.close_handle();
        self.draft.open.delete(batch)?;
        Ok(())
    }
}
