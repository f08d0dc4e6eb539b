// SPDX-License-Identifier: Apache-2.0
//! The imports of a plugin, one module an interface. Each call is charged, checked, and then recorded.

mod artifact;
mod build;
mod checkout;
mod command;
mod fetch;
mod files;
mod probe;
mod recognition;
mod report;
mod state;
mod steps;

use wasmtime::component::Resource;
use wythe_plan::{Archive, Label, Vertex, VertexId};

use crate::draft::State;
use crate::guest::Guest;

/// What recording one word of a plan costs besides its bytes: the host's own memory for it.
const WORD_BYTES: usize = 64;

impl Guest {
    /// Charges what a call hands over.
    fn charge<'a>(&mut self, texts: impl IntoIterator<Item = &'a str>) -> wasmtime::Result<()> {
        let bytes = texts.into_iter().map(|text| WORD_BYTES + text.len()).sum::<usize>();
        Ok(self.meter.take(WORD_BYTES + bytes)?)
    }

    /// Charges a list of texts.
    fn charge_list(&mut self, texts: &[String]) -> wasmtime::Result<()> {
        self.charge(texts.iter().map(String::as_str))
    }

    /// Adds an operation to the plan and returns a handle to the state that it makes.
    fn add(&mut self, vertex: Vertex, label: Label) -> wasmtime::Result<Resource<State>> {
        self.meter.check_vertices(self.draft.fragment.vertices().len())?;
        let vertex = self.draft.fragment.add(vertex, label);
        self.state(vertex)
    }

    /// Returns a handle to a state.
    fn state(&mut self, vertex: VertexId) -> wasmtime::Result<Resource<State>> {
        self.meter.open_handle()?;
        Ok(Resource::new_own(vertex.0))
    }
}

/// The vertex of a state's handle.
fn vertex(state: &Resource<State>) -> VertexId {
    VertexId(state.rep())
}

/// The archive format of a name.
fn archive(format: &str) -> Result<Archive, String> {
    match format {
        "tar" => Ok(Archive::Tar),
        "zip" => Ok(Archive::Zip),
        "deb-data" => Ok(Archive::DebData),
        "deb-control" => Ok(Archive::DebControl),
        other => Err(format!(
            "the format `{}`, which is none of tar, zip, deb-data, deb-control",
            crate::untrusted::label(other)
        )),
    }
}
