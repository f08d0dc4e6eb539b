// SPDX-License-Identifier: Apache-2.0
//! Looking at images, naming them, writing them, looking after the store.

use serde_json::Value;
use wythe_tests::{Bench, is_installed, run};

use crate::sandbox::BASE;

fn built() -> (Bench, String) {
    let bench = Bench::new();
    bench.file("hello", "hello\n").definition(
        "base = \"scratch\"\n[[steps]]\nkind = \"files\"\nfrom = \"hello\"\nto = \"/hello\"\n\
         [[steps]]\nkind = \"label\"\nset = { \"org.example\" = \"yes\" }\n\
         [[steps]]\nkind = \"entrypoint\"\nargv = [\"/hello\"]\n",
    );
    let digest = bench.wythe(&["build", "-t", "hello:1"]).stdout().trim().to_owned();
    (bench, digest)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn an_image_is_found_by_name_digest_and_beginning_of_its_digest() {
    let (bench, digest) = built();
    for name in ["hello:1", "docker.io/library/hello:1", &digest, &digest["sha256:".len()..][..12]] {
        let found = json(&bench.wythe(&["inspect", name]).stdout());
        assert_eq!(found["digest"], digest.as_str(), "{name}");
        assert_eq!(found["config"]["config"]["Labels"]["org.example"], "yes");
        assert_eq!(found["config"]["created"], "2026-11-01T00:00:00Z");
    }
    let missing = bench.wythe(&["inspect", "nothing"]);
    assert_eq!(missing.code, Some(1));
    assert!(missing.stderr.contains("image `nothing` is not in the store"), "{}", missing.stderr);
}

#[test]
fn names_come_and_go() {
    let (bench, digest) = built();
    bench.wythe(&["tag", "hello:1", "other", "third:x"]).stdout();
    let rows = json(&bench.wythe(&["images", "--json"]).stdout());
    assert_eq!(rows.as_array().unwrap().len(), 1);
    assert_eq!(rows[0]["names"], serde_json::json!(["hello:1", "other:latest", "third:x"]));
    bench.wythe(&["rm", "other", "third:x"]).stdout();
    assert_eq!(json(&bench.wythe(&["images", "--json"]).stdout())[0]["names"], serde_json::json!(["hello:1"]));
    bench.wythe(&["rm", &digest]).stdout();
    assert_eq!(json(&bench.wythe(&["images", "--json"]).stdout()), serde_json::json!([]));
}

#[test]
fn history_tells_each_operation() {
    let (bench, _) = built();
    let lines = json(&bench.wythe(&["history", "--json", "hello:1"]).stdout());
    let texts: Vec<&str> = lines.as_array().unwrap().iter().map(|line| line["created_by"].as_str().unwrap()).collect();
    assert_eq!(texts[1..], ["label org.example=yes", "entrypoint [\"/hello\"]"]);
    assert!(lines[0]["layer"]["diff_id"].as_str().unwrap().starts_with("sha256:"));
}

#[test]
fn what_is_saved_is_accepted_by_other_tools() {
    let (bench, digest) = built();
    let layout = bench.dir().join("layout").display().to_string();
    let printed = bench.wythe(&["save", "hello:1", "--format", "oci-dir", "-o", &layout]).stdout();
    assert_eq!(printed.trim(), digest, "an uncompressed layout keeps the digest");
    if is_installed("skopeo") {
        let found = json(&run("skopeo", &["inspect", &format!("oci:{layout}:1")]).stdout());
        assert_eq!(found["Digest"], digest.as_str());
        for (format, scheme) in [("oci", "oci-archive"), ("docker", "docker-archive")] {
            let path = bench.dir().join(format).display().to_string();
            bench.wythe(&["save", "hello:1", "--format", format, "-o", &path]).stdout();
            let found = json(&run("skopeo", &["inspect", &format!("{scheme}:{path}")]).stdout());
            assert_eq!(found["Labels"]["org.example"], "yes", "{format}");
        }
    }
    for compression in ["none", "gzip", "zstd"] {
        let layout = bench.dir().join(compression).display().to_string();
        bench.wythe(&["save", "hello:1", "--format", "oci-dir", "--compression", compression, "-o", &layout]).stdout();
        // The umoci of Debian 12 reads no zstd.
        if compression != "zstd" && is_installed("umoci") {
            let bundle = bench.dir().join(format!("bundle-{compression}")).display().to_string();
            run("umoci", &["unpack", "--rootless", "--image", &format!("{layout}:1"), &bundle]).stdout();
            assert_eq!(std::fs::read_to_string(format!("{bundle}/rootfs/hello")).unwrap(), "hello\n");
        }
    }
}

/// Names in the index of an archive, whole, and those that `docker load` gives.
fn names_in(archive: &str) -> (Vec<String>, Vec<String>) {
    let read = |member: &str| json(&run("tar", &["-xOf", archive, member]).stdout());
    let texts = |values: Vec<&Value>| values.into_iter().map(|name| name.as_str().unwrap_or("-").to_owned()).collect();
    let index = read("index.json");
    let entries = index["manifests"].as_array().unwrap().iter();
    let whole = texts(entries.map(|entry| &entry["annotations"]["io.containerd.image.name"]).collect());
    let has_tags = run("tar", &["-tf", archive]).stdout().lines().any(|line| line == "manifest.json");
    let tags = has_tags.then(|| read("manifest.json")[0]["RepoTags"].clone());
    (whole, tags.map_or_else(Vec::new, |tags| texts(tags.as_array().unwrap().iter().collect())))
}

#[test]
fn an_image_is_saved_under_the_name_that_was_asked_for() {
    let (bench, digest) = built();
    bench.wythe(&["tag", "hello:1", "hello", "ada/other:x"]).stdout();
    let short = &digest["sha256:".len()..][..12];
    let cases: [(&[&str], &[&str]); 6] = [
        (&["hello:1"], &["docker.io/library/hello:1"]),
        (&["hello"], &["docker.io/library/hello:latest"]),
        (&["docker.io/ada/other:x"], &["docker.io/ada/other:x"]),
        (&[&digest], &[]),
        (&[short], &[]),
        (
            &[short, "--tag", "two", "--tag", "one:1", "--tag", "two:latest"],
            &["docker.io/library/two:latest", "docker.io/library/one:1"],
        ),
    ];
    for (number, (arguments, expected)) in cases.into_iter().enumerate() {
        for (format, scheme) in [("oci", "oci-archive"), ("docker", "docker-archive")] {
            let path = bench.dir().join(format!("{format}-{number}")).display().to_string();
            let saved = bench.wythe(&[&["save", "--format", format, "-o", &path], arguments].concat()).stdout();
            assert_eq!(saved.trim(), digest);
            let (whole, tags) = names_in(&path);
            let no_name = ["-"];
            assert_eq!(whole, if expected.is_empty() { &no_name[..] } else { expected }, "{arguments:?} {format}");
            assert_eq!(tags, if format == "docker" { expected } else { &[] }, "{arguments:?}");
            if is_installed("skopeo") && expected.len() < 2 {
                let found = json(&run("skopeo", &["inspect", &format!("{scheme}:{path}")]).stdout());
                assert_eq!(found["Labels"]["org.example"], "yes", "{arguments:?} {format}");
            }
        }
        let layout = bench.dir().join(format!("layout-{number}")).display().to_string();
        bench.wythe(&[&["save", "--format", "oci-dir", "-o", &layout], arguments].concat()).stdout();
        let index = json(&std::fs::read_to_string(format!("{layout}/index.json")).unwrap());
        assert_eq!(index["manifests"].as_array().unwrap().len(), expected.len().max(1), "{arguments:?}");
        if is_installed("skopeo") && expected.len() < 2 {
            let found = json(&run("skopeo", &["inspect", &format!("oci:{layout}")]).stdout());
            assert_eq!(found["Digest"], digest.as_str(), "{arguments:?}");
        }
    }
}

#[test]
fn collection_keeps_what_is_named_and_frees_the_rest() {
    let (bench, digest) = built();
    bench.wythe(&["store", "gc", "--older-than", "0"]).stdout();
    let kept = bench.wythe(&["build"]);
    assert!(kept.stderr.contains("unchanged") || kept.stderr.contains("built"), "{}", kept.stderr);
    assert_eq!(kept.stdout().trim(), digest);
    bench.wythe(&["rm", "hello:1"]).stdout();
    bench.wythe(&["store", "gc", "--older-than", "0"]).stdout();
    let usage = json(&bench.wythe(&["store", "du", "--json"]).stdout());
    assert_eq!(usage["layers"]["count"], 0, "{usage}");
}

#[test]
fn damage_is_found_and_made_good() {
    let (bench, digest) = built();
    let verified = bench.wythe(&["store", "verify"]);
    assert_eq!(verified.code, Some(0), "{}", verified.stderr);
    let layers = bench.store().join("layers");
    let layer = std::fs::read_dir(&layers).unwrap().next().unwrap().unwrap().path();
    std::fs::write(layer.join("fs/hello"), "jello\n").unwrap();
    let damaged = bench.wythe(&["store", "verify"]);
    assert_eq!(damaged.code, Some(5), "{}", damaged.stdout);
    assert!(damaged.stdout.contains("layer sha256:"), "{}", damaged.stdout);
    assert_eq!(bench.wythe(&["build", "-t", "hello:1"]).stdout().trim(), digest);
    assert_eq!(std::fs::read_to_string(layer.join("fs/hello")).unwrap(), "hello\n");
    assert_eq!(bench.wythe(&["store", "verify"]).code, Some(0));
}

#[test]
fn kinds_are_listed_and_shown() {
    let bench = Bench::new();
    let kinds = json(&bench.wythe(&["plugin", "list", "--json"]).stdout());
    let names: Vec<&str> = kinds.as_array().unwrap().iter().map(|kind| kind["name"].as_str().unwrap()).collect();
    for name in ["apt", "debian-slim", "env", "files", "pip", "run", "scratch", "uv"] {
        assert!(names.contains(&name), "{name} is missing from {names:?}");
    }
    let shown = bench.wythe(&["plugin", "show", "uv"]).stdout();
    assert!(shown.contains("requirements") && shown.contains("wythe:step/"), "{shown}");
    assert!(!bench.store().exists(), "looking at plugins made a store");
}

#[test]
fn completions_and_help_need_nothing() {
    let bench = Bench::new();
    assert!(bench.wythe(&["completions", "bash"]).stdout().contains("_wythe"));
    for command in ["build", "plan", "lock", "run", "shell", "save", "store", "plugin", "doctor"] {
        assert!(bench.wythe(&[command, "--help"]).stdout().contains("Usage:"), "{command}");
    }
    let unknown = bench.wythe(&["biuld"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.stderr.contains("build"), "{}", unknown.stderr);
}

#[test]
fn a_collection_that_frees_nothing_says_what_would() {
    let (bench, _) = built();
    let hint = "results are kept for 14 days; `wythe store gc --older-than 0` frees all that no named image needs";
    assert!(bench.wythe(&["store", "gc", "--json"]).stderr.is_empty());
    for arguments in [&["store", "gc"][..], &["store", "gc", "--dry-run"]] {
        let ended = bench.wythe(arguments);
        assert!(ended.stderr.contains(" 0 B; "), "{}", ended.stderr);
        assert_eq!(ended.stderr.lines().last(), Some(hint), "{arguments:?}");
    }
    for days in ["0", "14"] {
        let ended = bench.wythe(&["store", "gc", "--older-than", days]);
        assert!(!ended.stderr.contains(hint), "{days}: {}", ended.stderr);
    }
    bench.wythe(&["rm", "hello:1"]).stdout();
    bench.wythe(&["store", "gc", "--older-than", "0"]).stdout();
    let empty = bench.wythe(&["store", "gc"]);
    assert!(!empty.stderr.contains(hint), "{}", empty.stderr);
}

#[test]
fn a_damaged_index_is_made_again_by_the_next_command() {
    let (bench, digest) = built();
    let index = bench.store().join("index.db");
    std::fs::remove_file(bench.store().join("index.db-wal")).unwrap();
    std::fs::write(&index, [b'?'; 10_000]).unwrap();
    let listed = bench.wythe(&["images", "--json"]);
    let note = "note: the index of the store was damaged and was made again, with 1 image, 1 layer and no results: steps run again";
    assert_eq!(listed.stderr.trim(), note);
    let rows = json(&listed.stdout());
    assert_eq!((&rows[0]["digest"], &rows[0]["names"]), (&digest.clone().into(), &serde_json::json!(["hello:1"])));
    let again = bench.wythe(&["build", "-t", "hello:1"]);
    assert!(!again.stderr.contains("damaged"), "{}", again.stderr);
    assert_eq!(again.stdout().trim(), digest);
    assert!(bench.store().join("index.db-aside").exists());
    bench.wythe(&["store", "gc"]).stdout();
    assert!(!bench.store().join("index.db-aside").exists());
}

/// Who reads no more has seen enough; a disk that takes no more has lost the answer.
#[test]
fn an_answer_that_cannot_be_written_is_a_failure() {
    let (bench, digest) = built();
    let to = |place: &str, args: &[&str]| {
        let file = std::fs::File::options().write(true).open(place).unwrap();
        let ended = bench.command(args).stdout(file).output().unwrap();
        (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
    };
    for args in [&["images"][..], &["inspect", "hello:1"], &["build", "-t", "hello:1"], &["completions", "bash"]] {
        let (code, stderr) = to("/dev/full", args);
        let text = "error: cannot write `standard output`\n  No space left on device (os error 28)\n";
        assert_eq!(code, Some(5), "{args:?}: {stderr}");
        assert!(stderr.contains(text), "{args:?}: {stderr}");
        assert_eq!(to("/dev/null", args).0, Some(0), "{args:?}");
    }
    assert_eq!(json(&bench.wythe(&["inspect", "hello:1"]).stdout())["digest"], digest.as_str());
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ended = bench.command(&["images"]).stdout(writer).output().unwrap();
    assert_eq!((ended.status.code(), ended.stderr), (Some(0), Vec::new()), "nobody reads");
}

#[test]
fn the_command_of_a_program_is_what_follows_the_image() {
    let Some(bench) = Bench::with_busybox() else { return };
    bench.definition(BASE).wythe(&["build", "-t", "app"]).stdout();
    let run = |args: &[&str]| bench.wythe(&[&["run"], args].concat()).stdout();
    assert_eq!(run(&["app", "echo", "-n", "--network", "host"]), "--network host");
    assert_eq!(run(&["app", "--network", "none", "--", "echo", "-n", "a"]), "a");
    assert_eq!(run(&["app", "echo", "--", "a"]), "-- a\n");
    let ended = bench.wythe(&["run", "app", "--", "-n"]);
    assert!(ended.stderr.contains("cannot run `-n`"), "{}", ended.stderr);
}
