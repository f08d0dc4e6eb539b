// SPDX-License-Identifier: Apache-2.0
//! `wythe explain`: why the steps of the last build ran.

use std::sync::Arc;

use wythe_plan::spec::known_hint;
use wythe_solve::{Account, Engine, Fate, Force, Forced, Grants, LockUse, Silent, StepAccount, account_of, foresee};
use wythe_store::Store;

use crate::arguments::{self, Explain, Remembered};
use crate::commands::block_on;
use crate::definition::Definition;
use crate::diagnostic::Report;
use crate::exit::Exit;
use crate::print;
use crate::render::plural;
use crate::workshop::{Stops, Workshop, all_kinds, store_failed};

/// Prints why steps ran.
pub(crate) fn run(workshop: &Workshop, explain: &Explain) -> Result<(), Report> {
    let store = workshop.store()?;
    let accounts = match explain.now {
        true => foreseen(workshop, &store, explain)?,
        false => accounts(workshop, &store, &explain.definition)?,
    };
    check_steps(&explain.steps, &accounts)?;
    let wanted = |step: &&StepAccount| is_wanted(step, &explain.steps);
    if explain.json {
        let image = |account: &Account| Account {
            image: account.image.clone(),
            steps: account.steps.iter().filter(wanted).cloned().collect(),
        };
        print::json(&accounts.iter().map(image).collect::<Vec<_>>());
        return Ok(());
    }
    for account in &accounts {
        if !account.image.is_empty() {
            print::to_stdout(&format!("image {}", account.image));
        }
        let told = account.steps.iter().filter(wanted);
        told.filter_map(|step| line(step, !explain.steps.is_empty())).for_each(|line| print::to_stdout(&line));
        if explain.steps.is_empty()
            && let Some(line) = rest(account, explain.now)
        {
            print::to_stdout(&line);
        }
    }
    Ok(())
}

/// Returns what a build would do now.
fn foreseen(workshop: &Workshop, store: &Arc<Store>, explain: &Explain) -> Result<Vec<Account>, Report> {
    let plugins = Arc::new(workshop.plugins(Some(store))?);
    let Remembered { path, images } = &explain.definition;
    let (path, args, images) = (path.clone(), explain.args.clone(), images.clone());
    let named = arguments::Definition { path, args, images, offline: false, ..arguments::Definition::default() };
    let definition = Definition::read(workshop, &named, &all_kinds(&plugins))?;
    let by_variable = workshop.surroundings.force_build().then_some(Forced::Variable);
    let order = definition.order(workshop, LockUse::Use, Force { all: by_variable, ..Force::default() })?;
    block_on(async {
        let stops = Stops::listen()?;
        let engine =
            Engine::new(workshop.parts(store, plugins, Grants::default(), Arc::new(Silent), &stops, &named)?);
        foresee(&engine, &order).await.map_err(|error| definition.explain(&error))
    })
}

/// Returns what is remembered of the last build of each image of a definition.
pub(crate) fn accounts(workshop: &Workshop, store: &Store, wanted: &Remembered) -> Result<Vec<Account>, Report> {
    let plugins = workshop.plugins(Some(store))?;
    let (path, images) = (wanted.path.clone(), wanted.images.clone());
    let named = arguments::Definition { path, images, offline: true, ..arguments::Definition::default() };
    let definition = Definition::read(workshop, &named, &all_kinds(&plugins))?;
    let names = definition.spec.images.iter().map(|image| image.name.as_deref().unwrap_or_default());
    let found = names.filter_map(|name| account_of(store, &definition.name(), name).transpose());
    let accounts = found.collect::<Result<Vec<_>, _>>().map_err(|error| store_failed(&error))?;
    if accounts.is_empty() {
        let what = format!("no build of `{}` is remembered in this store", definition.spec.source.name());
        return Err(Report::new(Exit::Spec, what).hint("build it first: `wythe build`"));
    }
    Ok(accounts)
}

/// Refuses names of steps that the last build did not come to.
pub(crate) fn check_steps(wanted: &[String], accounts: &[Account]) -> Result<(), Report> {
    let steps = || accounts.iter().flat_map(|account| &account.steps);
    let Some(missing) = wanted.iter().find(|name| !steps().any(|step| is_called(step, name))) else { return Ok(()) };
    let known: Vec<&str> = steps().map(|step| step.step.as_str()).collect();
    let report = Report::new(Exit::Usage, format!("the last build has no step `{missing}`"));
    Err(report.hint(known_hint(missing, "steps", &known)))
}

pub(crate) fn is_wanted(step: &StepAccount, wanted: &[String]) -> bool {
    wanted.is_empty() || wanted.iter().any(|name| is_called(step, name))
}

fn is_called(step: &StepAccount, name: &str) -> bool {
    step.step == name || step.kind == name
}

fn line(step: &StepAccount, with_hits: bool) -> Option<String> {
    let name = &step.step;
    match step.how {
        Fate::Run => Some(step.sentence.clone()),
        Fate::Failed if step.sentence.is_empty() => Some(format!("`{name}` failed before it ran anything")),
        Fate::Failed => Some(format!("{}; it failed (`wythe logs {name}`)", step.sentence)),
        Fate::Open => Some(format!("`{name}` would run if what stands below it comes out as other bytes")),
        Fate::Hit if with_hits => Some(format!("`{name}` was a hit: nothing that its result depends on differs")),
        Fate::Config if with_hits => Some(format!("`{name}` only edits the configuration: there is nothing to run")),
        Fate::Hit | Fate::Config => None,
    }
}

/// Says what is not told step by step.
fn rest(account: &Account, is_foreseen: bool) -> Option<String> {
    let count = |fate: Fate| account.steps.iter().filter(|step| step.how == fate).count();
    let hits = count(Fate::Hit);
    let line = match (hits, hits + count(Fate::Config) == account.steps.len()) {
        (_, true) if is_foreseen => return Some("nothing would run: everything is as before".to_owned()),
        (_, true) => return Some("nothing ran: everything was as before".to_owned()),
        (0, false) => return None,
        (hits, false) if is_foreseen => return Some(format!("{} would be found", plural(hits, "step"))),
        (1, false) => "1 step was a hit".to_owned(),
        (hits, false) => format!("{} were hits", plural(hits, "step")),
    };
    let spared: Vec<String> = spared(account).map(|step| format!("`{}`", step.step)).collect();
    let because = "because what ran below made the same bytes as before";
    Some(match &spared[..] {
        [] => line,
        [step] => format!("{line}; {step} {because}"),
        [first @ .., last] => format!("{line}; {} and {last} {because}", first.join(", ")),
    })
}

/// The hits that stand on steps that ran, all of which made what was there before: where the work was cut off.
fn spared(account: &Account) -> impl Iterator<Item = &StepAccount> {
    let first_run = account.steps.iter().position(|step| step.how == Fate::Run).unwrap_or(account.steps.len());
    let first_other = account.steps.iter().position(|step| step.how == Fate::Run && !step.is_same);
    let between = account.steps.iter().take(first_other.unwrap_or(account.steps.len())).skip(first_run);
    between.filter(|step| step.how == Fate::Hit)
}
