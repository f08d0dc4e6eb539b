// SPDX-License-Identifier: Apache-2.0
//! What takes the place of names in a claimed file. Directories and layouts become images of the store, so that no plugin sees
//! them: a directory that of its files, built like any other. Git repositories are for the plugin, which pins them.

mod address;
mod elsewhere;
mod layout;

use std::path::Path;
use std::sync::Arc;

use wythe_image::Platform;
use wythe_plan::spec::{BuilderVersion, Spec};
use wythe_plan::{GitUrl, GitUrlError, Lock};
use wythe_plugin::Plugins;
use wythe_solve::{Engine, Force, Grants, LockUse, Order, Pretence, Silent};
use wythe_store::Store;

use crate::arguments::{self, Definition};
use crate::commands::block_on;
use crate::definition::{platform_wanted, rfc3339, split_assignment};
use crate::diagnostic::{Report, Texts, explain};
use crate::exit::Exit;
use crate::named;
use crate::workshop::{Stops, Workshop, absolute, all_kinds, store_failed};
use address::{is_of_the_web, is_repository};
use elsewhere::Bringer;

/// What is in front of the name of an image.
const IMAGE: &str = "docker-image://";

/// What other builders put in front of a target of another file.
const TARGET: &str = "target:";

pub(crate) use elsewhere::Elsewhere;

/// Returns where a definition is: brought here where it is elsewhere, and with images in place of the directories, layouts and
/// archives among its named contexts. `grants` open repositories that are closed.
pub(crate) fn prepared(
    workshop: &Workshop,
    store: &Arc<Store>,
    plugins: &Arc<Plugins>,
    wanted: &Definition,
    grants: Option<&arguments::Grants>,
) -> Result<Definition, Report> {
    let mut prepared = wanted.clone();
    let bringer = Bringer { workshop, store, plugins, grants };
    bringer.context(&mut prepared)?;
    let machine = workshop.machine().platform;
    let platform = platform_wanted(workshop, wanted)?.unwrap_or_else(|| machine.clone());
    let mut contexts = Vec::new();
    for text in std::mem::take(&mut prepared.build_contexts) {
        let (name, value) = split_assignment(&text, "--build-context")?;
        if value.starts_with(IMAGE) {
            contexts.push(text);
            continue;
        }
        if let Some(address) = is_repository(&value).then(|| value.split(['?', '#']).next().unwrap_or_default()) {
            // Before it becomes part of anything: there may be a password in it.
            address.parse::<GitUrl>().map_err(|error| no_repository(&name, &error))?;
            contexts.push(text);
            continue;
        }
        let digest = if let Some(place) = value.strip_prefix(layout::SCHEME) {
            // A stage may be for the machine that builds, and takes the image for that one.
            let [image, beside] = layout::images_of(store, &name, place, [&platform, &machine])?;
            contexts.extend(beside.map(|digest| context_of(&machine.behind(&name), &digest)));
            // What is only there for the machine has no name of its own.
            let Some(digest) = image else { continue };
            digest
        } else if is_of_the_web(&value) {
            let brought = bringer.archive(&value, wanted)?;
            image_of(workshop, store, plugins, wanted, (brought.path(), &platform))?
        } else {
            refuse_other_places(&text, &value)?;
            let dir = Path::new(&value);
            if !named::is_dir(dir)? {
                let report = Report::new(Exit::Spec, format!("the named context `{name}`: `{value}` is no directory"));
                return Err(report.hint(format!("for an image write `--build-context {name}=docker-image://{value}`")));
            }
            image_of(workshop, store, plugins, wanted, (dir, &platform))?
        };
        contexts.push(context_of(&name, &digest));
    }
    prepared.build_contexts = contexts;
    Ok(prepared)
}

fn context_of(name: &str, digest: &str) -> String {
    format!("{name}={IMAGE}named-context@{digest}")
}

fn no_repository(name: &str, error: &GitUrlError) -> Report {
    let report = Report::new(Exit::Usage, format!("the named context `{name}`: {error}"));
    report.hint("a token opens a repository: `--secret id=GIT_AUTH_TOKEN,env=NAME`; for ssh there is `--ssh default`")
}

/// Refuses what other builders find elsewhere.
fn refuse_other_places(text: &str, value: &str) -> Result<(), Report> {
    let refused = |what: String| Report::new(Exit::Usage, format!("`--build-context {text}`: {what}"));
    if let Some(target) = value.strip_prefix(TARGET) {
        let report =
            refused("targets of other files are what a file of several builds has, and there is none".to_owned());
        let hint = "build it first, and name its image: `wythe build --target";
        return Err(report.hint(format!("{hint} {target} -t NAME …`, then `docker-image://NAME`")));
    }
    match value.split_once("://") {
        None => Ok(()),
        Some((scheme, _)) => Err(refused(format!("`{scheme}://` is not available in this version")).hint(
            "name a directory, `docker-image://REFERENCE` for an image of the store, `oci-layout://PATH:TAG` for one of a layout, \
             an archive by its address with `https://`, or a git repository, whose address with `https://` ends in `.git`",
        )),
    }
}

/// Builds the image that holds a directory's files and returns its digest.
fn image_of(
    workshop: &Workshop,
    store: &Arc<Store>,
    plugins: &Arc<Plugins>,
    wanted: &Definition,
    (dir, platform): (&Path, &Platform),
) -> Result<String, Report> {
    let builder = BuilderVersion::newest();
    let text =
        format!("builder = \"{builder}\"\nbase = \"scratch\"\n[[steps]]\nkind = \"files\"\nfrom = \".\"\nto = \"/\"\n");
    let mut spec = Spec::parse("", &text, &all_kinds(plugins))?;
    spec.images[0].platform = Some(platform.clone());
    let (context, epoch) = (absolute(dir)?, builder.source_date_epoch());
    let order = Order {
        images: spec.images.clone(),
        context: context.clone(),
        pretence: Pretence {
            source_date_epoch: epoch,
            created: rfc3339(epoch)?,
            builder: builder.to_string(),
            args: Default::default(),
        },
        lock: Lock::default(),
        lock_use: LockUse::Use,
        force: Force::default(),
        definition: context.display().to_string(),
    };
    let outcome = block_on(async {
        let stops = Stops::listen()?;
        let (plugins, grants) = (Arc::clone(plugins), Grants::default());
        let engine = Engine::new(workshop.parts(store, plugins, grants, Arc::new(Silent), &stops, wanted)?);
        Ok::<_, Report>(wythe_solve::build(&engine, &order).await)
    })?;
    let texts = Texts { spec: &spec, dir: &context, is_brought: false, claimed: None };
    let built = outcome.images.into_iter().next().expect("the definition has an image");
    let built = built.map_err(|error| explain(&error, &texts))?;
    store.save_image(&built.packed, &[]).map_err(|error| store_failed(&error))?;
    Ok(built.packed.digest.to_string())
}
