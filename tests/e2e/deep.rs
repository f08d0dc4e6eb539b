// SPDX-License-Identifier: Apache-2.0
//! Long chains: an image of more layers than the kernel stacks in one overlay.

use std::fmt::Write as _;

use wythe_tests::{Bench, is_installed, run};

/// More layers than one overlay has (500).
const LAYERS: usize = 510;

/// A chain of so many layers, the lowest with a shell where there is one.
fn chain(bench: &Bench, has_shell: bool) {
    let mut text = "base = \"scratch\"\n".to_owned();
    if has_shell {
        text.push_str("[[steps]]\nkind = \"files\"\nfrom = \"root\"\nto = \"/\"\n");
    }
    bench.file("one", "1\n");
    for number in 1..LAYERS {
        write!(text, "[[steps]]\nkind = \"files\"\nfrom = \"one\"\nto = \"/all/{number}\"\n").unwrap();
    }
    if has_shell {
        text.push_str("[[steps]]\nkind = \"run\"\ncommands = [\"ls /all | grep -c . > /count; echo 2 > /all/7\"]\n");
    }
    bench.definition(&text);
}

#[test]
fn a_chain_is_longer_than_a_stack_of_the_kernel() {
    let (bench, has_shell) = Bench::with_busybox().map_or_else(|| (Bench::new(), false), |bench| (bench, true));
    chain(&bench, has_shell);
    let digest = bench.wythe(&["build", "-t", "deep", "--progress", "quiet"]).stdout();
    let again = bench.wythe(&["build", "-t", "deep"]);
    assert!(again.stderr.contains("unchanged deep:latest"), "{}", again.stderr);
    assert_eq!(again.stdout(), digest);
    if has_shell {
        let printed = bench.wythe(&["run", "deep", "--", "/bin/sh", "-c", "cat /count /all/7 /all/8"]).stdout();
        assert_eq!(printed, format!("{}\n2\n1\n", LAYERS - 1));
    }
    let layout = bench.dir().join("layout").display().to_string();
    bench.wythe(&["save", "deep", "--format", "oci-dir", "-o", &layout]).stdout();
    if is_installed("skopeo") {
        let found =
            run("skopeo", &["inspect", "--format", "{{len .Layers}}", &format!("oci:{layout}:latest")]).stdout();
        assert_eq!(found.trim(), (LAYERS - 1 + 2 * usize::from(has_shell)).to_string());
    }
    if is_installed("umoci") {
        let bundle = bench.dir().join("bundle").display().to_string();
        run("umoci", &["unpack", "--rootless", "--image", &format!("{layout}:latest"), &bundle]).stdout();
        let files = std::fs::read_dir(format!("{bundle}/rootfs/all")).unwrap().count();
        assert_eq!(files, LAYERS - 1);
    }
}

#[test]
fn a_layer_may_come_again() {
    let Some(bench) = Bench::with_busybox() else { return };
    bench.file("one", "1\n").file("two", "2\n");
    let mut text = "base = \"scratch\"\n[[steps]]\nkind = \"files\"\nfrom = \"root\"\nto = \"/\"\n".to_owned();
    for file in ["one", "two", "one"] {
        write!(text, "[[steps]]\nkind = \"files\"\nfrom = \"{file}\"\nto = \"/file\"\n").unwrap();
    }
    text.push_str("[[steps]]\nkind = \"run\"\ncommands = [\"cat /file > /seen\"]\n");
    text.push_str("[[steps]]\nkind = \"files\"\nfrom = \"two\"\nto = \"/other\"\n");
    bench.definition(&text).wythe(&["build", "-t", "again"]).stdout();
    let printed = bench.wythe(&["run", "again", "--", "/bin/cat", "/file", "/seen", "/other"]).stdout();
    assert_eq!(printed, "1\n1\n2\n");
    assert_eq!(bench.wythe(&["diff", "again", "again"]).code, Some(0));
    if is_installed("skopeo") {
        let layout = bench.dir().join("layout").display().to_string();
        bench.wythe(&["save", "again", "--format", "oci-dir", "-o", &layout]).stdout();
        let inspected = run("skopeo", &["inspect", "--format", "{{len .Layers}}", &format!("oci:{layout}:latest")]);
        assert_eq!(inspected.stdout().trim(), "6");
    }
}

/// How many lower directories each mount of a build has, in the order of the mounts.
fn mounts_of_a_build(bench: &Bench) -> Vec<usize> {
    bench.traced(&["--seccomp-bpf", "-e", "trace=fsopen,fsconfig"], &["build"]).stdout();
    let mut mounts = Vec::new();
    for line in std::fs::read_to_string(bench.dir().join("strace")).unwrap().lines() {
        if line.contains("fsopen(\"overlay\"") {
            mounts.push(0);
        } else if line.contains("\"lowerdir+\"") {
            *mounts.last_mut().unwrap() += 1;
        }
    }
    mounts
}

#[test]
fn a_step_of_files_mounts_the_state_below_once_and_no_more_of_it_the_higher_it_stands() {
    const STEPS: usize = 80;
    if !is_installed("strace") {
        return;
    }
    let bench = Bench::new();
    bench.file("one", "1\n");
    let mut text = "base = \"scratch\"\n".to_owned();
    for number in 1..=STEPS {
        write!(text, "[[steps]]\nkind = \"files\"\nfrom = \"one\"\nto = \"/all/{number}\"\n").unwrap();
    }
    bench.definition(&text);
    let mounts = mounts_of_a_build(&bench);
    // Of the first two states, one has no layer and the other is its layer. Twice, the lowest layers are mounted for many.
    assert_eq!(mounts.len(), STEPS - 2 + 2, "{mounts:?}");
    let of_many: Vec<usize> = mounts.iter().copied().filter(|lowers| *lowers > 33).collect();
    assert!(of_many.len() <= 1 && mounts.iter().sum::<usize>() < STEPS * 20, "{mounts:?}");
    assert_eq!(mounts_of_a_build(&bench), [0; 0], "nothing is mounted where nothing is to be done");
}
