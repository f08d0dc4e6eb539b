// SPDX-License-Identifier: Apache-2.0
//! Many processes at once: all start the same build, while others collect and check in a loop. No fault at all, and so
//! no failure.

use fastrand::Rng;

use crate::invariants::{Class, Verdict};
use crate::kills::{fields, number};
use crate::operation::Operation;
use crate::process::Running;
use crate::stage::Stage;

const PROCESSES: usize = 32;

/// `processes:seed`
pub(crate) fn points(_: &Stage, amount: usize, random: &mut Rng) -> Result<Vec<String>, String> {
    Ok((0..amount).map(|_| format!("{PROCESSES}:{}", random.u32(..))).collect())
}

pub(crate) fn strike(stage: &Stage, point: &str) -> Result<Verdict, String> {
    let [processes, seed] = fields(point)?;
    let mut random = Rng::with_seed(number(seed)?);
    let place = stage.fresh()?;
    let mut verdict = Verdict { is_struck: true, ..Verdict::default() };
    let start = |args: &[&str]| Running::start(stage.command(&place, args), &stage.dir);
    let mut builders = Vec::new();
    let mut others = Vec::new();
    for _ in 0..number(processes)? {
        builders.push(Running::start(Operation::Build.command(stage, &place), &stage.dir)?);
        match random.u8(..4) {
            0 => others.push(start(&["store", "gc", "--older-than", "0"])?),
            1 => others.push(start(&["store", "verify"])?),
            _ => {}
        }
    }
    while builders.iter_mut().any(|builder| !builder.has_ended()) {
        let args: &[&str] = if random.bool() { &["store", "gc", "--older-than", "0"] } else { &["store", "verify"] };
        let ended = start(args)?.end()?;
        if ended.code != Some(0) {
            verdict.breach(Class::WrongExit, format!("{}: {} {}", args.join(" "), ended.stdout, ended.describe()));
        }
    }
    for other in others {
        let ended = other.end()?;
        if ended.code != Some(0) {
            verdict.breach(Class::WrongExit, format!("beside the builds: {} {}", ended.stdout, ended.describe()));
        }
    }
    let mut made = std::collections::BTreeMap::new();
    for builder in builders {
        let ended = builder.end()?;
        verdict.judge(stage, Operation::Build, &ended, &[]);
        if ended.code != Some(0) {
            verdict.breach(Class::WrongExit, ended.describe());
        }
        for line in ended.stderr.lines().filter(|line| line.contains("] step done")) {
            *made.entry(line.split(']').next().unwrap_or_default().to_owned()).or_insert(0) += 1;
        }
    }
    for (step, times) in made.iter().filter(|(_, times)| **times != 1) {
        verdict.breach(Class::Damaged, format!("step {step}] ran {times} times"));
    }
    verdict.check(stage, &place, true, false)?;
    Ok(verdict)
}
