// SPDX-License-Identifier: Apache-2.0
//! What a build would do, and that looking does nothing.

use serde_json::Value;
use wythe_tests::Bench;

fn bench() -> Bench {
    let bench = Bench::new();
    bench.file("src/a.txt", "a\n").definition(
        "base = \"scratch\"\n[[steps]]\nkind = \"files\"\nfrom = \"src\"\nto = \"/src\"\n\
         [[steps]]\nkind = \"run\"\nname = \"check\"\ncommands = [\"true\", \"false\"]\nnetwork = \"none\"\n",
    );
    bench
}

#[test]
fn a_plan_is_printed_and_nothing_is_run() {
    let bench = bench();
    let text = bench.wythe(&["plan"]).stdout();
    let expected = "\
base (scratch)
files (files)
  files  files src → /src
check (run)
  run    true
         network none
  run    false
         network none
";
    assert_eq!(text, expected);
    assert!(std::fs::read_dir(bench.store().join("layers")).unwrap().next().is_none(), "looking made a layer");
}

#[test]
fn a_plan_is_a_value() {
    let bench = bench();
    let plan: Value = serde_json::from_str(&bench.wythe(&["plan", "--json"]).stdout()).unwrap();
    let steps = plan[0]["steps"].as_array().unwrap();
    let names: Vec<&str> = steps.iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(names, ["base", "files", "check"]);
    assert_eq!(steps[2]["plan"][1]["operation"]["run"]["command"]["shell"], "true");
    assert!(steps[2]["digest"].as_str().unwrap().starts_with("sha256:"));
    let again: Value = serde_json::from_str(&bench.wythe(&["plan", "--json"]).stdout()).unwrap();
    assert_eq!(plan, again);
}
