// SPDX-License-Identifier: Apache-2.0
//! `wythe plugin`: which step kinds there are, what they take, and what their plugins may do.

use serde_json::Value;
use wythe_plan::spec::known_hint;
use wythe_plan::{Kind, StepPlanner as _};
use wythe_plugin::Plugins;

use crate::arguments::Plugin;
use crate::diagnostic::Report;
use crate::exit::Exit;
use crate::print;
use crate::workshop::{Workshop, all_kinds};

/// Looks at plugins.
pub(crate) fn run(workshop: &Workshop, plugin: &Plugin) -> Result<(), Report> {
    let plugins = workshop.plugins(None)?;
    let kinds = all_kinds(&plugins);
    match plugin {
        Plugin::List { inventory: true, json } => inventories(&plugins, *json),
        Plugin::List { inventory: false, json } => list(&kinds, *json),
        Plugin::Show { kind, json } => show(&kinds, kind, *json)?,
    }
    Ok(())
}

fn used_as(kind: &Kind) -> &'static str {
    match (kind.is_base, kind.is_step) {
        (true, true) => "base, step",
        (true, false) => "base",
        _ => "step",
    }
}

fn list(kinds: &[Kind], json: bool) {
    if json {
        return print::json(&kinds);
    }
    let heads = ["KIND", "PLUGIN", "VERSION", "USED AS", "WHAT IT DOES"].map(str::to_owned).to_vec();
    let row = |kind: &Kind| {
        let used = used_as(kind).to_owned();
        vec![kind.name.clone(), kind.plugin.clone(), kind.version.clone(), used, kind.summary.clone()]
    };
    print::table(&std::iter::once(heads).chain(kinds.iter().map(row)).collect::<Vec<_>>());
}

fn inventories(plugins: &Plugins, json: bool) {
    let known = plugins.inventories();
    if json {
        return print::json(&known);
    }
    let heads = ["TYPE", "PLUGIN"].map(str::to_owned).to_vec();
    let rows = known
        .iter()
        .flat_map(|inventory| inventory.types.iter().map(|kind| vec![kind.clone(), inventory.plugin.clone()]));
    print::table(&std::iter::once(heads).chain(rows).collect::<Vec<_>>());
}

fn show(kinds: &[Kind], wanted: &str, json: bool) -> Result<(), Report> {
    let Some(kind) = kinds.iter().find(|kind| kind.name == wanted) else {
        let known: Vec<&str> = kinds.iter().map(|kind| kind.name.as_str()).collect();
        let report = Report::new(Exit::Spec, format!("there is no step kind `{wanted}`"));
        return Err(report.hint(known_hint(wanted, "kinds", &known)));
    };
    if json {
        print::json(kind);
        return Ok(());
    }
    print::to_stdout(&format!("{} — {}", kind.name, kind.summary));
    let or_none = |list: &[String]| if list.is_empty() { "none".to_owned() } else { list.join(", ") };
    print::table(&[
        vec!["plugin".to_owned(), format!("{} {}", kind.plugin, kind.version)],
        vec!["digest".to_owned(), kind.digest.to_string()],
        vec!["used as".to_owned(), used_as(kind).to_owned()],
        vec!["pins".to_owned(), if kind.resolves { "yes, in wythe.lock" } else { "nothing" }.to_owned()],
        vec!["fetches from".to_owned(), or_none(&kind.hosts)],
        vec!["imports".to_owned(), or_none(&kind.imports)],
    ]);
    print::to_stdout("\noptions");
    print::table(&options(&kind.schema));
    Ok(())
}

/// A row an option: name, type, what it is.
fn options(schema: &Value) -> Vec<Vec<String>> {
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let row = |(name, option): (&String, &Value)| {
        let mark = if required.contains(&name.as_str()) { "required" } else { "" };
        let text = option["description"].as_str().unwrap_or_default();
        vec![format!("  {name}"), type_of(option), mark.to_owned(), text.to_owned()]
    };
    schema["properties"].as_object().into_iter().flatten().map(row).collect()
}

fn type_of(option: &Value) -> String {
    if let Some(values) = option["enum"].as_array() {
        return values.iter().map(Value::to_string).collect::<Vec<_>>().join(" | ");
    }
    match option["type"].as_str() {
        Some("array") => format!("list of {}", type_of(&option["items"])),
        Some("object") => "table".to_owned(),
        Some(name) => name.to_owned(),
        None => "any".to_owned(),
    }
}
