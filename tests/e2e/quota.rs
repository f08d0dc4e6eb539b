// SPDX-License-Identifier: Apache-2.0
//! A store that may not grow: what is known is refused beforehand, what is not is stopped, and nothing of it stays.

use wythe_tests::Bench;

/// A static busybox below `root/`, for run steps without a base; none where the machine has none.
fn with_busybox(bench: &Bench) -> bool {
    let found = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|path| std::path::Path::new(path).exists());
    let Some(busybox) = found else {
        eprintln!("skipped: there is no busybox");
        return false;
    };
    std::fs::create_dir_all(bench.dir().join("root/bin")).unwrap();
    std::fs::copy(busybox, bench.dir().join("root/bin/busybox")).unwrap();
    std::os::unix::fs::symlink("busybox", bench.dir().join("root/bin/sh")).unwrap();
    true
}

fn in_use(bench: &Bench) -> u64 {
    let json = bench.wythe(&["store", "quota", "--json"]).stdout();
    serde_json::from_str::<serde_json::Value>(&json).unwrap()["in_use"].as_u64().unwrap()
}

#[test]
fn what_is_known_not_to_fit_is_refused_before_it_is_written() {
    let bench = Bench::new();
    bench.file("src/big", &"x".repeat(4_000_000));
    bench.definition("base = \"scratch\"\n[[steps]]\nkind = \"files\"\nfrom = \"src\"\nto = \"/src\"\n");
    assert_eq!(bench.wythe(&["store", "quota", "3MB"]).code, Some(0));
    let ended = bench.wythe(&["build"]);
    assert_eq!(ended.code, Some(5), "{}", ended.stderr);
    for text in [
        "step `files`: the store would grow beyond its quota",
        "needs 4.1 MB more: the quota is 3.0 MB",
        "wythe store quota SIZE",
    ] {
        assert!(ended.stderr.contains(text), "{text} is not in\n{}", ended.stderr);
    }
    assert!(in_use(&bench) < 3_000_000);
    assert_eq!(bench.wythe(&["store", "quota", "none"]).code, Some(0));
    bench.wythe(&["build"]).stdout();
}

#[test]
fn a_step_that_writes_more_than_is_left_is_stopped() {
    let bench = Bench::new();
    if !with_busybox(&bench) {
        return;
    }
    bench.definition(
        "base = \"scratch\"\n[[steps]]\nkind = \"files\"\nfrom = \"root\"\nto = \"/\"\n[[steps]]\nkind = \"run\"\n\
         commands = [\"while :; do busybox dd if=/dev/zero bs=65536 count=16 >> /zeros 2>/dev/null; busybox usleep 20000; done\"]\n",
    );
    bench.wythe(&["store", "quota", "20MB"]).stdout();
    let ended = bench.wythe(&["build", "--progress", "plain"]);
    assert_eq!(ended.code, Some(5), "{}", ended.stderr);
    assert!(ended.stderr.contains("it wrote more than was left: the quota is 20 MB"), "{}", ended.stderr);
    assert!(in_use(&bench) < 20_000_000);
    assert!(std::fs::read_dir(bench.store().join("active")).unwrap().next().is_none(), "something is left over");
}

#[test]
fn an_old_result_makes_room_for_a_new_one() {
    let bench = Bench::new();
    let text = "base = \"scratch\"\n[[steps]]\nkind = \"files\"\nfrom = \"src\"\nto = \"/src\"\n";
    bench.file("src/big", &"x".repeat(4_000_000)).definition(text);
    bench.wythe(&["build", "-t", "app"]).stdout();
    bench.wythe(&["rm", "app"]).stdout();
    bench.wythe(&["store", "quota", "6MB"]).stdout();
    bench.file("src/big", &"y".repeat(4_000_000));
    bench.wythe(&["build", "-t", "app"]).stdout();
    assert!(in_use(&bench) <= 6_000_000);
    let table = bench.wythe(&["store", "du"]);
    assert!(table.stderr.contains("of 6.0 MB that it may take"), "{}", table.stderr);
    for size in ["lots", "-1", "0"] {
        assert_eq!(bench.wythe(&["store", "quota", "--", size]).code, Some(2));
    }
}
