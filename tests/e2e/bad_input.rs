// SPDX-License-Identifier: Apache-2.0
//! What people get wrong: each has its own message, its place, its exit code, and leaves the store as it was.

use std::os::unix::fs::PermissionsExt as _;

use wythe_tests::{Bench, Ended};

fn build(definition: &str) -> Ended {
    let bench = Bench::new();
    bench.definition(definition).file("src/a.txt", "a\n");
    bench.wythe(&["build"])
}

#[track_caller]
fn assert_says(ended: &Ended, code: i32, words: &[&str]) {
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    assert_eq!(ended.stdout, "", "a failure prints no digest");
    for word in words {
        assert!(ended.stderr.contains(word), "{word:?} is missing:\n{}", ended.stderr);
    }
}

#[test]
fn malformed_toml() {
    assert_says(&build("base = {"), 1, &["error: ", "wythe.toml:2:"]);
}

#[test]
fn an_unknown_kind_gets_the_nearest_name() {
    let ended = build("base = \"scratch\"\n[[steps]]\nkind = \"fles\"\n");
    assert_says(&ended, 1, &["unknown step kind `fles`", "wythe.toml:4:8", "did you mean `files`?"]);
}

#[test]
fn an_unknown_option_gets_the_nearest_name() {
    let ended = build("base = \"scratch\"\n[[steps]]\nkind = \"apt\"\npackage = [\"git\"]\n");
    assert_says(&ended, 1, &["`package`", "wythe.toml:5:1", "`packages`"]);
}

#[test]
fn options_are_checked_before_any_plugin_runs() {
    let ended = build(
        "base = \"scratch\"\n[[steps]]\nkind = \"apt\"\npackages = []\n[[steps]]\nkind = \"pip\"\npackages = [\"-r\"]\n\
         [[steps]]\nkind = \"uv\"\npackages = \"numpy\"\n",
    );
    assert_says(&ended, 1, &["wythe.toml:5:12", "wythe.toml:8:", "wythe.toml:11:12"]);
}

#[test]
fn what_later_versions_bring_is_refused_by_name() {
    let ended = build("base = \"scratch\"\n[[steps]]\nkind = \"files\"\nfrom = \".\"\nto = \"/\"\ncopy = false\n");
    assert_says(&ended, 1, &["`copy = false` is not available in this version of wythe", "wythe.toml:7:8"]);
}

#[test]
fn a_missing_file_and_a_path_outside_the_context() {
    let files = |from: &str| {
        build(&format!("base = \"scratch\"\n[[steps]]\nkind = \"files\"\nfrom = \"{from}\"\nto = \"/x\"\n"))
    };
    assert_says(&files("nothing"), 1, &["nothing"]);
    assert_says(&files("../etc"), 1, &["../etc", "wythe.toml:5:8"]);
    assert_says(&files("/etc"), 1, &["/etc", "wythe.toml:5:8"]);
}

#[test]
fn a_link_does_not_lead_out_of_the_context() {
    let bench = Bench::new();
    bench.definition("base = \"scratch\"\n[[steps]]\nkind = \"files\"\nfrom = \"out/passwd\"\nto = \"/x\"\n");
    std::os::unix::fs::symlink("/etc", bench.dir().join("out")).unwrap();
    let ended = bench.wythe(&["build"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
}

#[test]
fn no_definition_and_no_such_image() {
    let bench = Bench::new();
    assert_says(
        &bench.wythe(&["build"]),
        1,
        &["there is no `wythe.toml` and no `Dockerfile` and no `Containerfile` and no `dockerfile` in `.`"],
    );
    assert_says(&bench.wythe(&["build", "nowhere"]), 1, &["nowhere"]);
    assert_says(&bench.wythe(&["run", "nothing"]), 1, &["image `nothing` is not in the store"]);
    bench.definition("base = { kind = \"image\", reference = \"nothing:1\" }\n");
    assert_says(&bench.wythe(&["build"]), 1, &["nothing:1"]);
}

#[test]
fn a_name_that_no_registry_takes() {
    let bench = Bench::new();
    bench.definition("base = \"scratch\"\n");
    assert_says(&bench.wythe(&["build", "-t", "Not A Name"]), 2, &["`Not A Name` is not a name for an image"]);
}

#[test]
fn a_step_that_is_not_there() {
    let bench = Bench::new();
    bench.definition("base = \"scratch\"\n");
    assert_says(&bench.wythe(&["build", "--rebuild", "gti"]), 2, &["there is no such step", "base"]);
}

#[test]
fn a_mirror_that_cannot_be_reached() {
    // Nobody listens on port 1 of this machine.
    let ended =
        build("base = { kind = \"debian-slim\", release = \"bookworm\", mirror = \"http://127.0.0.1:1/debian\" }\n");
    assert_says(&ended, 5, &["127.0.0.1:1"]);
}

#[test]
fn a_store_that_cannot_be_written() {
    let bench = Bench::new();
    bench.definition("base = \"scratch\"\n").file("file", "");
    let ended = bench.wythe(&["--store", "file/store", "build"]);
    assert_says(&ended, 5, &["cannot open the store", "file/store"]);
    let closed = bench.dir().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o500)).unwrap();
}

#[test]
fn a_failure_leaves_the_store_as_it_was() {
    let bench = Bench::new();
    bench.file("src/a.txt", "a\n");
    let good = "base = \"scratch\"\n[[steps]]\nkind = \"files\"\nfrom = \"src\"\nto = \"/src\"\n";
    bench.definition(&format!("{good}[[steps]]\nkind = \"run\"\ncommands = [\"/no/such/program\"]\n"));
    let ended = bench.wythe(&["build"]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(std::fs::read_dir(bench.store().join("active")).unwrap().next().is_none(), "something is left over");
    assert_eq!(bench.wythe(&["store", "verify"]).code, Some(0));
    bench.definition(good);
    assert!(bench.wythe(&["build"]).stderr.contains("unchanged"), "what was done before the failure was not kept");
}
