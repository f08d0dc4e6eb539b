// SPDX-License-Identifier: Apache-2.0
//! From a request to what an OCI runtime reads (runtime-spec 1.0.2, `config.md` and `config-linux.md`).
//!
//! A pure function. What has to be found by descriptor inside an untrusted tree is not in it: the root file system comes
//! with all mounts of the request in it, and with a `/dev` (`init/supervisor.rs`). What the runtime is asked for is what only
//! it can do: namespaces, `/proc` and `/sys` in them, the user, capabilities, the filter of system calls.

use std::path::Path;

use serde_json::{Value, json};
use wythe_sys::seccomp::{Condition, Rule, rules_of_steps};

use crate::init::{MASKED_IN_PROC, MASKED_IN_SYS, READ_ONLY_IN_PROC, capabilities, has_devices};
use crate::{Network, Rlimit, RunInputs, User};

/// What the request does not say.
#[derive(Debug)]
pub(crate) struct Surroundings<'a> {
    /// Where the root file system is, with everything mounted in it.
    pub(crate) root: &'a Path,
    /// Who the command is.
    pub(crate) user: &'a User,
    /// Whether the command gets a terminal of its own.
    pub(crate) has_terminal: bool,
    /// Where the namespace of control groups is; none if a new one will do.
    pub(crate) groups: Option<&'a Path>,
}

/// Returns the content of `config.json`.
pub(crate) fn runtime_spec(inputs: &RunInputs, around: &Surroundings<'_>) -> Value {
    let mut spec = json!({
        "ociVersion": "1.0.2",
        "hostname": inputs.machine_name(),
        "process": process(inputs, around),
        "root": {"path": around.root},
        "mounts": mounts(inputs, around.root),
        "linux": linux(inputs, around.groups),
    });
    for hook in &inputs.hooks {
        let mut written = json!({"path": hook.path, "args": hook.args, "env": hook.env});
        if let Some(timeout) = hook.timeout {
            written["timeout"] = json!(timeout);
        }
        let kind = &mut spec["hooks"][&hook.kind];
        match kind.as_array_mut() {
            Some(hooks) => hooks.push(written),
            None => *kind = json!([written]),
        }
    }
    spec
}

fn process(inputs: &RunInputs, around: &Surroundings<'_>) -> Value {
    let User { uid, gid, groups, home: _ } = around.user;
    // Who is not root has none, and can get those of the bounding set only by a set-id program.
    let bounding = capabilities(inputs);
    let held = if *uid == 0 || inputs.insecure { &bounding[..] } else { &[] };
    let inherited = if inputs.insecure { &bounding[..] } else { &[] };
    json!({
        "terminal": around.has_terminal,
        "user": {"uid": uid, "gid": gid, "additionalGids": groups, "umask": 0o022},
        "args": inputs.argv,
        "env": inputs.variables().map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value))).collect::<Vec<_>>(),
        "cwd": if inputs.workdir.is_empty() { "/" } else { &inputs.workdir },
        "capabilities": {
            "bounding": bounding, "effective": held, "permitted": held, "inheritable": inherited, "ambient": inherited,
        },
        "noNewPrivileges": !inputs.may_gain(),
        "rlimits": rlimits(inputs),
    })
}

fn rlimits(inputs: &RunInputs) -> Vec<Value> {
    // One and not zero: a program that takes dumps gets them at zero too (core(5)).
    let no_dumps = json!({"type": "RLIMIT_CORE", "hard": 1, "soft": 1});
    [no_dumps].into_iter().chain(inputs.rlimits.iter().map(Rlimit::of_spec)).collect()
}

fn mounts(inputs: &RunInputs, root: &Path) -> Vec<Value> {
    let inert = ["nosuid", "noexec", "nodev"];
    let mut of_devices = vec!["rbind", "rprivate", "nosuid", "noexec"];
    // Whoever may make nodes that work may have them here.
    of_devices.extend((!inputs.insecure || !has_devices()).then_some("nodev"));
    let mut mounts = vec![
        json!({"destination": "/proc", "type": "proc", "source": "proc", "options": inert}),
        // A mount on `/dev` that is there keeps the runtime from making one with nodes that work.
        json!({
            "destination": "/dev", "type": "bind", "source": root.join("dev"),
            "options": of_devices,
        }),
    ];
    // That of another network, which the runtime is called in, is in the root already.
    if inputs.network == Network::None {
        let options = ["nosuid", "noexec", "nodev", if inputs.insecure { "rw" } else { "ro" }];
        mounts.push(json!({"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": options}));
    }
    mounts
}

fn linux(inputs: &RunInputs, groups: Option<&Path>) -> Value {
    // That of IPC is made before the runtime is called: the message queues below `/dev` are of it.
    let mut kinds = vec!["pid", "mount", "uts"];
    if inputs.network == Network::None {
        kinds.push("network");
    }
    let mut namespaces: Vec<Value> = kinds.into_iter().map(|kind| json!({"type": kind})).collect();
    namespaces.push(match groups {
        Some(path) => json!({"type": "cgroup", "path": path}),
        None => json!({"type": "cgroup"}),
    });
    let paths = |top: &str, names: &[&str]| names.iter().map(|name| format!("{top}/{name}")).collect::<Vec<_>>();
    let mut linux = json!({"namespaces": namespaces});
    if !inputs.insecure {
        let masked = [paths("/proc", MASKED_IN_PROC), paths("/sys", MASKED_IN_SYS)].concat();
        linux["maskedPaths"] = json!(masked);
        linux["readonlyPaths"] = json!(paths("/proc", READ_ONLY_IN_PROC));
        linux["seccomp"] = seccomp();
    }
    linux
}

#[cfg(target_arch = "x86_64")]
const ARCHITECTURES: [&str; 2] = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"];
#[cfg(target_arch = "aarch64")]
const ARCHITECTURES: [&str; 2] = ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"];

fn seccomp() -> Value {
    let rules: Vec<Value> = rules_of_steps().iter().map(rule).collect();
    json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 1,
        "architectures": ARCHITECTURES,
        "syscalls": rules,
    })
}

fn rule(rule: &Rule) -> Value {
    let mut written = json!({"names": rule.names, "action": "SCMP_ACT_ALLOW"});
    if let Some(errno) = rule.errno {
        written["action"] = json!("SCMP_ACT_ERRNO");
        written["errnoRet"] = json!(errno);
    }
    if !rule.conditions.is_empty() {
        let one = |condition: &Condition| {
            json!({
                "index": condition.argument,
                "value": condition.mask,
                "valueTwo": condition.equal,
                "op": "SCMP_CMP_MASKED_EQ",
            })
        };
        written["args"] = rule.conditions.iter().map(one).collect();
    }
    written
}

#[cfg(test)]
mod tests;
