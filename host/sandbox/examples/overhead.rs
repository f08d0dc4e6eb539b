// SPDX-License-Identifier: Apache-2.0
//! Measures what a run costs, and what its parts do: `overhead ROOT [RUNS]`, where ROOT is an unpacked root file system whose
//! `/bin/true` needs no library.
//!
//! The sandbox has no switch that leaves a part out. The filter of system calls is measured around a program that is executed
//! with and without it; the network namespace, the control group and the network stack by requests that ask for them and do not.
//! One line for each, and all medians as JSON, in seconds, at the end.
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a measuring program")]

use std::error::Error;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use wythe_sandbox::{Ending, Limits, Native, Network, NetworkStack, RunInputs, RunRequest, RunTuning, Sandbox, Stdio};
use wythe_sys::cancel::Cancel;
use wythe_sys::overlay::Overlay;
use wythe_sys::process::{self, Fork};
use wythe_sys::seccomp::Filter;
use wythe_sys::userns::{Standing, standing};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// A name, and how to do it once.
type Part<'a> = (&'static str, Box<dyn Fn() -> Outcome<()> + 'a>);

fn main() -> Outcome<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next().ok_or("which root file system?")?;
    if first == wythe_sandbox::INIT_ARGUMENT {
        return Ok(wythe_sandbox::init_main());
    }
    if standing() == Standing::Ordinary {
        match wythe_sys::userns::enter()? {}
    }
    let runs: usize = arguments.next().map_or(Ok(200), |runs| runs.parse())?;
    let site = Site::new(Path::new(&first))?;
    let parts = site.parts();
    let mut times: Vec<Vec<Duration>> = vec![vec![]; parts.len()];
    // In turns, so that whatever else the machine does meets all of them. The first round is not counted.
    for round in 0..=runs {
        for ((_, once), times) in parts.iter().zip(&mut times) {
            let began = Instant::now();
            once()?;
            if round > 0 {
                times.push(began.elapsed());
            }
        }
    }
    let mut medians = serde_json::Map::new();
    for ((name, _), times) in parts.iter().zip(&mut times) {
        times.sort_unstable();
        let at = |percent: usize| times[times.len() * percent / 100];
        println!("{name}: best {:?}, median {:?}, 90 % {:?}", times[0], at(50), at(90));
        medians.insert((*name).to_owned(), at(50).as_secs_f64().into());
    }
    println!("{}", serde_json::Value::from(medians));
    Ok(ExitCode::SUCCESS)
}

/// Where things are run.
struct Site {
    scratch: tempfile::TempDir,
    root: PathBuf,
    sandbox: Native,
    cancel: Cancel,
}

impl Site {
    fn new(root: &Path) -> Outcome<Self> {
        let scratch = tempfile::tempdir()?;
        for name in ["plumbing/proc", "plumbing/sys", "plumbing/dev", "upper", "work"] {
            std::fs::create_dir_all(scratch.path().join(name))?;
        }
        Ok(Self {
            scratch,
            root: root.to_owned(),
            sandbox: Native::new("/proc/self/exe".into()),
            cancel: Cancel::new()?,
        })
    }

    fn parts(&self) -> Vec<Part<'_>> {
        let none = Limits::default();
        let memory = Limits { memory: Some(1 << 30), ..none };
        let mut parts: Vec<Part<'_>> = vec![
            ("exec", Box::new(|| self.execute(false))),
            ("exec, filtered", Box::new(|| self.execute(true))),
            ("network host", Box::new(move || self.run(&Network::Host, none))),
            ("network none", Box::new(move || self.run(&Network::None, none))),
        ];
        if self.sandbox.check(&memory).is_ok() {
            parts.push(("network none, limited", Box::new(move || self.run(&Network::None, memory))));
        }
        let stack = NetworkStack::find(&["/usr/bin", "/usr/local/bin"].map(PathBuf::from));
        if let Some(stack) = stack.filter(|_| standing() != Standing::Root) {
            parts.push(("network of its own", Box::new(move || self.run(&Network::Stack(stack.clone()), none))));
        }
        parts
    }

    /// Runs the program in the sandbox.
    fn run(&self, network: &Network, limits: Limits) -> Outcome<()> {
        let place = |name: &str| self.scratch.path().join(name);
        let root = Overlay {
            lowers: vec![self.root.clone(), place("plumbing")],
            upper: Some(place("upper")),
            work: Some(place("work")),
        };
        let inputs = RunInputs {
            root,
            argv: vec!["/bin/true".into()],
            workdir: "/".into(),
            network: network.clone(),
            ..RunInputs::default()
        };
        let request = RunRequest { inputs, tuning: RunTuning { limits, ..RunTuning::default() } };
        let outcome = self.sandbox.run(&request, Stdio::Captured(&mut |_, _| ()), &self.cancel)?;
        if outcome.ending == Ending::Exited(0) { Ok(()) } else { Err(format!("it ended: {outcome:?}").into()) }
    }

    /// Executes the program, and nothing around it.
    fn execute(&self, is_filtered: bool) -> Outcome<()> {
        let program = CString::new(self.root.join("bin/true").as_os_str().as_bytes())?;
        match process::fork()? {
            Fork::Child => {
                let prepared = || -> std::io::Result<()> {
                    if is_filtered {
                        rustix::thread::set_no_new_privs(true)?;
                        Filter::of_steps().install()?;
                    }
                    Ok(())
                };
                if prepared().is_ok() {
                    drop(process::execute(&program, &[c"true".to_owned()], &[]));
                }
                process::exit_now(126)
            }
            Fork::Parent(child) => {
                let ended = process::wait(child)?;
                if ended.code == Some(0) { Ok(()) } else { Err(format!("it ended: {ended:?}").into()) }
            }
        }
    }
}
