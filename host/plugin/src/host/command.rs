// SPDX-License-Identifier: Apache-2.0
//! `graph.command`: commands that run in a sandbox.

use wasmtime::component::Resource;
use wythe_plan::{Command, MountSource, Network, Sharing, Vertex, VertexId};

use crate::draft::{ArtifactHandle, OpenCommand, State};
use crate::guest::Guest;
use crate::host::{archive, vertex};
use crate::untrusted;
use crate::v0_1::graph::HostCommand;

type Handle = Resource<OpenCommand>;

impl Guest {
    fn command(&mut self, handle: &Handle) -> wasmtime::Result<&mut OpenCommand> {
        Ok(self.draft.open.get_mut(handle)?)
    }

    fn open_command(&mut self, on: &Resource<State>, command: Command) -> wasmtime::Result<Handle> {
        self.meter.open_handle()?;
        Ok(self.draft.open.push(OpenCommand::new(vertex(on), command))?)
    }

    /// Takes a command out of the table: it is run or looked at, and closed either way.
    pub(super) fn close_command(&mut self, handle: Handle) -> wasmtime::Result<OpenCommand> {
        self.meter.close_handle();
        Ok(self.draft.open.delete(handle)?)
    }

    /// Adds a mount.
    fn mount(&mut self, handle: &Handle, call: &str, source: MountSource, target: String) -> wasmtime::Result<()> {
        self.mount_beginning(handle, call, source, target, None)
    }

    fn mount_beginning(
        &mut self,
        handle: &Handle,
        call: &str,
        source: MountSource,
        target: String,
        begins_as: Option<(VertexId, String)>,
    ) -> wasmtime::Result<()> {
        let owner = self.command(handle)?.brush.owner.len();
        self.meter.take(owner)?;
        self.charge([target.as_str()])?;
        self.demand(call, untrusted::absolute("target", &target))?;
        self.command(handle)?.mount(target, source, begins_as);
        Ok(())
    }

    fn cache_source(&mut self, call: &str, id: String, sharing: &str) -> wasmtime::Result<MountSource> {
        self.charge([id.as_str()])?;
        self.demand(call, untrusted::name("id", &id))?;
        let sharing = match sharing {
            "shared" => Ok(Sharing::Shared),
            "private" => Ok(Sharing::Private),
            "locked" => Ok(Sharing::Locked),
            other => {
                Err(format!("the sharing `{}`, which is none of shared, private, locked", untrusted::label(other)))
            }
        };
        Ok(MountSource::Cache { id, sharing: self.demand(call, sharing)? })
    }
}

impl HostCommand for Guest {
    fn new(&mut self, on: Resource<State>, argv: Vec<String>) -> wasmtime::Result<Handle> {
        self.charge_list(&argv)?;
        self.demand("command", untrusted::argv(&argv, false))?;
        self.open_command(&on, Command::Argv(argv))
    }

    fn shell(&mut self, on: Resource<State>, script: String) -> wasmtime::Result<Handle> {
        self.charge([script.as_str()])?;
        self.demand("command.shell", untrusted::c_string("script", &script))?;
        self.open_command(&on, Command::Shell(script))
    }

    fn env(&mut self, command: Handle, name: String, value: String) -> wasmtime::Result<()> {
        self.charge([name.as_str(), &value])?;
        self.demand("command.env", untrusted::variable(&name))?;
        self.demand("command.env", untrusted::c_string("value", &value))?;
        self.command(&command)?.run.env.insert(name, value);
        Ok(())
    }

    fn workdir(&mut self, command: Handle, path: String) -> wasmtime::Result<()> {
        self.charge([path.as_str()])?;
        self.demand("command.workdir", untrusted::absolute("path", &path))?;
        self.command(&command)?.run.workdir = Some(path);
        Ok(())
    }

    fn user(&mut self, command: Handle, user: String) -> wasmtime::Result<()> {
        self.charge([user.as_str()])?;
        self.demand("command.user", untrusted::user("user", &user))?;
        self.command(&command)?.run.user = Some(user);
        Ok(())
    }

    fn stdin(&mut self, command: Handle, bytes: Vec<u8>) -> wasmtime::Result<()> {
        self.meter.take(bytes.len())?;
        self.command(&command)?.run.stdin = bytes;
        Ok(())
    }

    fn cache(&mut self, command: Handle, id: String, target: String, sharing: String) -> wasmtime::Result<()> {
        let source = self.cache_source("command.cache", id, &sharing)?;
        self.mount(&command, "command.cache", source, target)
    }

    fn cache_from(
        &mut self,
        command: Handle,
        id: String,
        target: String,
        sharing: String,
        source: Resource<State>,
        path: String,
    ) -> wasmtime::Result<()> {
        self.charge([path.as_str()])?;
        self.demand("command.cache-from", untrusted::absolute("path", &path))?;
        let cache = self.cache_source("command.cache-from", id, &sharing)?;
        self.mount_beginning(&command, "command.cache-from", cache, target, Some((vertex(&source), path)))
    }

    fn mount_owner(&mut self, command: Handle, owner: String) -> wasmtime::Result<()> {
        self.charge([owner.as_str()])?;
        self.demand("command.mount-owner", untrusted::user("owner", &owner))?;
        self.command(&command)?.brush.owner = owner;
        Ok(())
    }

    fn mount_mode(&mut self, command: Handle, mode: Option<u32>) -> wasmtime::Result<()> {
        self.demand("command.mount-mode", mode.map_or(Ok(()), untrusted::mode))?;
        self.command(&command)?.brush.mode = mode;
        Ok(())
    }

    fn mount_writable(&mut self, command: Handle, writable: Option<bool>) -> wasmtime::Result<()> {
        self.command(&command)?.brush.is_writable = writable;
        Ok(())
    }

    fn secret_file(
        &mut self,
        command: Handle,
        id: String,
        target: String,
        mode: u32,
        required: bool,
    ) -> wasmtime::Result<()> {
        self.charge([id.as_str()])?;
        self.demand("command.secret-file", untrusted::name("id", &id))?;
        self.demand("command.secret-file", untrusted::mode(mode))?;
        self.mount(
            &command,
            "command.secret-file",
            MountSource::SecretFile { id, mode, owner: String::new(), required },
            target,
        )
    }

    fn secret_env(&mut self, command: Handle, id: String, name: String, required: bool) -> wasmtime::Result<()> {
        self.charge([id.as_str(), &name])?;
        self.demand("command.secret-env", untrusted::name("id", &id))?;
        self.demand("command.secret-env", untrusted::variable(&name))?;
        self.command(&command)?.run.secret_env.insert(name, (id, required));
        Ok(())
    }

    fn ssh(&mut self, command: Handle, id: String, target: String, required: bool) -> wasmtime::Result<()> {
        self.charge([id.as_str()])?;
        self.demand("command.ssh", untrusted::name("id", &id))?;
        self.mount(&command, "command.ssh", MountSource::Ssh { id, required }, target)
    }

    fn bind_context(&mut self, command: Handle, path: String, target: String) -> wasmtime::Result<()> {
        self.charge([path.as_str()])?;
        self.demand("command.bind-context", untrusted::some_text("path", &path))?;
        self.mount(&command, "command.bind-context", MountSource::Context { path }, target)
    }

    fn bind_state(
        &mut self,
        command: Handle,
        source: Resource<State>,
        path: String,
        target: String,
    ) -> wasmtime::Result<()> {
        self.charge([path.as_str()])?;
        self.demand("command.bind-state", untrusted::absolute("path", &path))?;
        self.mount(&command, "command.bind-state", MountSource::State { vertex: vertex(&source), path }, target)
    }

    fn bind_artifact(
        &mut self,
        command: Handle,
        source: Resource<ArtifactHandle>,
        target: String,
    ) -> wasmtime::Result<()> {
        let artifact = self.draft.artifact(source.rep()).clone();
        self.charge([artifact.url.as_str()])?;
        self.mount(&command, "command.bind-artifact", MountSource::Artifact(artifact), target)
    }

    fn bind_unpacked(
        &mut self,
        command: Handle,
        source: Resource<ArtifactHandle>,
        format: String,
        target: String,
    ) -> wasmtime::Result<()> {
        let artifact = self.draft.artifact(source.rep()).clone();
        self.charge([artifact.url.as_str()])?;
        let format = self.demand("command.bind-unpacked", archive(&format))?;
        self.mount(&command, "command.bind-unpacked", MountSource::Unpacked { artifact, format }, target)
    }

    fn tmpfs(&mut self, command: Handle, target: String, size: Option<u64>) -> wasmtime::Result<()> {
        self.mount(&command, "command.tmpfs", MountSource::Tmpfs { size }, target)
    }

    fn volume(&mut self, command: Handle, name: String, target: String) -> wasmtime::Result<()> {
        self.charge([name.as_str()])?;
        self.demand("command.volume", untrusted::name("name", &name))?;
        self.mount(&command, "command.volume", MountSource::Volume { name }, target)
    }

    fn network(&mut self, command: Handle, mode: String) -> wasmtime::Result<()> {
        let mode = match mode.as_str() {
            "none" => Ok(Network::None),
            "host" => Ok(Network::Host),
            other => Err(format!("the mode `{}`, which is neither host nor none", untrusted::label(other))),
        };
        let mode = self.demand("command.network", mode)?;
        self.command(&command)?.run.network = mode;
        Ok(())
    }

    fn allow_host(&mut self, command: Handle, host: String) -> wasmtime::Result<()> {
        self.charge([host.as_str()])?;
        self.demand("command.allow-host", untrusted::host(&host))?;
        match &mut self.command(&command)?.run.network {
            Network::Host => {}
            Network::Hosts(hosts) => hosts.push(host),
            network @ Network::None => *network = Network::Hosts(vec![host]),
        }
        Ok(())
    }

    fn device(&mut self, command: Handle, name: String) -> wasmtime::Result<()> {
        self.charge([name.as_str()])?;
        self.demand("command.device", untrusted::device(&name))?;
        self.command(&command)?.run.devices.push(name);
        Ok(())
    }

    fn security(&mut self, command: Handle, mode: String) -> wasmtime::Result<()> {
        let insecure = match mode.as_str() {
            "sandbox" => Ok(false),
            "insecure" => Ok(true),
            other => Err(format!("the mode `{}`, which is neither sandbox nor insecure", untrusted::label(other))),
        };
        let insecure = self.demand("command.security", insecure)?;
        self.command(&command)?.run.insecure = insecure;
        Ok(())
    }

    fn describe(&mut self, command: Handle, text: String) -> wasmtime::Result<()> {
        self.charge([text.as_str()])?;
        self.command(&command)?.label.text = untrusted::label(&text);
        Ok(())
    }

    fn at(&mut self, command: Handle, line: u32, column: u32) -> wasmtime::Result<()> {
        self.command(&command)?.label.at = Some((line, column));
        Ok(())
    }

    fn in_text(&mut self, command: Handle, source: String, length: u32) -> wasmtime::Result<()> {
        self.charge([source.as_str()])?;
        let label = &mut self.command(&command)?.label;
        (label.in_text, label.length) = (untrusted::line(&source), length);
        Ok(())
    }

    fn part(&mut self, command: Handle, name: String) -> wasmtime::Result<()> {
        self.charge([name.as_str()])?;
        self.command(&command)?.label.part = untrusted::label(&name);
        Ok(())
    }

    fn run(&mut self, command: Handle) -> wasmtime::Result<Resource<State>> {
        let OpenCommand { run, label, .. } = self.close_command(command)?;
        self.add(Vertex::Run(run), label)
    }

    fn drop(&mut self, command: Handle) -> wasmtime::Result<()> {
        self.close_command(command)?;
        Ok(())
    }
}
