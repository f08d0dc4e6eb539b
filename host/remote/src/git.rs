// SPDX-License-Identifier: Apache-2.0
//! Commits of git repositories, fetched by the machine's `git` in a closed surrounding.
//!
//! What the server sends is a stranger's, and so is every name in it. The program gets an environment of its own, a
//! configuration of its own, no hooks, no helpers, no terminal, and a list of transports; it leads a process group that is
//! ended when a bound is reached or nobody waits any more. See `docs/design/062-git.md` for why it is a program.

mod access;
mod error;
mod process;
mod surrounding;
mod tidy;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use wythe_plan::{Checkout, GitUrl, is_commit};

pub use access::GitAccess;
pub use error::{GitError, GitRefusal};
use process::Call;
use surrounding::Surrounding;

/// How `git` is found, and what bounds it.
#[derive(Debug, Clone)]
pub struct GitOptions {
    /// Directories in which `git` and `ssh` are looked for.
    pub programs: Vec<PathBuf>,
    /// Proxy variables, in both cases.
    pub proxies: BTreeMap<String, String>,
    /// PEM file with the certificate authorities that are trusted; none for those that `git` knows.
    pub ca_bundle: Option<PathBuf>,
    /// Files of the ssh hosts that are known; none for those that `ssh` knows.
    pub known_hosts: Vec<PathBuf>,
    /// Most bytes on the disk, of the history and of the files.
    pub most_bytes: u64,
    /// The longest that one repository may take.
    pub patience: Duration,
    /// The longest that nothing may come from a server.
    pub silence: Duration,
}

impl GitOptions {
    /// Returns options that find nothing, with bounds that only what is out of hand meets: 16 GiB, an hour, two minutes of
    /// silence.
    #[must_use]
    pub fn new(programs: Vec<PathBuf>) -> Self {
        Self {
            programs,
            proxies: BTreeMap::new(),
            ca_bundle: None,
            known_hosts: Vec::new(),
            most_bytes: 16 << 30,
            patience: Duration::from_secs(3600),
            silence: Duration::from_secs(120),
        }
    }
}

/// Who hears how far it is: the bytes on the disk so far.
pub type GitProgress<'a> = &'a (dyn Fn(u64) + Send + Sync);

/// A repository in a directory that is all its own; what is left there is for the caller to remove.
#[derive(Debug)]
pub struct Git<'a> {
    options: &'a GitOptions,
    url: &'a GitUrl,
    surrounding: Surrounding,
    scratch: &'a Path,
    deadline: Instant,
}

/// How often something is tried that a network may be to blame for.
const ATTEMPTS: u32 = 3;

impl<'a> Git<'a> {
    /// Prepares a directory, which is empty, for a repository.
    ///
    /// # Errors
    ///
    /// Fails where `git` is not installed, and where what opens the door would be seen on the way.
    pub fn new(
        options: &'a GitOptions,
        url: &'a GitUrl,
        access: &GitAccess,
        scratch: &'a Path,
    ) -> Result<Self, GitError> {
        let surrounding = Surrounding::prepare(options, url, access, scratch)?;
        let deadline = Instant::now() + options.patience;
        Ok(Self { options, url, surrounding, scratch, deadline })
    }

    /// Returns the commit that a reference stands for, and the full name of the reference: of a branch, else of a tag; without
    /// a reference, of what the repository checks out by itself.
    ///
    /// # Errors
    ///
    /// See [`GitError`].
    pub async fn commit_of(&self, reference: Option<&str>) -> Result<(String, String), GitError> {
        let wanted = reference.unwrap_or("HEAD");
        let peeled = format!("{wanted}^{{}}");
        let args = ["ls-remote", "--quiet", "--symref", "--", self.url.as_str(), wanted, &peeled];
        let listed = self.try_often(&args, self.scratch, &|_| ()).await?;
        let listed = Listed::read(&String::from_utf8_lossy(&listed));
        listed
            .choose(wanted)
            .ok_or_else(|| GitError::NoReference { url: self.url.clone(), reference: wanted.to_owned() })
    }

    /// Fetches a commit and returns the directory with its files: of the directory that is asked for, with the modes 0644
    /// and 0755.
    ///
    /// # Errors
    ///
    /// See [`GitError`].
    pub async fn check_out(&self, wanted: &Checkout, progress: GitProgress<'_>) -> Result<PathBuf, GitError> {
        let tree = self.scratch.join("tree");
        let keeps_git_dir = wanted.keep_git_dir && wanted.subdir.is_empty();
        self.surrounding.configure(keeps_git_dir)?;
        let format = if wanted.commit.len() == 64 { "--object-format=sha256" } else { "--object-format=sha1" };
        let tree_text = tree.to_string_lossy();
        self.run(&["init", "--quiet", format, "--", &tree_text], self.scratch).await?;
        self.fetch(wanted, &tree, progress).await?;
        let checkout =
            ["checkout", "--progress", "--force", "--detach", "--no-recurse-submodules", &wanted.commit, "--"];
        self.call(&checkout, &tree, progress).await?;
        self.run(&["config", "--local", "remote.origin.url", self.url.as_str()], &tree).await?;
        if wanted.submodules && tree.join(".gitmodules").symlink_metadata().is_ok() {
            let update = ["submodule", "update", "--init", "--recursive", "--force", "--depth=1", "--progress"];
            self.call(&update, &tree, progress).await?;
        }
        if keeps_git_dir {
            self.keep_git_dir(wanted, &tree).await?;
        }
        let (subdir, top) = (wanted.subdir.clone(), tree.clone());
        let tidy = move || {
            let dir = tidy::directory(&top, &subdir)?;
            tidy::clean(&dir, keeps_git_dir)?;
            Ok(dir)
        };
        tokio::task::spawn_blocking(tidy).await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    /// Brings the commit, by whatever way the server knows.
    async fn fetch(&self, wanted: &Checkout, tree: &Path, progress: GitProgress<'_>) -> Result<(), GitError> {
        let url = self.url.as_str();
        let one = ["fetch", "--progress", "--no-tags", "--no-recurse-submodules", "--depth=1", "--", url];
        let by_commit = self.try_often(&[&one[..], &[&wanted.commit]].concat(), tree, progress).await;
        match by_commit {
            Ok(_) => return self.check(wanted, tree).await,
            Err(error) if error.is_about_one_commit() => {}
            Err(error) => return Err(error),
        }
        if wanted.reference.starts_with("refs/") {
            match self.try_often(&[&one[..], &[&wanted.reference]].concat(), tree, progress).await {
                Ok(_) => match self.check(wanted, tree).await {
                    Err(GitError::NoCommit { .. }) => {}
                    answer => return answer,
                },
                Err(error) if error.is_about_one_commit() => {}
                Err(error) => return Err(error),
            }
        }
        // A server that gives out only what has a name, and a name that has moved on: the commit is in what was before.
        let is_shallow = tree.join(".git/shallow").exists();
        let deepen: &[&str] = if is_shallow { &["--unshallow"] } else { &[] };
        let all = ["--", url, "+refs/heads/*:refs/wythe/heads/*", "+refs/tags/*:refs/wythe/tags/*"];
        let all = [&["fetch", "--progress", "--no-tags", "--no-recurse-submodules"], deepen, &all].concat();
        self.try_often(&all, tree, progress).await?;
        self.check(wanted, tree).await
    }

    /// Makes sure that the commit is here and is a commit.
    async fn check(&self, wanted: &Checkout, tree: &Path) -> Result<(), GitError> {
        let name = format!("{}^{{commit}}", wanted.commit);
        let missing = || GitError::NoCommit { url: self.url.clone(), commit: wanted.commit.clone() };
        match self.run(&["rev-parse", "--quiet", "--verify", "--end-of-options", &name], tree).await {
            Ok(found) if String::from_utf8_lossy(&found).trim() == wanted.commit => Ok(()),
            Ok(_) => Err(missing()),
            Err(GitError::Failed { .. }) => Err(missing()),
            Err(error) => Err(error),
        }
    }

    /// Brings the directory `.git` into a form that does not depend on when and how it was made.
    async fn keep_git_dir(&self, wanted: &Checkout, tree: &Path) -> Result<(), GitError> {
        if wanted.reference.starts_with("refs/") {
            self.run(&["update-ref", "--no-deref", &wanted.reference, &wanted.commit], tree).await?;
        }
        if wanted.reference.starts_with("refs/heads/") {
            self.run(&["symbolic-ref", "HEAD", &wanted.reference], tree).await?;
        }
        for git_dir in tidy::git_dirs(&tree.join(".git"))? {
            tidy::forget(&git_dir)?;
            // The index that a checkout writes has the times of files in it.
            let at = git_dir.to_string_lossy();
            self.run(&["--git-dir", &at, "read-tree", "HEAD"], tree).await?;
        }
        Ok(())
    }

    /// Calls again what a network may be to blame for.
    async fn try_often(&self, args: &[&str], at: &Path, progress: GitProgress<'_>) -> Result<Vec<u8>, GitError> {
        let mut attempt = 1;
        loop {
            match self.call(args, at, progress).await {
                Err(error) if error.is_transient() && attempt < ATTEMPTS => {
                    tokio::time::sleep(Duration::from_secs(1 << (attempt - 1))).await;
                    attempt += 1;
                }
                answer => return answer,
            }
        }
    }

    async fn run(&self, args: &[&str], at: &Path) -> Result<Vec<u8>, GitError> {
        self.call(args, at, &|_| ()).await
    }

    async fn call(&self, args: &[&str], at: &Path, progress: GitProgress<'_>) -> Result<Vec<u8>, GitError> {
        let Self { options, url, surrounding, scratch, deadline } = self;
        Call { options, url, surrounding, scratch, deadline: *deadline, args, at, progress }.run().await
    }
}

/// What a repository has by name: full name → id; and what `HEAD` is another name of.
#[derive(Debug, Default, PartialEq, Eq)]
struct Listed {
    ids: BTreeMap<String, String>,
    head: Option<String>,
}

impl Listed {
    fn read(text: &str) -> Self {
        let mut listed = Self::default();
        for line in text.lines() {
            let Some((what, name)) = line.split_once('\t') else { continue };
            match what.strip_prefix("ref: ") {
                Some(target) if name == "HEAD" => listed.head = Some(target.to_owned()),
                Some(_) => {}
                None if is_commit(what) => drop(listed.ids.insert(name.to_owned(), what.to_owned())),
                None => {}
            }
        }
        listed
    }

    /// As `git checkout` chooses: a branch before a tag of the same name. Of a tag with a text of its own, what it is a tag of.
    fn choose(&self, wanted: &str) -> Option<(String, String)> {
        let find = |name: String| {
            let id = self.ids.get(&format!("{name}^{{}}")).or_else(|| self.ids.get(&name))?;
            Some((id.clone(), name))
        };
        if wanted == "HEAD" {
            let (id, name) = find("HEAD".to_owned())?;
            let head = self.head.clone().filter(|head| wythe_plan::check_git_reference(head).is_ok());
            return Some((id, head.unwrap_or(name)));
        }
        if wanted.starts_with("refs/") {
            return find(wanted.to_owned());
        }
        ["refs/heads/", "refs/tags/", "refs/"].iter().find_map(|start| find(format!("{start}{wanted}")))
    }
}

#[cfg(test)]
mod tests {
    use super::Listed;

    #[test]
    fn a_reference_is_chosen_as_git_does() {
        let id = |digit: &str| digit.repeat(40);
        let text = [
            "ref: refs/heads/trunk\tHEAD".to_owned(),
            format!("{}\tHEAD", id("1")),
            format!("{}\trefs/heads/v1", id("2")),
            format!("{}\trefs/heads/x/v1", id("3")),
            format!("{}\trefs/tags/v1", id("4")),
            format!("{}\trefs/tags/v2", id("5")),
            format!("{}\trefs/tags/v2^{{}}", id("6")),
            format!("{}\trefs/pull/7/head", id("7")),
            "zz\trefs/heads/broken".to_owned(),
        ];
        let listed = Listed::read(&text.join("\n"));
        for (wanted, digit, name) in [
            ("HEAD", "1", "refs/heads/trunk"),
            ("v1", "2", "refs/heads/v1"),
            ("refs/tags/v1", "4", "refs/tags/v1"),
            ("v2", "6", "refs/tags/v2"),
            ("pull/7/head", "7", "refs/pull/7/head"),
            ("heads/v1", "2", "refs/heads/v1"),
        ] {
            assert_eq!(listed.choose(wanted), Some((id(digit), name.to_owned())), "{wanted}");
        }
        for wanted in ["v3", "broken", "1/v1", "refs/heads/none"] {
            assert_eq!(listed.choose(wanted), None, "{wanted}");
        }
    }
}
