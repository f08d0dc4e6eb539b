// SPDX-License-Identifier: Apache-2.0
//! `wythe import`: a file that a kind claims, as a definition that builds the same image.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use wythe_plan::spec::{BuilderVersion, Spec};
use wythe_plan::{Kind, StepCall, Translated, Translation};
use wythe_plugin::Plugins;
use wythe_solve::{BuildError, Cause, ContextWorld, Force, LockUse, StepId};
use wythe_store::Store;

use crate::arguments;
use crate::claimed::Claimed;
use crate::definition::{DEFINITION, Definition, replace};
use crate::diagnostic::Report;
use crate::environment::now;
use crate::exit::Exit;
use crate::named;
use crate::print;
use crate::render::plural;
use crate::translation;
use crate::workshop::{Workshop, all_kinds};

/// Writes a definition.
pub(crate) fn run(workshop: &Workshop, wanted: &arguments::Import) -> Result<(), Report> {
    let store = workshop.store()?;
    let plugins = workshop.plugins(Some(&store))?;
    let kinds = all_kinds(&plugins);
    let found = arguments::Definition {
        path: wanted.path.clone(),
        file: wanted.file.clone(),
        target: wanted.target.clone(),
        args: wanted.args.clone(),
        ..arguments::Definition::default()
    };
    let (dir, file) = Claimed::locate(&found, &kinds)?.ok_or_else(|| nothing_to_import(&wanted.path, &kinds))?;
    let output = Output::of(wanted, &dir)?;
    let found = arguments::Definition { path: dir, file: Some(file.clone()), ..found };
    let definition = Definition::read(workshop, &found, &kinds)?;
    let imported = &definition.spec.images[0].base.kind;
    let translation = translate(workshop, &store, &plugins, &definition, wanted.exact, &output.added)?;
    let text = translation::to_toml(&translation, &file_name(&file), BuilderVersion::newest().as_str());
    let name = output.path.as_deref().map_or_else(|| DEFINITION.to_owned(), |path| path.display().to_string());
    Spec::parse(&name, &text, &kinds).map_err(|errors| not_a_definition(imported, errors.into()))?;
    if let Some(path) = &output.path {
        replace(path, text.as_bytes())
            .map_err(|error| Report::caused(Exit::World, format!("cannot write `{}`", path.display()), &error))?;
    }
    let told = Told { kinds: &kinds, imported, file: &file, translation: &translation };
    match (wanted.json, output.path.is_some()) {
        (true, _) => print::json(&told.json(output.path.as_deref(), &text)),
        (false, true) => told.print(&name),
        (false, false) => {
            print::to_stdout(text.trim_end());
            told.print("standard output");
        }
    }
    Ok(())
}

fn nothing_to_import(path: &Path, kinds: &[Kind]) -> Report {
    let names: Vec<String> = kinds.iter().flat_map(|kind| &kind.files).map(|name| format!("`{name}`")).collect();
    let report = Report::new(Exit::Spec, format!("there is nothing to import in `{}`", path.display()));
    let report = report.note(format!("a plugin claims files named {}", names.join(" or ")));
    report.hint("name the file: `wythe import -f FILE DIR`")
}

fn file_name(file: &Path) -> String {
    if file == Path::new("-") {
        return "standard input".to_owned();
    }
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Where the definition goes.
struct Output {
    /// None for standard output.
    path: Option<PathBuf>,
    /// The files of the build context that come with it.
    added: Vec<String>,
}

impl Output {
    fn of(wanted: &arguments::Import, dir: &Path) -> Result<Self, Report> {
        let path = match wanted.output.as_deref() {
            None => Some(dir.join(DEFINITION)),
            Some(path) if path == Path::new("-") => None,
            Some(path) => Some(path.to_owned()),
        };
        let Some(path) = path else {
            return Ok(Self { path: None, added: added(Path::new(DEFINITION)) });
        };
        let parent = named::seen(named::parent(&path), Path::canonicalize)?;
        if parent.is_none() || parent != named::seen(dir, Path::canonicalize)? {
            let what = format!("`{}` is not in `{}`, which the file is built in", path.display(), dir.display());
            return Err(Report::new(Exit::Spec, what)
                .note("paths of a definition are relative to its own directory")
                .hint("write it there under any name, or to standard output: `-o -`"));
        }
        // A link whose target is gone is something, too.
        let found = named::seen(&path, Path::symlink_metadata)?;
        if found.is_some() && named::seen(&path, Path::metadata)?.is_some_and(|target| target.is_dir()) {
            return Err(Report::new(Exit::Spec, format!("`{}` is a directory", path.display()))
                .hint("name a file in it: `-o DIR/wythe.toml`"));
        }
        if found.is_some() && !wanted.force {
            return Err(Report::new(Exit::Spec, format!("`{}` is there already", path.display()))
                .note("it was not changed")
                .hint("replace it: `--force`; or look at the translation first: `-o -`"));
        }
        Ok(Self { added: added(&path), path: Some(path) })
    }
}

/// Returns the names of a definition and its lock.
fn added(path: &Path) -> Vec<String> {
    let names = [path.to_owned(), path.with_extension("lock")];
    names.iter().filter_map(|path| path.file_name()?.to_str()).map(str::to_owned).collect()
}

/// Has the plugin of a claimed file translate it.
fn translate(
    workshop: &Workshop,
    store: &Arc<Store>,
    plugins: &Plugins,
    definition: &Definition,
    exact: bool,
    added: &[String],
) -> Result<Translation, Report> {
    let order = definition.order(workshop, LockUse::Use, Force::default())?;
    let base = &definition.spec.images[0].base;
    let failed = |cause: Cause| {
        let step = StepId { image: "".into(), step: base.id.as_str().into() };
        definition.explain(&BuildError { step, cause: Box::new(cause), place: None })
    };
    let machine = workshop.machine().platform;
    let platform = definition.spec.images[0].platform.clone().unwrap_or_else(|| machine.clone());
    let platforms = (platform, machine);
    let world = ContextWorld::open(store, &order.context, platforms, order.pretence, now()).map_err(failed)?;
    let call = StepCall { kind: &base.kind, options: &base.options, lock: None };
    let translation = plugins.translate(call, exact, added, &world);
    world.take_notes().iter().for_each(|note| print::to_stderr(&format!("warning: {note}")));
    translation.map_err(|error| failed(Cause::Plan(error)))
}

fn not_a_definition(kind: &str, errors: Report) -> Report {
    let what = format!("what the plugin of the kind `{kind}` made of the file is not a definition");
    Report::new(Exit::Plugin, what)
        .note("this is a fault in the plugin, not in your file; nothing was written")
        .join(errors)
}

/// What became of each instruction.
struct Told<'a> {
    kinds: &'a [Kind],
    /// The kind whose file it is.
    imported: &'a str,
    file: &'a Path,
    translation: &'a Translation,
}

impl Told<'_> {
    fn outcome(&self, step: &Translated) -> &'static str {
        let is_core = self.kinds.iter().any(|kind| kind.name == step.kind && kind.is_core());
        match is_core {
            _ if step.kind == self.imported => "kept",
            true => "translated",
            false => "recognised",
        }
    }

    fn all(&self) -> impl Iterator<Item = &Translated> {
        std::iter::once(&self.translation.base).chain(&self.translation.steps)
    }

    /// Says it to a person.
    fn print(&self, name: &str) {
        let rows = self.all().map(|step| {
            let outcome = self.outcome(step).to_owned();
            vec![format!("{:>5}", step.line), outcome, step.kind.clone(), step.said.clone()]
        });
        let heads = [" LINE", "OUTCOME", "KIND", "INSTRUCTION"].map(str::to_owned).to_vec();
        let rows: Vec<Vec<String>> = std::iter::once(heads).chain(rows).collect();
        print::aligned(&rows).iter().for_each(|line| print::to_stderr(line));
        for step in self.all() {
            if let Some(note) = &step.note {
                print::to_stderr(&format!("note: {}:{}: {note}", self.file.display(), step.line));
            }
        }
        let count = |outcome: &str| self.all().filter(|step| self.outcome(step) == outcome).count();
        print::to_stderr(&format!(
            "{name}: a base and {}: {} translated, {} recognised as installations, {} kept as written",
            plural(self.translation.steps.len(), "step"),
            count("translated"),
            count("recognised"),
            count("kept"),
        ));
    }

    fn json(&self, path: Option<&Path>, text: &str) -> Value {
        let step = |step: &Translated| {
            json!({
                "line": step.line,
                "outcome": self.outcome(step),
                "kind": step.kind,
                "options": step.options,
                "instruction": step.said,
                "note": step.note,
            })
        };
        json!({
            "file": path.map(|path| path.display().to_string()),
            "definition": text,
            "base": step(&self.translation.base),
            "steps": self.translation.steps.iter().map(step).collect::<Vec<_>>(),
        })
    }
}
