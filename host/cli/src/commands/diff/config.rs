// SPDX-License-Identifier: Apache-2.0
//! What differs between the configurations of two images.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use wythe_image::{Config, Image};

use super::paint::{self, Paint};

/// A setting that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    /// Which, as `cmd` or `env PATH`.
    setting: String,
    /// What it was; none where it was not set.
    before: Option<String>,
    /// What it is; none where it is not set.
    after: Option<String>,
}

/// Returns the settings that differ.
pub(super) fn changes(before: &Image, after: &Image) -> Vec<Change> {
    let (mut one, mut other) = (settings(before.config()), settings(after.config()));
    one.insert("platform".to_owned(), before.platform().to_string());
    other.insert("platform".to_owned(), after.platform().to_string());
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let change = |name: &String| Change {
        setting: name.clone(),
        before: one.get(name).cloned(),
        after: other.get(name).cloned(),
    };
    names.into_iter().map(change).filter(|change| change.before != change.after).collect()
}

/// Returns all that is set, each by its name. What is a set in the configuration has one entry a member.
fn settings(config: &Config) -> BTreeMap<String, String> {
    let Config {
        env: _,
        entrypoint,
        cmd,
        working_dir,
        user,
        labels,
        exposed_ports,
        volumes,
        stop_signal,
        healthcheck,
        on_build,
        shell,
    } = config;
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    let argv = |argv: &Vec<String>| if argv.is_empty() { String::new() } else { format!("{argv:?}") };
    let healthcheck = healthcheck.as_ref().map(|check| serde_json::to_string(check).expect("a health check is JSON"));
    for (name, value) in [
        ("entrypoint", argv(entrypoint)),
        ("cmd", argv(cmd)),
        ("workdir", working_dir.clone()),
        ("user", user.clone()),
        ("stop signal", stop_signal.clone()),
        ("health check", healthcheck.unwrap_or_default()),
        ("shell", argv(shell)),
    ] {
        all.insert(name.to_owned(), value);
    }
    all.retain(|_, value| !value.is_empty());
    all.extend(config.env_map().into_iter().map(|(name, value)| (format!("env {name}"), value)));
    all.extend(labels.iter().map(|(name, value)| (format!("label {name}"), value.clone())));
    all.extend(exposed_ports.iter().map(|port| (format!("port {port}"), String::new())));
    all.extend(volumes.iter().map(|path| (format!("volume {path}"), String::new())));
    all.extend(on_build.iter().enumerate().map(|(index, text)| (format!("on build {}", index + 1), text.clone())));
    all
}

/// Prints the settings that differ.
pub(super) fn show(changes: &[Change], paint: &Paint) {
    if changes.is_empty() {
        return;
    }
    let row = |change: &Change| {
        let what = match (&change.before, &change.after) {
            (Some(before), Some(after)) => format!("{before} → {after}"),
            (before, after) => before.as_ref().or(after.as_ref()).cloned().unwrap_or_default(),
        };
        let sign = paint::Change::of(change.before.is_some(), change.after.is_some());
        // A value with lines in it would look like more changes.
        (sign, vec![change.setting.clone(), what.escape_debug().to_string().replace("\\\"", "\"").replace("\\'", "'")])
    };
    paint.section("configuration", &changes.iter().map(row).collect::<Vec<_>>());
}

#[cfg(test)]
mod tests {
    use wythe_image::{Config, Image, Platform};

    use super::{Change, changes};

    #[test]
    fn each_setting_is_compared_by_itself() {
        let image = |config: Config| Image::scratch(Platform::linux_amd64()).with_config(config, "");
        let mut before = Config::default().with_env("A", "1").with_env("B", "2");
        before.cmd = vec!["sh".to_owned()];
        before.volumes.insert("/data".to_owned());
        let mut after = Config::default().with_env("B", "3").with_env("C", "");
        after.cmd = vec!["sh".to_owned(), "-l".to_owned()];
        after.exposed_ports.insert("80/tcp".to_owned());
        let change = |setting: &str, before: Option<&str>, after: Option<&str>| Change {
            setting: setting.to_owned(),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
        };
        let expected = [
            change("cmd", Some("[\"sh\"]"), Some("[\"sh\", \"-l\"]")),
            change("env A", Some("1"), None),
            change("env B", Some("2"), Some("3")),
            change("env C", None, Some("")),
            change("port 80/tcp", None, Some("")),
            change("volume /data", Some(""), None),
        ];
        assert_eq!(changes(&image(before.clone()), &image(after)), expected);
        assert_eq!(changes(&image(before.clone()), &image(before)), []);
    }
}
