// SPDX-License-Identifier: Apache-2.0
//! The Python distributions of an image, from the metadata that every installer leaves beside the code (PyPA's "Recording
//! installed projects" and "Core metadata specifications").

use wythe_sdk::{Failure, Package, State};

use crate::project_name;

/// Site directories have one of two names, wherever an interpreter or a virtual environment has them.
const SITES: &str = "/**/[ds]i[st][te]-packages/*.*-info";

/// Lists the distributions of all site directories, and of those that `PYTHONPATH` names.
///
/// What a distribution carries inside itself (vendored copies) is part of it and not listed.
///
/// # Errors
///
/// Fails where a distribution's metadata cannot be read.
pub fn distributions(image: &State) -> Result<Vec<Package>, Failure> {
    let mut places = image.glob(SITES).map_err(Failure::Failed)?;
    for directory in python_path(image)? {
        places.extend(image.glob(&format!("{directory}/*.*-info")).map_err(Failure::Failed)?);
    }
    places.sort();
    places.dedup();
    let mut found = Vec::new();
    for place in &places {
        // An egg's metadata is a directory, or for what is very old a file.
        let files: &[String] = &match place.rsplit_once('.') {
            Some((_, "dist-info")) => vec![format!("{place}/METADATA")],
            Some((_, "egg-info")) => vec![format!("{place}/PKG-INFO"), place.clone()],
            _ => continue,
        };
        // A directory without the file is what an interrupted removal leaves: nothing is installed there.
        let metadata = files.iter().find_map(|file| image.read(file).ok().map(|bytes| (file, bytes)));
        if let Some((file, bytes)) = metadata {
            found.extend(distribution(&String::from_utf8_lossy(&bytes), file));
        }
    }
    Ok(found)
}

/// Returns the absolute directories of the image's `PYTHONPATH`, without those that [`SITES`] finds.
fn python_path(image: &State) -> Result<Vec<String>, Failure> {
    let config = image.config().map_err(Failure::Failed)?;
    let config: serde_json::Value =
        serde_json::from_str(&config).map_err(|error| Failure::failed(error.to_string()))?;
    let variables = config["Env"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_str);
    let path = variables.filter_map(|variable| variable.strip_prefix("PYTHONPATH=")).next_back().unwrap_or_default();
    let plain = |directory: &&str| directory.starts_with('/') && !directory.contains(['*', '?', '[', '\\']);
    let directories = path.split(':').filter(plain).map(|directory| directory.trim_end_matches('/').to_owned());
    Ok(directories.filter(|directory| !directory.is_empty()).collect())
}

fn distribution(metadata: &str, place: &str) -> Option<Package> {
    let header = Header::read(metadata);
    let name = project_name(header.value("Name")?)?;
    let homepage = header.value("Home-page").or_else(|| {
        let is_home = |url: &&str| url.to_ascii_lowercase().starts_with("homepage,");
        header.values("Project-URL").find(is_home).and_then(|url| Some(url.split_once(',')?.1.trim()))
    });
    let supplier =
        header.value("Author").or_else(|| header.value("Author-email")).or_else(|| header.value("Maintainer"));
    let package = Package::new("pypi", &name, header.value("Version").unwrap_or_default())
        .property("homepage", homepage.unwrap_or_default())
        .property("license", header.license().unwrap_or_default())
        .property("location", place)
        .property("summary", header.value("Summary").unwrap_or_default())
        .property("supplier", supplier.unwrap_or_default());
    Some(package)
}

/// The fields before the first empty line; of one that goes on over several lines, the first, and that it goes on.
struct Header<'a>(Vec<(&'a str, &'a str, bool)>);

impl<'a> Header<'a> {
    fn read(metadata: &'a str) -> Self {
        let mut fields: Vec<(&str, &str, bool)> = Vec::new();
        for line in metadata.lines().take_while(|line| !line.trim().is_empty()) {
            if line.starts_with([' ', '\t']) {
                if let Some(last) = fields.last_mut() {
                    last.2 = true;
                }
            } else if let Some((name, value)) = line.split_once(':') {
                fields.push((name, value.trim(), false));
            }
        }
        Self(fields)
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, ..)| known.eq_ignore_ascii_case(name)).map(|(_, value, _)| *value)
    }

    fn value(&self, name: &str) -> Option<&'a str> {
        // `UNKNOWN` is what old tools wrote for nothing.
        self.values(name).find(|value| !value.is_empty() && *value != "UNKNOWN")
    }

    /// An expression, where there is one; else the name of a license, where it is not its whole text; else a classifier.
    fn license(&self) -> Option<&'a str> {
        let is_whole_text = self.0.iter().any(|(name, _, goes_on)| *goes_on && name.eq_ignore_ascii_case("License"));
        let named = || self.value("License").filter(|_| !is_whole_text);
        let classified = || {
            let license = self.values("Classifier").find(|classifier| classifier.starts_with("License ::"))?;
            license.rsplit("::").next().map(str::trim)
        };
        self.value("License-Expression").or_else(named).or_else(classified)
    }
}
