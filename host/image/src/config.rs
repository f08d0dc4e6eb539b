// SPDX-License-Identifier: Apache-2.0
//! The part of an image configuration that says how containers made from it run.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// How a container made from an image runs.
///
/// The inner `config` object of OCI image-spec config.md, with the fields that Docker adds and every builder
/// honours (`Healthcheck`, `OnBuild`, `Shell`). `oci-spec`'s type has unordered maps and lacks these fields, so
/// this one is ours.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Config {
    /// Environment, as `NAME=value`, in the order in which names were first set.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_empty")]
    pub env: Vec<String>,
    /// What always runs.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_empty")]
    pub entrypoint: Vec<String>,
    /// What runs by default, or the default arguments of the entry point.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_empty")]
    pub cmd: Vec<String>,
    /// The working directory; empty means `/`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// The user, as `name`, `uid`, `name:group` or `uid:gid`; empty means root.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "or_empty")]
    pub labels: BTreeMap<String, String>,
    /// Ports, as `80/tcp`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty", with = "set_as_map")]
    pub exposed_ports: BTreeSet<String>,
    /// Paths that containers keep outside their own file system.
    #[serde(skip_serializing_if = "BTreeSet::is_empty", with = "set_as_map")]
    pub volumes: BTreeSet<String>,
    /// The signal that asks a container to stop.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stop_signal: String,
    /// How the health of a container is checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// Instructions for whoever builds on the image (`ONBUILD`).
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_empty")]
    pub on_build: Vec<String>,
    /// The shell of scripts; empty means `/bin/sh -c`.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_empty")]
    pub shell: Vec<String>,
}

/// A health check, durations in nanoseconds, in Docker's form.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", script]`.
    pub test: Vec<String>,
    /// Time between two checks.
    #[serde(skip_serializing_if = "is_zero")]
    pub interval: i64,
    /// Time after which a check has failed.
    #[serde(skip_serializing_if = "is_zero")]
    pub timeout: i64,
    /// Time at the start in which failures do not count.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_period: i64,
    /// Time between two checks during the start period.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_interval: i64,
    /// Failures in a row that make a container unhealthy.
    #[serde(skip_serializing_if = "is_zero")]
    pub retries: i64,
}

impl Config {
    /// Returns this configuration with an environment variable set; a name keeps its first place.
    #[must_use]
    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        let entry = format!("{name}={value}");
        match self.env.iter_mut().find(|known| env_name(known) == name) {
            Some(known) => *known = entry,
            None => self.env.push(entry),
        }
        self
    }

    /// Returns the value of an environment variable.
    #[must_use]
    pub fn env_value(&self, name: &str) -> Option<&str> {
        self.env.iter().find_map(|entry| entry.strip_prefix(name)?.strip_prefix('='))
    }

    /// Returns the environment as a map.
    #[must_use]
    pub fn env_map(&self) -> BTreeMap<String, String> {
        let split = |entry: &String| {
            let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
            (name.to_owned(), value.to_owned())
        };
        self.env.iter().map(split).collect()
    }

    /// Returns the shell in which scripts run.
    #[must_use]
    pub fn effective_shell(&self) -> Vec<String> {
        if self.shell.is_empty() { vec!["/bin/sh".to_owned(), "-c".to_owned()] } else { self.shell.clone() }
    }

    /// Returns the absolute working directory, with `path` joined to it.
    #[must_use]
    pub fn workdir_joined(&self, path: &str) -> String {
        if path.starts_with('/') {
            return path.to_owned();
        }
        let from = if self.working_dir.is_empty() { "/" } else { &self.working_dir };
        format!("{}/{path}", from.trim_end_matches('/'))
    }
}

fn env_name(entry: &str) -> &str {
    entry.split_once('=').map_or(entry, |(name, _)| name)
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(value: &i64) -> bool {
    *value == 0
}

/// Docker writes `null` where it means "none".
fn or_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Sets in image configurations are written as maps to empty objects (config.md, `ExposedPorts`).
mod set_as_map {
    use std::collections::{BTreeMap, BTreeSet};

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Empty {}

    pub(super) fn serialize<S: Serializer>(set: &BTreeSet<String>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(set.iter().map(|name| (name, Empty {})))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeSet<String>, D::Error> {
        let map = Option::<BTreeMap<String, Empty>>::deserialize(deserializer)?;
        Ok(map.unwrap_or_default().into_keys().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::Config;

    #[test]
    fn setting_a_variable_again_keeps_its_place() {
        let config = Config::default().with_env("A", "1").with_env("B", "2").with_env("A", "3");
        assert_eq!(config.env, ["A=3", "B=2"]);
        assert_eq!(config.env_value("A"), Some("3"));
        assert_eq!(config.env_value("AB"), None);
    }

    #[test]
    fn reads_what_docker_writes() {
        let json = r#"{"Env":["PATH=/bin"],"Cmd":null,"ExposedPorts":{"80/tcp":{}},"Labels":null,"OnBuild":null,
            "Healthcheck":{"Test":["CMD","true"],"Interval":5},"ArgsEscaped":true}"#;
        let config: Config = serde_json::from_str(json).unwrap();
        assert_eq!(config.env, ["PATH=/bin"]);
        assert!(config.cmd.is_empty());
        assert_eq!(config.exposed_ports.into_iter().collect::<Vec<_>>(), ["80/tcp"]);
        assert_eq!(config.healthcheck.unwrap().interval, 5);
    }

    #[test]
    fn an_empty_configuration_is_an_empty_object() {
        assert_eq!(serde_json::to_string(&Config::default()).unwrap(), "{}");
    }

    #[test]
    fn workdir_is_joined_as_in_a_dockerfile() {
        let mut config = Config::default();
        assert_eq!(config.workdir_joined("a"), "/a");
        config.working_dir = "/app/".to_owned();
        assert_eq!(config.workdir_joined("b/c"), "/app/b/c");
        assert_eq!(config.workdir_joined("/d"), "/d");
    }
}
