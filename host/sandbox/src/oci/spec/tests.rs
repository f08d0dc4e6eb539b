// SPDX-License-Identifier: Apache-2.0
use std::collections::BTreeMap;

use super::*;
use crate::Secret;
use crate::cdi::Hook;

/// Compares with a file beside the tests; `BLESS=1` rewrites it.
#[allow(clippy::disallowed_methods, reason = "a test")]
fn golden(name: &str, spec: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oci").join(name);
    let text = serde_json::to_string_pretty(spec).unwrap() + "\n";
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap(), "{}", path.display());
}

fn without_filter(mut spec: Value) -> Value {
    let filter = spec["linux"].as_object_mut().unwrap().remove("seccomp").unwrap();
    assert_eq!(filter["defaultAction"], "SCMP_ACT_ERRNO");
    spec
}

fn inputs() -> RunInputs {
    RunInputs {
        argv: ["sh", "-c", "make"].map(Into::into).into(),
        env: BTreeMap::from([("PATH".into(), "/bin".into()), ("TOKEN".into(), "plain".into())]),
        ..RunInputs::default()
    }
}

fn hook(kind: &str) -> Hook {
    let (kind, args) = (kind.to_owned(), vec!["hook".to_owned(), "now".to_owned()]);
    Hook { kind, path: "/usr/bin/hook".into(), args, env: Vec::new(), timeout: Some(5) }
}

fn around(user: &User) -> Surroundings<'_> {
    Surroundings { root: Path::new("/run/wythe/root"), user, has_terminal: false, groups: None }
}

#[test]
fn root_without_a_network() {
    let root = User { uid: 0, gid: 0, groups: vec![0], home: None };
    golden("root.json", &without_filter(runtime_spec(&inputs(), &around(&root))));
}

#[test]
fn a_user_with_everything() {
    let app = User { uid: 1000, gid: 100, groups: vec![100, 29], home: Some("/home/app".into()) };
    let inputs = RunInputs {
        secret_env: BTreeMap::from([("TOKEN".into(), Secret::from(b"hunter2".to_vec()))]),
        workdir: "/src".into(),
        network: Network::Host,
        hostname: "wythe".into(),
        set_id_programs: true,
        rlimits: vec![Rlimit { name: "nofile".into(), soft: Some(64), hard: None }],
        hooks: ["createRuntime", "createContainer"].map(hook).into(),
        ..inputs()
    };
    let around = Surroundings { has_terminal: true, groups: Some(Path::new("/run/groups")), ..around(&app) };
    golden("user.json", &without_filter(runtime_spec(&inputs, &around)));
}

#[test]
fn root_that_is_granted_everything() {
    let root = User { uid: 0, gid: 0, groups: vec![0], home: None };
    let usual = runtime_spec(&inputs(), &around(&root));
    let insecure = runtime_spec(&RunInputs { insecure: true, ..inputs() }, &around(&root));
    for name in ["maskedPaths", "readonlyPaths", "seccomp"] {
        assert!(!usual["linux"][name].is_null() && insecure["linux"][name].is_null(), "{name}");
    }
    assert_eq!(insecure["linux"]["namespaces"], usual["linux"]["namespaces"]);
    assert_eq!((&insecure["process"]["noNewPrivileges"], &insecure["hooks"]), (&json!(false), &json!(null)));
}

#[test]
#[cfg(target_arch = "x86_64")]
fn the_filter() {
    let root = User { uid: 0, gid: 0, groups: vec![0], home: None };
    golden("seccomp.json", &runtime_spec(&inputs(), &around(&root))["linux"]["seccomp"]);
}
