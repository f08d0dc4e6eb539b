// SPDX-License-Identifier: Apache-2.0
//! Files that are no definition but say what an image is: a kind claims them by name, and is then the base of the image.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use wythe_plan::spec::BuilderVersion;
use wythe_plan::{Kind, Network, SandboxOptions, Ulimit};

use crate::arguments::{self, AllNetworks};
use crate::contexts::Elsewhere;
use crate::definition::{arguments_given, read_text, split_assignment};
use crate::diagnostic::Report;
use crate::exit::Exit;
use crate::named;
use crate::workshop::Workshop;

/// A definition that nobody wrote: one base, of the kind that claims a file.
#[derive(Debug)]
pub(crate) struct Claimed {
    /// The definition.
    pub(crate) text: String,
    /// The build context.
    pub(crate) dir: PathBuf,
    /// The file.
    pub(crate) file: PathBuf,
}

impl Claimed {
    /// Finds a claimed file: the one that `--file` names, or one of a directory. None where it is for a definition to say.
    pub(crate) fn find(
        workshop: &Workshop,
        wanted: &arguments::Definition,
        kinds: &[Kind],
    ) -> Result<Option<Self>, Report> {
        let Some((kind, dir, file)) = Self::place(wanted, kinds)? else { return Ok(None) };
        Self::of(workshop, wanted, kind, &dir, &file).map(Some)
    }

    /// Returns the build context and the file; none where there is no such file.
    pub(crate) fn locate(wanted: &arguments::Definition, kinds: &[Kind]) -> Result<Option<(PathBuf, PathBuf)>, Report> {
        Ok(Self::place(wanted, kinds)?.map(|(_, dir, file)| (dir, file)))
    }

    /// Returns the kind that is meant, the build context, and the file.
    fn place<'k>(
        wanted: &arguments::Definition,
        kinds: &'k [Kind],
    ) -> Result<Option<(&'k Kind, PathBuf, PathBuf)>, Report> {
        if let Some(elsewhere) = &wanted.elsewhere {
            return Ok(Self::place_in(elsewhere, wanted, kinds)?.map(|(kind, file)| (kind, wanted.path.clone(), file)));
        }
        if let Some(file) = &wanted.file {
            let kind = kind_of(file, kinds)?;
            return Ok(Some((kind, wanted.path.clone(), file.clone())));
        }
        if named::is_file(&wanted.path)? {
            let name = wanted.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let Some(kind) = claiming(&name, kinds) else { return Ok(None) };
            return Ok(Some((kind, named::parent(&wanted.path).to_owned(), wanted.path.clone())));
        }
        for kind in kinds {
            for name in &kind.files {
                let file = wanted.path.join(name);
                if named::is_file(&file)? {
                    return Ok(Some((kind, wanted.path.clone(), file)));
                }
            }
        }
        Ok(None)
    }

    /// The same for a context that was brought, where no link leads out of it.
    fn place_in<'k>(
        elsewhere: &Elsewhere,
        wanted: &arguments::Definition,
        kinds: &'k [Kind],
    ) -> Result<Option<(&'k Kind, PathBuf)>, Report> {
        let input = PathBuf::from("-");
        match &wanted.file {
            _ if elsewhere.text.is_some() => Ok(Some((kind_of(&input, kinds)?, input))),
            Some(file) if *file == input => Ok(Some((kind_of(&input, kinds)?, input))),
            Some(file) => Ok(Some((kind_of(file, kinds)?, wanted.path.join(file)))),
            None => {
                let mut files = kinds.iter().flat_map(|kind| kind.files.iter().map(move |name| (kind, name)));
                let found = files.find(|(_, name)| elsewhere.has(Path::new(name)));
                Ok(found.map(|(kind, name)| (kind, wanted.path.join(name))))
            }
        }
    }

    fn of(
        workshop: &Workshop,
        wanted: &arguments::Definition,
        kind: &Kind,
        dir: &Path,
        file: &Path,
    ) -> Result<Self, Report> {
        let mut options = Map::new();
        let elsewhere = wanted.elsewhere.as_deref();
        let path = match elsewhere {
            // Links in it lead nowhere outside, which who reads it sees to.
            Some(_) => file.strip_prefix(dir).ok().and_then(Path::to_str).map(str::to_owned),
            None => path_below(dir, file),
        };
        match path {
            Some(path) => drop(options.insert("path".to_owned(), path.into())),
            // What lies outside of the context is handed over as text.
            None => {
                let text = elsewhere.and_then(|elsewhere| elsewhere.text.clone());
                let text = text.map_or_else(|| outside(file), Ok)?;
                drop(options.insert("text".to_owned(), text.into()));
            }
        }
        let pairs = |texts: &[String], option: &str| {
            let pairs =
                texts.iter().map(|text| split_assignment(text, option).map(|(name, value)| (name, value.into())));
            pairs.collect::<Result<Map<String, Value>, Report>>()
        };
        let mut ask = |name: &str, option: &str, value: Value| {
            if kind.schema["properties"].get(name).is_none() {
                return Err(Report::new(Exit::Usage, format!("a `{}` takes no `{option}`", kind.name)));
            }
            options.insert(name.to_owned(), value);
            Ok(())
        };
        if let Some(target) = &wanted.target {
            ask("target", "--target", target.clone().into())?;
        }
        for (name, option, texts) in
            [("contexts", "--build-context", &wanted.build_contexts), ("labels", "--label", &wanted.labels)]
        {
            // A label may have no value.
            let whole = |text: &String| if text.contains('=') { text.clone() } else { format!("{text}=") };
            let texts: Vec<String> = match name {
                "labels" => texts.iter().map(whole).collect(),
                _ => texts.clone(),
            };
            if !texts.is_empty() {
                ask(name, option, pairs(&texts, option)?.into())?;
            }
        }
        if !wanted.args.is_empty() {
            let given = arguments_given(workshop, wanted)?.into_iter();
            ask("args", "--arg", given.map(|(name, value)| (name, value.into())).collect::<Map<_, _>>().into())?;
        }
        options.insert("kind".to_owned(), kind.name.clone().into());
        if let Some(AllNetworks(Some(network))) = &wanted.network {
            options.insert(
                "network".to_owned(),
                match network {
                    Network::Host => "host".into(),
                    Network::None => "none".into(),
                    Network::Hosts(hosts) => json!(hosts),
                },
            );
        }
        options.extend(sandbox_options(wanted));
        options.extend(limits(wanted)?);
        let builder = json!(BuilderVersion::newest().as_str());
        let text = format!("builder = {builder}\n[base]\n{}", table(&options));
        Ok(Self { text, dir: dir.to_owned(), file: file.to_owned() })
    }
}

/// Returns what the sandbox of every command is like, as a definition says it.
fn sandbox_options(wanted: &arguments::Definition) -> Map<String, Value> {
    let mut given = SandboxOptions::default();
    wanted.extra_hosts.iter().cloned().for_each(|host| given.add_host(host));
    wanted.shm_size.filter(|bytes| *bytes > 0).into_iter().for_each(|bytes| given.set_shm_size(bytes));
    wanted.ulimits.iter().cloned().for_each(|ulimit| given.set_ulimit(ulimit));
    let one = |limit: Option<u64>| limit.map_or_else(|| "-1".to_owned(), |limit| limit.to_string());
    let both =
        |(name, limit): (&String, &Ulimit)| (name.clone(), format!("{}:{}", one(limit.soft), one(limit.hard)).into());
    let ulimits: Map<String, Value> = given.ulimits.iter().map(both).collect();
    let mut options = Map::new();
    options.extend((!given.extra_hosts.is_empty()).then(|| ("extra-hosts".to_owned(), json!(given.extra_hosts))));
    options.extend(given.shm_size.map(|bytes| ("shm-size".to_owned(), bytes.into())));
    options.extend((!ulimits.is_empty()).then(|| ("ulimits".to_owned(), ulimits.into())));
    options
}

/// Returns what a command may use of the machine, as a definition says it.
fn limits(wanted: &arguments::Definition) -> Result<Map<String, Value>, Report> {
    let mut options = Map::new();
    options.extend(wanted.memory.filter(|bytes| *bytes > 0).map(|bytes| ("memory".to_owned(), bytes.into())));
    match (wanted.cpu_quota.unwrap_or_default(), wanted.cpu_period.unwrap_or(100_000)) {
        (..=0, _) => {}
        (_, 0) => return Err(Report::new(Exit::Usage, "`--cpu-period 0` is no time")),
        (quota, period) => {
            #[allow(clippy::cast_precision_loss, reason = "a share of a processor")]
            let share = (quota as f64 / period as f64 * 1000.0).round() / 1000.0;
            options.insert("cpu".to_owned(), json!(share));
        }
    }
    Ok(options)
}

/// Returns the kind that a file is for: the one that claims its name, or the only one that claims any.
fn kind_of<'k>(file: &Path, kinds: &'k [Kind]) -> Result<&'k Kind, Report> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut all = kinds.iter().filter(|kind| !kind.files.is_empty());
    let only = all.next().filter(|_| all.next().is_none());
    claiming(&name, kinds).or(only).ok_or_else(|| {
        let report = Report::new(Exit::Usage, format!("no plugin claims a file named `{name}`"));
        report.hint("see which plugins there are: `wythe plugin list`")
    })
}

/// Returns the kind that claims a name, also as the beginning or the end of a longer one: `Name.dev`, `dev.Name`.
fn claiming<'k>(name: &str, kinds: &'k [Kind]) -> Option<&'k Kind> {
    let claims = |claimed: &String| {
        name == claimed || name.starts_with(&format!("{claimed}.")) || name.ends_with(&format!(".{claimed}"))
    };
    kinds.iter().find(|kind| kind.files.iter().any(claims))
}

/// Returns a file's path relative to a directory that it is in.
fn path_below(dir: &Path, file: &Path) -> Option<String> {
    if file == Path::new("-") {
        return None;
    }
    let (dir, parent) = (dir.canonicalize().ok()?, named::parent(file).canonicalize().ok()?);
    let path = parent.strip_prefix(dir).ok()?.join(file.file_name()?);
    path.to_str().map(str::to_owned)
}

fn outside(file: &Path) -> Result<String, Report> {
    if file != Path::new("-") {
        return read_text(file);
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(|error| {
        Report::new(named::fault(&error), "cannot read the file from `standard input`").note(error.to_string())
    })?;
    Ok(text)
}

/// Writes a TOML table. The strings of JSON are strings of TOML.
fn table(options: &Map<String, Value>) -> String {
    let lines = options.iter().map(|(name, value)| match value {
        Value::Object(pairs) => {
            let inner: Vec<String> = pairs.iter().map(|(name, value)| format!("{} = {value}", json!(name))).collect();
            format!("{name} = {{ {} }}\n", inner.join(", "))
        }
        other => format!("{name} = {}\n", other.to_string().replace('\u{7f}', "\\u007f")),
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::table;

    #[test]
    fn options_are_written_as_toml() {
        let options = json!({ "a": "x \"y\"\n\u{1}", "b": { "c d": "e" } });
        let text = table(options.as_object().unwrap());
        assert_eq!(text, "a = \"x \\\"y\\\"\\n\\u0001\"\nb = { \"c d\" = \"e\" }\n");
    }
}
