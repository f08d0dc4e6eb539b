// SPDX-License-Identifier: Apache-2.0
//! What is lent to a command, as a value: equal sketches are drawn alike.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use wythe_sandbox::Mount;
use wythe_sys::root::Root;

use super::{Point, bind, real_path};

/// The top-most lower directory and the files that are mounted besides. `base`, where a method takes it, is the image
/// below, whose links are followed and whose owners and modes are adopted: of merged entries the top-most counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sketch {
    /// By their places, parents first.
    entries: BTreeMap<PathBuf, Entry>,
    /// Target and content.
    mounts: Vec<(String, Arc<[u8]>)>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    content: Content,
    looks: Option<Looks>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Content {
    Directory,
    File(Arc<[u8]>),
    /// Where it leads.
    Link(PathBuf),
}

/// Owner and mode of what stands at the same place in the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Looks {
    owner: (u32, u32),
    mode: u32,
}

impl Sketch {
    /// Begins with a directory that looks like the root of the image.
    pub(super) fn new(base: Option<&Root>) -> Self {
        let root = Entry { content: Content::Directory, looks: looks(base, Path::new("/"), true) };
        Self { entries: [(PathBuf::from("/"), root)].into(), mounts: Vec::new() }
    }

    pub(super) fn point(&mut self, base: Option<&Root>, point: &Point<'_>) -> std::io::Result<()> {
        let target = Path::new(point.target);
        if point.is_file { self.file(base, target, Arc::from([])) } else { self.directory(base, target) }
    }

    /// Makes sure that a directory exists at `path`. Links of the image are followed, so that a mount point below
    /// `/var/run` is made where `/var/run` leads and does not hide the link.
    pub(super) fn directory(&mut self, base: Option<&Root>, path: &Path) -> std::io::Result<()> {
        let real = real(base, path)?;
        self.directories(base, &real);
        Ok(())
    }

    /// Makes a file at `path`, links of the image followed.
    pub(super) fn file(&mut self, base: Option<&Root>, path: &Path, content: Arc<[u8]>) -> std::io::Result<()> {
        let real = real(base, path)?;
        self.file_at(base, &real, content)
    }

    /// Makes a file exactly at `path`: a link of the image there is hidden, not followed.
    pub(super) fn file_at(&mut self, base: Option<&Root>, path: &Path, content: Arc<[u8]>) -> std::io::Result<()> {
        let parent = real(base, path.parent().unwrap_or(Path::new("/")))?;
        self.directories(base, &parent);
        let place = parent.join(path.file_name().unwrap_or_default());
        let looks = || looks(base, path, false);
        self.entries.entry(place).or_insert_with(|| Entry { content: Content::File(content), looks: looks() });
        Ok(())
    }

    /// Makes a link at `path`, unless something else is to be there: what the image has there is hidden.
    pub(super) fn link(&mut self, base: Option<&Root>, path: &Path, to: &Path) -> std::io::Result<()> {
        let parent = real(base, path.parent().unwrap_or(Path::new("/")))?;
        self.directories(base, &parent);
        let place = parent.join(path.file_name().unwrap_or_default());
        self.entries.entry(place).or_insert_with(|| Entry { content: Content::Link(to.to_owned()), looks: None });
        Ok(())
    }

    /// Has a file of this content lie over what is at `target`.
    pub(super) fn mount(&mut self, target: &str, content: Arc<[u8]>) {
        self.mounts.push((target.to_owned(), content));
    }

    fn directories(&mut self, base: Option<&Root>, real: &Path) {
        let mut path = PathBuf::from("/");
        for part in real.components().filter(|part| matches!(part, Component::Normal(_))) {
            path.push(part);
            if !self.entries.contains_key(&path) {
                let entry = Entry { content: Content::Directory, looks: looks(base, &path, true) };
                self.entries.insert(path.clone(), entry);
            }
        }
    }

    /// Returns the mounts whose sources [`Sketch::draw`] has put into `scratch`.
    pub(super) fn mounts(&self, scratch: &Path) -> Vec<Mount> {
        self.mounts.iter().map(|(target, _)| bind(source(scratch, target), target)).collect()
    }

    /// Makes the directory at `dir`, and the files to mount in `scratch`.
    pub(super) fn draw(&self, dir: &Path, scratch: &Path) -> std::io::Result<()> {
        for (path, entry) in &self.entries {
            let place = dir.join(path.strip_prefix("/").unwrap_or(path));
            match &entry.content {
                Content::Directory if path == Path::new("/") => fs::create_dir_all(&place)?,
                Content::Directory => fs::create_dir(&place)?,
                Content::File(content) => File::create(&place)?.write_all(content)?,
                Content::Link(to) => {
                    symlink(to, &place)?;
                    continue;
                }
            }
            let plain = if entry.content == Content::Directory { 0o755 } else { 0o644 };
            if let Some(Looks { owner: (uid, gid), .. }) = entry.looks {
                chown(&place, Some(uid), Some(gid))?;
            }
            // After the owner, whose change may clear bits. In any case, since a umask must not reach it.
            let mode = entry.looks.map_or(plain, |looks| looks.mode);
            fs::set_permissions(&place, Permissions::from_mode(mode))?;
        }
        for (target, content) in &self.mounts {
            let source = source(scratch, target);
            File::create(&source)?.write_all(content)?;
            fs::set_permissions(&source, Permissions::from_mode(0o644))?;
        }
        Ok(())
    }
}

fn source(scratch: &Path, target: &str) -> PathBuf {
    scratch.join(target.rsplit('/').next().expect("the path has a name"))
}

fn real(base: Option<&Root>, path: &Path) -> std::io::Result<PathBuf> {
    match base {
        Some(base) => real_path(base, path),
        None => Ok(path.to_owned()),
    }
}

/// Returns how something in the image looks, where it is of the same type.
fn looks(base: Option<&Root>, path: &Path, is_directory: bool) -> Option<Looks> {
    let found = base?.metadata(path).ok()?;
    let mode = found.mode() & 0o7777;
    (found.is_dir() == is_directory).then_some(Looks { owner: (found.uid(), found.gid()), mode })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;
    use std::sync::Arc;

    use wythe_sys::root::Root;

    use super::Sketch;

    fn sketch(base: Option<&Root>) -> Sketch {
        let mut sketch = Sketch::new(base);
        sketch.directory(base, Path::new("/var/run/x")).unwrap();
        sketch.file(base, Path::new("/etc/hosts"), Arc::from(*b"hosts")).unwrap();
        sketch.link(base, Path::new("/var/run/x/lib.so"), Path::new("lib.so.1")).unwrap();
        // Something else is to be there.
        sketch.link(base, Path::new("/etc/hosts"), Path::new("/proc")).unwrap();
        sketch.mount("/etc/hosts", Arc::from(*b"mounted"));
        sketch
    }

    #[test]
    fn equal_images_have_equal_sketches_and_others_have_others() {
        let image = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(image.path().join("run")).unwrap();
        std::fs::create_dir_all(image.path().join("var")).unwrap();
        std::fs::create_dir_all(image.path().join("etc")).unwrap();
        std::os::unix::fs::symlink("/run", image.path().join("var/run")).unwrap();
        let base = Root::open(image.path()).unwrap();
        let first = sketch(Some(&base));
        assert_eq!(sketch(Some(&base)), first);
        assert_ne!(sketch(None), first);
        std::fs::set_permissions(image.path().join("etc"), std::fs::Permissions::from_mode(0o700)).unwrap();
        assert_ne!(sketch(Some(&base)), first);
    }

    #[test]
    fn what_is_drawn_follows_links_and_adopts_modes() {
        let image = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(image.path().join("run")).unwrap();
        std::fs::create_dir_all(image.path().join("var")).unwrap();
        std::os::unix::fs::symlink("/run", image.path().join("var/run")).unwrap();
        std::fs::set_permissions(image.path().join("run"), std::fs::Permissions::from_mode(0o711)).unwrap();
        let (dir, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let sketch = sketch(Some(&Root::open(image.path()).unwrap()));
        sketch.draw(&dir.path().join("lower"), scratch.path()).unwrap();
        let lower = dir.path().join("lower");
        let mode = |path: &str| std::fs::metadata(lower.join(path)).unwrap().permissions().mode() & 0o7777;
        assert_eq!([mode("run"), mode("run/x"), mode("etc"), mode("etc/hosts")], [0o711, 0o755, 0o755, 0o644]);
        assert!(!lower.join("var").exists());
        assert_eq!(std::fs::read_link(lower.join("run/x/lib.so")).unwrap(), Path::new("lib.so.1"));
        assert_eq!(std::fs::read(scratch.path().join("hosts")).unwrap(), b"mounted");
        assert_eq!(sketch.mounts(scratch.path()).len(), 1);
    }
}
