// SPDX-License-Identifier: Apache-2.0
//! `build`: facts about the build.

use wythe_plan::{Fact, PlanError};

use crate::guest::Guest;
use crate::untrusted;
use crate::v0_1::build::Host;

impl Host for Guest {
    fn platform(&mut self) -> wasmtime::Result<String> {
        self.sure_fact(&Fact::Platform)
    }

    fn machine_platform(&mut self) -> wasmtime::Result<String> {
        self.sure_fact(&Fact::MachinePlatform)
    }

    fn builder_version(&mut self) -> wasmtime::Result<String> {
        self.sure_fact(&Fact::BuilderVersion)
    }

    fn source_date_epoch(&mut self) -> wasmtime::Result<u64> {
        let text = self.sure_fact(&Fact::SourceDateEpoch)?;
        text.parse().map_err(|_| self.end(PlanError::World(format!("the build's time `{text}` is not a number"))))
    }

    fn arg(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        self.charge([name.as_str()])?;
        self.demand("build.arg", untrusted::text("name", &name))?;
        let answer = self.text_fact(&Fact::Arg(name))?;
        Ok(answer.ok().filter(|value| !value.is_empty()))
    }

    fn read(&mut self, path: String) -> wasmtime::Result<Result<Vec<u8>, String>> {
        self.charge([path.as_str()])?;
        self.demand("build.read", untrusted::text("path", &path))?;
        self.fact(&Fact::ContextRead(path))
    }

    fn exists(&mut self, path: String) -> wasmtime::Result<bool> {
        self.charge([path.as_str()])?;
        self.demand("build.exists", untrusted::text("path", &path))?;
        Ok(self.sure_fact(&Fact::ContextExists(path))? == "true")
    }

    fn glob(&mut self, pattern: String) -> wasmtime::Result<Vec<String>> {
        self.charge([pattern.as_str()])?;
        self.demand("build.glob", untrusted::text("pattern", &pattern))?;
        // A pattern comes from the person more often than not, and the interface has no place for what is wrong with it.
        let names = self.text_fact(&Fact::ContextGlob(pattern))?.map_err(|why| self.end(PlanError::Failed(why)))?;
        Ok(names.lines().map(str::to_owned).collect())
    }
}
