// SPDX-License-Identifier: Apache-2.0
//! What is found again and what is made again. Bases are `scratch`: file steps need no program in the image.

use wythe_tests::{Bench, is_installed, top};

const FILES: &str = "base = \"scratch\"\n[[steps]]\nkind = \"files\"\nfrom = \"src\"\nto = \"/src\"\n";

fn bench() -> Bench {
    let bench = Bench::new();
    bench.definition(FILES).file("src/a.txt", "a\n").file("src/deep/b.txt", "b\n");
    bench
}

#[test]
fn standard_output_is_the_digest_and_nothing_else() {
    let ended = bench().wythe(&["build"]);
    let stdout = ended.stdout();
    assert_eq!(stdout.lines().count(), 1, "{stdout}");
    assert!(stdout.starts_with("sha256:") && stdout.trim_end().len() == 71, "{stdout}");
}

#[test]
fn an_unchanged_build_says_so_and_has_the_same_digest() {
    let bench = bench();
    let first = bench.wythe(&["build"]);
    let second = bench.wythe(&["build"]);
    assert!(first.stderr.contains("built "), "{}", first.stderr);
    assert!(second.stderr.contains("unchanged "), "{}", second.stderr);
    assert!(second.stderr.contains("[files] hit"), "{}", second.stderr);
    assert_eq!(first.stdout(), second.stdout());
}

#[test]
fn two_stores_and_two_directories_give_one_digest() {
    let (one, other) = (bench(), bench());
    assert_eq!(one.wythe(&["build"]).stdout(), other.wythe(&["build"]).stdout());
}

#[test]
fn changed_content_is_another_image_and_a_touched_file_is_not() {
    let bench = bench();
    let before = bench.wythe(&["build"]).stdout();
    bench.file("src/a.txt", "a\n");
    assert_eq!(bench.wythe(&["build"]).stdout(), before);
    bench.file("src/a.txt", "changed\n");
    let ended = bench.wythe(&["build"]);
    assert!(ended.stderr.contains("built "), "{}", ended.stderr);
    assert_ne!(ended.stdout(), before);
}

#[test]
fn a_forced_step_runs_again_and_what_follows_is_still_a_hit() {
    let bench = bench();
    bench.definition(&format!("{FILES}[[steps]]\nkind = \"files\"\nname = \"more\"\nfrom = \"src\"\nto = \"/more\"\n"));
    let before = bench.wythe(&["build"]).stdout();
    let forced = bench.wythe(&["build", "--rebuild", "files"]);
    assert!(forced.stderr.contains("[files] step done"), "{}", forced.stderr);
    assert!(forced.stderr.contains("[more] hit"), "{}", forced.stderr);
    assert_eq!(forced.stdout(), before);
}

#[test]
fn images_of_one_definition_are_built_together() {
    let bench = Bench::new();
    bench.file("src/a.txt", "a\n");
    let image = |name: &str| {
        format!(
            "[images.{name}]\nbase = \"scratch\"\n[[images.{name}.steps]]\nkind = \"files\"\nfrom = \"src\"\nto = \"/{name}\"\n"
        )
    };
    bench.definition(&format!("{}{}", image("one"), image("two")));
    let stdout = bench.wythe(&["build"]).stdout();
    let names: Vec<&str> = stdout.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(names, ["one", "two"]);
    let only = bench.wythe(&["build", "--image", "two"]).stdout();
    assert_eq!(only.trim(), stdout.lines().nth(1).unwrap().split(' ').nth(1).unwrap());
}

#[test]
fn thirty_two_processes_make_each_step_once() {
    let bench = bench();
    let children: Vec<_> = (0..32).map(|_| bench.start(&["build", "--progress", "plain"])).collect();
    let ended: Vec<_> = children.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
    let outputs: Vec<String> =
        ended.iter().map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).collect();
    assert!(ended.iter().all(|output| output.status.success()), "{ended:?}");
    assert!(outputs.iter().all(|output| *output == outputs[0]), "{outputs:?}");
    let ran =
        ended.iter().filter(|output| String::from_utf8_lossy(&output.stderr).contains("[files] step done")).count();
    assert_eq!(ran, 1, "the step ran in {ran} processes");
}

#[test]
fn an_unchanged_context_is_walked_and_not_read() {
    if !is_installed("strace") {
        return;
    }
    let bench = Bench::new();
    let definition = top().join("tests/e2e/context").display().to_string();
    let traced = || {
        bench.traced(&["-e", "trace=open,openat,openat2,newfstatat,statx"], &["build", &definition]).stdout();
        let calls = std::fs::read_to_string(bench.dir().join("strace")).unwrap();
        let of_file: Vec<String> = calls.lines().filter(|call| call.contains("known.txt")).map(str::to_owned).collect();
        let is_read = |call: &&String| call.contains("open") && !call.contains("O_PATH");
        (of_file.len(), of_file.iter().filter(is_read).count())
    };
    let (_, read) = traced();
    assert_ne!(read, 0, "what is not known is read");
    let (looked_at, read) = traced();
    assert_ne!(looked_at, 0, "the context was not walked");
    assert_eq!(read, 0, "a file that is known was read again");
}
