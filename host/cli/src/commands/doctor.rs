// SPDX-License-Identifier: Apache-2.0
//! `wythe doctor`: what this machine can do, and what to do where it cannot.

use std::process::ExitCode;

use serde::Serialize;
use wythe_sandbox::cdi::{Device, Devices};
use wythe_sandbox::foreign::{ForeignError, Way, ways_to_run};
use wythe_sandbox::{
    Limits, Native, Network, RUNTIMES, RunError, RunInputs, RunRequest, RunTuning, Runtime, Sandbox as _, SetupError,
    Stdio,
};
use wythe_solve::{Machine, WayOut};
use wythe_sys::cancel::Cancel;
use wythe_sys::overlay::Overlay;
use wythe_sys::userns::{Standing, SubordinateIds, mapping_tools, obstacle, standing};

use crate::arguments::Doctor;
use crate::diagnostic::Report;
use crate::exit::Exit;
use crate::print;
use crate::workshop::Workshop;

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    what: &'static str,
    is_good: bool,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Finding {
    fn good(what: &'static str, found: impl Into<String>) -> Self {
        Self { what, is_good: true, found: found.into(), advice: None }
    }

    fn bad(what: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { what, is_good: false, found: found.into(), advice: Some(advice.into()) }
    }
}

/// Looks at the machine and prints what was found; the exit status is 5 where something does not work.
pub(crate) fn run(workshop: &Workshop, doctor: &Doctor) -> Result<ExitCode, Report> {
    let machine = workshop.machine();
    let mut findings = vec![privilege()];
    let may_build = standing() != Standing::Ordinary;
    if may_build {
        findings.push(store(workshop));
        findings.extend(sandbox(workshop));
        findings.push(limits());
        findings.push(network(&machine));
    }
    findings.push(platforms(&machine));
    findings.push(runtimes(&machine));
    findings.push(authorities(&machine));
    findings.extend(proxies(&machine));
    findings.extend(devices(&machine));
    if doctor.json {
        print::json(&findings);
    } else {
        print_findings(&findings);
    }
    Ok(if findings.iter().all(|finding| finding.is_good) { Exit::Done } else { Exit::World }.into())
}

fn print_findings(findings: &[Finding]) {
    for finding in findings {
        let mark = if finding.is_good { "ok " } else { "BAD" };
        print::to_stdout(&format!("{mark}  {}: {}", finding.what, finding.found));
        if let Some(advice) = &finding.advice {
            print::to_stdout(&format!("     {advice}"));
        }
    }
}

fn privilege() -> Finding {
    const WHAT: &str = "privilege";
    match standing() {
        Standing::Root => Finding::good(WHAT, "root of the machine"),
        Standing::Mapped { ids } => Finding::good(WHAT, format!("an ordinary user with {ids} ids in a user namespace")),
        Standing::SingleId => Finding::bad(WHAT, "an ordinary user with a single id", sub_id_advice()),
        Standing::Ordinary => {
            let advice = obstacle().map_or_else(
                || "allow user namespaces for ordinary users, or run wythe as root".to_owned(),
                |found| {
                    format!("set {} to {} (it is {}), or run wythe as root", found.setting, found.wanted, found.value)
                },
            );
            Finding::bad(WHAT, "this machine does not let ordinary users create user namespaces", advice)
        }
    }
}

/// What an ordinary user is to do to have more than one id: packages that change owners need them.
fn sub_id_advice() -> String {
    let tools =
        if mapping_tools().is_some() { "" } else { "install `newuidmap` and `newgidmap` (package uidmap), and " };
    let ids = SubordinateIds::of_user_outside();
    let ranges = if ids.suffice() {
        ""
    } else {
        "give yourself ids: `sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $USER`"
    };
    format!("steps that change owners (most packages) fail; {tools}{ranges}")
        .trim_end_matches([' ', ','])
        .trim_end_matches(", and")
        .to_owned()
}

fn store(workshop: &Workshop) -> Finding {
    const WHAT: &str = "store";
    match workshop.store() {
        Ok(store) => Finding::good(WHAT, store.directory().display().to_string()),
        Err(report) => {
            Finding::bad(WHAT, report.render(false), "name a directory that can be written to: `--store DIR`")
        }
    }
}

/// Tries the real thing: an overlay of two directories of the store, and the smallest sandbox in it.
fn sandbox(workshop: &Workshop) -> Vec<Finding> {
    const OVERLAY: &str = "overlay file systems";
    const SANDBOX: &str = "sandbox";
    let Ok(store) = workshop.store() else { return Vec::new() };
    let active = match store.begin() {
        Ok(active) => active,
        Err(error) => return vec![Finding::bad(OVERLAY, error.to_string(), "check the disk of the store")],
    };
    for place in ["proc", "sys", "dev"] {
        if let Err(error) = std::fs::create_dir_all(active.plumbing().join(place)) {
            return vec![Finding::bad(OVERLAY, error.to_string(), "check the disk of the store")];
        }
    }
    let root = Overlay { lowers: vec![active.plumbing()], upper: Some(active.upper()), work: Some(active.work()) };
    if let Err(error) = root.mount() {
        let advice = "put the store on a file system that overlay can use (ext4, xfs, btrfs): `--store DIR`";
        let found = Report::caused(Exit::World, "do not work", &error).render(false);
        return vec![Finding::bad(OVERLAY, found, advice)];
    }
    let mounted = Finding::good(OVERLAY, "work");
    let inputs = RunInputs {
        secret_env: [].into(),
        root,
        argv: vec!["/nothing-is-there".to_owned()],
        env: [].into(),
        workdir: "/".to_owned(),
        user: String::new(),
        stdin: Vec::new(),
        mounts: Vec::new(),
        network: Network::None,
        hostname: "wythe".to_owned(),
        set_id_programs: false,
        insecure: false,
        ..RunInputs::default()
    };
    let request = RunRequest { inputs, tuning: RunTuning::default() };
    let sandbox = match workshop.sandbox() {
        Ok(sandbox) => sandbox,
        Err(report) => return vec![mounted, Finding::bad(SANDBOX, report.render(false), "see docs/sandbox.md")],
    };
    let tried = Cancel::new().map(|cancel| sandbox.run(&request, Stdio::Captured(&mut |_, _| ()), &cancel));
    // An empty root has no program: that this is what fails shows that everything before it works.
    let finding = match tried {
        Ok(Err(RunError::Setup(SetupError::NoProgram { .. }))) => {
            Finding::good(SANDBOX, "namespaces, mounts and seccomp work")
        }
        Ok(Ok(_)) => Finding::good(SANDBOX, "works"),
        Ok(Err(error)) => {
            let found = Report::caused(Exit::World, "does not work", &error).render(false);
            Finding::bad(SANDBOX, found, "see docs/sandbox.md")
        }
        Err(error) => Finding::bad(SANDBOX, error.to_string(), "check the limits of this process: `ulimit -a`"),
    };
    vec![mounted, finding]
}

/// Which limits of steps can be kept. That one cannot is no fault: few steps have any.
fn limits() -> Finding {
    // Every driver keeps them the same way.
    let sandbox = Native::new("/proc/self/exe".into());
    let none = Limits::default();
    let all = [
        Limits { cpu: Some(1000), ..none },
        Limits { memory: Some(1 << 30), ..none },
        Limits { pids: Some(1000), ..none },
    ];
    let names = ["cpu", "memory", "pids"];
    let tried: Vec<_> = names.into_iter().zip(all.iter().map(|limits| sandbox.check(limits))).collect();
    let mut kept: Vec<&str> = tried.iter().filter(|(_, tried)| tried.is_ok()).map(|(name, _)| *name).collect();
    kept.extend(["disk", "timeout"]);
    let refused = tried.iter().filter_map(|(name, tried)| Some((name, tried.as_ref().err()?)));
    let refused = refused.map(|(name, error)| {
        let why = std::error::Error::source(error).map_or_else(String::new, |why| format!(": {why}"));
        format!("{name} cannot be{why}")
    });
    let found: Vec<String> =
        std::iter::once(format!("{} of a step are kept", kept.join(", "))).chain(refused).collect();
    Finding::good("limits", found.join("; "))
}

/// How steps reach what this machine reaches. That they share its network is no fault: all else is kept from them.
fn network(machine: &Machine) -> Finding {
    const WHAT: &str = "network";
    match &machine.way_out {
        WayOut::Own(stack) => Finding::good(
            WHAT,
            format!("steps with the network `host` have one of their own, by {}", stack.program.display()),
        ),
        WayOut::Shared { for_want_of: None } => {
            Finding::good(WHAT, "steps with the network `host` share this machine's, the loopback included")
        }
        WayOut::Shared { for_want_of: Some(reason) } => Finding::good(
            WHAT,
            format!("steps with the network `host` share this machine's, the loopback included: {reason}"),
        ),
    }
}

/// Which platforms commands can be of. That there is only the machine's is no fault: what runs no command is built for any.
fn platforms(machine: &Machine) -> Finding {
    const WHAT: &str = "platforms";
    let here = machine.platform.architecture();
    let (mut native, mut emulated, mut barred) = (Vec::new(), Vec::new(), Vec::new());
    for (name, way) in ways_to_run(here, &machine.binary_formats) {
        match way {
            Ok(Way::Native) => native.push(format!("linux/{name}")),
            Ok(Way::Emulated { .. }) => emulated.push(format!("linux/{name}")),
            Err(ForeignError::NoEmulator) => {}
            Err(why) => barred.push(format!("not linux/{name}: {why}")),
        }
    }
    let emulated = match emulated[..] {
        [] => "no emulator for others is registered".to_owned(),
        _ => format!("by emulators {}", emulated.join(", ")),
    };
    let found: Vec<String> =
        [format!("commands are of {}", native.join(", ")), emulated].into_iter().chain(barred).collect();
    Finding::good(WHAT, found.join("; "))
}

/// Which OCI runtimes there are. None is needed.
fn runtimes(machine: &Machine) -> Finding {
    let found = RUNTIMES.iter().filter_map(|name| Some((name, Runtime::find(name, &machine.programs).ok()?)));
    let one = |(name, runtime): (&&str, Runtime)| match runtime.holes().as_slice() {
        [] => format!("{name} {}", runtime.version),
        holes => format!("{name} {} (with known holes: {})", runtime.version, holes.join(", ")),
    };
    let found: Vec<String> = found.map(one).collect();
    let found = if found.is_empty() { "none; none is needed".to_owned() } else { found.join("; ") };
    Finding::good("OCI runtimes", found)
}

fn authorities(machine: &Machine) -> Finding {
    const WHAT: &str = "certificate authorities";
    match &machine.ca_bundle {
        Some(path) => Finding::good(WHAT, path.display().to_string()),
        None => Finding::bad(WHAT, "none found", "install `ca-certificates`, or name a bundle in SSL_CERT_FILE"),
    }
}

fn proxies(machine: &Machine) -> Option<Finding> {
    let names: Vec<&str> = machine.proxies.keys().map(String::as_str).collect();
    // Values may hold passwords.
    if names.is_empty() { None } else { Some(Finding::good("proxy", format!("as {} say", names.join(", ")))) }
}

/// Lists the devices that steps can be given. That there are none is no fault.
fn devices(machine: &Machine) -> Vec<Finding> {
    const WHAT: &str = "devices";
    let devices = Devices::look(&machine.devices);
    let one = |device: &Device| {
        let model = device.model.as_ref().map(|model| format!(" ({model})")).unwrap_or_default();
        let found = format!("{}{model}, as {} says", device.name, device.origin);
        match device.check() {
            Ok(()) => Finding::good("device", found),
            // No fault of the machine's, and of no importance to whoever does not ask for it.
            Err(why) => {
                let advice = format!("it cannot be given to steps: {why}");
                Finding { advice: Some(advice), ..Finding::good("device", found) }
            }
        }
    };
    let broken = devices.broken.iter().map(|(file, why)| {
        let found = format!("{} cannot be used: {why}", file.display());
        Finding::bad(WHAT, found, "install the vendor's specifications anew")
    });
    let disputed = devices.disputed().map(|dispute| Finding::bad(WHAT, dispute.to_string(), "remove one of them"));
    let found: Vec<Finding> = devices.all().map(one).chain(broken).chain(disputed).collect();
    if found.is_empty() { vec![Finding::good(WHAT, "none that steps could be given (`gpu`)")] } else { found }
}
