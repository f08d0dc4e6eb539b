// SPDX-License-Identifier: Apache-2.0
//! SIGKILL at random moments, of one process or of several at once.

use std::time::Duration;

use fastrand::Rng;

use crate::invariants::Verdict;
use crate::operation::Operation;
use crate::process::Running;
use crate::stage::Stage;

/// Processes of the points with several.
const SEVERAL: usize = 4;

/// `operation:processes:microseconds`
pub(crate) fn points(stage: &Stage, amount: usize, random: &mut Rng) -> Result<Vec<String>, String> {
    let mut points = Vec::new();
    let mut longest = Vec::new();
    for operation in Operation::ALL {
        let place = stage.fresh()?;
        let ended = crate::process::run(operation.command(stage, &place), &stage.dir)?.ok()?;
        longest.push(u64::try_from(ended.time.as_micros()).unwrap_or(u64::MAX));
    }
    for _ in 0..amount {
        let which = random.usize(..Operation::ALL.len());
        let processes = if random.bool() { 1 } else { SEVERAL };
        let moment = random.u64(0..longest[which] * processes as u64);
        points.push(format!("{}:{processes}:{moment}", Operation::ALL[which]));
    }
    Ok(points)
}

pub(crate) fn strike(stage: &Stage, point: &str) -> Result<Verdict, String> {
    let [operation, processes, moment] = fields(point)?;
    let operation: Operation = operation.parse()?;
    let (processes, moment): (usize, u64) = (number(processes)?, number(moment)?);
    let place = stage.fresh()?;
    let mut verdict = Verdict::default();
    let mut running: Vec<Running> = Vec::new();
    for number in 0..processes {
        // Several do different things to one store.
        let operation = if number == 0 { operation } else { Operation::ALL[(number - 1) % 2] };
        running.push(Running::start(operation.command(stage, &place), &stage.dir)?);
    }
    std::thread::sleep(Duration::from_micros(moment));
    for process in &mut running {
        verdict.is_struck |= !process.has_ended();
        process.kill();
    }
    let mut app = false;
    for process in running {
        let ended = process.end()?;
        app |= ended.stdout.trim() == stage.app;
        if ended.code.is_some() {
            verdict.judge(stage, operation_of(stage, &ended.stdout, operation), &ended, &[]);
        }
    }
    verdict.check(stage, &place, app, false)?;
    Ok(verdict)
}

/// What ended by itself before it was killed printed its own digest.
fn operation_of(stage: &Stage, stdout: &str, operation: Operation) -> Operation {
    match stdout.trim() {
        text if text == stage.app => Operation::Build,
        text if text == stage.kept => Operation::Rebuild,
        _ => operation,
    }
}

/// Takes the name of a point apart.
pub(crate) fn fields<const N: usize>(point: &str) -> Result<[&str; N], String> {
    let fields: Vec<&str> = point.split(':').collect();
    fields.try_into().map_err(|_| format!("`{point}` is no point of this kind"))
}

pub(crate) fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is no number"))
}
