// SPDX-License-Identifier: Apache-2.0
//! Measures what a run costs: `overhead ROOT [RUNS]`, where ROOT is an unpacked root file system with `/bin/true`.
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a measuring program")]

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use wythe_sandbox::{Ending, Native, Network, RunInputs, RunRequest, RunTuning, Sandbox, Stdio};
use wythe_sys::cancel::Cancel;
use wythe_sys::overlay::Overlay;
use wythe_sys::userns::{Standing, standing};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next().ok_or("which root file system?")?;
    if first == wythe_sandbox::INIT_ARGUMENT {
        return Ok(wythe_sandbox::init_main());
    }
    if standing() == Standing::Ordinary {
        match wythe_sys::userns::enter()? {}
    }
    let runs = arguments.next().map_or(Ok(200), |runs| runs.parse())?;
    for network in [Network::Host, Network::None] {
        let mut times = measure(Path::new(&first), &network, runs)?;
        times.sort_unstable();
        let at = |percent: usize| times[times.len() * percent / 100];
        println!("network {network:?}: best {:?}, median {:?}, 90 % {:?}", times[0], at(50), at(90));
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(root: &Path, network: &Network, runs: usize) -> Result<Vec<Duration>, Box<dyn Error>> {
    let scratch = tempfile::tempdir()?;
    let [plumbing, upper, work] = ["plumbing", "upper", "work"].map(|name| scratch.path().join(name));
    for name in ["proc", "sys", "dev"] {
        std::fs::create_dir_all(plumbing.join(name))?;
    }
    std::fs::create_dir(&upper)?;
    std::fs::create_dir(&work)?;
    let root = Overlay { lowers: vec![root.to_owned(), plumbing], upper: Some(upper), work: Some(work) };
    let inputs = RunInputs {
        root,
        argv: vec!["/bin/true".into()],
        workdir: "/".into(),
        network: network.clone(),
        ..RunInputs::default()
    };
    let request = RunRequest { inputs, tuning: RunTuning::default() };
    let sandbox = Native::new("/proc/self/exe".into());
    let cancel = Cancel::new()?;
    let mut times = vec![];
    for _ in 0..runs {
        let began = Instant::now();
        let outcome = sandbox.run(&request, Stdio::Captured(&mut |_, _| ()), &cancel)?;
        times.push(began.elapsed());
        assert_eq!(outcome.ending, Ending::Exited(0));
    }
    Ok(times)
}
