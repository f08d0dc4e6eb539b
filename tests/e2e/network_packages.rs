// SPDX-License-Identifier: Apache-2.0
//! Packages of real images: what plugins list is what the tools in the image list.

use std::collections::BTreeSet;

use serde_json::Value;
use wythe_tests::{Bench, debian};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn network_a_tool_can_download_in_the_sandbox() {
    let bench = Bench::shared();
    let step = |kind: &str, package: &str| {
        format!("[[steps]]\nkind = \"{kind}\"\npackages = [\"{package}\"]\ndownload-in-sandbox = true\n")
    };
    let base = debian(", python = \"3.11\"");
    bench.definition(&format!("{base}{}{}", step("pip", "idna==3.6"), step("uv", "six==1.17.0")));
    bench.wythe(&["build", "-t", "downloaded:1"]).stdout();
    let program = "import idna, six; print(idna.__version__, six.__version__)";
    let args = ["run", "--network", "none", "downloaded:1", "--", "python3", "-c", program];
    assert_eq!(bench.wythe(&args).stdout(), "3.6 1.17.0\n");
}

#[test]
fn network_packages_are_what_the_tools_of_the_image_say() {
    let bench = Bench::shared();
    let base = debian(", python = \"3.11\"");
    let step = |version: &str| format!("{base}[[steps]]\nkind = \"pip\"\npackages = [\"humanize=={version}\"]\n");
    bench.definition(&step("4.11.0"));
    bench.wythe(&["build", "-t", "packages:1"]).stdout();
    let listed = json(&bench.wythe(&["packages", "packages:1", "--json"]).stdout());
    let of = |kind: &str| -> BTreeSet<String> {
        let all = listed.as_array().unwrap().iter().filter(|package| package["type"] == kind);
        all.map(|package| format!("{} {}", package["name"], package["version"]).replace('"', "")).collect()
    };
    let inside = |command: &str| -> BTreeSet<String> {
        let args = ["run", "--network", "none", "--entrypoint", "/bin/sh", "packages:1", "--", "-c", command];
        bench.wythe(&args).stdout().lines().map(str::to_owned).collect()
    };
    assert_eq!(of("deb"), inside("dpkg-query -W -f '${Package} ${Version}\\n'"));
    let pip = "pip list --format json --disable-pip-version-check";
    let python = format!(
        "{pip} | python -c 'import json, sys; [print(d[\"name\"], d[\"version\"]) for d in json.load(sys.stdin)]'"
    );
    assert_eq!(of("pypi"), inside(&python));
    let purls: Vec<&str> = listed.as_array().unwrap().iter().map(|package| package["purl"].as_str().unwrap()).collect();
    assert!(purls.contains(&"pkg:pypi/humanize@4.11.0"), "{purls:?}");
    assert!(purls.iter().any(|purl| purl.starts_with("pkg:deb/debian/bash@") && purl.ends_with("distro=debian-12")));

    bench.definition(&step("4.12.0"));
    bench.wythe(&["lock", "--upgrade"]).stdout();
    bench.wythe(&["build", "-t", "packages:2"]).stdout();
    let shown = bench.wythe(&["diff", "packages:1", "packages:2"]).stdout();
    assert!(shown.contains("\n1 package: 1 changed\n~ pypi  humanize  4.11.0 → 4.12.0\n"), "{shown}");
}
