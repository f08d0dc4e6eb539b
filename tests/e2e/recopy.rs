// SPDX-License-Identifier: Apache-2.0
//! A copy of many files of which a few are otherwise: only those are written, and the image is the one that it would be.

use std::fs;
use std::path::{Path, PathBuf};

use wythe_tests::{Bench, is_installed, run};

/// Enough for the copy to be noted.
const FILES: usize = 700;

const COPY: &str = "base = \"scratch\"\n[[steps]]\nkind = \"files\"\nfrom = \"root\"\nto = \"/\"\n\
[[steps]]\nkind = \"files\"\nfrom = \"src\"\nto = \"/srv/app\"\nowner = \"7:8\"\n";

const COUNT: &str = "[[steps]]\nkind = \"run\"\nnetwork = \"none\"\n\
commands = [\"find /srv -type f | sort | xargs cat | md5sum > /sum; stat -c '%a %u:%g %Y %n' /srv/app /srv/app/* > /stat\"]\n";

fn fill(bench: &Bench) {
    for number in 0..FILES {
        bench.file(&format!("src/{}/{number}", number % 7), &format!("{number}\n").repeat(number % 50));
    }
}

/// A bench with the definition, its store elsewhere than another one's.
fn bench() -> Option<Bench> {
    let bench = Bench::with_busybox()?;
    bench.definition(&format!("{COPY}{COUNT}"));
    fill(&bench);
    Some(bench)
}

/// Layers that stand on another one.
fn in_parts(bench: &Bench) -> Vec<PathBuf> {
    let layers = fs::read_dir(bench.store().join("layers")).unwrap().map(|entry| entry.unwrap().path());
    layers.filter(|layer| layer.join("top").is_dir()).collect()
}

fn files_in(dir: &Path) -> usize {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files_in(&path) } else { 1 }).sum()
}

fn digest(bench: &Bench, more: &[&str]) -> String {
    bench.wythe(&[&["build", "-t", "app", "--progress", "quiet"], more].concat()).stdout()
}

#[test]
fn a_few_files_of_many_are_written_alone_and_the_image_is_the_same() {
    let (Some(bench), Some(other)) = (bench(), bench()) else { return };
    let first = digest(&bench, &[]);
    assert_eq!(in_parts(&bench), [""; 0].map(PathBuf::from));
    for bench in [&bench, &other] {
        bench.file("src/3/3", "changed\n").file("src/3/new", "new\n").file("src/more/new", "new\n");
    }
    let second = digest(&bench, &[]);
    let parts = in_parts(&bench);
    assert_eq!(parts.len(), 1, "{parts:?}");
    assert_eq!(files_in(&parts[0].join("top")), 3);
    // Somebody who has never seen the first one makes the same image.
    assert_eq!(digest(&other, &[]), second);
    assert_eq!(in_parts(&other), [""; 0].map(PathBuf::from));
    // The same again in a store that knows the first, as a whole.
    assert_eq!(digest(&bench, &["--rebuild-all"]), second);
    // Changed back, it is what it was.
    bench.file("src/3/3", &"3\n".repeat(3));
    fs::remove_file(bench.dir().join("src/3/new")).unwrap();
    fs::remove_dir_all(bench.dir().join("src/more")).unwrap();
    assert_eq!(digest(&bench, &[]), first);
    bench.wythe(&["store", "verify"]).stdout();
}

#[test]
fn what_stands_on_another_layer_survives_it_and_leaves_the_store_whole() {
    let Some(bench) = bench() else { return };
    digest(&bench, &[]);
    bench.wythe(&["tag", "app", "first"]).stdout();
    bench.file("src/0/0", "changed\n");
    let second = digest(&bench, &[]);
    assert_eq!(in_parts(&bench).len(), 1);
    let compared = bench.wythe(&["diff", "first", "app"]).stdout();
    assert!(compared.contains("/srv/app/0/0") && !compared.contains("/srv/app/0/14"), "{compared}");
    bench.wythe(&["rm", "first"]).stdout();
    bench.wythe(&["store", "gc", "--older-than", "0"]).stdout();
    bench.wythe(&["store", "verify"]).stdout();
    assert_eq!(digest(&bench, &["--offline"]), second);
    let read =
        bench.wythe(&["run", "app", "--", "/bin/sh", "-c", "cat /srv/app/0/0 /srv/app/1/1; wc -l < /stat"]).stdout();
    assert_eq!(read, "changed\n1\n8\n");
    let layout = bench.dir().join("layout").display().to_string();
    bench.wythe(&["save", "app", "--format", "oci-dir", "-o", &layout]).stdout();
    if is_installed("umoci") {
        let bundle = bench.dir().join("bundle").display().to_string();
        run("umoci", &["unpack", "--rootless", "--image", &format!("{layout}:latest"), &bundle]).stdout();
        assert_eq!(files_in(Path::new(&format!("{bundle}/rootfs/srv"))), FILES);
    }
    bench.wythe(&["rm", "app"]).stdout();
    bench.wythe(&["store", "gc", "--older-than", "0"]).stdout();
    assert_eq!(fs::read_dir(bench.store().join("layers")).unwrap().count(), 0);
}

type Change<'a> = &'a dyn Fn(&Bench);

#[test]
fn whatever_cannot_be_said_by_a_few_files_is_written_as_a_whole() {
    let Some(bench) = bench() else { return };
    digest(&bench, &[]);
    // Something has gone; a file is a directory now; much is otherwise; a place was there before the copy.
    let cases: [(&str, Change<'_>); 4] = [
        ("gone", &|bench| fs::remove_file(bench.dir().join("src/0/0")).unwrap()),
        ("another type", &|bench| {
            fs::remove_file(bench.dir().join("src/0/7")).unwrap();
            bench.file("src/0/7/inside", "1\n");
        }),
        ("much", &|bench| {
            (0..FILES).step_by(2).for_each(|at| {
                bench.file(&format!("src/{}/{at}", at % 7), "x\n");
            });
        }),
        ("there before", &|bench| {
            bench.file("root/srv/app/2/2", "below\n").file("src/2/2", "x\n");
        }),
    ];
    for (name, change) in cases {
        change(&bench);
        let second = digest(&bench, &[]);
        assert_eq!(in_parts(&bench).len(), 0, "{name}");
        assert_eq!(digest(&bench, &["--rebuild-all"]), second, "{name}");
    }
}

#[test]
fn notes_that_are_damaged_are_not_used() {
    let Some(bench) = bench() else { return };
    digest(&bench, &[]);
    let layers = fs::read_dir(bench.store().join("layers")).unwrap().map(|entry| entry.unwrap().path());
    let notes: Vec<PathBuf> = layers.map(|layer| layer.join("notes")).filter(|notes| notes.is_dir()).collect();
    assert_eq!(notes.len(), 1, "{notes:?}");
    let is_list = |path: &PathBuf| path.file_stem().is_some_and(|stem| stem == "files");
    let list = fs::read_dir(&notes[0]).unwrap().map(|entry| entry.unwrap().path()).find(is_list).unwrap();
    let mut bytes = fs::read(&list).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&list, bytes).unwrap();
    bench.file("src/0/0", "changed\n");
    let second = digest(&bench, &[]);
    assert_eq!(in_parts(&bench).len(), 0);
    assert_eq!(digest(&bench, &["--rebuild-all"]), second);
}
