// SPDX-License-Identifier: Apache-2.0
//! What a specification may ask for: enough for a device, and nothing that makes a command another one.
//!
//! Specifications lie where only the operator of a machine writes, and still are made by tools that have been wrong
//! (CVE-2024-0132, CVE-2025-23266): whatever could lead out of the place where devices belong is refused, with its line.

use std::path::PathBuf;

use super::edits::{Bind, Edits, Hook, Node};
use super::hooks;
use super::spec::{ContainerEdits, HookText, Misplaced, MountText, NodeText, SpecError};

/// Variables that have a program run or load something else. That of the loader's path is judged by its value.
const OF_PROGRAMS: [&str; 14] = [
    "BASH_ENV",
    "ENV",
    "GCONV_PATH",
    "GLIBC_TUNABLES",
    "HOME",
    "IFS",
    "NODE_OPTIONS",
    "PATH",
    "PERL5LIB",
    "PERL5OPT",
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "SHELL",
];

/// What everybody has in `/dev`.
const OF_EVERYBODY: [&str; 15] = [
    "console", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty",
    "urandom", "zero",
];

/// Places that belong to the sandbox.
const OF_THE_SANDBOX: [&str; 5] = ["/dev", "/proc", "/run/secrets", "/run/wythe", "/sys"];

const MOUNT_OPTIONS: [&str; 17] = [
    "bind", "defaults", "dev", "exec", "noatime", "nodev", "noexec", "nosuid", "private", "rbind", "relatime", "ro",
    "rprivate", "rslave", "rw", "slave", "suid",
];

/// The names of hooks (runtime-spec 1.2, `config.md`, "POSIX-platform Hooks").
const HOOKS: [&str; 6] = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

/// `vendor/class`, of letters, digits, `-`, `_` and, in the vendor, `.`.
pub(super) fn is_kind(kind: &str) -> bool {
    let is_word = |text: &str, dot: bool| {
        let is_letter =
            |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' || (dot && byte == b'.');
        let ends_well = text.bytes().last().is_some_and(|byte| byte.is_ascii_alphanumeric());
        text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic()) && ends_well && text.bytes().all(is_letter)
    };
    kind.split_once('/').is_some_and(|(vendor, class)| is_word(vendor, true) && is_word(class, false))
}

/// Letters, digits, and `-`, `_`, `.`, `:` between them.
pub(super) fn is_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    let is_end = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    is_end(name.bytes().next()) && is_end(name.bytes().last()) && name.bytes().all(is_letter)
}

/// Returns what has to be done for what stands at `place`, or the first thing that must not be.
pub(super) fn edits(described: Option<&ContainerEdits>, place: &str) -> Result<Edits, Misplaced> {
    let Some(described) = described else { return Ok(Edits::default()) };
    let at = |name: &str, index: usize| {
        let place = format!("{place}.{name}[{index}]");
        move |error: SpecError| (place, error)
    };
    let mut edits = Edits::default();
    for (index, node) in described.device_nodes.iter().enumerate() {
        edits.nodes.push(self::node(node).map_err(at("deviceNodes", index))?);
    }
    for (index, mount) in described.mounts.iter().enumerate() {
        edits.binds.push(bind(mount).map_err(at("mounts", index))?);
    }
    for (index, hook) in described.hooks.iter().enumerate() {
        let hook = self::hook(hook).map_err(at("hooks", index))?;
        match hooks::links(&hook) {
            Some(links) => edits.links.extend(links.map_err(at("hooks", index))?),
            None => edits.hooks.push(hook),
        }
    }
    for (index, text) in described.env.iter().enumerate() {
        let (name, value) = variable(text, &edits).map_err(at("env", index))?;
        edits.env.insert(name, value);
    }
    for (index, gid) in described.additional_gids.iter().enumerate() {
        if *gid == 0 {
            return Err(at("additionalGids", index)(SpecError::wrong("the group 0 is root's")));
        }
        edits.groups.push(*gid);
    }
    if !described.net_devices.is_empty() {
        return Err(at("netDevices", 0)(SpecError::wrong("steps are not given network interfaces")));
    }
    if described.intel_rdt.is_some() {
        edits.ignored.push("`intelRdt`".to_owned());
    }
    Ok(edits)
}

fn node(text: &NodeText) -> Result<Node, SpecError> {
    let target = inside(&text.path)?;
    let name = target.strip_prefix("/dev/").unwrap_or_default();
    let first = name.split('/').next().unwrap_or_default();
    if name.is_empty() || OF_EVERYBODY.contains(&first) {
        return Err(SpecError::wrong(format!(
            "`{}` is no place for a device: it needs a name of its own in /dev",
            target.escape_debug()
        )));
    }
    match text.kind.as_deref() {
        None | Some("" | "b" | "c" | "u") => {}
        Some(other) => return Err(SpecError::wrong(format!("`{}` is no type of a device", other.escape_debug()))),
    }
    let permissions = text.permissions.as_deref().filter(|given| !given.is_empty()).unwrap_or("rwm");
    if !permissions.contains('r') || !permissions.contains('w') {
        let shown = permissions.escape_debug();
        return Err(SpecError::wrong(format!(
            "permissions `{shown}`: a step can only be given a node to read and write"
        )));
    }
    if let Some(other) = permissions.chars().find(|letter| !"rwm".contains(*letter)) {
        return Err(SpecError::wrong(format!("`{}` is no permission", other.escape_debug())));
    }
    let path = match &text.host_path {
        Some(path) => machine(path)?,
        None => PathBuf::from(&target),
    };
    let is_block = text.kind.as_deref().filter(|kind| !kind.is_empty()).map(|kind| kind == "b");
    Ok(Node { path, target, is_block, number: text.major.zip(text.minor) })
}

fn bind(text: &MountText) -> Result<Bind, SpecError> {
    match text.kind.as_deref() {
        None | Some("" | "bind" | "none") => {}
        Some(other) => return Err(SpecError::wrong(format!("a mount of the type `{}`", other.escape_debug()))),
    }
    if let Some(other) = text.options.iter().find(|option| !MOUNT_OPTIONS.contains(&option.as_str())) {
        return Err(SpecError::wrong(format!("the option `{}` of a mount", other.escape_debug())));
    }
    let target = inside(&text.container_path)?;
    check_target(&target)?;
    let path = machine(&text.host_path)?;
    let parts = path.components().count();
    // The root counts as one.
    if parts < 3 || ["/proc", "/sys", "/dev"].iter().any(|top| path.starts_with(top)) {
        return Err(SpecError::wrong(format!("`{}` of the machine is more than a device needs", path.display())));
    }
    Ok(Bind { path, target })
}

/// Where a file, a directory or a link of a device may appear.
pub(super) fn check_target(target: &str) -> Result<(), SpecError> {
    let refused =
        |why: &str| Err(SpecError::wrong(format!("nothing may appear at `{}`: {why}", target.escape_debug())));
    if OF_THE_SANDBOX.iter().any(|top| std::path::Path::new(target).starts_with(top)) {
        return refused("it belongs to the sandbox");
    }
    match target.trim_matches('/').rsplit_once('/') {
        None => refused("all that is below would be hidden"),
        // The users, the loader's preloads, the names of hosts.
        Some(("etc", _)) => refused("it belongs to the image"),
        Some(_) => Ok(()),
    }
}

/// A path inside the sandbox, without a detour.
pub(super) fn inside(path: &str) -> Result<String, SpecError> {
    match plain(path) {
        true => Ok(format!("/{}", parts(path).collect::<Vec<_>>().join("/"))),
        false => Err(SpecError::wrong(format!("`{}` is no place in a sandbox", path.escape_debug()))),
    }
}

/// A path of the machine.
fn machine(path: &str) -> Result<PathBuf, SpecError> {
    match plain(path) {
        true => Ok(PathBuf::from(path)),
        false => Err(SpecError::wrong(format!("`{}` is no absolute path without `..`", path.escape_debug()))),
    }
}

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".")
}

fn plain(path: &str) -> bool {
    path.starts_with('/') && !path.contains(['\0', '\n']) && path.len() < 4096 && parts(path).all(|part| part != "..")
}

fn hook(text: &HookText) -> Result<Hook, SpecError> {
    if !HOOKS.contains(&text.hook_name.as_str()) {
        return Err(SpecError::wrong(format!("`{}` is no hook", text.hook_name.escape_debug())));
    }
    let path = machine(&text.path)?;
    let (kind, args, env) = (text.hook_name.clone(), text.args.clone(), text.env.clone());
    Ok(Hook { kind, path, args, env, timeout: text.timeout })
}

fn variable(text: &str, edits: &Edits) -> Result<(String, String), SpecError> {
    let is_name = |name: &str| {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        name.bytes().all(is_letter) && name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit())
    };
    let named = text.split_once('=').filter(|(name, _)| is_name(name) && !text.contains('\0'));
    let Some((name, value)) = named else {
        return Err(SpecError::wrong(format!("`{}` is no variable", text.escape_debug())));
    };
    let leads_to_libraries = || {
        let mut folders = value.split(':');
        folders.all(|folder| edits.binds.iter().any(|bind| bind.parent() == Some(folder) || bind.target == folder))
    };
    match name {
        "LD_LIBRARY_PATH" if leads_to_libraries() => {}
        "LD_LIBRARY_PATH" => {
            let shown = value.escape_debug();
            return Err(SpecError::wrong(format!(
                "`LD_LIBRARY_PATH={shown}` leads to where the device has no libraries"
            )));
        }
        _ if name.starts_with("LD_") || OF_PROGRAMS.contains(&name) => {
            return Err(SpecError::wrong(format!("the variable `{name}` would change what programs do")));
        }
        _ => {}
    }
    Ok((name.to_owned(), value.to_owned()))
}
