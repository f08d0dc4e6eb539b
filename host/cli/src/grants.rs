// SPDX-License-Identifier: Apache-2.0
//! What the command line grants to steps: where secrets come from, ssh agents, directories in place of volumes.

mod dotenv;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use wythe_plan::spec::known_hint;
use wythe_solve::{Grants, INSECURE, LONGEST_SECRET};

use crate::arguments;
use crate::diagnostic::Report;
use crate::environment::Surroundings;
use crate::exit::Exit;
use crate::named;
use crate::workshop::absolute;

/// Reads what is granted. Values are not fetched before a step needs them, but what names no place to fetch one from is
/// said now.
pub(crate) fn read(given: &arguments::Grants, surroundings: &Surroundings) -> Result<Grants, Report> {
    let mut grants = Grants { insecure: is_insecure_allowed(&given.allow)?, ..Grants::default() };
    for text in &given.secrets.secrets {
        let (id, origin) = Origin::parse(text)?;
        let value = origin.check(&id, text, surroundings)?;
        grants.secrets.grant(&id, move || value.fetch());
    }
    for text in &given.secrets.ssh {
        let (id, socket) = agent(text, surroundings)?;
        grants.secrets.grant_agent(&id, socket);
    }
    for text in &given.volumes {
        let (name, dir) = volume(text)?;
        grants.volumes.insert(name, dir);
    }
    if !given.secrets.secrets.is_empty() {
        wythe_sys::process::forbid_core_dumps().map_err(|error| {
            Report::caused(Exit::World, "cannot forbid core dumps, in which secrets would be", &error)
        })?;
    }
    Ok(grants)
}

/// Reads what `--allow` names. What others make depend on a grant and is so here in any case is accepted.
fn is_insecure_allowed(given: &[String]) -> Result<bool, Report> {
    const KNOWN: [&str; 3] = ["device", "network.host", INSECURE];
    for text in given {
        let name = if text.starts_with("device=") { "device" } else { text };
        if !KNOWN.contains(&name) {
            let report = Report::new(Exit::Usage, format!("`--allow {text}`: there is no such grant"));
            return Err(report.hint(known_hint(name, "grants", &KNOWN)));
        }
    }
    Ok(given.iter().any(|name| name == INSECURE))
}

/// Where a value comes from, as it is written.
#[derive(Debug, PartialEq, Eq)]
enum Origin {
    /// The variable or else the file of that name.
    Named,
    Variable(String),
    File(PathBuf),
    DotEnv {
        path: PathBuf,
        key: String,
    },
    Command(String),
}

/// Where a value comes from, once it is known to be there.
enum Value {
    Known(Vec<u8>),
    File(PathBuf),
    DotEnv { path: PathBuf, key: String },
    Command(String),
}

impl Origin {
    /// Takes `id=…,key=value,…` apart. A command is the rest of the text: it may have commas.
    fn parse(text: &str) -> Result<(String, Self), Report> {
        let fault = |what: &str| {
            Report::new(Exit::Usage, format!("`--secret {text}`: {what}"))
                .hint("write `--secret id=NAME,env=VARIABLE`, `id=NAME,src=FILE`, `id=NAME,dotenv=FILE` or `id=NAME,command=COMMAND`")
        };
        let (mut id, mut origin, mut key, mut is_variable) = (None, None, None, false);
        let mut rest = text;
        while !rest.is_empty() {
            let end = if rest.starts_with("command=") { rest.len() } else { rest.find(',').unwrap_or(rest.len()) };
            let part = &rest[..end];
            rest = rest[end..].strip_prefix(',').unwrap_or_default();
            let (name, value) = match part.split_once('=') {
                Some(both) => both,
                None if part == text => ("id", text),
                None => return Err(fault(&format!("`{part}` is not of the form KEY=VALUE"))),
            };
            let found = match name {
                "id" => {
                    id = Some(value.to_owned());
                    continue;
                }
                "key" => {
                    key = Some(value.to_owned());
                    continue;
                }
                "type" if matches!(value, "env" | "file") => {
                    is_variable = value == "env";
                    continue;
                }
                "env" => Self::Variable(value.to_owned()),
                "src" | "source" => Self::File(value.into()),
                "dotenv" => Self::DotEnv { path: value.into(), key: String::new() },
                "command" => Self::Command(value.to_owned()),
                other => return Err(fault(&format!("there is no `{other}`"))),
            };
            if origin.replace(found).is_some() {
                return Err(fault("it names two places to take the value from"));
            }
        }
        let id = id.filter(|id| !id.is_empty() && !id.contains('/')).ok_or_else(|| fault("it has no id"))?;
        let origin = match origin.unwrap_or(Self::Named) {
            // As others read it: the source of what is a variable is its name.
            Self::File(name) if is_variable => Self::Variable(name.to_string_lossy().into_owned()),
            origin => origin,
        };
        let origin = match (origin, key) {
            (Self::DotEnv { path, .. }, key) => Self::DotEnv { path, key: key.unwrap_or_else(|| id.clone()) },
            (_, Some(_)) => return Err(fault("`key` goes with `dotenv`")),
            (origin, None) => origin,
        };
        Ok((id, origin))
    }

    /// Makes sure that there is a value to fetch.
    fn check(self, id: &str, text: &str, surroundings: &Surroundings) -> Result<Value, Report> {
        let fault = |what: String| Report::new(Exit::Spec, format!("`--secret {text}`: {what}"));
        let file = |path: PathBuf| match named::is_file(&path)? {
            true => Ok(path),
            false => Err(fault(format!("there is no file `{}`", path.display()))),
        };
        match self {
            Self::Variable(name) => {
                let value = surroundings.bytes(&name).map(Value::Known);
                value.ok_or_else(|| fault(format!("the variable `{name}` is not set")))
            }
            Self::Named => match surroundings.bytes(id) {
                Some(value) => Ok(Value::Known(value)),
                None if named::is_file(Path::new(id))? => Ok(Value::File(id.into())),
                None => Err(fault(format!("there is neither a variable nor a file `{id}`"))),
            },
            Self::File(path) => file(path).map(Value::File),
            Self::DotEnv { path, key } => Ok(Value::DotEnv { path: file(path)?, key }),
            Self::Command(command) => Ok(Value::Command(command)),
        }
    }
}

impl Value {
    fn fetch(&self) -> Result<Vec<u8>, String> {
        match self {
            Self::Known(bytes) => Ok(bytes.clone()),
            Self::File(path) => bounded(&mut File::open(path).map_err(|error| unreadable(path, &error))?)
                .map_err(|error| unreadable(path, &error)),
            Self::DotEnv { path, key } => {
                let mut file = File::open(path).map_err(|error| unreadable(path, &error))?;
                let text = bounded(&mut file).map_err(|error| unreadable(path, &error))?;
                let value = dotenv::find(&String::from_utf8_lossy(&text), key);
                value.map(String::into_bytes).ok_or_else(|| format!("`{}` has no `{key}`", path.display()))
            }
            Self::Command(command) => output_of(command),
        }
    }
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    format!("cannot read `{}`: {error}", path.display())
}

/// Reads a little more than is taken, so that too much is told from enough.
fn bounded(source: &mut impl io::Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(LONGEST_SECRET as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What a command prints, without the end of its last line. It may ask the person at the terminal.
fn output_of(command: &str) -> Result<Vec<u8>, String> {
    let failed = |error: io::Error| format!("its command cannot be run: {error}");
    let mut child = Command::new("/bin/sh").args(["-c", command]).stdout(Stdio::piped()).spawn().map_err(failed)?;
    let mut bytes = bounded(&mut child.stdout.take().expect("it was asked for")).map_err(failed)?;
    let status = child.wait().map_err(failed)?;
    if !status.success() {
        return Err(format!("its command failed ({status})"));
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    Ok(bytes)
}

fn agent(text: &str, surroundings: &Surroundings) -> Result<(String, PathBuf), Report> {
    let fault = |what: String| Report::new(Exit::Spec, format!("`--ssh {text}`: {what}"));
    let (id, socket) = match text.split_once('=') {
        Some((id, socket)) => (id, PathBuf::from(socket)),
        None => {
            let socket = surroundings.text("SSH_AUTH_SOCK").map(PathBuf::from);
            let report =
                || fault("SSH_AUTH_SOCK is not set".to_owned()).hint("start an agent: `eval $(ssh-agent); ssh-add`");
            (text, socket.ok_or_else(report)?)
        }
    };
    let is_socket =
        named::look(&socket)?.is_some_and(|found| std::os::unix::fs::FileTypeExt::is_socket(&found.file_type()));
    if !is_socket {
        let report = fault(format!("`{}` is not the socket of an agent", socket.display()));
        return Err(report.hint("keys are not passed on, only an agent that holds them: `ssh-add KEY`"));
    }
    Ok((id.to_owned(), absolute(&socket)?))
}

fn volume(text: &str) -> Result<(String, PathBuf), Report> {
    let fault = |exit, what: String| Report::new(exit, format!("`--volume {text}`: {what}"));
    let (name, dir) = match text.split_once('=') {
        Some((name, dir)) if !name.is_empty() => (name, Path::new(dir)),
        _ => return Err(fault(Exit::Usage, "it is not of the form NAME=DIR".to_owned())),
    };
    if !named::is_dir(dir)? {
        return Err(fault(Exit::Spec, format!("there is no directory `{}`", dir.display())));
    }
    Ok((name.to_owned(), absolute(dir)?))
}

#[cfg(test)]
mod tests {
    use super::Origin;

    #[test]
    fn secrets_are_taken_from_where_they_are_said_to_be() {
        let variable = |name: &str| Origin::Variable(name.into());
        for (text, id, origin) in [
            ("id=hf,env=HF_TOKEN", "hf", variable("HF_TOKEN")),
            ("type=env,id=hf,env=HF_TOKEN", "hf", variable("HF_TOKEN")),
            ("type=env,id=hf,src=HF_TOKEN", "hf", variable("HF_TOKEN")),
            ("id=hf,src=/a,type=file", "hf", Origin::File("/a".into())),
            ("id=hf,command=pass show a,b=c", "hf", Origin::Command("pass show a,b=c".into())),
            ("id=hf,dotenv=.env", "hf", Origin::DotEnv { path: ".env".into(), key: "hf".into() }),
            ("id=hf,dotenv=.env,key=K", "hf", Origin::DotEnv { path: ".env".into(), key: "K".into() }),
            ("HF_TOKEN", "HF_TOKEN", Origin::Named),
        ] {
            assert_eq!(Origin::parse(text).unwrap(), (id.to_owned(), origin), "{text}");
        }
        for text in ["", "env=A", "id=a,env=A,src=b", "id=a,what=b", "id=a,key=b", "id=../a,env=A", "id=hf,src=/a,b"] {
            assert!(Origin::parse(text).is_err(), "{text}");
        }
    }
}
