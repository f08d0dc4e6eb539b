// SPDX-License-Identifier: Apache-2.0
//! `graph.state`: where states begin, what is known of them, and edits of their configuration.

use wasmtime::component::Resource;
use wythe_image::{Healthcheck, Platform};
use wythe_plan::{ConfigEdit, Fact, FactAnswer, Label, Vertex, VertexId};

use crate::draft::State;
use crate::guest::Guest;
use crate::host::vertex;
use crate::untrusted;
use crate::v0_1::graph::HostState;

/// The answer to a question about a state that is not there yet.
const ONLY_DESCRIBED: &str =
    "only the state that a step is given can be looked at; this one is described by the plan and not built yet";

type Handle = Resource<State>;

impl Guest {
    /// Asks about the state that the step was given.
    fn base_fact(&mut self, state: &Handle, fact: &Fact) -> wasmtime::Result<FactAnswer> {
        if vertex(state) == VertexId::BASE { self.fact(fact) } else { Ok(Err(ONLY_DESCRIBED.to_owned())) }
    }

    /// As [`Guest::base_fact`], for an answer that is text.
    fn base_text_fact(&mut self, state: &Handle, fact: &Fact) -> wasmtime::Result<Result<String, String>> {
        if vertex(state) == VertexId::BASE { self.text_fact(fact) } else { Ok(Err(ONLY_DESCRIBED.to_owned())) }
    }

    /// Adds the image that a reference stands for; behind it there may be a platform.
    fn image_of(&mut self, reference: String) -> wasmtime::Result<Result<Handle, String>> {
        match self.text_fact(&Fact::Image(reference.clone()))? {
            Err(why) => Ok(Err(why)),
            Ok(digest) => {
                // What was recorded is what is meant, also after the tag has moved on.
                let (name, _) = Platform::split_from(&reference);
                let pinned = format!("{name}@{digest}");
                let reference = if name.contains('@') || digest.is_empty() { name.to_owned() } else { pinned };
                self.add(Vertex::Image { reference }, Label::default()).map(Ok)
            }
        }
    }

    /// Adds an edit of the configuration.
    fn configure(&mut self, on: &Handle, edit: ConfigEdit) -> wasmtime::Result<Handle> {
        self.add(Vertex::Configure { on: vertex(on), edit }, Label::default())
    }
}

impl HostState for Guest {
    fn scratch(&mut self) -> wasmtime::Result<Handle> {
        self.add(Vertex::Scratch, Label::default())
    }

    fn image(&mut self, reference: String) -> wasmtime::Result<Result<Handle, String>> {
        self.charge([reference.as_str()])?;
        self.demand("state.image", untrusted::name("reference", &reference))?;
        self.image_of(reference)
    }

    fn scratch_for(&mut self, platform: String) -> wasmtime::Result<Handle> {
        self.charge([platform.as_str()])?;
        let platform = self.demand("state.scratch-for", untrusted::platform(&platform))?;
        self.add(Vertex::ScratchFor { platform }, Label::default())
    }

    fn image_for(&mut self, reference: String, platform: String) -> wasmtime::Result<Result<Handle, String>> {
        self.charge([reference.as_str(), &platform])?;
        self.demand("state.image-for", untrusted::name("reference", &reference))?;
        let platform = self.demand("state.image-for", untrusted::platform(&platform))?;
        self.image_of(platform.behind(&reference))
    }

    fn config(&mut self, state: Handle) -> wasmtime::Result<Result<String, String>> {
        if let Vertex::Image { reference } = self.draft.fragment.vertex(vertex(&state)) {
            let fact = Fact::ImageConfig(reference.clone());
            return self.text_fact(&fact);
        }
        self.base_text_fact(&state, &Fact::BaseConfig)
    }

    fn read(&mut self, state: Handle, path: String) -> wasmtime::Result<Result<Vec<u8>, String>> {
        self.charge([path.as_str()])?;
        self.demand("state.read", untrusted::absolute("path", &path))?;
        self.base_fact(&state, &Fact::BaseRead(path))
    }

    fn exists(&mut self, state: Handle, path: String) -> wasmtime::Result<Result<bool, String>> {
        self.charge([path.as_str()])?;
        self.demand("state.exists", untrusted::absolute("path", &path))?;
        Ok(self.base_text_fact(&state, &Fact::BaseExists(path))?.map(|answer| answer == "true"))
    }

    fn which(&mut self, state: Handle, program: String) -> wasmtime::Result<Result<Option<String>, String>> {
        self.charge([program.as_str()])?;
        self.demand("state.which", untrusted::some_text("program", &program))?;
        let answer = self.base_text_fact(&state, &Fact::BaseWhich(program))?;
        Ok(answer.map(|path| Some(path).filter(|path| !path.is_empty())))
    }

    fn glob(&mut self, state: Handle, pattern: String) -> wasmtime::Result<Result<Vec<String>, String>> {
        self.charge([pattern.as_str()])?;
        self.demand("state.glob", untrusted::absolute("pattern", &pattern))?;
        let answer = self.base_text_fact(&state, &Fact::BaseGlob(pattern))?;
        Ok(answer.map(|names| names.lines().map(str::to_owned).collect()))
    }

    fn env(&mut self, state: Handle, name: String, value: String) -> wasmtime::Result<Handle> {
        self.charge([name.as_str(), &value])?;
        self.demand("state.env", untrusted::variable(&name))?;
        self.demand("state.env", untrusted::c_string("value", &value))?;
        self.configure(&state, ConfigEdit::Env(name, value))
    }

    fn workdir(&mut self, state: Handle, path: String) -> wasmtime::Result<Handle> {
        self.charge([path.as_str()])?;
        self.demand("state.workdir", untrusted::some_text("path", &path))?;
        self.configure(&state, ConfigEdit::Workdir(path))
    }

    fn user(&mut self, state: Handle, user: String) -> wasmtime::Result<Handle> {
        self.charge([user.as_str()])?;
        self.demand("state.user", untrusted::user("user", &user))?;
        self.configure(&state, ConfigEdit::User(user))
    }

    fn entrypoint(&mut self, state: Handle, argv: Vec<String>) -> wasmtime::Result<Handle> {
        self.charge_list(&argv)?;
        self.demand("state.entrypoint", untrusted::argv(&argv, true))?;
        self.configure(&state, ConfigEdit::Entrypoint(argv))
    }

    fn cmd(&mut self, state: Handle, argv: Vec<String>) -> wasmtime::Result<Handle> {
        self.charge_list(&argv)?;
        self.demand("state.cmd", untrusted::argv(&argv, true))?;
        self.configure(&state, ConfigEdit::Cmd(argv))
    }

    fn shell(&mut self, state: Handle, argv: Vec<String>) -> wasmtime::Result<Handle> {
        self.charge_list(&argv)?;
        self.demand("state.shell", untrusted::argv(&argv, false))?;
        self.configure(&state, ConfigEdit::Shell(argv))
    }

    fn label(&mut self, state: Handle, name: String, value: String) -> wasmtime::Result<Handle> {
        self.charge([name.as_str(), &value])?;
        self.demand("state.label", untrusted::some_text("name", &name))?;
        self.demand("state.label", untrusted::c_string("value", &value))?;
        self.configure(&state, ConfigEdit::Label(name, value))
    }

    fn expose(&mut self, state: Handle, port: String) -> wasmtime::Result<Handle> {
        self.charge([port.as_str()])?;
        self.demand("state.expose", untrusted::port(&port))?;
        self.configure(&state, ConfigEdit::Expose(port))
    }

    fn volume(&mut self, state: Handle, path: String) -> wasmtime::Result<Handle> {
        self.charge([path.as_str()])?;
        self.demand("state.volume", untrusted::some_text("path", &path))?;
        self.configure(&state, ConfigEdit::Volume(path))
    }

    fn stop_signal(&mut self, state: Handle, signal: String) -> wasmtime::Result<Handle> {
        self.charge([signal.as_str()])?;
        self.demand("state.stop-signal", untrusted::signal(&signal))?;
        self.configure(&state, ConfigEdit::StopSignal(signal))
    }

    fn healthcheck(&mut self, state: Handle, json: Option<String>) -> wasmtime::Result<Result<Handle, String>> {
        self.charge(json.as_deref())?;
        match json.map(|json| serde_json::from_str::<Healthcheck>(&json)).transpose() {
            Err(error) => Ok(Err(error.to_string())),
            Ok(healthcheck) => self.configure(&state, ConfigEdit::Healthcheck(healthcheck)).map(Ok),
        }
    }

    fn onbuild(&mut self, state: Handle, instruction: String) -> wasmtime::Result<Handle> {
        self.charge([instruction.as_str()])?;
        self.demand("state.onbuild", untrusted::some_text("instruction", &instruction))?;
        self.configure(&state, ConfigEdit::Onbuild(instruction))
    }

    fn without_onbuild(&mut self, state: Handle) -> wasmtime::Result<Handle> {
        self.configure(&state, ConfigEdit::WithoutOnbuild)
    }

    fn name(&mut self, state: Handle, name: String) -> wasmtime::Result<Handle> {
        self.charge([name.as_str()])?;
        self.demand("state.name", untrusted::name("name", &name))?;
        self.configure(&state, ConfigEdit::Name(name))
    }

    fn drop(&mut self, _state: Handle) -> wasmtime::Result<()> {
        self.meter.close_handle();
        Ok(())
    }
}
