// SPDX-License-Identifier: Apache-2.0
use std::fs;

use super::*;
use crate::root::Root;

struct Layers(tempfile::TempDir);

impl Layers {
    /// Lower directories of which each has a file of its own and one of all.
    fn new(count: usize) -> (Self, Overlay) {
        let layers = Self(tempfile::tempdir().unwrap());
        let lowers = (0..count).map(|index| layers.lower(&index.to_string())).collect();
        (layers, Overlay { lowers, upper: None, work: None })
    }

    fn lower(&self, name: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir(&path).unwrap();
        fs::write(path.join(format!("of-{name}")), name).unwrap();
        fs::write(path.join("of-all"), name).unwrap();
        path
    }

    fn writable(&self, overlay: &Overlay) -> Overlay {
        let [upper, work] = ["upper", "work"].map(|name| self.0.path().join(name));
        fs::create_dir(&upper).unwrap();
        fs::create_dir(&work).unwrap();
        Overlay { upper: Some(upper), work: Some(work), ..overlay.clone() }
    }
}

#[allow(clippy::print_stderr, reason = "a skipped test says why")]
fn may_mount() -> bool {
    let may = rustix::thread::capability_is_in_bounding_set(rustix::thread::CapabilitySet::SYS_ADMIN).unwrap()
        && rustix::process::geteuid().is_root();
    if !may {
        eprintln!("skipped: mounting needs root, in whatever user namespace");
    }
    may
}

type Way = fn(&Overlay) -> Result<OwnedFd, MountError>;
const WAYS: [(&str, Way); 2] = [("new", Overlay::mount), ("classic", classic::mount_in_private)];

/// The names of a tree's root with what the files say.
fn seen(mount: OwnedFd) -> Vec<(String, Vec<u8>)> {
    let root = Root::from_fd(mount);
    let names = root.read_dir(Path::new("")).unwrap().into_iter().map(|entry| entry.name.into_string().unwrap());
    names.map(|name| (name.clone(), root.read_bounded(Path::new(&name), 9).unwrap())).collect()
}

/// Says of a name that it is gone.
fn mark_gone(layer: &Path, name: &str) {
    let kind = rustix::fs::FileType::CharacterDevice;
    rustix::fs::mknodat(CWD, layer.join(name), kind, Mode::from_raw_mode(0), 0).unwrap();
}

#[test]
fn every_state_of_a_chain_looks_the_same_on_a_foundation() {
    if !may_mount() {
        return;
    }
    let (_layers, overlay) = Layers::new(100);
    mark_gone(&overlay.lowers[40], "of-3");
    mark_gone(&overlay.lowers[70], "of-60");
    mark_gone(&overlay.lowers[98], "of-90");
    let foundations = Foundations::default();
    for count in (1..=100).rev().step_by(7).chain(1..=100) {
        let lowers = overlay.lowers[..count].to_vec();
        let found = seen(foundations.mount(&lowers).unwrap());
        assert_eq!(found, seen(Overlay { lowers, upper: None, work: None }.mount().unwrap()), "{count} layers");
    }
}

#[test]
fn what_stands_on_a_foundation_outlives_it() {
    if !may_mount() {
        return;
    }
    let (layers, overlay) = Layers::new(70);
    let foundations = Foundations::default();
    let mount = foundations.mount(&overlay.lowers).unwrap();
    let absent = [&overlay.lowers[..], &[layers.0.path().join("absent")]].concat();
    let error = foundations.mount(&absent).unwrap_err().to_string();
    assert!(
        error.starts_with("cannot use `") && error.ends_with("/absent` as lower directory of an overlay"),
        "{error}"
    );
    drop(foundations);
    assert_eq!(seen(mount).len(), 71);
    assert_eq!(fs::read_dir(&overlay.lowers[0]).unwrap().count(), 2, "nothing is mounted where others can see it");
}

#[test]
fn a_layer_that_comes_again_counts_where_it_is_highest() {
    if !may_mount() {
        return;
    }
    let on_foundation: Way = |overlay| Foundations::default().mount(&overlay.lowers);
    for (name, way) in [WAYS[0], ("foundation", on_foundation)] {
        let (_layers, mut overlay) = Layers::new(60);
        mark_gone(&overlay.lowers[7], "of-5");
        for again in [5, 6, 5, 7, 6] {
            overlay.lowers.push(overlay.lowers[again].clone());
        }
        let found = seen(way(&overlay).unwrap());
        let says = |wanted: &str| found.iter().find(|(name, _)| name == wanted).map(|(_, text)| text.as_slice());
        assert_eq!((says("of-all"), says("of-5"), says("of-6")), (Some(&b"6"[..]), None, Some(&b"6"[..])), "{name}");
        assert_eq!(found.len(), 60, "{name}");
    }
}

#[test]
fn the_top_layer_wins_and_changes_land_in_the_upper_directory_only() {
    if !may_mount() {
        return;
    }
    for (name, way) in WAYS {
        let (layers, overlay) = Layers::new(3);
        let overlay = layers.writable(&overlay);
        drop(way(&overlay).unwrap());
        let root = Root::from_fd(way(&overlay).unwrap());
        assert_eq!(root.read_bounded(Path::new("of-all"), 9).unwrap(), b"2", "{name}");
        assert_eq!(root.read_bounded(Path::new("of-0"), 9).unwrap(), b"0", "{name}");
        root.create_file(Path::new("of-1"), 0o640).unwrap();
        root.remove_tree(Path::new("of-0")).unwrap();
        let upper = Root::open(overlay.upper.as_deref().unwrap()).unwrap();
        let changed: Vec<_> = upper.read_dir(Path::new("")).unwrap().into_iter().map(|entry| entry.name).collect();
        assert_eq!(changed, ["of-0", "of-1"], "{name}");
        assert_eq!(fs::read(overlay.lowers[1].join("of-1")).unwrap(), b"1", "{name}");
    }
}

#[test]
fn hundreds_of_layers_with_long_names_are_one_file_system() {
    if !may_mount() {
        return;
    }
    for (name, way, count) in [("new", WAYS[0].1, MAX_LOWERS), ("classic", WAYS[1].1, 300)] {
        let layers = Layers(tempfile::tempdir().unwrap());
        let deep = layers.0.path().join("d".repeat(200)).join("e".repeat(200));
        fs::create_dir_all(&deep).unwrap();
        let nested = Layers(tempfile::tempdir_in(&deep).unwrap());
        let lowers = (0..count).map(|index| nested.lower(&index.to_string())).collect();
        let root = Root::from_fd(way(&Overlay { lowers, upper: None, work: None }).unwrap());
        assert_eq!(root.read_dir(Path::new("")).unwrap().len(), count + 1, "{name}");
        let top = root.read_bounded(Path::new("of-all"), 9).unwrap();
        assert_eq!(top, (count - 1).to_string().as_bytes(), "{name}");
    }
}

#[test]
fn what_is_gone_stays_gone_across_the_end_of_a_stack() {
    if !may_mount() || !can_add_lowers() {
        return;
    }
    let (layers, overlay) = Layers::new(MAX_STACK + 20);
    let gone = |layer: usize, name: &str| mark_gone(&overlay.lowers[layer], name);
    gone(7, "of-3");
    gone(MAX_STACK + 2, "of-5");
    gone(MAX_STACK + 3, &format!("of-{}", MAX_STACK + 1));
    let overlay = layers.writable(&overlay);
    let root = Root::from_fd(overlay.mount().unwrap());
    for (name, is_there) in [("of-3", false), ("of-5", false), ("of-501", false), ("of-6", true), ("of-519", true)] {
        assert_eq!(root.metadata(Path::new(name)).is_ok(), is_there, "{name}");
    }
    root.remove_tree(Path::new("of-6")).unwrap();
    let upper = Root::open(overlay.upper.as_deref().unwrap()).unwrap();
    assert_eq!(
        upper.read_dir(Path::new("")).unwrap().len(),
        1,
        "the mark of what was removed lands in the upper directory"
    );
}

#[test]
fn names_with_the_separators_of_overlay_are_names() {
    if !may_mount() {
        return;
    }
    for (name, way) in WAYS {
        let layers = Layers(tempfile::tempdir().unwrap());
        let lowers = [r"a:b", r"c\:d", "e,f", r"g\\h"].map(|name| layers.lower(name)).to_vec();
        let root = Root::from_fd(way(&Overlay { lowers, upper: None, work: None }).unwrap());
        assert_eq!(root.read_bounded(Path::new("of-all"), 9).unwrap(), br"g\\h", "{name}");
        assert_eq!(root.read_dir(Path::new("")).unwrap().len(), 5, "{name}");
    }
}

#[test]
fn one_layer_is_a_read_only_view() {
    if !may_mount() {
        return;
    }
    let (_layers, overlay) = Layers::new(1);
    let root = Root::from_fd(overlay.mount().unwrap());
    assert_eq!(root.read_bounded(Path::new("of-0"), 9).unwrap(), b"0");
    let refusal = root.create_file(Path::new("new"), 0o644).unwrap_err();
    assert_eq!(refusal.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
}

#[test]
fn what_cannot_be_mounted_is_named() {
    if !may_mount() {
        return;
    }
    let (layers, overlay) = Layers::new(2);
    let absent = layers.0.path().join("absent");
    let of = |lowers: Vec<PathBuf>| Overlay { lowers, upper: None, work: None };
    assert!(matches!(of(vec![]).mount(), Err(MountError::NoLower)));
    let many = (0..1000).map(|number| absent.join(number.to_string())).collect();
    assert!(matches!(of(many).mount(), Err(MountError::TooManyLowers { count: 1000, .. })));
    let half = Overlay { upper: Some(absent.clone()), ..overlay.clone() };
    assert!(matches!(half.mount(), Err(MountError::UpperWithoutWork)));
    for (name, way) in WAYS {
        let error = way(&of(vec![overlay.lowers[0].clone(), absent.clone()])).unwrap_err();
        let expected = format!("cannot use `{}` as lower directory of an overlay", absent.display());
        assert_eq!(error.to_string(), expected, "{name}");
    }
}
