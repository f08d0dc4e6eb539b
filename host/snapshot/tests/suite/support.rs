// SPDX-License-Identifier: Apache-2.0
//! Trees to begin with, and words for trees to compare.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use wythe_snapshot::Editor;
use wythe_sys::overlay::Overlay;
use wythe_sys::root::Root;
use wythe_sys::userns::{Standing, standing};

/// The time that builds in these tests pretend it is.
pub(crate) const EPOCH: u64 = 1_700_000_000;

/// Returns whether this process may change owners and mount; says why a test is passed over where it may not.
pub(crate) fn is_root(test: &str) -> bool {
    let has_users = matches!(standing(), Standing::Root | Standing::Mapped { .. });
    if !has_users {
        eprintln!("{test} is passed over: it needs to be root, of the machine or of a user namespace with other users");
    }
    has_users
}

/// Layers, an upper directory and what a mount needs.
pub(crate) struct Site {
    pub(crate) dir: TempDir,
    pub(crate) overlay: Overlay,
}

impl Site {
    /// Makes a site whose lower directories are filled by these.
    pub(crate) fn new(layers: &[&dyn Fn(&Path)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| {
            let path = dir.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            path
        };
        let mut lowers = Vec::new();
        for (number, fill) in layers.iter().enumerate() {
            let lower = path(&format!("lower{number}"));
            fill(&lower);
            lowers.push(lower);
        }
        let overlay = Overlay { lowers, upper: Some(path("upper")), work: Some(path("work")) };
        Self { dir, overlay }
    }

    pub(crate) fn upper(&self) -> &Path {
        self.overlay.upper.as_deref().unwrap()
    }

    /// What lies below the upper directory, merged; none where that is nothing.
    pub(crate) fn below(&self) -> Option<Root> {
        let below = Overlay { upper: None, work: None, ..self.overlay.clone() };
        (!below.lowers.is_empty()).then(|| Root::from_fd(below.mount().unwrap()))
    }

    /// Opens the tree for edits.
    pub(crate) fn editor(&self) -> Editor {
        Editor::open(self.upper(), self.below().as_ref(), EPOCH).unwrap()
    }

    /// The merged tree with the upper directory as one more layer.
    pub(crate) fn merged(&self) -> Merged {
        let mut lowers = self.overlay.lowers.clone();
        lowers.push(self.upper().to_owned());
        Merged::of(&Overlay { lowers, upper: None, work: None })
    }

    /// Mounts the tree, has it changed, and unmounts it.
    pub(crate) fn change(&self, change: impl FnOnce(&Path)) {
        let merged = Merged::of(&self.overlay);
        change(&merged.path());
    }

    pub(crate) fn make_dir(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::create_dir(&path).unwrap();
        path
    }
}

/// A mounted tree.
pub(crate) struct Merged(OwnedFd);

impl Merged {
    pub(crate) fn of(overlay: &Overlay) -> Self {
        Self(overlay.mount().unwrap())
    }

    pub(crate) fn path(&self) -> PathBuf {
        // The slash makes programs treat it as the directory.
        PathBuf::from(format!("/proc/{}/fd/{}/", std::process::id(), self.0.as_fd().as_raw_fd()))
    }
}

/// Which attributes a description has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    Times,
    NoTimes,
}

/// Describes a tree: a line for each path.
pub(crate) fn describe(root: &Path, detail: Detail) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::new();
    let mut links = BTreeMap::new();
    describe_into(root, "", detail, &mut lines, &mut links);
    lines
}

fn describe_into(
    root: &Path,
    at: &str,
    detail: Detail,
    lines: &mut BTreeMap<String, String>,
    links: &mut BTreeMap<(u64, u64), String>,
) {
    let path = root.join(at);
    // Where a directory is of one layer, overlay lists the names that this layer says are gone, and finds nothing there.
    let Ok(stat) = fs::symlink_metadata(&path) else { return };
    let stat = if at.is_empty() { fs::metadata(root).unwrap() } else { stat };
    let kind = stat.file_type();
    let mode = stat.mode() & 0o7777;
    let what = if kind.is_dir() {
        let mut names: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        for name in names {
            let name = name.to_str().unwrap();
            let inner = if at.is_empty() { name.to_owned() } else { format!("{at}/{name}") };
            describe_into(root, &inner, detail, lines, links);
        }
        "directory".to_owned()
    } else if kind.is_symlink() {
        format!("-> {}", fs::read_link(&path).unwrap().display())
    } else if kind.is_file() {
        let mut text = Vec::new();
        fs::File::open(&path).unwrap().read_to_end(&mut text).unwrap();
        let first = links.entry((stat.dev(), stat.ino())).or_insert_with(|| at.to_owned()).clone();
        let other = if first == at { String::new() } else { format!(" = {first}") };
        let text: String = String::from_utf8_lossy(&text).chars().take(40).collect();
        format!("{} bytes {text:?}{other}", stat.len())
    } else if kind.is_fifo() {
        "pipe".to_owned()
    } else if kind.is_char_device() && stat.rdev() == 0 {
        lines.insert(at.to_owned(), "gone".to_owned());
        return;
    } else {
        "special".to_owned()
    };
    let mode = if kind.is_symlink() { 0o777 } else { mode };
    let time =
        if detail == Detail::Times { format!(" @{}.{}", stat.mtime(), stat.mtime_nsec()) } else { String::new() };
    let opaque = if is_opaque(&path) { " opaque" } else { "" };
    lines.insert(at.to_owned(), format!("{mode:o} {}:{} {what}{time}{opaque}", stat.uid(), stat.gid()));
}

fn is_opaque(path: &Path) -> bool {
    let mut value = [0_u8; 8];
    let name = if wythe_sys::userns::is_initial() { "trusted.overlay.opaque" } else { "user.overlay.opaque" };
    matches!(rustix::fs::lgetxattr(path, name, &mut value), Ok(1))
}

/// Writes a file with its directories.
pub(crate) fn write(root: &Path, path: &str, text: impl AsRef<[u8]>) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

pub(crate) fn mkdir(root: &Path, path: &str) {
    fs::create_dir_all(root.join(path)).unwrap();
}

pub(crate) fn chmod(root: &Path, path: &str, mode: u32) {
    fs::set_permissions(root.join(path), fs::Permissions::from_mode(mode)).unwrap();
}

pub(crate) fn link(root: &Path, target: &str, path: &str) {
    std::os::unix::fs::symlink(target, root.join(path)).unwrap();
}

/// Marks a name as gone.
pub(crate) fn whiteout(path: &Path) {
    let made = std::process::Command::new("mknod").arg(path).args(["c", "0", "0"]).status().unwrap();
    assert!(made.success());
}

/// Sets the time of everything below a directory, and of itself.
pub(crate) fn set_times(root: &Path, seconds: i64) {
    for entry in fs::read_dir(root).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            set_times(&entry.path(), seconds);
        }
        set_time(&entry.path(), seconds);
    }
    set_time(root, seconds);
}

pub(crate) fn set_time(path: &Path, seconds: i64) {
    let time = rustix::fs::Timespec { tv_sec: seconds, tv_nsec: 0 };
    let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
    let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::utimensat(rustix::fs::CWD, path, &times, flags).unwrap();
}

/// Returns the bytes of a layer's archive.
pub(crate) fn archive(layer: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    wythe_snapshot::write_tar(&[layer], &mut bytes).unwrap();
    bytes
}

/// Returns the names of an archive's entries as GNU tar lists them; none where there is no such program.
pub(crate) fn gnu_list(bytes: &[u8]) -> Option<String> {
    use std::io::Write as _;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let mut command = std::process::Command::new("tar");
    command.args(["--full-time", "--numeric-owner", "-tvf"]).arg(file.path()).env("TZ", "UTC").env("LC_ALL", "C.UTF-8");
    let output = command.output().ok()?;
    assert!(output.status.success(), "tar says {}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    Some(String::from_utf8(output.stdout).unwrap())
}
