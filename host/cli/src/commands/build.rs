// SPDX-License-Identifier: Apache-2.0
//! `wythe build`.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;
use wythe_plan::StepPlanner as _;
use wythe_plan::spec::known_hint;
use wythe_solve::{BuildError, Built, Engine, Force, Forced, LockUse, Outcome, Parts};
use wythe_store::Store;

use crate::arguments::{Build, Call, Progress};
use crate::commands::output::Output;
use crate::commands::{block_on, check, outline, shell};
use crate::definition::Definition;
use crate::diagnostic::Report;
use crate::exit::Exit;
use crate::render::{Tally, bytes, plural, sink, time};
use crate::workshop::{Stops, Workshop, full_name, store_failed};
use crate::{contexts, print};

/// Builds the images of a definition.
pub(crate) fn run(workshop: &Workshop, build: &Build) -> Result<ExitCode, Report> {
    let done = |()| Exit::Done.into();
    let (call, json) = (build.call.0, build.json || build.call.1);
    match call {
        _ if build.check => check::run(workshop, &build.definition, json),
        Call::Check => check::run(workshop, &build.definition, json),
        Call::Outline => outline::outline(workshop, &build.definition, json).map(done),
        Call::Targets => outline::targets(workshop, &build.definition, json).map(done),
        Call::Build => images(workshop, build),
    }
}

fn images(workshop: &Workshop, build: &Build) -> Result<ExitCode, Report> {
    shell::check_terminal(build)?;
    build.habits.check()?;
    let begun = Instant::now();
    let outputs = build.outputs.iter().map(|text| Output::parse(text)).collect::<Result<Vec<_>, _>>()?;
    if shows_more(build) {
        build.habits.notes().iter().for_each(|note| print::to_stderr(note));
    }
    let store = workshop.store()?;
    if build.verify {
        store.verify_before_use(|dirs| Ok(wythe_snapshot::layer_digest(dirs)?.0));
    }
    let plugins = Arc::new(workshop.plugins(Some(&store))?);
    let wanted = contexts::prepared(workshop, &store, &plugins, &build.definition, Some(&build.grants))?;
    let mut definition = Definition::read_remembering(workshop, &wanted, plugins.kinds(), &store)?;
    if build.no_limits {
        definition.forget_limits();
    }
    let tags: Vec<String> = build.tags.iter().chain(outputs.iter().flat_map(|output| &output.names)).cloned().collect();
    check_names(&tags, &definition)?;
    if !outputs.is_empty() && definition.spec.images.len() > 1 {
        let report = Report::new(Exit::Usage, "`--output` writes one image, and the definition has several");
        return Err(report.hint("choose one with `--image NAME`"));
    }
    let lock_use = if build.locked { LockUse::Enforce } else { LockUse::Use };
    let by_variable = workshop.surroundings.force_build().then_some(Forced::Variable);
    let force = Force {
        all: build.rebuild_all.then_some(Forced::RebuildAll).or(by_variable),
        steps: steps_meant(&build.rebuild, "--rebuild", &definition)?,
        parts: build.no_cache_filter.clone(),
    };
    let order = definition.order(workshop, lock_use, force)?;
    let grants = crate::grants::read(&build.grants, &workshop.surroundings)?;
    let tally = Tally::over(sink(build.progress(), workshop.is_terminal));
    let mut outcome: Outcome = block_on(async {
        let stops = Stops::listen()?;
        let events = Arc::<Tally>::clone(&tally);
        let parts = workshop.parts(&store, plugins, grants, events, &stops, &wanted)?;
        let engine = Engine::new(Parts { keeps_scenes: build.on_failure.is_some(), ..parts });
        Ok::<_, Report>(wythe_solve::build(&engine, &order).await)
    })?;
    for layer in store.found_damaged() {
        print::to_stderr(&format!(
            "layer {layer} had changed on the disk: it is removed, and made again where it is needed"
        ));
    }
    let scene = outcome.images.iter_mut().find_map(|image| image.as_mut().err()?.take_scene());
    if shows_more(build) {
        let texts = definition.texts();
        for (step, finding) in tally.take_findings() {
            print::to_stderr(&texts.report(&finding, &step).render(workshop.color));
        }
    }
    // What was resolved before a failure is worth keeping: the next build starts from the same versions.
    if !build.locked {
        let all_done = outcome.images.iter().all(Result::is_ok);
        definition.keep_lock(&definition.lock_after(&outcome.lock, all_done))?;
    }
    let built = match (all_built(outcome.images, &definition), scene) {
        (Err(report), Some(scene)) => {
            print::to_stderr(&report.render(workshop.color));
            shell::enter(workshop, &scene, &definition)?;
            return Ok(report.exit.into());
        }
        (built, _) => built?,
    };
    for image in &built {
        keep(&store, image, &tags)?;
    }
    for output in &outputs {
        built.iter().try_for_each(|image| output.write(&store, image, &tags, &order.pretence))?;
    }
    write_result(build, &tags, &built)?;
    if !outputs.iter().any(Output::is_stdout) {
        print_result(build, &tags, &built);
    }
    if shows_more(build) {
        print::to_stderr(&summary(&tally, &built, &tags, begun));
    }
    Ok(Exit::Done.into())
}

/// Whether anything but progress and errors is said to a person.
fn shows_more(build: &Build) -> bool {
    !matches!(build.progress(), Progress::Quiet | Progress::Json)
}

fn check_names(tags: &[String], definition: &Definition) -> Result<(), Report> {
    if !tags.is_empty() && definition.spec.images.len() > 1 {
        let report = Report::new(Exit::Usage, "`--tag` names one image, and the definition has several");
        return Err(report.hint("choose one with `--image NAME`; without `--tag` each gets its own name"));
    }
    tags.iter().try_for_each(|tag| check_name(tag))
}

/// Refuses names that no registry would take (OCI distribution-spec, "Pulling manifests").
pub(crate) fn check_name(name: &str) -> Result<(), Report> {
    name.parse::<wythe_image::Reference>().map(drop).map_err(|error| {
        Report::new(Exit::Usage, format!("`{name}` is not a name for an image")).note(error.to_string())
    })
}

/// Returns the ids of the steps that a person means: a step's name first, else every step of that kind.
pub(crate) fn steps_meant(wanted: &[String], option: &str, definition: &Definition) -> Result<Vec<String>, Report> {
    let steps = || definition.spec.images.iter().flat_map(|image| std::iter::once(&image.base).chain(&image.steps));
    let mut meant = Vec::new();
    for name in wanted {
        let named: Vec<String> = steps().filter(|step| step.id == *name).map(|step| step.id.clone()).collect();
        let of_kind = || steps().filter(|step| step.kind == *name).map(|step| step.id.clone()).collect::<Vec<_>>();
        let found = if named.is_empty() { of_kind() } else { named };
        if found.is_empty() {
            let known: std::collections::BTreeSet<&str> = steps().map(|step| step.id.as_str()).collect();
            let report = Report::new(Exit::Usage, format!("`{option} {name}`: there is no such step"));
            let known: Vec<&str> = known.into_iter().collect();
            return Err(report.hint(known_hint(name, "steps", &known)));
        }
        meant.extend(found);
    }
    Ok(meant)
}

fn all_built(images: Vec<Result<Built, BuildError>>, definition: &Definition) -> Result<Vec<Built>, Report> {
    let (mut built, mut failed): (Vec<Built>, Option<Report>) = (Vec::new(), None);
    for image in images {
        match image {
            Ok(image) => built.push(image),
            Err(error) => {
                let report = definition.explain(&error);
                failed = Some(match failed.take() {
                    Some(first) => first.join(report),
                    None => report,
                });
            }
        }
    }
    failed.map_or(Ok(built), Err)
}

/// Acknowledges an image: once this returns, it is durable.
fn keep(store: &Store, image: &Built, tags: &[String]) -> Result<(), Report> {
    let names: Vec<String> = tags.iter().map(String::as_str).chain(image.name.as_deref()).map(full_name).collect();
    store.save_image(&image.packed, &names).map_err(|error| store_failed(&error))
}

/// Returns what there is to say of the images, for programs.
fn result_json(tags: &[String], built: &[Built]) -> Vec<serde_json::Value> {
    let one = |image: &Built| {
        json!({
            "name": image.name,
            "tags": tags.iter().map(|tag| full_name(tag)).collect::<Vec<_>>(),
            "digest": image.packed.digest,
            "config": image.packed.config_digest,
            "layers": image.image.layers(),
            "steps": image.account.steps,
        })
    };
    built.iter().map(one).collect()
}

/// Returns the same for a file: of one image an object, in which scripts for other builders find what they look for.
fn metadata(tags: &[String], built: &[Built]) -> serde_json::Value {
    let mut all = result_json(tags, built);
    if let ([image], [one]) = (built, &mut all[..]) {
        one["containerimage.digest"] = json!(image.packed.digest);
        one["containerimage.config.digest"] = json!(image.packed.config_digest);
        one["image.name"] = json!(tags.iter().map(|tag| full_name(tag)).collect::<Vec<_>>().join(","));
        return one.take();
    }
    all.into()
}

/// Writes the files that were asked for beside standard output.
fn write_result(build: &Build, tags: &[String], built: &[Built]) -> Result<(), Report> {
    let write = |path: &std::path::Path, text: String| {
        std::fs::write(path, text).map_err(|error| {
            Report::new(Exit::World, format!("cannot write `{}`", path.display()))
                .note(error.to_string())
                .note("the image is built, and kept")
        })
    };
    if let Some(path) = &build.iidfile {
        let ids: Vec<String> = built.iter().map(|image| image.packed.config_digest.to_string()).collect();
        write(path, ids.join("\n"))?;
    }
    if let Some(path) = &build.metadata_file {
        let text = serde_json::to_string_pretty(&metadata(tags, built)).expect("digests and names are JSON");
        write(path, text + "\n")?;
    }
    Ok(())
}

fn print_result(build: &Build, tags: &[String], built: &[Built]) {
    if build.json {
        return print::json(&result_json(tags, built));
    }
    for image in built {
        match &image.name {
            Some(name) if built.len() > 1 => print::to_stdout(&format!("{name} {}", image.packed.digest)),
            _ => print::to_stdout(&image.packed.digest.to_string()),
        }
    }
}

fn summary(tally: &Tally, built: &[Built], tags: &[String], begun: Instant) -> String {
    let layers = || built.iter().flat_map(|image| image.image.layers());
    let size = bytes(layers().map(|layer| layer.size).sum());
    let what = match (tags, built) {
        ([tag, ..], _) => full_name(tag),
        ([], [image]) => image.name.clone().unwrap_or_else(|| image.packed.digest.short()),
        _ => plural(built.len(), "image"),
    };
    let verb = if tally.is_unchanged() { "unchanged" } else { "built" };
    let layer_count = plural(layers().count(), "layer");
    format!("{verb} {what} in {}: {}; {layer_count}, {size}", time(begun.elapsed()), tally.words())
}
