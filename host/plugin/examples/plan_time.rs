// SPDX-License-Identifier: Apache-2.0
//! Measures what plugins cost: loading, the first plan of a process, and plans after that.
//!
//! `cargo run -p wythe-plugin --example plan_time -- [--lock FILE] COMPONENT KIND OPTIONS [CACHE]`; a COMPONENT of `-` means the bundled
//! plugins. The world is empty, so the kind must plan without facts that matter. The last line is for programs.
#![allow(clippy::print_stdout, reason = "its output is the point")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use wythe_plan::{
    Fact, FactAnswer, Finding, Fragment, GitUrl, Offer, PlanError, Severity, StepCall, StepPlanner as _, VertexId,
    World,
};
use wythe_plugin::{PluginOptions, Plugins};

struct Empty;

impl World for Empty {
    fn fact(&self, fact: &Fact) -> Result<FactAnswer, PlanError> {
        Ok(match fact {
            Fact::Platform | Fact::MachinePlatform => Ok(b"linux/amd64".to_vec()),
            Fact::BuilderVersion => Ok(b"2026.11".to_vec()),
            Fact::SourceDateEpoch => Ok(b"1700000000".to_vec()),
            Fact::BaseConfig => Ok(b"{}".to_vec()),
            Fact::BaseExists(_) | Fact::ContextExists(_) => Ok(b"false".to_vec()),
            Fact::Arg(_) | Fact::BaseWhich(_) | Fact::ContextGlob(_) | Fact::BaseGlob(_) => Ok(Vec::new()),
            _ => Err("there is nothing".to_owned()),
        })
    }

    fn fetch(&self, _url: &str) -> Result<FactAnswer, PlanError> {
        Ok(Err("there is nothing".to_owned()))
    }

    fn git_commit(&self, _url: &GitUrl, _reference: Option<&str>) -> Result<FactAnswer, PlanError> {
        Ok(Err("there is nothing".to_owned()))
    }

    fn probe(&self, _plan: &Fragment, _command: VertexId) -> Result<FactAnswer, PlanError> {
        Ok(Err("there is nothing".to_owned()))
    }

    fn log(&self, _severity: Severity, _message: &str) {}

    fn found(&self, _finding: &Finding) {}

    fn offers(&self, _offer: &Offer) {}

    fn progress(&self, _label: &str, _done: u64, _total: u64) {}
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let lock = match &arguments[..] {
        [option, file, ..] if option == "--lock" => Some(std::fs::read_to_string(file)?),
        _ => None,
    };
    if lock.is_some() {
        arguments.drain(..2);
    }
    let [component, kind, options, rest @ ..] = &arguments[..] else {
        return Err("usage: plan_time [--lock FILE] COMPONENT KIND OPTIONS [CACHE]".into());
    };
    let options: serde_json::Value = serde_json::from_str(options)?;
    let call = StepCall { kind, options: &options, lock: lock.as_deref() };

    let start = Instant::now();
    let bundled = Plugins::load(PluginOptions::default())?;
    println!("load, bundled only    {:>9.1?}  ({} kinds)", start.elapsed(), bundled.kinds().len());

    let start = Instant::now();
    let plugins = Plugins::load(PluginOptions {
        compiled_cache: rest.first().map(PathBuf::from),
        extra: Some(component).filter(|name| *name != "-").map(|file| PathBuf::from(file).into()).into_iter().collect(),
        ..PluginOptions::default()
    })?;
    println!("load, with COMPONENT  {:>9.1?}", start.elapsed());

    let start = Instant::now();
    let first = plugins.plan(call, &Empty);
    let first_time = start.elapsed();
    println!("first plan            {first_time:>9.1?}  ({})", outcome(&first));

    let mut times: Vec<Duration> = (0..2000)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(plugins.plan(call, &Empty).is_ok());
            start.elapsed()
        })
        .collect();
    times.sort();
    println!("later plans           {:>9.1?}  (median of 2000; least {:.1?})", times[1000], times[0]);
    println!("{{\"first\":{},\"later\":{}}}", first_time.as_secs_f64(), times[1000].as_secs_f64());
    Ok(())
}

fn outcome(answer: &Result<Fragment, PlanError>) -> String {
    match answer {
        Ok(fragment) => format!("{} vertices", fragment.vertices().len()),
        Err(error) => error.to_string(),
    }
}
