// SPDX-License-Identifier: Apache-2.0
//! `probe`: what the real tool says, while resolving only.

use wasmtime::component::Resource;
use wythe_plan::Vertex;

use crate::draft::OpenCommand;
use crate::guest::Guest;
use crate::host::vertex;
use crate::v0_1::probe::Host;

impl Host for Guest {
    fn output(&mut self, command: Resource<OpenCommand>) -> wasmtime::Result<Result<Vec<u8>, String>> {
        self.demand_resolving("probe.output")?;
        let OpenCommand { run, label, .. } = self.close_command(command)?;
        let state = self.add(Vertex::Run(run), label)?;
        self.meter.close_handle();
        let fragment = std::mem::take(&mut self.draft.fragment);
        let answer = self.ask(|surroundings| surroundings.world.probe(&fragment, vertex(&state)));
        self.draft.fragment = fragment;
        answer
    }
}
