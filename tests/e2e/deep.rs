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
