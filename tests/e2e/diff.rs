// SPDX-License-Identifier: Apache-2.0
//! What differs between two images.

use serde_json::{Value, json};
use wythe_tests::Bench;

/// Two images that share their lowest layer, and differ in all ways that need no program.
fn two() -> Bench {
    let bench = Bench::new();
    bench.file("same/a", "a\n").file("1/app.conf", "name = one\nport = 80\n").file("1/old", "old\n");
    bench.file("2/app.conf", "name = two\nport = 80\n").file("2/new", "new\n");
    let image = |number: &str, more: &str| {
        format!(
            "base = \"scratch\"\n[[steps]]\nkind = \"files\"\nfrom = \"same\"\nto = \"/same\"\n\
             [[steps]]\nkind = \"files\"\nfrom = \"{number}\"\nto = \"/app\"\n\
             [[steps]]\nkind = \"env\"\nset = {{ NUMBER = \"{number}\" }}\n{more}"
        )
    };
    bench.definition(&image("1", "[[steps]]\nkind = \"cmd\"\nargv = [\"/a\"]\n"));
    bench.wythe(&["build", "-t", "app:1"]).stdout();
    bench.definition(&image("2", "[[steps]]\nkind = \"expose\"\nports = [80]\n"));
    bench.wythe(&["build", "-t", "app:2"]).stdout();
    bench
}

#[test]
fn configuration_and_files_that_differ_are_shown() {
    let bench = two();
    let shown = bench.wythe(&["diff", "app:1", "app:2", "--patch"]).stdout();
    let lines: Vec<&str> = shown.lines().skip(2).collect();
    assert_eq!(
        lines,
        [
            "1 layer shared, 1 (4.1 kB) only in app:1, 1 (4.1 kB) only in app:2",
            "",
            "configuration",
            "- cmd          [\"/a\"]",
            "~ env NUMBER   1 → 2",
            "+ port 80/tcp",
            "",
            "3 paths: 1 added, 1 removed, 1 changed",
            "~ /app/app.conf  content (21 B)",
            "+ /app/new       4 B",
            "- /app/old       4 B",
            "",
            "--- a/app/app.conf",
            "+++ b/app/app.conf",
            "@@ -1,2 +1,2 @@",
            "-name = one",
            "+name = two",
            " port = 80",
            "",
            "--- /dev/null",
            "+++ b/app/new",
            "@@ -0,0 +1 @@",
            "+new",
            "",
            "--- a/app/old",
            "+++ /dev/null",
            "@@ -1 +0,0 @@",
            "-old",
        ],
        "{shown}"
    );
    assert!(shown.starts_with("--- app:1  sha256:") && !shown.contains('\u{1b}'), "{shown}");
    let colored = bench.wythe(&["--color", "always", "diff", "app:1", "app:2"]).stdout();
    assert!(colored.contains("\u{1b}[32m+ /app/new"), "{colored}");
}

#[test]
fn programs_get_json_and_a_status() {
    let bench = two();
    let found: Value = serde_json::from_str(&bench.wythe(&["diff", "app:1", "app:2", "--json"]).stdout()).unwrap();
    assert_eq!((&found["same"], &found["shared_layers"]), (&json!(false), &json!(1)));
    assert_eq!(found["config"][1], json!({"setting": "env NUMBER", "before": "1", "after": "2"}));
    assert_eq!(found["packages"], json!([]));
    let files: Vec<(&str, &str)> = found["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| (file["path"].as_str().unwrap(), file["change"].as_str().unwrap()))
        .collect();
    assert_eq!(files, [("/app/app.conf", "changed"), ("/app/new", "added"), ("/app/old", "removed")]);
    assert_eq!(found["files"][0]["differs"], json!(["content"]));

    for (args, code) in [
        (&["diff", "app:1", "app:2"][..], 0),
        (&["diff", "--exit-code", "app:1", "app:2"], 6),
        (&["diff", "--exit-code", "app:1", "app:1"], 0),
        (&["diff", "--exit-code", "app:1", "none"], 1),
    ] {
        assert_eq!(bench.wythe(args).code, Some(code), "{args:?}");
    }
    let same = bench.wythe(&["diff", "app:1", "app:1"]);
    assert_eq!((same.stdout.as_str(), same.stderr.as_str()), ("", "the two are one image\n"));
}

#[test]
fn many_files_are_grouped_by_directory() {
    let bench = Bench::new();
    bench
        .file("src/kept", "1\n")
        .definition("base = \"scratch\"\n[[steps]]\nkind = \"files\"\nfrom = \"src\"\nto = \"/\"\n");
    bench.wythe(&["build", "-t", "few"]).stdout();
    for number in 0..60 {
        bench.file(&format!("src/usr/lib/{number}"), "1\n").file(&format!("src/usr/share/doc/{number}"), "1\n");
    }
    bench.file("src/kept", "2\n");
    bench.wythe(&["build", "-t", "many"]).stdout();
    let shown = bench.wythe(&["diff", "few", "many"]).stdout();
    let lines: Vec<&str> = shown.lines().skip(3).collect();
    assert_eq!(
        lines,
        [
            "",
            "125 paths: 124 added, 1 changed (by directory; each with `--full`)",
            "~ /kept  content (2 B)",
            "+ /usr/  124 added      240 B",
        ],
        "{shown}"
    );
    assert_eq!(bench.wythe(&["diff", "few", "many", "--full"]).stdout().lines().count(), 5 + 125);
}

#[test]
fn what_is_no_package_of_a_known_type_is_said() {
    let bench = two();
    let listed = bench.wythe(&["packages", "app:1"]);
    assert_eq!((listed.code, listed.stdout.as_str()), (Some(0), ""), "{}", listed.stderr);
    assert_eq!(bench.wythe(&["packages", "app:1", "--json"]).stdout(), "[]\n");
    let unknown = bench.wythe(&["packages", "app:1", "--type", "rpm"]);
    assert_eq!(unknown.code, Some(1));
    assert_eq!(unknown.stderr, "error: no plugin lists packages of type `rpm`\nhint: known types: deb, pypi\n");
}
