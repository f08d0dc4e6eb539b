// SPDX-License-Identifier: Apache-2.0
//! Imported installations: the definition has the packages and the files of the file's image, but for what `docs/import.md` names.

use std::collections::BTreeSet;

use serde_json::Value;
use wythe_tests::{Bench, debian};

use crate::dockerfile::inspect;
use crate::dockerfile_cases::{tree, unpacked};
use crate::dockerfile_judged::config_of;

/// The directories and files that `docs/import.md` names. Of `status` the order may differ, and nothing else.
const MAY_DIFFER: [&str; 7] = [
    "etc/machine-id",
    "root/.cache",
    "var/cache/apt",
    "var/cache/ldconfig",
    "var/lib/apt/lists",
    "var/lib/dpkg/status",
    "var/log",
];

/// Directories whose backups may differ.
const WITH_BACKUPS: [&str; 2] = ["var/cache/debconf/", "var/lib/dpkg/"];

fn may_differ(line: &str) -> bool {
    // A line of the tree, or one of a digest and a path.
    let path = line.split_once("  ./").map_or_else(|| line.split(' ').next().unwrap_or_default(), |(_, path)| path);
    let is_bytecode = path.contains("__pycache__");
    let is_note = path.contains(".dist-info/")
        && ["RECORD", "REQUESTED", "INSTALLER", "direct_url.json"].iter().any(|name| path.ends_with(name));
    let is_backup = WITH_BACKUPS.iter().any(|directory| path.starts_with(directory)) && path.ends_with("-old");
    let is_named =
        |known: &&str| path.strip_prefix(*known).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    is_bytecode || is_note || is_backup || MAY_DIFFER.iter().any(is_named)
}

#[test]
fn network_recognised_installations_have_the_same_effect() {
    let bench = Bench::shared();
    bench.definition(&debian(", python = \"3.11\""));
    bench.wythe(&["build", "-t", "import-base:1"]).stdout();
    std::fs::remove_file(bench.dir().join("wythe.toml")).unwrap();
    std::fs::remove_file(bench.dir().join("wythe.lock")).unwrap();
    bench
        .file("requirements.txt", "idna==3.6\n# a comment\n")
        .file("main.py", "import humanize, idna, six\nprint('ok')\n")
        .file(
            "Dockerfile",
            "FROM import-base:1\n\
             ENV PYTHONUNBUFFERED=1\n\
             # What it is checked with.\n\
             RUN set -eux; \\\n    apt-get update; \\\n    apt-get install -y --no-install-recommends \\\n        file \\\n        less; \\\n    \
             rm -rf /var/lib/apt/lists/*\n\
             WORKDIR /app\n\
             COPY requirements.txt .\n\
             RUN python3 -m pip install --no-cache-dir --break-system-packages -r requirements.txt\n\
             RUN pip3 install --no-cache-dir --break-system-packages humanize==4.11.0 six\n\
             COPY . .\n\
             CMD [\"python3\", \"main.py\"]\n",
        );
    let dir = bench.dir().display().to_string();
    bench.wythe(&["build", "-t", "import-file:1", &dir]).stdout();
    let imported = bench.wythe(&["import", "--json", &dir]).stdout();
    let imported: Value = serde_json::from_str(&imported).unwrap();
    let steps = imported["steps"].as_array().unwrap().iter();
    let recognised: Vec<(&str, &Value)> = steps
        .filter(|step| step["outcome"] == "recognised")
        .map(|step| (step["kind"].as_str().unwrap(), &step["options"]))
        .collect();
    let expected = [
        ("apt", serde_json::json!({ "packages": ["file", "less"] })),
        ("pip", serde_json::json!({ "requirements": ["requirements.txt"] })),
        ("pip", serde_json::json!({ "packages": ["humanize==4.11.0", "six"] })),
    ];
    assert_eq!(recognised, expected.iter().map(|(kind, options)| (*kind, options)).collect::<Vec<_>>());
    bench.wythe(&["build", "-t", "import-definition:1", &dir]).stdout();

    let config = |name: &str| config_of(&inspect(&bench, name)["config"]["config"]);
    assert_eq!(config("import-file:1"), config("import-definition:1"));
    let packages = |name: &str| -> BTreeSet<String> {
        let listed: Value = serde_json::from_str(&bench.wythe(&["packages", name, "--json"]).stdout()).unwrap();
        listed.as_array().unwrap().iter().map(|package| package["purl"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(packages("import-file:1"), packages("import-definition:1"));
    let files = |name: &str, dir: &str| -> BTreeSet<String> {
        let lines = tree(&unpacked(&bench, name, dir), "sha256sum");
        lines.into_iter().filter(|line| !may_differ(line)).collect()
    };
    let (file, definition) = (files("import-file:1", "file"), files("import-definition:1", "definition"));
    assert!(file.len() > 5000, "{}", file.len());
    let differing: Vec<&String> = file.symmetric_difference(&definition).collect();
    assert!(differing.is_empty(), "{differing:#?}");
    assert_eq!(bench.wythe(&["run", "--network", "none", "import-definition:1"]).stdout(), "ok\n");

    let exact = bench.wythe(&["import", "--exact", "-o", "-", &dir]).stdout();
    assert!(!exact.contains("kind = \"apt\"") && !exact.contains("kind = \"pip\""), "{exact}");
}
