// SPDX-License-Identifier: Apache-2.0
//! `wythe plan`: what a build would do.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::json;
use wythe_plan::{Fragment, Label, MountSource, Network, SandboxOptions, Ulimit, Vertex};
use wythe_solve::{Engine, Force, Grants, LockUse, PlannedStep, Silent, describe, look};

use crate::arguments::Plan;
use crate::commands::block_on;
use crate::definition::Definition;
use crate::diagnostic::Report;
use crate::workshop::{Stops, Workshop, all_kinds};
use crate::{contexts, print};

/// Prints what a build would do, without running anything.
pub(crate) fn run(workshop: &Workshop, plan: &Plan) -> Result<(), Report> {
    let store = workshop.store()?;
    let plugins = Arc::new(workshop.plugins(Some(&store))?);
    let wanted = contexts::prepared(workshop, &store, &plugins, &plan.definition, None)?;
    let definition = Definition::read(workshop, &wanted, &all_kinds(&plugins))?;
    let order = definition.order(workshop, LockUse::Use, Force::default())?;
    let images = block_on(async {
        let stops = Stops::listen()?;
        let (grants, events) = (Grants::default(), Arc::new(Silent));
        let engine = Engine::new(workshop.parts(&store, plugins, grants, events, &stops, &wanted)?);
        look(&engine, &order).await.map_err(|error| definition.explain(&error))
    })?;
    let names = order.images.iter().map(|image| image.name.as_deref());
    if plan.json {
        let image = |(name, steps): (Option<&str>, &Vec<PlannedStep>)| json!({"image": name, "steps": steps.iter().map(step_json).collect::<Vec<_>>()});
        print::json(&names.zip(&images).map(image).collect::<Vec<_>>());
        return Ok(());
    }
    for (name, steps) in names.zip(&images) {
        if let Some(name) = name {
            print::to_stdout(&format!("image {name}"));
        }
        for step in steps {
            print::to_stdout(step_text(step).trim_end());
        }
    }
    Ok(())
}

fn step_json(step: &PlannedStep) -> serde_json::Value {
    let vertices = step.fragment.as_ref().map(|fragment| {
        let both = fragment.vertices().iter().zip(fragment.labels());
        both.map(|(vertex, label)| json!({"operation": vertex, "label": label})).collect::<Vec<_>>()
    });
    json!({
        "step": &*step.step.step,
        "kind": step.kind,
        "plan": vertices,
        "result": step.fragment.as_ref().map(Fragment::head),
        "digest": step.fragment.as_ref().map(Fragment::digest),
    })
}

fn step_text(step: &PlannedStep) -> String {
    let mut text = format!("{} ({})\n", step.step.step, step.kind);
    let Some(fragment) = &step.fragment else {
        text.push_str("  planned when the image below it is built, which is also when its packages are pinned\n");
        return text;
    };
    let mut part = "";
    for (vertex, label) in fragment.vertices().iter().zip(fragment.labels()) {
        if !label.part.is_empty() && label.part != part {
            part = &label.part;
            let _infallible = writeln!(text, "  [{part}]");
        }
        vertex_text(&mut text, vertex, label);
    }
    text
}

fn vertex_text(text: &mut String, vertex: &Vertex, label: &Label) {
    let word = match vertex {
        Vertex::Base => return,
        Vertex::Scratch | Vertex::ScratchFor { .. } => "start",
        Vertex::Image { .. } => "image",
        Vertex::Files(_) => "files",
        Vertex::Run(_) => "run  ",
        Vertex::Configure { .. } => "set  ",
    };
    let at = label.at.map_or_else(String::new, |(line, _)| format!("  (line {line})"));
    let _infallible = writeln!(text, "  {word}  {}{at}", describe(vertex, label));
    if let Vertex::Run(run) = vertex {
        let network = match &run.network {
            Network::None => "none".to_owned(),
            Network::Host => "host".to_owned(),
            Network::Hosts(hosts) => hosts.join(", "),
        };
        let _infallible = writeln!(text, "         network {network}");
        sandbox_text(text, &run.sandbox);
        if run.insecure {
            let _infallible = writeln!(text, "         security insecure");
        }
        if let Some(gpu) = &run.gpu {
            let _infallible = writeln!(text, "         gpu {gpu}");
        }
        for device in &run.devices {
            let _infallible = writeln!(text, "         device {device}");
        }
        for mount in &run.mounts {
            let _infallible = writeln!(text, "         mount {} at {}", source_text(&mount.source), mount.target);
        }
        for (name, (id, _)) in &run.secret_env {
            let _infallible = writeln!(text, "         secret {id} in the variable {name}");
        }
    }
}

fn sandbox_text(text: &mut String, sandbox: &SandboxOptions) {
    for (name, addresses) in &sandbox.extra_hosts {
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let _infallible = writeln!(text, "         host {name} at {}", addresses.join(", "));
    }
    if let Some(size) = sandbox.shm_size {
        let _infallible = writeln!(text, "         shared memory {size} bytes");
    }
    for (name, Ulimit { soft, hard }) in &sandbox.ulimits {
        let shown = |limit: &Option<u64>| limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string());
        let _infallible = writeln!(text, "         limit {name} {}, at most {}", shown(soft), shown(hard));
    }
}

fn source_text(source: &MountSource) -> String {
    match source {
        MountSource::Cache { id, .. } => format!("cache {id}"),
        MountSource::Context { path } => format!("context {path}"),
        MountSource::State { path, .. } => format!("state {path}"),
        MountSource::Artifact(artifact) | MountSource::Unpacked { artifact, .. } => {
            format!("{} ({})", artifact.url.rsplit('/').next().unwrap_or(&artifact.url), artifact.sha256.short())
        }
        MountSource::Tmpfs { .. } => "tmpfs".to_owned(),
        MountSource::SecretFile { id, .. } => format!("secret {id}"),
        MountSource::Ssh { id, .. } => format!("ssh {id}"),
        MountSource::Volume { name } => format!("volume {name}"),
    }
}
