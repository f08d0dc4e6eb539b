// SPDX-License-Identifier: Apache-2.0
//! Somebody changes the tree while it is worked on: a thread exchanges a directory with a link that leads out, as fast as it can,
//! and another with one that lies outside (`docs/attacks.md`, A18, B8, C3). An operation may fail or meet either side, and
//! never reads or changes what is outside.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use wythe_snapshot::{
    Archive, Attributes, Choice, Coverage, Selection, Unpack, apply_layer, layer_digest, normalise, select,
    tree_digest, write_tar,
};
use wythe_sys::mount;
use wythe_sys::root::Root;

use crate::support::{Detail, EPOCH, Site, describe, is_root, link, mkdir, write};

/// What is outside, in the file that has the name of one inside.
const CANARY: &str = "CANARY-of-the-machine";

/// How often each operation is tried against each attacker, and how often that one must have struck by then.
const ROUNDS: usize = 10_000;

/// The same for what takes a millisecond and more, unless [`ASKED`] says otherwise.
const SLOW_ROUNDS: usize = 2_000;

/// A variable that says how many rounds there are, of everything.
const ASKED: &str = "WYTHE_TEST_ROUNDS";

const PLAIN: Attributes = Attributes { owner: None, mode: None, mode_edit: None, time: None };

/// A tree that is attacked, and what must stay as it is.
struct Arena {
    site: Site,
    /// The tree that is worked on.
    tree: PathBuf,
    outside: PathBuf,
    /// Attackers swap a directory with one of this, which is moved in and out.
    beside: PathBuf,
    rounds: usize,
}

/// The three attackers: what changes places with the directory `dir`.
#[derive(Clone, Copy, Debug)]
enum Attack {
    AbsoluteLink,
    RelativeLink,
    DirectoryOutside,
}

impl Arena {
    fn new() -> Self {
        Self::with(ROUNDS)
    }

    #[allow(clippy::disallowed_methods, reason = "tests take the number of rounds from the environment")]
    fn with(rounds: usize) -> Self {
        let asked = std::env::var(ASKED).ok().map(|text| text.parse().expect("it is a number"));
        let rounds = asked.unwrap_or(rounds);
        let site = Site::new(&[]);
        let [tree, outside, beside] = ["tree", "outside", "beside"].map(|name| site.make_dir(name));
        for (place, text) in [(&outside, CANARY), (&tree.join("dir"), "inside"), (&beside.join("dir"), "beside")] {
            write(place, "file", text);
            write(place, "sub/file", text);
        }
        Self { site, tree, outside, beside, rounds }
    }

    /// Runs an operation against each of the attackers. True where it went through.
    fn withstands(&self, what: &str, mut operation: impl FnMut(usize) -> bool) {
        let before = describe(&self.outside, Detail::Times);
        for attack in [Attack::AbsoluteLink, Attack::RelativeLink, Attack::DirectoryOutside] {
            let done = AtomicBool::new(false);
            let swaps = AtomicUsize::new(0);
            let (rounds, went_through) = std::thread::scope(|scope| {
                scope.spawn(|| self.attack(attack, &done, &swaps));
                // Until there is somebody to be attacked by.
                while swaps.load(Ordering::Relaxed) == 0 {
                    std::thread::yield_now();
                }
                let end = Ended(&done);
                let (mut rounds, mut went_through) = (0, 0);
                while rounds < self.rounds || swaps.load(Ordering::Relaxed) < self.rounds {
                    went_through += usize::from(operation(rounds));
                    rounds += 1;
                }
                drop(end);
                (rounds, went_through)
            });
            assert_eq!(describe(&self.outside, Detail::Times), before, "{what} reached out: {attack:?}");
            eprintln!("{what}, {attack:?}: {went_through} of {rounds} went through, {swaps:?} exchanges");
        }
    }

    fn attack(&self, attack: Attack, done: &AtomicBool, swaps: &AtomicUsize) {
        let target = self.tree.join("dir");
        let other = match attack {
            Attack::AbsoluteLink | Attack::RelativeLink => self.tree.join("trap"),
            Attack::DirectoryOutside => self.beside.join("dir"),
        };
        self.arrange(attack, &target, &other);
        while !done.load(Ordering::Relaxed) {
            match renameat_with(CWD, &target, CWD, &other, RenameFlags::EXCHANGE) {
                Ok(()) => {
                    swaps.fetch_add(1, Ordering::Relaxed);
                }
                Err(_) => self.arrange(attack, &target, &other),
            }
        }
        // For the next one.
        if fs::symlink_metadata(&target).is_ok_and(|it| it.is_symlink()) {
            fs::remove_file(&target).unwrap();
        }
        drop(fs::remove_file(&other));
        if !matches!(attack, Attack::DirectoryOutside) {
            drop(fs::remove_dir_all(&other));
        }
        drop(fs::create_dir_all(target.join("sub")));
    }

    /// Puts both sides in place: in the beginning, and when the operation has removed one.
    fn arrange(&self, attack: Attack, target: &Path, other: &Path) {
        let is_link = |path: &Path| fs::symlink_metadata(path).is_ok_and(|it| it.is_symlink());
        if is_link(target) {
            drop(fs::remove_file(target));
        }
        if !target.join("file").exists() {
            for name in ["file", "sub/file"].map(|name| target.join(name)) {
                drop(fs::create_dir_all(name.parent().unwrap()));
                drop(fs::write(name, "inside"));
            }
        }
        drop(fs::remove_file(other));
        drop(fs::remove_dir_all(other));
        match attack {
            Attack::AbsoluteLink => link(&self.tree, self.outside.to_str().unwrap(), "trap"),
            Attack::RelativeLink => link(&self.tree, "../outside", "trap"),
            Attack::DirectoryOutside => write(other, "sub/file", "beside"),
        }
    }

    fn root(&self) -> Root {
        Root::open(&self.tree).unwrap()
    }
}

/// Ends the attacker, also where the operation panics.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Whether the canary is in a file somewhere below a directory. Links are not followed.
fn sings(dir: &Path) -> bool {
    fs::read_dir(dir).unwrap().map(Result::unwrap).any(|entry| match entry.file_type().unwrap() {
        kind if kind.is_dir() => sings(&entry.path()),
        kind => kind.is_file() && fs::read_to_string(entry.path()).unwrap().contains(CANARY),
    })
}

fn p(path: &str) -> &Path {
    Path::new(path)
}

/// That the attackers are any good: who uses names is had.
#[test]
fn a18_names_lead_out_if_they_are_followed() {
    let arena = Arena::new();
    let mut met = 0;
    arena.withstands("reading by name", |_| {
        let read = fs::read_to_string(arena.tree.join("dir/file"));
        met += usize::from(read.as_ref().is_ok_and(|text| text == CANARY));
        read.is_ok()
    });
    assert!(met > 0, "nobody was led astray in {} rounds and more", 2 * arena.rounds);
}

#[test]
fn a18_files_are_read_and_made_inside() {
    let arena = Arena::new();
    let root = arena.root();
    arena.withstands("opening", |_| {
        let Ok(mut file) = root.open_file(p("dir/sub/../file")) else { return false };
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_ne!(text, CANARY);
        true
    });
    arena.withstands("climbing", |_| {
        let climbed = root.read_bounded(p("dir/sub/../../../../../../dir/file"), 100);
        assert_ne!(climbed.as_deref().ok(), Some(CANARY.as_bytes()));
        climbed.is_ok()
    });
    arena.withstands("creating", |round| root.create_file(&p("dir").join(format!("new{}", round % 7)), 0o600).is_ok());
    arena.withstands("making directories", |round| {
        root.mkdir_all(&p("dir/a/b").join((round % 7).to_string()), 0o700).is_ok()
    });
    arena.withstands("linking", |_| root.symlink(p("/etc/passwd"), p("dir/link")).is_ok());
}

#[test]
fn a18_trees_are_removed_inside() {
    let arena = Arena::with(SLOW_ROUNDS);
    let root = arena.root();
    arena.withstands("removing", |_| {
        drop(root.mkdir_all(p("dir/sub/deep"), 0o700));
        drop(root.create_file(p("dir/sub/deep/file"), 0o600));
        root.remove_tree(p("dir")).is_ok()
    });
}

#[test]
fn b08_what_is_copied_and_hashed_is_inside() {
    if !is_root("b08_what_is_copied_and_hashed_is_inside") {
        return;
    }
    let arena = Arena::new();
    let source = arena.root();
    let choice = Choice { patterns: vec!["dir".to_owned()], ..Choice::default() };
    arena.withstands("hashing", |_| {
        let Ok(mut chosen) = select(&source, &choice) else { return false };
        tree_digest(&source, &mut chosen, Coverage::Content).is_ok()
    });
    arena.withstands("copying", |round| {
        let Ok(chosen) = Selection::whole(&source, p("dir"), &|_| false) else { return false };
        let mut editor = arena.site.editor();
        let copied = editor.copy(&source, &chosen, p(&format!("/copy{}", round % 3)), &PLAIN).is_ok();
        if round % 100 == 0 {
            assert!(!sings(arena.site.upper()), "a file of the machine was copied");
        }
        copied
    });
    assert!(!sings(arena.site.upper()), "a file of the machine was copied");
}

#[test]
fn a18_what_is_written_by_the_editor_stays_inside() {
    if !is_root("a18_what_is_written_by_the_editor_stays_inside") {
        return;
    }
    let arena = Arena::with(SLOW_ROUNDS);
    let edit = || wythe_snapshot::Editor::open(&arena.tree, None, EPOCH).unwrap();
    arena.withstands("putting", |_| edit().put(p("/dir/sub/put"), b"put", &PLAIN).is_ok());
    arena.withstands("removing from a state", |_| {
        drop(edit().put(p("/dir/gone/x"), b"put", &PLAIN));
        edit().remove(p("/dir/gone")).is_ok()
    });
    let archive = arena.site.dir.path().join("archive.tar");
    let mut builder = tar::Builder::new(fs::File::create(&archive).unwrap());
    for name in ["dir/", "dir/sub/", "dir/sub/unpacked", "dir/unpacked"] {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(if name.ends_with('/') { tar::EntryType::Directory } else { tar::EntryType::Regular });
        header.set_mode(0o777);
        header.set_size(0);
        builder.append_data(&mut header, name, std::io::empty()).unwrap();
    }
    builder.finish().unwrap();
    arena.withstands("unpacking", |_| {
        let member = Unpack::new(archive.clone(), Archive::Tar, PathBuf::from("/"));
        edit().unpack(&[member], &PLAIN).is_ok()
    });
}

#[test]
fn a18_a_layer_is_of_what_is_inside() {
    if !is_root("a18_a_layer_is_of_what_is_inside") {
        return;
    }
    let arena = Arena::with(SLOW_ROUNDS);
    arena.withstands("hashing a layer", |_| layer_digest(&[&arena.tree]).is_ok());
    arena.withstands("writing a layer", |_| {
        let mut bytes = Vec::new();
        let written = write_tar(&[&arena.tree], &mut bytes).is_ok();
        assert!(!String::from_utf8_lossy(&bytes).contains(CANARY), "a file of the machine is in the layer");
        written
    });
}

#[test]
fn a18_a_layer_is_made_of_what_is_inside() {
    if !is_root("a18_a_layer_is_made_of_what_is_inside") {
        return;
    }
    let arena = Arena::with(SLOW_ROUNDS);
    arena.withstands("normalising", |_| normalise(&arena.tree, None, None, EPOCH).is_ok());
    let layer = arena.site.make_dir("layer");
    mkdir(&layer, "dir/sub");
    write(&layer, "dir/sub/applied", "applied");
    normalise(&layer, None, None, EPOCH).unwrap();
    let mut bytes = Vec::new();
    write_tar(&[&layer], &mut bytes).unwrap();
    arena.withstands("applying a layer", |_| {
        // A layer goes to an empty directory of nobody else's, so this is more than happens.
        apply_layer(bytes.as_slice(), &arena.tree).is_ok()
    });
}

#[test]
fn c03_what_is_mounted_is_inside() {
    if !is_root("c03_what_is_mounted_is_inside") {
        return;
    }
    let arena = Arena::new();
    let root = arena.root();
    arena.withstands("mounting a part", |_| {
        let Ok(place) = root.locate(p("dir")) else { return false };
        let Ok(tree) = mount::clone_tree(place, Path::new(""), true) else { return false };
        let text = Root::from_fd(tree).read_bounded(p("file"), 100);
        assert_ne!(text.as_deref().ok(), Some(CANARY.as_bytes()), "a directory of the machine was mounted");
        text.is_ok()
    });
}
