// SPDX-License-Identifier: Apache-2.0
//! `RUN`.

use std::rc::Rc;

use wythe_sdk::{Command as Process, Files, State};

use super::Planner;
use super::stage::Work;
use crate::fault::Fault;
use crate::text::heredoc::{self, Heredoc};
use crate::text::instruction::{Command, Flag, Instruction};

/// Where a heredoc that is a program of its own is mounted.
const SCRIPTS: &str = "/run/wythe/heredoc";

impl Planner<'_> {
    pub(super) fn run(
        &self,
        work: &mut Work,
        one: &Instruction,
        command: &Command,
        heredocs: &[Heredoc],
    ) -> Result<(), Fault> {
        let state = Rc::clone(&work.state);
        let process = match command {
            Command::Exec(argv) => Process::new(&state, argv),
            Command::Shell(text) => script(&state, text, heredocs),
        };
        let shown = match command {
            Command::Exec(argv) => format!("{argv:?}"),
            Command::Shell(text) => text.clone(),
        };
        let mut process = process.describe(&format!("RUN {shown}")).place(&work.place).part(&work.part);
        for (name, value) in work.scope.for_command(&self.given()) {
            process = process.env(&name, &value);
        }
        for (number, flag) in one.flags_of("mount").enumerate() {
            process = self.mount(work, process, flag, number)?;
        }
        process = network(process, one.flag("network"))?;
        if let Some(flag) = one.flag("security") {
            process = match flag.value.as_deref() {
                Some("sandbox") => process,
                Some("insecure") => process.insecure(),
                other => return Err(unknown("security", other, flag, &["sandbox", "insecure"])),
            };
        }
        for flag in one.flags_of("device") {
            process = process.device(&device(flag)?);
        }
        work.step(process.run());
        Ok(())
    }
}

fn network(process: Process, flag: Option<&Flag>) -> Result<Process, Fault> {
    match flag.map(|flag| (flag, flag.value.as_deref().unwrap_or_default())) {
        None | Some((_, "default" | "host")) => Ok(process.network_host()),
        Some((_, "none")) => Ok(process.network_none()),
        Some((flag, other)) => Err(unknown("network", Some(other), flag, &["default", "none", "host"])),
    }
}

fn unknown(name: &str, value: Option<&str>, flag: &Flag, known: &[&'static str]) -> Fault {
    let value = value.unwrap_or_default();
    Fault::new(flag.place, format!("`{value}` is no value of `--{name}`")).nearest(value, known.iter().copied())
}

/// Returns the command of a script and its heredocs.
fn script(state: &State, text: &str, heredocs: &[Heredoc]) -> Process {
    match heredocs {
        // The heredoc is all there is: it is the script itself, or, with a `#!`, a program.
        [only] if text.trim() == only.word => {
            let content = only.content();
            if !content.starts_with("#!") {
                return Process::shell(state, &content);
            }
            let file = Files::on(&State::scratch()).mode(0o755).put("/script", &content).apply();
            let target = format!("{SCRIPTS}/script");
            Process::new(state, [target.as_str()]).bind_state(&file, "/script", &target)
        }
        [] => Process::shell(state, text),
        // The shell reads them as it would in a file.
        _ => Process::shell(state, &(heredoc::appended(text, heredocs) + "\n")),
    }
}

/// Reads the name of a device: `vendor/class=name`, `vendor/class=*` for all of that kind, `vendor/class` for its first.
///
/// That it is `required` changes nothing: what a step makes without a device is not what it makes with it.
fn device(flag: &Flag) -> Result<String, Fault> {
    let value = flag.value.as_deref().unwrap_or_default();
    let wrong = || {
        let fault = Fault::new(flag.place, format!("`{value}` is not a device"));
        fault.hint("write the CDI name: `--device=vendor.com/class=name`")
    };
    let mut found = None;
    for part in value.split(',') {
        let name = match part.split_once('=') {
            None if part == "required" => continue,
            Some(("required", "true" | "1" | "false" | "0")) => continue,
            Some(("name", name)) => name,
            _ => part,
        };
        if found.replace(name).is_some() {
            return Err(wrong());
        }
    }
    let name = found.ok_or_else(wrong)?;
    let (kind, device) = name.split_once('=').map_or((name, None), |(kind, device)| (kind, Some(device)));
    let (vendor, class) = kind.split_once('/').ok_or_else(wrong)?;
    if vendor.is_empty() || class.is_empty() || device == Some("") || class.contains('/') || name.len() > 200 {
        return Err(wrong());
    }
    Ok(name.to_owned())
}
