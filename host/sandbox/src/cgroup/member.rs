// SPDX-License-Identifier: Apache-2.0
//! The directories of a group: one of the same name in each hierarchy that it is in, locked by whoever keeps it.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::files;

/// What the names of groups of runs begin with.
const RUN: &str = "wythe.run-";

/// How many names are tried before somebody is taken to have all of them: sweeps that never rest may take a good part of
/// those that are made, in the moment before they are locked.
const NAMES: usize = 4096;

/// The group in one hierarchy. Dropping it removes it; its processes must have ended.
#[derive(Debug)]
pub(super) struct Member {
    dir: PathBuf,
    /// Locked; and a way to the group, whatever is mounted over it.
    open: File,
}

/// Makes a group of one name, which nobody has, in each of these directories. An error has the directory in which it could
/// not be made.
pub(super) fn create_in(parents: Vec<PathBuf>) -> Result<(String, Vec<Member>), (PathBuf, io::Error)> {
    create(parents, unused_names())
}

fn create(
    mut parents: Vec<PathBuf>,
    names: impl Iterator<Item = String>,
) -> Result<(String, Vec<Member>), (PathBuf, io::Error)> {
    // Controllers of one hierarchy share the group.
    parents.sort();
    parents.dedup();
    for name in names.take(NAMES) {
        let member = |parent: &PathBuf| Member::create(&parent.join(&name)).map_err(|error| (parent.clone(), error));
        let members: Option<Vec<Member>> = parents.iter().map(member).collect::<Result<_, _>>()?;
        if let Some(members) = members {
            return Ok((name, members));
        }
    }
    Err((parents.swap_remove(0), ErrorKind::AlreadyExists.into()))
}

/// Removes the groups in a directory that nobody keeps.
pub(super) fn sweep(parent: &Path) {
    let entries = fs::read_dir(parent).into_iter().flatten().filter_map(Result::ok);
    for entry in entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(RUN.as_bytes())) {
        if let Ok(Some(_lock)) = files::claim(&entry.path()) {
            // Whoever is still in it is nobody's; then it stays. A command may have made others in it.
            files::empty(&entry.path());
            drop(fs::remove_dir(entry.path()));
        }
    }
}

impl Member {
    /// None where somebody has the name: a run, a leftover, or a sweep that took it for one in the moment before.
    fn create(dir: &Path) -> io::Result<Option<Self>> {
        match fs::create_dir(dir) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(None),
            made => made?,
        }
        Ok(files::claim(dir)?.map(|open| Self { dir: dir.to_owned(), open }))
    }

    /// Takes a process into the group.
    pub(super) fn take(&self, process: &str) -> io::Result<()> {
        files::set(Path::new(&wythe_sys::mount::name_of(&self.open)), "cgroup.procs", process)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // What cannot be removed now goes with the next sweep.
        drop(files::remove(&self.dir));
    }
}

/// Names that no other group of this process has.
fn unused_names() -> impl Iterator<Item = String> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let process = rustix::process::getpid().as_raw_nonzero();
    std::iter::repeat_with(move || format!("{RUN}{process}-{}", NEXT.fetch_add(1, Ordering::Relaxed)))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::{create, files, sweep};

    fn names() -> impl Iterator<Item = String> {
        (0..).map(|number| format!("wythe.run-7-{number}"))
    }

    /// Says that it is over when it is dropped.
    struct Ends<'a>(&'a AtomicBool);

    impl Drop for Ends<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    fn entries(parent: &PathBuf) -> Vec<PathBuf> {
        let mut entries: Vec<PathBuf> = fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        entries
    }

    #[test]
    fn a_group_has_one_name_everywhere_and_takes_nobody_s() {
        let [one, two] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let parents = [one.path().to_owned(), two.path().to_owned()];
        fs::create_dir(parents[1].join("wythe.run-7-0")).unwrap();
        let (name, members) =
            create(vec![parents[0].clone(), parents[1].clone(), parents[0].clone()], names()).unwrap();
        assert_eq!(name, "wythe.run-7-1");
        assert_eq!(entries(&parents[0]), [parents[0].join("wythe.run-7-1")]);
        assert_eq!(members.len(), 2);
        for member in &members {
            assert!(files::claim(&member.dir).unwrap().is_none(), "{member:?} is nobody's");
        }
        drop(members);
        assert!(entries(&parents[0]).is_empty());
        assert_eq!(entries(&parents[1]), [parents[1].join("wythe.run-7-0")]);
    }

    #[test]
    fn names_that_are_all_taken_are_an_error() {
        let parent = tempfile::tempdir().unwrap();
        fs::create_dir(parent.path().join("wythe.run-7-0")).unwrap();
        let (place, error) = create(vec![parent.path().to_owned()], names().take(1)).unwrap_err();
        assert_eq!((place.as_path(), error.kind()), (parent.path(), std::io::ErrorKind::AlreadyExists));
    }

    #[test]
    fn a_sweep_takes_leftovers_and_no_group_that_is_kept() {
        let parent = tempfile::tempdir().unwrap();
        let has_ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            // Also where this one panics.
            let ends = Ends(&has_ended);
            for _ in 0..2 {
                scope.spawn(|| {
                    while !has_ended.load(Ordering::Relaxed) {
                        sweep(parent.path());
                    }
                });
            }
            for _ in 0..2000 {
                let (name, members) = create(vec![parent.path().to_owned()], names()).unwrap();
                fs::write(parent.path().join(name).join("procs"), "").unwrap();
                fs::remove_file(members[0].dir.join("procs")).unwrap();
            }
            drop(ends);
        });
        fs::create_dir_all(parent.path().join("wythe.run-8-0/of a command/and deeper")).unwrap();
        fs::create_dir(parent.path().join("other")).unwrap();
        sweep(parent.path());
        assert_eq!(entries(&parent.path().to_owned()), [parent.path().join("other")]);
    }
}
