// SPDX-License-Identifier: Apache-2.0

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use wythe_store::{OpenError, Store};

use crate::support::{NOW, entries};

#[test]
fn the_first_opening_makes_a_private_directory() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("a/b/store");
    let store = Store::open(&path, NOW).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    let mut expected = vec!["active", "blobs", "cache", "compiled", "index.db", "layers", "locks", "logs", "reserve"];
    expected.extend(["index.db-shm", "index.db-wal", "roll", "volumes"]);
    expected.sort_unstable();
    assert_eq!(entries(&path), expected);
    assert_eq!(store.compiled_dir(), path.join("compiled"));
    drop(store);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    Store::open(&path, NOW).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_newer_store_is_refused_untouched() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("store");
    drop(Store::open(&path, NOW).unwrap());
    let index = rusqlite::Connection::open(path.join("index.db")).unwrap();
    index.pragma_update(None, "user_version", 7).unwrap();
    drop(index);
    fs::remove_dir_all(path.join("layers")).unwrap();
    let error = Store::open(&path, NOW).unwrap_err();
    let text = format!(
        "the store in {} has format 7 and this program knows format 1; use the newer program or choose another directory",
        path.display()
    );
    assert_eq!(error.to_string(), text);
    assert!(!path.join("layers").exists());
}

#[test]
fn a_directory_of_something_else_is_refused() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("thesis.tex"), "").unwrap();
    let error = Store::open(root.path(), NOW).unwrap_err();
    assert!(matches!(&error, OpenError::NotAStore { entry, .. } if entry == "thesis.tex"), "{error}");
    assert_eq!(entries(root.path()), ["thesis.tex"]);
    let file = root.path().join("thesis.tex");
    assert!(matches!(Store::open(&file, NOW), Err(OpenError::Open { .. } | OpenError::Create { .. })));
}

#[test]
fn a_first_opening_that_was_interrupted_is_finished() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("store");
    fs::create_dir_all(path.join("blobs")).unwrap();
    fs::write(path.join("index.db"), "").unwrap();
    let store = Store::open(&path, NOW).unwrap();
    store.put_blob(b"works").unwrap();
}

#[test]
fn a_link_in_place_of_a_directory_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("store");
    drop(Store::open(&path, NOW).unwrap());
    fs::rename(path.join("layers"), root.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(root.path().join("elsewhere"), path.join("layers")).unwrap();
    let error = Store::open(&path, NOW).unwrap_err();
    assert!(matches!(&error, OpenError::Open { path: part, .. } if *part == path.join("layers")), "{error}");
}

#[test]
fn an_index_of_something_else_is_refused_and_left_alone() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("index.db"), "precious").unwrap();
    let error = Store::open(root.path(), NOW).unwrap_err();
    assert!(matches!(&error, OpenError::NotAStore { entry, .. } if entry == "index.db"), "{error}");
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(root.path().join("index.db")).unwrap(), "precious");
}

/// Root may write everywhere, so the test runs itself again as nobody; without the right to do so it skips.
#[test]
fn an_unwritable_store_is_refused_with_a_way_out() {
    let root = tempfile::tempdir().unwrap();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = root.path().join("store");
    drop(Store::open(&path, NOW).unwrap());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let open_as_nobody = |path: &std::path::Path| {
        let child = Command::new("setpriv")
            .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
            .arg(std::env::current_exe().unwrap())
            .args(["processes::child", "--exact", "--ignored", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.ok()?;
        std::io::Write::write_all(&mut child.stdin.take()?, format!("open\n{}\n", path.display()).as_bytes()).ok()?;
        let output = String::from_utf8(child.wait_with_output().ok()?.stdout).ok()?;
        output.lines().find_map(|line| Some(line.split_once("opened: ")?.1.to_owned()))
    };
    let Some(text) = open_as_nobody(&path) else { return };
    let expected = format!(
        "the store needs to write to {}; make it writable for this user or choose another directory",
        path.display()
    );
    assert_eq!(text, expected);
    let text = open_as_nobody(&root.path().join("new/store")).unwrap();
    let path = root.path().join("new/store");
    assert_eq!(text, format!("cannot make the store directory {}; choose another directory", path.display()));
}
