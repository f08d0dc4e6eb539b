// SPDX-License-Identifier: Apache-2.0
//! Ctrl-C.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Command;

use wythe_tests::Bench;

/// Processes that were started with a word among their arguments.
fn count_processes(word: &str) -> usize {
    let mine = |entry: std::fs::DirEntry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes())
    };
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok())
        .map(mine)
        .filter(|is_mine| *is_mine)
        .count()
}

#[test]
fn ctrl_c_ends_everything_that_the_build_started() {
    let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|path| std::path::Path::new(path).exists());
    let Some(busybox) = busybox else {
        eprintln!("skipped: there is no busybox");
        return;
    };
    let bench = Bench::new();
    std::fs::create_dir_all(bench.dir().join("root/bin")).unwrap();
    std::fs::copy(busybox, bench.dir().join("root/bin/busybox")).unwrap();
    std::os::unix::fs::symlink("busybox", bench.dir().join("root/bin/sh")).unwrap();
    // A number that no other process of this machine sleeps for.
    let seconds = format!("{}", 100_000 + std::process::id());
    bench.definition(&format!(
        "base = \"scratch\"\n[[steps]]\nkind = \"files\"\nfrom = \"root\"\nto = \"/\"\n[[steps]]\nkind = \"run\"\n\
         commands = [\"busybox setsid busybox sleep {seconds} & echo started; busybox sleep {seconds}\"]\n"
    ));
    let mut child = bench.start(&["build", "--progress", "plain"]);
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("| started") {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "the build ended before it was stopped");
    }
    // The word is printed before the programs are started.
    while count_processes(&seconds) < 2 {
        std::thread::yield_now();
    }
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest}");
    assert!(rest.contains("stopped"), "{rest}");
    assert_eq!(count_processes(&seconds), 0, "a process of the step has outlived the build");
    assert!(std::fs::read_dir(bench.store().join("active")).unwrap().next().is_none(), "something is left over");
}
