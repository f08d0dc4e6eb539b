// SPDX-License-Identifier: Apache-2.0
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;

/// A host with a secret, and a root in it whose links try to get out.
struct Host {
    directory: tempfile::TempDir,
    root: Root,
}

impl Host {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("secret"), "host").unwrap();
        let inside = directory.path().join("root");
        fs::create_dir(&inside).unwrap();
        fs::write(inside.join("secret"), "inside").unwrap();
        let root = Root::open(&inside).unwrap();
        Self { directory, root }
    }

    fn inside(&self, name: &str) -> PathBuf {
        self.directory.path().join("root").join(name)
    }

    fn secret(&self) -> String {
        fs::read_to_string(self.directory.path().join("secret")).unwrap()
    }
}

#[test]
fn every_way_out_leads_back_inside() {
    let host = Host::new();
    symlink("../secret", host.inside("up")).unwrap();
    symlink("/secret", host.inside("absolute")).unwrap();
    symlink("/..", host.inside("top")).unwrap();
    for path in ["secret", "/secret", "../secret", "/../../secret", "up", "absolute", "top/secret", "top/../secret"] {
        let read = host.root.read_bounded(Path::new(path), 10).unwrap();
        assert_eq!(read, b"inside", "{path}");
    }
}

#[test]
fn the_jumping_links_of_proc_are_refused() {
    let root = Root::open(Path::new("/proc")).unwrap();
    let refusal = root.open_file(Path::new("self/exe")).unwrap_err();
    assert_eq!(refusal.raw_os_error(), Some(Errno::LOOP.raw_os_error()));
    assert!(root.open_file(Path::new("self/root/etc/passwd")).is_err());
}

#[test]
fn creating_replaces_a_link_and_not_what_it_leads_to() {
    let host = Host::new();
    symlink(host.directory.path().join("secret"), host.inside("link")).unwrap();
    let made = host.root.create_file(Path::new("/link"), 0o4751).unwrap();
    assert_eq!(made.metadata().unwrap().permissions().mode() & 0o7777, 0o4751);
    assert!(fs::symlink_metadata(host.inside("link")).unwrap().is_file());
    host.root.symlink(Path::new("/anywhere"), Path::new("link")).unwrap();
    assert_eq!(host.root.read_link(Path::new("link")).unwrap(), Path::new("/anywhere"));
    fs::create_dir(host.inside("dir")).unwrap();
    let refusal = host.root.create_file(Path::new("dir"), 0o600).unwrap_err();
    assert_eq!(refusal.kind(), io::ErrorKind::IsADirectory);
    assert_eq!(host.secret(), "host");
}

#[test]
fn reading_is_bounded_and_of_regular_files_only() {
    let host = Host::new();
    let too_long = host.root.read_bounded(Path::new("secret"), 5).unwrap_err();
    assert_eq!(too_long.kind(), io::ErrorKind::FileTooLarge);
    assert_eq!(host.root.read_bounded(Path::new("secret"), 6).unwrap(), b"inside");
    rustix::fs::mkfifoat(host.root.as_fd(), "pipe", Mode::RWXU).unwrap();
    for path in ["pipe", "/"] {
        let refusal = host.root.read_bounded(Path::new(path), 10).unwrap_err();
        assert_eq!(refusal.kind(), io::ErrorKind::InvalidInput, "{path}");
    }
}

#[test]
fn directories_are_made_through_links_and_keep_their_modes() {
    let host = Host::new();
    fs::create_dir(host.inside("real")).unwrap();
    fs::set_permissions(host.inside("real"), fs::Permissions::from_mode(0o711)).unwrap();
    symlink("/real", host.inside("link")).unwrap();
    let made = host.root.mkdir_all(Path::new("/link/a/../b/c"), 0o1777).unwrap();
    assert_eq!(File::from(made).metadata().unwrap().ino(), fs::metadata(host.inside("real/b/c")).unwrap().ino());
    let mode = |name: &str| fs::metadata(host.inside(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!([mode("real"), mode("real/a"), mode("real/b"), mode("real/b/c")], [0o711, 0o1777, 0o1777, 0o1777]);
    symlink("/absent", host.inside("dangling")).unwrap();
    assert!(host.root.mkdir_all(Path::new("dangling/a"), 0o755).is_err());
    assert!(host.root.mkdir_all(Path::new("secret/a"), 0o755).is_err());
}

#[test]
fn entries_come_in_the_order_of_their_bytes() {
    let host = Host::new();
    fs::write(host.inside("b"), "").unwrap();
    fs::write(host.inside("B"), "").unwrap();
    symlink("b", host.inside("a")).unwrap();
    let entries = host.root.read_dir(Path::new("/")).unwrap();
    let names: Vec<_> = entries.iter().map(|entry| entry.name.to_str().unwrap()).collect();
    assert_eq!(names, ["B", "a", "b", "secret"]);
    assert!(entries[1].kind.is_symlink());
}

#[test]
fn a_tree_deeper_than_the_descriptor_table_and_the_longest_path_is_removed() {
    let host = Host::new();
    let mut deep = host.root.mkdir_all(Path::new("deep"), 0o755).unwrap();
    for _ in 0..5000 {
        rustix::fs::mkdirat(&deep, "directory", Mode::RWXU).unwrap();
        rustix::fs::symlinkat("/", &deep, "link").unwrap();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        deep = rustix::fs::openat(&deep, "directory", flags, Mode::empty()).unwrap();
    }
    for index in 0..3000 {
        fs::write(host.inside(&format!("deep/{index}")), "").unwrap();
    }
    symlink(host.directory.path(), host.inside("deep/out")).unwrap();
    host.root.remove_tree(Path::new("deep")).unwrap();
    assert!(!host.inside("deep").exists());
    assert_eq!(host.secret(), "host");
    let missing = host.root.remove_tree(Path::new("deep")).unwrap_err();
    assert_eq!(missing.kind(), io::ErrorKind::NotFound);
}

#[test]
fn a_link_is_removed_and_not_followed() {
    let host = Host::new();
    symlink(host.directory.path(), host.inside("link")).unwrap();
    host.root.remove_tree(Path::new("link")).unwrap();
    assert!(fs::symlink_metadata(host.inside("link")).is_err());
    assert_eq!(host.secret(), "host");
}

#[test]
fn links_anywhere_on_the_way_are_seen() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(directory.path().join("etc/ssl")).unwrap();
    std::fs::write(directory.path().join("etc/hosts"), "").unwrap();
    std::os::unix::fs::symlink("etc", directory.path().join("link")).unwrap();
    std::os::unix::fs::symlink("/etc", directory.path().join("etc/loop")).unwrap();
    let root = Root::open(directory.path()).unwrap();
    let plain = |path: &str| root.is_without_links(Path::new(path));
    assert_eq!(["/", "/etc/ssl", "etc/hosts"].map(plain), [true; 3]);
    assert_eq!(["/none", "/link", "/link/ssl", "/etc/loop", "/etc/hosts/none"].map(plain), [false; 5]);
}
