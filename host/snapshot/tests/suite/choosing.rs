// SPDX-License-Identifier: Apache-2.0
//! Choosing files by patterns, and the digest of what is chosen.

use std::fs;
use std::path::Path;

use wythe_snapshot::{Choice, Coverage, LeafKind, Patterns, SelectError, select, tree_digest};
use wythe_sys::root::Root;

use crate::support::{chmod, link, mkdir, set_times, write};

fn source(root: &Path) {
    for path in [
        "a.txt",
        "b.txt",
        "c.md",
        "dir/a.txt",
        "dir/sub/deep.txt",
        "dir/sub/x.log",
        "other/b.txt",
        "other/keep/k",
        "sp ace/[x]",
    ] {
        write(root, path, path);
        chmod(root, path, 0o644);
    }
    mkdir(root, "empty");
    for path in ["dir", "dir/sub", "other", "other/keep", "empty", "sp ace"] {
        chmod(root, path, 0o755);
    }
    link(root, "a.txt", "to-file");
    link(root, "dir", "to-dir");
    link(root, "/etc/passwd", "out");
    link(root, "../../../../../../../../etc", "up");
}

struct Chosen {
    dir: tempfile::TempDir,
}

impl Chosen {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        source(dir.path());
        Self { dir }
    }

    fn root(&self) -> Root {
        Root::open(self.dir.path()).unwrap()
    }

    fn places(&self, choice: &Choice) -> Result<Vec<String>, SelectError> {
        let selection = select(&self.root(), choice)?;
        Ok(selection
            .leaves
            .iter()
            .filter(|leaf| leaf.kind != LeafKind::Directory)
            .map(|leaf| leaf.at.to_str().unwrap().to_owned())
            .collect())
    }
}

fn choose(patterns: &[&str]) -> Choice {
    Choice { patterns: patterns.iter().map(|pattern| (*pattern).to_owned()).collect(), ..Choice::default() }
}

/// A tree that is looked at by several threads: the order is that of the names, and what is left out is left out.
#[test]
fn large_trees_are_chosen_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut expected = Vec::new();
    let names = |count: usize| (0..count).map(|number| format!("{number:04}"));
    for top in names(40) {
        for file in names(20) {
            write(dir.path(), &format!("{top}/sub/{file}"), "");
            expected.push(format!("{top}/sub/{file}"));
        }
        write(dir.path(), &format!("{top}/sub.log"), "");
    }
    for file in names(2000) {
        write(dir.path(), &format!("flat/{file}/x"), "");
        write(dir.path(), &format!("flat/{file}.log"), "");
        expected.push(format!("flat/{file}/x"));
    }
    let choice = Choice { ignore: Patterns::new(&["**/*.log".to_owned()]).unwrap(), ..choose(&["."]) };
    let found = select(&Root::open(dir.path()).unwrap(), &choice).unwrap();
    let (directories, files): (Vec<_>, Vec<_>) = found.leaves.iter().partition(|leaf| leaf.kind == LeafKind::Directory);
    assert_eq!(files.iter().map(|leaf| leaf.at.to_str().unwrap()).collect::<Vec<_>>(), expected);
    assert_eq!(directories.len(), 1 + 40 * 2 + 1 + 2000);
    assert!(found.leaves.is_sorted_by(|one, next| one.at < next.at));
}

#[test]
fn patterns_choose_files_and_the_content_of_directories() {
    let chosen = Chosen::new();
    for (patterns, places) in [
        (&["a.txt"][..], &["a.txt"][..]),
        (&["./a.txt/"], &["a.txt"]),
        (&["/a.txt"], &["a.txt"]),
        (&["*.txt"], &["a.txt", "b.txt"]),
        (&["?.md", "a.txt"], &["a.txt", "c.md"]),
        (&["dir"], &["a.txt", "sub/deep.txt", "sub/x.log"]),
        (&["dir/"], &["a.txt", "sub/deep.txt", "sub/x.log"]),
        (&["dir/*"], &["a.txt", "deep.txt", "x.log"]),
        (&["d*"], &["a.txt", "sub/deep.txt", "sub/x.log"]),
        (&["**/*.txt"], &["a.txt", "b.txt", "deep.txt"]),
        (&["*/a.txt"], &["a.txt"]),
        (&["dir", "other"], &["a.txt", "b.txt", "keep/k", "sub/deep.txt", "sub/x.log"]),
        (&["empty"], &[]),
        (&["to-file"], &["to-file"]),
        (&["to-dir"], &["to-dir"]),
        (&["to-dir/a.txt"], &["a.txt"]),
        (&["sp ace/\\[x\\]"], &["[x]"]),
        (&["[ab].txt"], &["a.txt", "b.txt"]),
    ] {
        assert_eq!(chosen.places(&choose(patterns)).unwrap(), places, "{patterns:?}");
    }
}

#[test]
fn the_later_pattern_wins_a_place() {
    let chosen = Chosen::new();
    let selection = select(&chosen.root(), &choose(&["a.txt", "dir"])).unwrap();
    let leaf = selection.leaves.iter().find(|leaf| leaf.at == Path::new("a.txt")).unwrap();
    assert_eq!(leaf.path, Path::new("dir/a.txt"));
}

#[test]
fn links_lead_nowhere_outside() {
    let chosen = Chosen::new();
    let following = |pattern| Choice { follow_links: true, ..choose(&[pattern]) };
    assert_eq!(chosen.places(&following("to-file")).unwrap(), ["to-file"]);
    assert_eq!(chosen.places(&following("to-dir")).unwrap(), ["a.txt", "sub/deep.txt", "sub/x.log"]);
    // `/etc` of the source, which it does not have.
    assert!(matches!(chosen.places(&following("out")), Err(SelectError::Nothing(_))));
    assert!(matches!(chosen.places(&following("up")), Err(SelectError::Nothing(_))));
    assert!(matches!(chosen.places(&choose(&["up/passwd"])), Err(SelectError::Nothing(_))));
    assert!(matches!(chosen.places(&choose(&["../x"])), Err(SelectError::Outside(_))));
    assert!(matches!(chosen.places(&choose(&["dir/../../x"])), Err(SelectError::Outside(_))));
    let selection = select(&chosen.root(), &choose(&["out"])).unwrap();
    assert_eq!(selection.leaves[0].kind, LeafKind::Symlink(b"/etc/passwd".to_vec()));
}

#[test]
fn what_is_ignored_is_not_chosen() {
    let chosen = Chosen::new();
    let ignoring =
        |ignore: &[&str], patterns: &[&str]| Choice { ignore: Patterns::new(ignore).unwrap(), ..choose(patterns) };
    assert_eq!(chosen.places(&ignoring(&["**/*.log"], &["dir"])).unwrap(), ["a.txt", "sub/deep.txt"]);
    let all = chosen.places(&ignoring(&["other", "!other/keep"], &["."])).unwrap();
    let of_other: Vec<&String> = all.iter().filter(|place| place.starts_with("other/")).collect();
    assert_eq!(of_other, ["other/keep/k"]);
    assert_eq!(chosen.places(&ignoring(&["other", "!other/keep"], &["other"])).unwrap(), ["keep/k"]);
    assert!(matches!(chosen.places(&ignoring(&["dir"], &["dir"])), Err(SelectError::Ignored(_))));
    assert!(matches!(chosen.places(&ignoring(&["*.txt"], &["a.txt"])), Err(SelectError::Ignored(_))));
    assert!(matches!(chosen.places(&ignoring(&["dir"], &["nothing"])), Err(SelectError::Nothing(_))));
    let optional = Choice { optional: true, ..choose(&["nothing", "a.txt"]) };
    assert_eq!(chosen.places(&optional).unwrap(), ["a.txt"]);
    let excluding = Choice { exclude: Patterns::new(&["sub"]).unwrap(), ..choose(&["dir"]) };
    assert_eq!(chosen.places(&excluding).unwrap(), ["a.txt"]);
}

#[test]
fn parents_are_kept_from_the_pivot_on() {
    let chosen = Chosen::new();
    let keeping = |pattern| Choice { keep_parents: true, ..choose(&[pattern]) };
    assert_eq!(chosen.places(&keeping("dir/sub/*.txt")).unwrap(), ["dir/sub/deep.txt"]);
    assert_eq!(chosen.places(&keeping("dir/./sub/*.txt")).unwrap(), ["sub/deep.txt"]);
    assert_eq!(chosen.places(&keeping("dir/sub")).unwrap(), ["dir/sub/deep.txt", "dir/sub/x.log"]);
}

#[test]
fn pipes_and_sockets_are_left_out() {
    let chosen = Chosen::new();
    let fifo = rustix::fs::FileType::Fifo;
    let path = chosen.dir.path().join("dir/pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &path, fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    drop(std::os::unix::net::UnixListener::bind(chosen.dir.path().join("dir/socket")).unwrap());
    let selection = select(&chosen.root(), &choose(&["dir"])).unwrap();
    let left_out: Vec<String> =
        selection.left_out.iter().map(|left| format!("{} {}", left.kind, left.path.display())).collect();
    assert_eq!(left_out, ["named pipe dir/pipe", "socket dir/socket"]);
}

#[test]
fn a_digest_changes_when_an_input_does_and_only_then() {
    let chosen = Chosen::new();
    let digest = |patterns: &[&str], coverage| {
        let mut selection = select(&chosen.root(), &choose(patterns)).unwrap();
        tree_digest(&chosen.root(), &mut selection, coverage).unwrap()
    };
    let before = digest(&["."], Coverage::Content);
    // A change of this digest is a change of the format: nothing that was built before is found again.
    let file = digest(&["a.txt"], Coverage::Content);
    assert_eq!(file.to_string(), "sha256:2e3d2b5c406011eb098ee803b12fa34cb9ed0156803a9f5de10e0e6932dee98d");
    set_times(chosen.dir.path(), 3);
    assert_eq!(digest(&["."], Coverage::Content), before, "times are not part of it");
    assert_eq!(digest(&["a.txt"], Coverage::Content), file);
    assert_ne!(digest(&["*.txt"], Coverage::Content), file, "one file and a directory of one file land elsewhere");
    assert_ne!(digest(&["a.txt"], Coverage::Owners), file);

    type Change = fn(&Path);
    let changes: [(&str, Change); 5] = [
        ("content", |root| write(root, "a.txt", "A.txt")),
        ("a mode", |root| chmod(root, "b.txt", 0o755)),
        ("a link", |root| {
            fs::remove_file(root.join("to-dir")).unwrap();
            link(root, "other", "to-dir");
        }),
        ("a name", |root| fs::rename(root.join("c.md"), root.join("d.md")).unwrap()),
        ("an empty directory", |root| fs::remove_dir(root.join("empty")).unwrap()),
    ];
    let mut last = before;
    for (what, change) in changes {
        change(chosen.dir.path());
        let now = digest(&["."], Coverage::Content);
        assert_ne!(now, last, "after {what} changed");
        last = now;
    }
}

#[test]
fn ten_thousand_patterns_take_no_time() {
    let chosen = Chosen::new();
    let many: Vec<String> = (0..10_000).map(|number| format!("**/*{number}*/**/x{number}?[a-z]*")).collect();
    let deep = format!("{}x", "**/".repeat(40));
    let before = std::time::Instant::now();
    let ignore = Patterns::new(&many[..1_000]).unwrap();
    let choice = Choice { ignore, optional: true, ..choose(&[&deep, "."]) };
    assert_eq!(select(&chosen.root(), &choice).unwrap().leaves.len(), 20);
    assert!(before.elapsed().as_secs() < 20, "it took {:?}", before.elapsed());
}
