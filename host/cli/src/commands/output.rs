// SPDX-License-Identifier: Apache-2.0
//! `wythe build --output`: what is written of an image beside keeping it.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use wythe_export::{Export, save_docker_archive, save_oci_archive};
use wythe_image::Reference;
use wythe_solve::{Built, Pretence, write_files, write_files_tar};
use wythe_store::Store;

use crate::arguments::PUSH;
use crate::commands::save::layers_of;
use crate::diagnostic::Report;
use crate::exit::Exit;
use crate::workshop::{absolute, full_name};

/// What is written, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Output {
    kind: Kind,
    /// None for standard output.
    dest: Option<PathBuf>,
    /// Names that the image gets beside its tags.
    pub(crate) names: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// An OCI layout in a tar archive.
    Oci,
    /// An archive for `docker load`.
    Docker,
    /// The files, as a tar archive.
    Tar,
    /// The files, in a directory.
    Local,
    /// The image, in the store: as in any case.
    Kept,
}

/// Cuts comma-separated fields; one in quotes may hold commas.
fn fields(text: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    let parts = text.split(move |letter| {
        is_quoted ^= letter == '"';
        letter == ',' && !is_quoted
    });
    parts.map(|part| part.trim_matches('"'))
}

impl Output {
    /// Reads what follows `--output`.
    pub(crate) fn parse(text: &str) -> Result<Self, Report> {
        let wrong = |what: String| {
            Report::new(Exit::Usage, format!("`--output {text}`: {what}"))
                .hint("write `type=oci|docker|tar|local,dest=PATH`, or `type=image,name=NAME`")
        };
        let pushes = || {
            let what = format!("`--output {text}`: pushing to registries is not available in this version");
            Report::new(Exit::Usage, what).hint(PUSH)
        };
        if !text.contains('=') {
            let (kind, dest) = if text == "-" { (Kind::Tar, None) } else { (Kind::Local, Some(PathBuf::from(text))) };
            return Ok(Self { kind, dest, names: Vec::new() });
        }
        let (mut kind, mut dest, mut names) = (None, None, Vec::new());
        for field in fields(text) {
            match field.split_once('=') {
                Some(("type", word)) => {
                    kind = Some(match word {
                        "oci" => Kind::Oci,
                        "docker" => Kind::Docker,
                        "tar" => Kind::Tar,
                        "local" => Kind::Local,
                        "image" => Kind::Kept,
                        // It is built, and kept as every image is.
                        "cacheonly" => Kind::Kept,
                        "registry" => return Err(pushes()),
                        other => return Err(wrong(format!("`{other}` is no type of output"))),
                    });
                }
                Some(("dest", path)) => dest = Some(PathBuf::from(path)),
                Some(("push", "true" | "1")) => return Err(pushes()),
                Some(("push", _)) => {}
                Some(("name", list)) => names.extend(list.split(',').map(str::to_owned)),
                _ => return Err(wrong(format!("`{field}` is neither `type=…` nor `dest=…`"))),
            }
        }
        let kind = kind.ok_or_else(|| wrong("it has no `type`".to_owned()))?;
        let dest = dest.filter(|dest| dest != Path::new("-"));
        // Without a place it is for who keeps images.
        let kind = if kind == Kind::Docker && dest.is_none() && !text.contains("dest=") { Kind::Kept } else { kind };
        if dest.is_some() && kind == Kind::Kept {
            return Err(wrong("it has a `dest`, and is kept in the store".to_owned()));
        }
        if dest.is_none() && !matches!(kind, Kind::Tar | Kind::Kept) {
            return Err(wrong("it has no `dest`, and only a `tar` can be written to standard output".to_owned()));
        }
        Ok(Self { kind, dest, names })
    }

    /// Whether standard output is taken.
    pub(crate) fn is_stdout(&self) -> bool {
        self.dest.is_none() && self.kind != Kind::Kept
    }

    /// Writes an image.
    pub(crate) fn write(
        &self,
        store: &Store,
        image: &Built,
        tags: &[String],
        pretence: &Pretence,
    ) -> Result<(), Report> {
        let epoch = pretence.source_date_epoch;
        let dest = self.dest.as_deref().map(absolute).transpose()?;
        let shown = dest.as_ref().map_or_else(|| "standard output".to_owned(), |dest| dest.display().to_string());
        let failed = |error: &(dyn std::error::Error + 'static)| {
            Report::caused(Exit::World, format!("cannot write `{shown}`"), error).note("the image is built, and kept")
        };
        match (self.kind, &dest) {
            (Kind::Local, Some(dest)) => {
                std::fs::create_dir_all(dest).map_err(|error| failed(&error))?;
                write_files(store, &image.image, dest).map_err(|error| failed(&error))
            }
            (Kind::Tar, Some(dest)) => {
                let mut file = std::fs::File::create(dest).map_err(|error| failed(&error))?;
                write_files_tar(store, &image.image, epoch, &mut file).map_err(|error| failed(&error))
            }
            (Kind::Tar, None) => {
                let mut stdout = std::io::stdout().lock();
                write_files_tar(store, &image.image, epoch, &mut stdout).map_err(|error| failed(&error))?;
                stdout.flush().map_err(|error| failed(&error))
            }
            (kind, Some(dest)) => {
                let names: Vec<Reference> = tags.iter().filter_map(|tag| full_name(tag).parse().ok()).collect();
                let layers = layers_of(store);
                let export = Export::new(&image.image, &pretence.created, &names, &layers);
                let save = if kind == Kind::Oci { save_oci_archive } else { save_docker_archive };
                save(&export, dest).map(drop).map_err(|error| failed(&error))
            }
            (Kind::Kept, _) => Ok(()),
            (_, None) => unreachable!("refused when it was read"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{Kind, Output};

    #[test]
    fn outputs_are_read_as_other_builders_do() {
        let output = |kind, dest: Option<&str>| Output { kind, dest: dest.map(PathBuf::from), names: Vec::new() };
        for (text, expected) in [
            ("out", output(Kind::Local, Some("out"))),
            ("-", output(Kind::Tar, None)),
            ("type=oci,dest=a.tar", output(Kind::Oci, Some("a.tar"))),
            ("dest=a.tar,type=docker", output(Kind::Docker, Some("a.tar"))),
            ("type=tar", output(Kind::Tar, None)),
            ("type=tar,dest=-", output(Kind::Tar, None)),
            ("type=docker", output(Kind::Kept, None)),
            ("type=image,push=false", output(Kind::Kept, None)),
            ("type=cacheonly", output(Kind::Kept, None)),
        ] {
            assert_eq!(Output::parse(text).unwrap(), expected, "{text}");
        }
        assert_eq!(Output::parse("type=image,\"name=a:1,b\"").unwrap().names, ["a:1", "b"]);
        for text in ["type=oci", "type=local", "type=image,push=true", "type=zip,dest=x", "dest=x", "type=oci,to=x"] {
            assert!(Output::parse(text).is_err(), "{text}");
        }
    }
}
