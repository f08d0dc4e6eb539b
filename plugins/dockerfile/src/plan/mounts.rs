// SPDX-License-Identifier: Apache-2.0
//! `RUN --mount`.

use std::collections::BTreeMap;

use wythe_sdk::{Command as Process, Files, Sharing, State};

use super::Planner;
use super::ignore::context_path;
use super::paths;
use super::stage::Work;
use crate::fault::Fault;
use crate::text::instruction::Flag;
use crate::text::mount;
use crate::text::words::truth;

/// The options of a mount, each under one of its names.
type Fields = BTreeMap<&'static str, String>;

/// What each type of mount takes.
const TYPES: [(&str, &[&str]); 5] = [
    ("bind", &["from", "readwrite", "readonly", "source", "target"]),
    ("cache", &["from", "gid", "id", "mode", "readonly", "readwrite", "sharing", "source", "target", "uid"]),
    ("secret", &["env", "gid", "id", "mode", "required", "target", "uid"]),
    ("ssh", &["gid", "id", "mode", "required", "target", "uid"]),
    ("tmpfs", &["size", "target"]),
];

/// Options that may stand without a value.
const TRUTHS: [&str; 3] = ["readonly", "readwrite", "required"];

impl Planner<'_> {
    /// Adds the mount of a flag to a command. `number` counts the mounts of the command.
    pub(super) fn mount(&self, work: &Work, process: Process, flag: &Flag, number: usize) -> Result<Process, Fault> {
        let (kind, fields) = read(work, flag)?;
        let mount = Mount { work, flag, fields };
        match kind {
            "bind" => self.bind(&mount, process),
            "cache" => mount.cache(self, process),
            "secret" => mount.secret(process),
            "ssh" => mount.ssh(process, number),
            _ => mount.tmpfs(process),
        }
    }

    fn bind(&self, mount: &Mount<'_>, process: Process) -> Result<Process, Fault> {
        let process = process.mount_writable(mount.is_writable());
        let target = mount.target()?.ok_or_else(|| mount.wrong("a bind mount needs a `target`"))?;
        let source = mount.fields.get("source").map_or("", String::as_str);
        if let Some(from) = mount.fields.get("from") {
            let other = self.other(from, mount.work.index, mount.flag.place)?;
            return Ok(process.bind_state(&other.state, &paths::clean(&format!("/{source}")), &target));
        }
        let inside =
            self.of_context(source).ok_or_else(|| mount.wrong(&format!("`{source}` is outside the build context")))?;
        let path = context_path(self.options, &inside);
        if self.ignore.is_empty() {
            return Ok(process.bind_context(&path, &target));
        }
        // What the context leaves out is not there in a mount either.
        let plain = paths::clean(&path);
        let copy = Files::on(&State::scratch()).ignore(&self.ignore).keep_parents(true).follow_links(true);
        let copy = copy.place(&self.source.place(mount.flag.place)).describe("context of a mount");
        let copied = copy.context([if plain.is_empty() { "." } else { &plain }], "/").apply();
        Ok(process.bind_state(&copied, &format!("/{plain}"), &target))
    }
}

/// A mount, read.
struct Mount<'a> {
    work: &'a Work,
    flag: &'a Flag,
    fields: Fields,
}

impl Mount<'_> {
    fn wrong(&self, what: &str) -> Fault {
        Fault::new(self.flag.place, what)
    }

    fn is_set(&self, name: &str) -> bool {
        self.fields.get(name).is_some_and(|value| value == "true")
    }

    /// Returns whether the command may write: none where nothing is said.
    fn is_writable(&self) -> Option<bool> {
        let said = |name: &str| self.fields.get(name).map(|value| value == "true");
        said("readwrite").or_else(|| said("readonly").map(|is_readonly| !is_readonly))
    }

    /// Sets whose the mounts that follow are, and their mode bits.
    fn dress(&self, process: Process) -> Result<Process, Fault> {
        let id = |name: &str| match self.fields.get(name) {
            None => Ok(None),
            Some(text) => {
                let id = text.parse::<u32>().ok().filter(|id| *id <= 0x7fff_ffff);
                id.map(Some).ok_or_else(|| self.wrong(&format!("`{text}` is not a `{name}`: it is a number")))
            }
        };
        let owner = match (id("uid")?, id("gid")?) {
            (None, None) => String::new(),
            (user, group) => format!("{}:{}", user.unwrap_or(0), group.unwrap_or(0)),
        };
        Ok(process.mount_owner(&owner))
    }

    fn target(&self) -> Result<Option<String>, Fault> {
        let Some(target) = self.fields.get("target") else { return Ok(None) };
        let path = paths::clean(&paths::absolute(self.work.config.workdir(), target));
        if target.is_empty() || path == "/" {
            return Err(self.wrong(&format!("`{target}` cannot be the target of a mount")));
        }
        Ok(Some(path))
    }

    fn id(&self, fallback: &str) -> Result<String, Fault> {
        let id = self.fields.get("id").map_or(fallback, String::as_str);
        if id.is_empty() || id.chars().any(char::is_control) {
            return Err(self.wrong(&format!("`{id}` cannot be the `id` of a mount")));
        }
        Ok(id.to_owned())
    }

    fn cache(&self, planner: &Planner<'_>, process: Process) -> Result<Process, Fault> {
        let target = self.target()?.ok_or_else(|| self.wrong("a cache mount needs a `target`"))?;
        let sharing = match self.fields.get("sharing").map_or("shared", String::as_str) {
            "shared" => Sharing::Shared,
            "private" => Sharing::Private,
            "locked" => Sharing::Locked,
            other => {
                let known = ["shared", "private", "locked"];
                return Err(self.wrong(&format!("`{other}` is no `sharing`")).nearest(other, known.into_iter()));
            }
        };
        let mode = self.fields.contains_key("mode").then(|| self.mode(0o755)).transpose()?;
        let process = self.dress(process)?.mount_mode(mode).mount_writable(self.is_writable());
        let id = self.id(&target)?;
        let Some(from) = self.fields.get("from") else {
            return Ok(process.cache(&id, &target, sharing));
        };
        let other = planner.other(from, self.work.index, self.flag.place)?;
        let path = paths::clean(&format!("/{}", self.fields.get("source").map_or("", String::as_str)));
        Ok(process.cache_from(&id, &target, sharing, &other.state, &path))
    }

    fn secret(&self, process: Process) -> Result<Process, Fault> {
        let process = self.dress(process)?;
        let target = self.target()?;
        let name = target.as_deref().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
        let id = self.id(name)?;
        let required = self.is_set("required");
        if let Some(variable) = self.fields.get("env").filter(|name| !name.is_empty()) {
            if variable.contains('=') {
                return Err(self.wrong(&format!("`{variable}` cannot be the name of a variable")));
            }
            let process = process.secret_env(&id, variable, required);
            return Ok(match target {
                Some(target) => process.secret_file(&id, &target, self.mode(0o400)?, required),
                None => process,
            });
        }
        let target = target.unwrap_or_else(|| format!("/run/secrets/{id}"));
        Ok(process.secret_file(&id, &target, self.mode(0o400)?, required))
    }

    fn ssh(&self, process: Process, number: usize) -> Result<Process, Fault> {
        let mode = self.fields.contains_key("mode").then(|| self.mode(0o600)).transpose()?;
        let process = self.dress(process)?.mount_mode(mode);
        let target = self.target()?.unwrap_or_else(|| format!("/run/buildkit/ssh_agent.{number}"));
        let process = process.env("SSH_AUTH_SOCK", &target);
        Ok(process.ssh(&self.id("default")?, &target, self.is_set("required")))
    }

    fn tmpfs(&self, process: Process) -> Result<Process, Fault> {
        let target = self.target()?.ok_or_else(|| self.wrong("a tmpfs mount needs a `target`"))?;
        let size = match self.fields.get("size") {
            None => None,
            Some(text) => Some(size(text).ok_or_else(|| self.wrong(&format!("`{text}` is not a size such as `64m`")))?),
        };
        Ok(process.tmpfs(&target, size))
    }

    fn mode(&self, fallback: u32) -> Result<u32, Fault> {
        let Some(text) = self.fields.get("mode") else { return Ok(fallback) };
        let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777);
        mode.ok_or_else(|| self.wrong(&format!("`{text}` is not a mode such as `0400`")))
    }
}

/// Reads a mount: its type and its options, variables replaced but in `from`.
fn read(work: &Work, flag: &Flag) -> Result<(&'static str, Fields), Fault> {
    let text = flag.value.as_deref().unwrap_or_default();
    let wanted = match mount::field(text, "type") {
        Some(written) => work.scope.raw_value(&written, flag.place, work.escape)?.to_ascii_lowercase(),
        None => "bind".to_owned(),
    };
    let known = TYPES.iter().find(|(kind, _)| *kind == wanted).ok_or_else(|| {
        let fault = Fault::new(flag.place, format!("`{wanted}` is no type of mount"));
        fault.nearest(&wanted, TYPES.iter().map(|(kind, _)| *kind))
    })?;
    let mut fields = Fields::new();
    for part in mount::cut(text).iter().filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').map_or((part.as_str(), None), |(name, value)| (name, Some(value)));
        let lower = name.to_ascii_lowercase();
        if lower == "type" {
            continue;
        }
        let Some(name) = known.1.iter().find(|option| **option == mount::canonical(&lower)) else {
            let fault = Fault::new(flag.place, format!("a {} mount has no option `{name}`", known.0));
            return Err(fault.nearest(&lower, known.1.iter().copied()));
        };
        let value = match value {
            Some(value) if *name == "from" => value.to_owned(),
            Some(value) => work.scope.raw_value(value, flag.place, work.escape)?,
            None if TRUTHS.contains(name) => "true".to_owned(),
            None => return Err(Fault::new(flag.place, format!("`{name}` of a mount has no value"))),
        };
        let value = match TRUTHS.contains(name) {
            false => value,
            true => truth(&value)
                .ok_or_else(|| Fault::new(flag.place, format!("`{value}` is neither `true` nor `false`")))?
                .to_string(),
        };
        fields.insert(name, value);
    }
    Ok((known.0, fields))
}

/// Reads a size: a number, with `k`, `m` or `g` behind it for powers of 1024.
fn size(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let digits = lower.trim_end_matches("ib").trim_end_matches('b');
    let (digits, shift) = match digits.chars().last()? {
        'k' => (&digits[..digits.len() - 1], 10),
        'm' => (&digits[..digits.len() - 1], 20),
        'g' => (&digits[..digits.len() - 1], 30),
        't' => (&digits[..digits.len() - 1], 40),
        _ => (digits, 0),
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [
            ("5", Some(5)),
            ("64m", Some(64 << 20)),
            ("1Gb", Some(1 << 30)),
            ("2KiB", Some(2048)),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(size(text), bytes, "{text}");
        }
    }
}
