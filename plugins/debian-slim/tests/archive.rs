// SPDX-License-Identifier: Apache-2.0
//! Resolves and plans against a small signed archive, made by `tests/archive/make.sh`, and against what a bad mirror
//! makes of it.

use serde_json::{Value, json};
use wythe_plugin_debian_slim::DebianSlim;
use wythe_sdk::testing::{Build, resolving};

const MIRROR: &str = "http://mirror.test/debian";
const SECURITY: &str = "http://mirror.test/security";

macro_rules! fixture {
    ($path:literal) => {
        include_bytes!(concat!("archive/", $path)).to_vec()
    };
}

/// Where the main suite's index is, by its digest.
fn by_hash() -> String {
    let head = String::from_utf8(fixture!("bookworm/InRelease")).expect("a head is text");
    let line = head.lines().find(|line| line.ends_with("Packages.xz")).expect("the suite has an index");
    let digest = line.split_ascii_whitespace().next().expect("an index has a digest");
    format!("{MIRROR}/dists/bookworm/main/binary-amd64/by-hash/SHA256/{digest}")
}

fn in_main(path: &str) -> String {
    format!("{MIRROR}/dists/bookworm/{path}")
}

/// A build that reaches a good mirror.
fn good() -> Build {
    Build::new()
        .builder_version("2026.11")
        .source_date_epoch(1_780_000_000)
        .context("mirror.gpg", fixture!("keyring.gpg"))
        .fetch(&in_main("InRelease"), Ok(fixture!("bookworm/InRelease")))
        .fetch(&by_hash(), Ok(fixture!("bookworm/Packages.xz")))
        .fetch(&in_main("main/binary-amd64/Packages"), Ok(fixture!("bookworm/Packages")))
        .fetch(&format!("{MIRROR}/dists/bookworm-updates/InRelease"), Ok(fixture!("bookworm-updates/InRelease")))
        .fetch(
            &format!("{MIRROR}/dists/bookworm-updates/main/binary-amd64/Packages.gz"),
            Ok(fixture!("bookworm-updates/Packages.gz")),
        )
        .fetch(&format!("{SECURITY}/dists/bookworm-security/InRelease"), Ok(fixture!("bookworm-security/InRelease")))
        .fetch(
            &format!("{SECURITY}/dists/bookworm-security/main/binary-amd64/Packages"),
            Ok(fixture!("bookworm-security/Packages")),
        )
}

/// The options of that mirror, and others.
fn options(others: Value) -> Value {
    let mut options = json!({ "mirror": MIRROR, "security-mirror": SECURITY, "keyring": "mirror.gpg" });
    let (Value::Object(fields), Value::Object(others)) = (&mut options, others) else {
        panic!("options are an object")
    };
    fields.extend(others);
    options
}

fn lock(build: &Build, others: Value) -> Value {
    let resolved = build.resolve(resolving::<DebianSlim>(), &options(others), None);
    resolved.unwrap_or_else(|failure| panic!("{failure}")).lock
}

fn refusal(build: &Build, others: Value) -> String {
    build.resolve(resolving::<DebianSlim>(), &options(others), None).expect_err("it is refused").to_string()
}

fn versions(lock: &Value) -> Vec<String> {
    let packages = lock["packages"].as_array().expect("a lock has packages");
    let text = |package: &Value, field: &str| package[field].as_str().expect("a text").to_owned();
    packages.iter().map(|package| format!("{} {}", text(package, "name"), text(package, "version"))).collect()
}

#[test]
fn metadata() {
    wythe_sdk::testing::metadata(resolving::<DebianSlim>(), include_str!("../plugin.json"));
}

#[test]
fn the_minimal_set_is_pinned() {
    let lock = lock(&good(), json!({}));
    assert_eq!(
        versions(&lock),
        [
            "apt 2.6.1",
            "base-files 12.4",
            "dpkg 1.21",
            "init-system-helpers 1.65",
            "libc6 2.36-9+deb12u2",
            "libgcc-s1 12.2",
            "mawk 1.3.4",
            "tar 1.34",
            "usr-is-merged 37",
        ]
    );
    assert_eq!(
        lock["packages"][4],
        json!({
            "name": "libc6",
            "version": "2.36-9+deb12u2",
            "architecture": "amd64",
            "multi-arch-same": true,
            "url": "http://mirror.test/security/pool/libc6_2.36-9+deb12u2.deb",
            "sha256": "4ebf9b237b3e0989789169c71be15f5ed300aefc906984021ec7938572638252",
            "size": 1000,
        })
    );
    assert_eq!((&lock["release"], &lock["architecture"]), (&json!("bookworm"), &json!("amd64")));
    assert_eq!(lock["suites"][2]["url"], json!("http://mirror.test/security/dists/bookworm-security/InRelease"));
    assert_eq!(lock["suites"][2]["date"], json!("2026-06-01T10:00:00Z"));
}

#[test]
fn python_brings_environments_and_certificates() {
    let lock = lock(&good(), json!({ "python": "3.11" }));
    let minimal = versions(&self::lock(&good(), json!({})));
    let added: Vec<_> = versions(&lock).into_iter().filter(|it| !minimal.contains(it)).collect();
    assert_eq!(
        added,
        [
            "ca-certificates 2023",
            "netbase 6.4",
            "python-is-python3 3.11.2-1",
            "python3 3.11.2-1",
            "python3-venv 3.11.2-1",
        ]
    );
    assert_eq!(lock["python"], json!("3.11"));
}

#[test]
fn a_lock_is_kept_to_while_the_archive_has_its_versions() {
    let mut previous = lock(&good(), json!({}));
    previous["packages"][4]["version"] = json!("2.36-9+deb12u1");
    previous["packages"][0]["version"] = json!("2.6.0");
    let resolved = good().resolve(resolving::<DebianSlim>(), &options(json!({})), Some(&previous));
    let kept = versions(&resolved.expect("a lock").lock);
    assert_eq!((kept[0].as_str(), kept[4].as_str()), ("apt 2.6.1", "libc6 2.36-9+deb12u1"));
}

#[test]
fn a_mirror_that_goes_back_is_refused() {
    let previous = lock(&good(), json!({}));
    let old = good().fetch(&in_main("InRelease"), Ok(fixture!("bookworm/InRelease.old")));
    let failure = old.resolve(resolving::<DebianSlim>(), &options(json!({})), Some(&previous)).expect_err("it is old");
    assert_eq!(
        failure.to_string(),
        "http://mirror.test/debian/dists/bookworm/InRelease: it is of 2026-05-01T10:00:00Z, but the lock was made with \
         one of 2026-06-01T10:00:00Z: the mirror went back"
    );
    assert_eq!(versions(&lock(&old, json!({}))), versions(&previous), "nothing tells a first build that it is old");
}

#[test]
fn a_suite_that_has_ended_is_refused_unless_accepted() {
    let later = good().source_date_epoch(1_790_000_000);
    assert_eq!(
        refusal(&later, json!({})),
        "http://mirror.test/security/dists/bookworm-security/InRelease: it was valid until 2026-06-08T10:00:00Z: the \
         mirror is behind (`accept-expired = true` uses it nevertheless)"
    );
    let accepted = later.resolve(resolving::<DebianSlim>(), &options(json!({ "accept-expired": true })), None);
    assert_eq!(
        accepted.expect("a lock").record.log,
        ["warning: bookworm-security was valid until 2026-06-08T10:00:00Z"]
    );
}

#[test]
fn what_a_bad_mirror_serves_is_refused() {
    let head = |bytes| good().fetch(&in_main("InRelease"), Ok(bytes));
    let mut flipped = fixture!("bookworm/Packages.xz");
    flipped[700] ^= 1;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("a head is text");
    let table = [
        (head(fixture!("bookworm/InRelease.stranger")), "InRelease: it is signed by keys that are not trusted: "),
        (
            head(fixture!("bookworm-updates/InRelease")),
            "InRelease: it is the head of `bookworm-updates`, not of `bookworm`",
        ),
        (head(text(fixture!("bookworm/InRelease")).replace("Test", "Debian").into_bytes()), "does not fit its text"),
        (head(fixture!("bookworm/Packages")), "InRelease: it does not begin with a signed message"),
        (good().fetch(&by_hash(), Ok(flipped)), "it has the digest sha256:"),
        (good().fetch(&by_hash(), Ok(fixture!("bookworm/Packages"))), "instead of the 1"),
        (good().fetch(&by_hash(), Err("connection reset".into())), "connection reset"),
    ];
    for (build, expected) in table {
        let refusal = refusal(&build, json!({}));
        assert!(refusal.contains(expected), "{refusal}");
    }
}

#[test]
fn the_archives_own_keys_do_not_trust_another_archive() {
    let options = json!({ "mirror": MIRROR, "security-mirror": SECURITY });
    let failure = good().resolve(resolving::<DebianSlim>(), &options, None).expect_err("it is not Debian's");
    assert!(failure.to_string().contains("it is signed by keys that are not trusted"), "{failure}");
}

#[test]
fn indexes_without_digests_in_their_names_are_found_by_path() {
    let plain = good().fetch(&in_main("InRelease"), Ok(fixture!("bookworm/InRelease.plain")));
    assert_eq!(versions(&lock(&plain, json!({}))), versions(&lock(&good(), json!({}))));
}

#[test]
fn options_that_cannot_be_are_told_at_their_place() {
    let table = [
        (json!({ "python": "3.12" }), "/python: bookworm has Python 3.11, not 3.12"),
        (json!({ "release": "potato" }), "/release: there is no such release"),
        (
            json!({ "components": ["main", "restricted"] }),
            "/components: bookworm has no component `restricted` for amd64",
        ),
        (json!({ "packages": ["vim"] }), "/packages/0: there is no package `vim`"),
        (
            json!({ "packages": ["perl", "broken"] }),
            "/packages/1: `broken` needs `nothing-like-this (>= 2) | nor-this`, which the release does not have",
        ),
        (json!({ "packages": ["--option"] }), "/packages/0: `--option` is no package name"),
        (json!({ "keyring": "no.gpg" }), "/keyring: cannot read `no.gpg`: no such file"),
        (
            json!({ "mirror": "ftp://x" }),
            "/mirror: the address of a mirror is `http://` or `https://`, a host, and a path",
        ),
        (
            json!({ "snapshot": "20261301T000000Z" }),
            "/snapshot: `20261301T000000Z` is no time of a snapshot; /mirror: a snapshot has addresses of its own; \
             /security-mirror: a snapshot has addresses of its own",
        ),
    ];
    for (others, expected) in table {
        assert_eq!(refusal(&good(), others), expected);
    }
}

#[test]
fn a_python_of_another_release_is_hinted_at() {
    let failure = good().resolve(resolving::<DebianSlim>(), &json!({ "python": "3.12" }), None).expect_err("no 3.12");
    let wythe_sdk::Failure::Options(problems) = failure else { panic!("it is the option's fault") };
    let hint = problems[0].hint.as_deref();
    assert_eq!(hint, Some("bullseye has 3.9, bookworm has 3.11, trixie has 3.13"));
}

#[test]
fn a_platform_without_a_port_is_refused() {
    assert_eq!(refusal(&good().platform("linux/wasm"), json!({})), "Debian has no port for the platform linux/wasm");
}

#[test]
fn a_snapshot_has_addresses_of_its_own() {
    let options = json!({ "snapshot": "20260601T120000Z", "keyring": "mirror.gpg" });
    let failure = good().resolve(resolving::<DebianSlim>(), &options, None).expect_err("it is not there").to_string();
    let url = "http://snapshot.debian.org/archive/debian/20260601T120000Z/dists/bookworm/InRelease";
    assert!(failure.starts_with(url), "{failure}");
    let before = json!({ "snapshot": "20260515T000000Z", "keyring": "mirror.gpg" });
    let url = "http://snapshot.debian.org/archive/debian/20260515T000000Z/dists/bookworm/InRelease";
    let build = good().fetch(url, Ok(fixture!("bookworm/InRelease")));
    let failure = build.resolve(resolving::<DebianSlim>(), &before, None).expect_err("it is too young").to_string();
    assert_eq!(failure, format!("{url}: it is of 2026-06-01T10:00:00Z, which is after the snapshot"));
}

#[test]
fn a_lock_that_was_tampered_with_is_refused() {
    for (field, value) in [("name", "../x"), ("architecture", "amd64/.."), ("sha256", "00")] {
        let mut lock = lock(&good(), json!({}));
        lock["packages"][0][field] = json!(value);
        let failure = good().plan(resolving::<DebianSlim>(), &options(json!({})), Some(&lock)).expect_err("no plan");
        assert!(failure.to_string().contains(&format!("has a `{field}` that makes no sense")), "{failure}");
    }
}

#[test]
fn the_plan_is_two_layers() {
    let build = good();
    let options = json!({ "mirror": MIRROR, "security-mirror": SECURITY });
    let lock = lock(&build, json!({ "python": "3.11" }));
    let plan = build.plan(resolving::<DebianSlim>(), &options, Some(&lock)).expect("a plan");
    let kind = |vertex: &Value| match vertex {
        Value::Object(fields) => fields.keys().next().cloned().unwrap_or_default(),
        other => other.as_str().unwrap_or_default().to_owned(),
    };
    let kinds: Vec<_> = plan.vertices.iter().map(kind).collect();
    assert_eq!(kinds, ["base", "scratch", "files", "files", "run", "configure", "configure", "configure"]);
    let actions = plan.vertices[2]["files"]["actions"].as_array().expect("a batch has actions");
    let unpacked: Vec<_> = actions.iter().filter(|it| it["copy"]["source"]["unpacked"].is_object()).collect();
    assert_eq!(unpacked.len(), lock["packages"].as_array().expect("a lock has packages").len());
    assert!(unpacked[0].to_string().contains("base-files"), "base-files says how the root looks: {}", unpacked[0]);
    let names: Vec<_> =
        actions.iter().filter(|it| it["copy"]["source"]["names"].is_object()).map(|it| &it["copy"]["dest"]).collect();
    assert!(names.contains(&&json!("/var/lib/dpkg/info/libc6:amd64.list")), "{names:?}");
    assert!(names.contains(&&json!("/var/lib/dpkg/info/tar.list")), "{names:?}");
    let run = &plan.vertices[4]["run"];
    assert_eq!(
        run["mounts"],
        json!([{ "target": "/run/wythe/control", "source": { "state": { "vertex": 3, "path": "/" } } }])
    );
    assert_eq!(run["env"], json!({ "PYTHON": "3.11" }));
}

#[test]
fn cases() {
    wythe_sdk::testing::cases(resolving::<DebianSlim>(), concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases"));
}
