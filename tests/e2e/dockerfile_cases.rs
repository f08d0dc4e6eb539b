// SPDX-License-Identifier: Apache-2.0
//! Small Dockerfiles, and the build context that all of them are written for.
//!
//! `tests/dockerfiles/*.txt` hold them: `## NAME [--OPTION…]`, then the file. One without `FROM` stands on the busybox image.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use wythe_tests::{Bench, run, top};

/// The image that the files stand on.
pub(crate) const BASE: &str = "docker.io/library/busybox:test";

/// Cases that are looked at at the same time: a builder waits for the disk most of the time.
const AT_ONCE: usize = 6;

/// The ignore file of contexts that have one.
const RULES: &str = "# a comment\n*.log\n!logs/keep.log\n*.md\n!README.md\n**/*.sh\nDockerfile\n";

/// A file and how it is built.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// Options that builders share, such as `--target one`.
    pub(crate) options: Vec<String>,
    pub(crate) text: String,
}

/// Has cases looked at, several at a time: each by its number, in a context that has its file, and that has an ignore file if
/// the case comes with `true`. Returns what is said of them.
pub(crate) fn look_at(
    bench: &Bench,
    cases: impl Iterator<Item = (bool, Case)> + Send,
    look: impl Fn(usize, &Path, &Case) -> Option<String> + Sync,
) -> Vec<String> {
    let (left, said) = (Mutex::new(cases.enumerate()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for worker in 0..AT_ONCE {
            let (left, said, look) = (&left, &said, &look);
            let whole = context(bench, &format!("whole-{worker}"));
            let ignoring = context(bench, &format!("ignoring-{worker}"));
            std::fs::write(ignoring.join(".dockerignore"), RULES).unwrap();
            scope.spawn(move || {
                loop {
                    let next = left.lock().unwrap().next();
                    let Some((number, (ignores, case))) = next else { break };
                    let dir = if ignores { &ignoring } else { &whole };
                    std::fs::write(dir.join("Dockerfile"), &case.text).unwrap();
                    let found = look(number, dir, &case);
                    said.lock().unwrap().extend(found);
                }
            });
        }
    });
    said.into_inner().unwrap()
}

/// Reads the cases of a file.
pub(crate) fn cases(file: &str) -> Vec<Case> {
    let path = top().join("tests/dockerfiles").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let cases = text.split("## ").skip(1).map(|part| {
        let (head, body) = part.split_once('\n').expect("a case has a file");
        let (name, options) =
            head.split_once(" --").map_or((head, String::new()), |(name, rest)| (name, format!("--{rest}")));
        let has_from = body.lines().any(|line| line.starts_with("FROM "));
        let text = if has_from { body.to_owned() } else { format!("FROM busybox:test\n{body}") };
        Case { name: name.to_owned(), options: options.split_whitespace().map(str::to_owned).collect(), text }
    });
    cases.collect()
}

/// Makes the build context in the directory `name` of a bench.
pub(crate) fn context(bench: &Bench, name: &str) -> PathBuf {
    let dir = bench.dir().join(name);
    let script = "set -e; mkdir -p $1; cd $1; umask 022
        for n in a b; do echo $n > $n.txt; done; echo blank > 'sp ace.txt'
        mkdir -p dir/deep box logs; echo c > dir/deep/c.txt; echo d > dir/d.sh; chmod 755 dir/d.sh; echo h > dir/.hidden
        echo l > logs/a.log; echo k > logs/keep.log; echo t > logs/t.txt; echo m > one.md; echo r > README.md
        tar -czf t.tar.gz dir; tar -cf plain.tar dir; tar -cjf t.tar.bz2 dir; tar -cJf t.tar.xz dir
        cp t.tar.gz archive.txt; cp t.tar.gz box; echo no > notarchive.tar";
    run("sh", &["-c", script, "sh", &dir.display().to_string()]).stdout();
    dir
}

/// Unpacks an image of a bench with an unpacker that is not ours, and returns the root directory.
pub(crate) fn unpacked(bench: &Bench, image: &str, dir: &str) -> PathBuf {
    let (layout, bundle) = (bench.dir().join(dir).join("layout"), bench.dir().join(dir).join("bundle"));
    let _absent = std::fs::remove_dir_all(bench.dir().join(dir));
    std::fs::create_dir_all(bench.dir().join(dir)).unwrap();
    bench.wythe(&["save", image, "--format", "oci-dir", "--tag", "x", "-o", &layout.display().to_string()]).stdout();
    run("umoci", &["unpack", "--image", &format!("{}:latest", layout.display()), &bundle.display().to_string()])
        .stdout();
    bundle.join("rootfs")
}

/// Lists a tree: names, kinds, modes, owners, targets of links, and what `content` prints of files. What a container runtime
/// lays over an image is left out.
pub(crate) fn tree(root: &Path, content: &str) -> Vec<String> {
    let script = "cd \"$1\" && set -f && set -- -mindepth 1 \\( -path ./proc -o -path ./sys -o -path ./dev -o -path ./run -o -path ./etc/hosts \
         -o -path ./etc/resolv.conf -o -path ./etc/hostname -o -path ./etc/mtab \\) -prune -o \
         && find . \"$@\" -printf '%P %y %m %U:%G %l\\n' && find . \"$@\" -type f -print0 | sort -z | xargs -0 -r CONTENT";
    let mut command = Command::new("sh");
    command.args(["-c", &script.replace("CONTENT", content), "sh"]).arg(root).env("LC_ALL", "C");
    let listed = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let mut lines: Vec<String> = listed.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.sort();
    lines
}
