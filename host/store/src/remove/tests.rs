// SPDX-License-Identifier: Apache-2.0

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::remove_entry;

fn remove(path: &Path) -> Result<(), rustix::io::Errno> {
    let parent = File::open(path.parent().unwrap()).unwrap();
    remove_entry(parent.as_fd(), &CString::new(path.file_name().unwrap().as_bytes()).unwrap())
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn removes_trees_of_any_mode() {
    let root = tempfile::tempdir().unwrap();
    let tree = root.path().join("tree");
    fs::create_dir_all(tree.join("work/work/deep")).unwrap();
    fs::create_dir_all(tree.join("read-only/below")).unwrap();
    File::create(tree.join("read-only/below/file")).unwrap();
    set_mode(&tree.join("read-only/below/file"), 0o000);
    set_mode(&tree.join("read-only/below"), 0o555);
    set_mode(&tree.join("read-only"), 0o555);
    set_mode(&tree.join("work/work"), 0o000);
    remove(&tree).unwrap();
    assert!(!tree.exists());
}

#[test]
fn links_are_removed_and_not_followed() {
    let root = tempfile::tempdir().unwrap();
    let kept = root.path().join("kept");
    fs::create_dir(&kept).unwrap();
    File::create(kept.join("file")).unwrap();
    let tree = root.path().join("tree");
    fs::create_dir(&tree).unwrap();
    std::os::unix::fs::symlink(&kept, tree.join("link")).unwrap();
    std::os::unix::fs::symlink("/nowhere", tree.join("dangling")).unwrap();
    remove(&tree).unwrap();
    assert!(!tree.exists() && kept.join("file").exists());
    std::os::unix::fs::symlink(&kept, &tree).unwrap();
    remove(&tree).unwrap();
    assert!(tree.symlink_metadata().is_err() && kept.join("file").exists());
}

#[test]
fn what_is_not_there_is_no_error() {
    let root = tempfile::tempdir().unwrap();
    remove(&root.path().join("nothing")).unwrap();
}

/// Deeper than paths may be long, than a process may have files open, and than a stack is.
#[test]
fn depth_does_not_matter() {
    let root = tempfile::tempdir().unwrap();
    let tree = root.path().join("tree");
    fs::create_dir(&tree).unwrap();
    let mut at: std::os::fd::OwnedFd = File::open(&tree).unwrap().into();
    for level in 0..2100 {
        rustix::fs::mkdirat(&at, "d", rustix::fs::Mode::RWXU).unwrap();
        if level % 16 == 0 {
            rustix::fs::mkdirat(&at, "e", rustix::fs::Mode::RWXU).unwrap();
        }
        let flags = rustix::fs::OFlags::DIRECTORY;
        at = rustix::fs::openat(&at, "d", flags, rustix::fs::Mode::empty()).unwrap();
    }
    drop(at);
    remove(&tree).unwrap();
    assert!(!tree.exists());
}

#[test]
fn what_is_mounted_inside_is_left_alone() -> io::Result<()> {
    let root = tempfile::tempdir()?;
    let (kept, tree) = (root.path().join("kept"), root.path().join("tree"));
    fs::create_dir_all(tree.join("a/mounted"))?;
    fs::create_dir(&kept)?;
    File::create(kept.join("file"))?;
    // A bind mount of the same file system: the device number is the same. Mounting needs privilege.
    let bind = |from: &Path, to: &Path| {
        std::process::Command::new("mount").arg("--bind").arg(from).arg(to).stderr(std::process::Stdio::null()).status()
    };
    if !bind(&kept, &tree.join("a/mounted")).is_ok_and(|status| status.success()) {
        return Ok(());
    }
    let result = remove(&tree);
    let unmounted = std::process::Command::new("umount").arg(tree.join("a/mounted")).status()?;
    assert!(unmounted.success());
    assert!(matches!(result, Err(rustix::io::Errno::XDEV | rustix::io::Errno::BUSY)), "{result:?}");
    assert!(kept.join("file").exists());
    remove(&tree).unwrap();
    assert!(!tree.exists());
    Ok(())
}
