// SPDX-License-Identifier: Apache-2.0
//! `graph.artifact`: files of the network, named by their content.

use wasmtime::component::Resource;
use wythe_plan::Artifact;

use crate::draft::ArtifactHandle;
use crate::guest::Guest;
use crate::untrusted;
use crate::v0_1::graph::HostArtifact;

impl HostArtifact for Guest {
    fn new(&mut self, url: String, sha256: String, size: Option<u64>) -> wasmtime::Result<Resource<ArtifactHandle>> {
        self.charge([url.as_str(), &sha256])?;
        self.demand("artifact", untrusted::url(&url))?;
        let sha256 = self.demand("artifact", untrusted::sha256(&sha256))?;
        self.meter.open_handle()?;
        Ok(Resource::new_own(self.draft.add_artifact(Artifact { url, sha256, size })))
    }

    fn drop(&mut self, _artifact: Resource<ArtifactHandle>) -> wasmtime::Result<()> {
        self.meter.close_handle();
        Ok(())
    }
}
