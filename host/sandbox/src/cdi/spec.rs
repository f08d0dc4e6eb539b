// SPDX-License-Identifier: Apache-2.0
//! Specifications as files: JSON or YAML, of every version up to 1.1.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::edits::Edits;
use super::rules;
use super::text::Document;

/// A specification describes devices in some kilobytes each.
const LARGEST: u64 = 1 << 20;

/// The versions whose meaning is known; each one only adds to those before.
const VERSIONS: [&str; 8] = ["0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0", "1.1.0"];

/// The annotation by which a specification puts devices into a class (that of `BuildKit`).
const CLASS: &str = "org.mobyproject.buildkit.device.class";

/// Why a specification cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SpecError {
    pub(super) line: Option<usize>,
    pub(super) what: String,
}

impl SpecError {
    pub(super) fn wrong(what: impl Into<String>) -> Self {
        Self { line: None, what: what.into() }
    }
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// A device as a specification describes it.
#[derive(Debug)]
pub(super) struct Described {
    /// The whole name.
    pub(super) name: String,
    pub(super) edits: Edits,
    pub(super) model: Option<String>,
    pub(super) class: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    cdi_version: String,
    kind: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    devices: Vec<DeviceText>,
    #[serde(default)]
    container_edits: Option<ContainerEdits>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DeviceText {
    #[serde(deserialize_with = "text_or_number")]
    name: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    container_edits: Option<ContainerEdits>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ContainerEdits {
    #[serde(default)]
    pub(super) env: Vec<String>,
    #[serde(default)]
    pub(super) device_nodes: Vec<NodeText>,
    #[serde(default)]
    pub(super) mounts: Vec<MountText>,
    #[serde(default)]
    pub(super) hooks: Vec<HookText>,
    #[serde(default, alias = "additionalGIDs")]
    pub(super) additional_gids: Vec<u32>,
    #[serde(default)]
    pub(super) intel_rdt: Option<Value>,
    #[serde(default)]
    pub(super) net_devices: Vec<Value>,
}

/// `uid`, `gid` and `fileMode` are taken and have no effect: what appears is the machine's node, with its owner and mode.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NodeText {
    pub(super) path: String,
    pub(super) host_path: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) major: Option<u32>,
    pub(super) minor: Option<u32>,
    #[serde(rename = "fileMode")]
    _mode: Option<u32>,
    pub(super) permissions: Option<String>,
    #[serde(rename = "uid")]
    _uid: Option<u32>,
    #[serde(rename = "gid")]
    _gid: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct MountText {
    pub(super) host_path: String,
    pub(super) container_path: String,
    #[serde(default)]
    pub(super) options: Vec<String>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct HookText {
    pub(super) hook_name: String,
    pub(super) path: String,
    #[serde(default)]
    pub(super) args: Vec<String>,
    #[serde(default)]
    pub(super) env: Vec<String>,
    pub(super) timeout: Option<u32>,
}

/// Other readers of YAML take `name: 0` for a text, since a text is wanted.
fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(serde::de::Error::custom("expected a text")),
    }
}

/// Returns the specifications of a directory in the order of their names; none where it cannot be read.
pub(super) fn files(directory: &Path) -> Vec<PathBuf> {
    let is_spec = |path: &PathBuf| {
        let kind = path.extension().and_then(|kind| kind.to_str());
        kind.is_some_and(|kind| ["json", "yaml", "yml"].contains(&kind)) && path.is_file()
    };
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_spec).collect();
    files.sort();
    files
}

/// Returns the devices that a file describes.
pub(super) fn read(path: &Path) -> Result<Vec<Described>, SpecError> {
    parse(&text(path)?)
}

fn text(path: &Path) -> Result<String, SpecError> {
    let unreadable = |error: std::io::Error| SpecError::wrong(format!("it cannot be read: {error}"));
    let file = File::open(path).map_err(unreadable)?;
    let places = [path.parent().unwrap_or(Path::new("/")), path];
    for place in places {
        // Who may write it says what steps get of this machine; with a sticky bit others may still add files.
        if std::fs::metadata(place).map_err(unreadable)?.mode() & 0o002 != 0 {
            return Err(SpecError::wrong(format!("everybody may write `{}`", place.display())));
        }
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST {
        return Err(SpecError::wrong(format!("it is larger than {LARGEST} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| SpecError::wrong("it is not text in UTF-8"))
}

/// Returns the devices that a text describes.
pub(super) fn parse(text: &str) -> Result<Vec<Described>, SpecError> {
    let document = Document::read(text)?;
    let spec: Spec = serde_path_to_error::deserialize(&document.value).map_err(|error| SpecError {
        line: document.line_of(&error.path().to_string()),
        what: error.inner().to_string(),
    })?;
    described(&spec).map_err(|(place, error)| SpecError { line: document.line_of(&place), ..error })
}

/// What is wrong, and where.
pub(super) type Misplaced = (String, SpecError);

fn described(spec: &Spec) -> Result<Vec<Described>, Misplaced> {
    let at = |place: &str, what: String| Err((place.to_owned(), SpecError::wrong(what)));
    if !VERSIONS.contains(&spec.cdi_version.as_str()) {
        return at(
            "cdiVersion",
            format!("its version `{}` is not known (up to 1.1.0)", spec.cdi_version.escape_debug()),
        );
    }
    if !rules::is_kind(&spec.kind) {
        return at("kind", format!("`{}` is no kind of device, as `vendor.com/class` is", spec.kind.escape_debug()));
    }
    if spec.devices.is_empty() {
        return at("devices", "it describes no devices".to_owned());
    }
    let common = rules::edits(spec.container_edits.as_ref(), "containerEdits")?;
    let mut described: Vec<Described> = Vec::new();
    for (index, device) in spec.devices.iter().enumerate() {
        let place = format!("devices[{index}]");
        let (shown, name) = (device.name.escape_debug(), format!("{}={}", spec.kind, device.name));
        if !rules::is_name(&device.name) {
            return at(&format!("{place}.name"), format!("`{shown}` is no name of a device"));
        }
        if described.iter().any(|other| other.name == name) {
            return at(&format!("{place}.name"), format!("the device `{shown}` is there twice"));
        }
        if device.container_edits.is_none() {
            return at(&place, format!("the device `{shown}` has no `containerEdits`"));
        }
        let own = rules::edits(device.container_edits.as_ref(), &format!("{place}.containerEdits"))?;
        let annotation = |is_it: &dyn Fn(&str) -> bool| {
            let all = device.annotations.iter().chain(&spec.annotations);
            all.into_iter().find(|(key, _)| is_it(key)).map(|(_, value)| value.clone())
        };
        let model = annotation(&|key| key == "model" || key.ends_with("/model"));
        let class = annotation(&|key| key == CLASS);
        described.push(Described { name, edits: Edits::merged([&common, &own]), model, class });
    }
    Ok(described)
}
