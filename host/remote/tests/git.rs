// SPDX-License-Identifier: Apache-2.0
//! Bounds of what a git repository may take, against servers that do not know any.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a test that cannot run says why")]

use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use wythe_plan::{Checkout, GitUrl};
use wythe_remote::{Git, GitAccess, GitError, GitOptions};

struct Scratch(TempDir);

impl Scratch {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn join(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Puts a program in the place of `git`.
    fn program(&self, script: &str) -> GitOptions {
        let program = self.join("git");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        GitOptions::new(vec![self.0.path().into(), "/usr/bin".into(), "/bin".into()])
    }

    fn place(&self) -> PathBuf {
        let place = self.join("place");
        std::fs::create_dir_all(&place).unwrap();
        place
    }
}

fn url(text: &str) -> GitUrl {
    text.parse().unwrap()
}

fn commit() -> String {
    "a1".repeat(20)
}

async fn check_out(options: &GitOptions, url: &GitUrl, place: &Path) -> GitError {
    let git = Git::new(options, url, &GitAccess::default(), place).unwrap();
    git.check_out(&Checkout::new(url.clone(), commit()), &|_| ()).await.unwrap_err()
}

#[tokio::test]
async fn a_server_that_is_silent_is_left() {
    let Some(git) = ["/usr/bin", "/bin", "/usr/local/bin"].iter().find(|dir| Path::new(dir).join("git").exists())
    else {
        eprintln!("skipped: git is not installed");
        return;
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Until the client leaves.
            std::thread::spawn(move || drop((&stream).read_to_end(&mut Vec::new())));
        }
    });
    let scratch = Scratch::new();
    let options = GitOptions { silence: Duration::from_millis(700), ..GitOptions::new(vec![git.into()]) };
    for text in [format!("http://{address}/r.git"), format!("git://{address}/r.git")] {
        let (url, place) = (url(&text), scratch.place());
        let git = Git::new(&options, &url, &GitAccess::default(), &place).unwrap();
        let error = git.commit_of(None).await.unwrap_err();
        assert!(matches!(error, GitError::Silent { .. }), "{error}");
        assert_eq!(error.to_string(), format!("`{text}` was silent for 0.7 s"));
    }
}

#[tokio::test]
async fn what_grows_without_end_is_stopped_with_all_its_processes() {
    let scratch = Scratch::new();
    let pid = scratch.join("pid");
    // The child of the program writes on, and would after its parent's death.
    let grow =
        format!("(sh -c 'echo $$ > {}; while :; do head -c 65536 /dev/zero; done' > grown) & wait", pid.display());
    let options = GitOptions { most_bytes: 1 << 20, ..scratch.program(&grow) };
    let (url, place) = (url("https://host/r.git"), scratch.place());
    let error = check_out(&options, &url, &place).await;
    assert!(matches!(error, GitError::TooLarge { limit: 1048576, .. }), "{error}");
    let pid = std::fs::read_to_string(pid).unwrap();
    let is_running = || {
        // A process that has ended and is waited for by nobody is none.
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    };
    while is_running() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_takes_too_long_is_stopped() {
    let scratch = Scratch::new();
    let options =
        GitOptions { patience: Duration::from_millis(300), ..scratch.program("while :; do echo x >&2; done") };
    let (url, place) = (url("https://host/r.git"), scratch.place());
    let error = check_out(&options, &url, &place).await;
    assert!(matches!(error, GitError::TooSlow { .. }), "{error}");
}

#[tokio::test]
async fn a_bound_that_is_met_while_a_commit_is_looked_for_is_told() {
    let scratch = Scratch::new();
    // A server that has no commit by its id, and a look at what was fetched that does not end. It is taken once in the
    // place of what was fetched by a name, and once after everything was fetched.
    for fetched in ["*git?refs/heads/main", "*+refs/*"] {
        let script = format!(
            "case \"$*\" in *{}) echo 'fatal: remote error: upload-pack: not our ref' >&2; exit 128 ;; \
             fetch*) echo \"$*\" > fetched ;; rev-parse*) case \"$(cat fetched)\" in {fetched}) \
             exec sleep 1000 ;; esac; exit 1 ;; esac",
            commit()
        );
        let options = GitOptions { patience: Duration::from_millis(900), ..scratch.program(&script) };
        let (url, place) = (url("https://host/r.git"), scratch.place());
        std::fs::create_dir_all(place.join("tree")).unwrap();
        let git = Git::new(&options, &url, &GitAccess::default(), &place).unwrap();
        let wanted = Checkout { reference: "refs/heads/main".to_owned(), ..Checkout::new(url.clone(), commit()) };
        let error = git.check_out(&wanted, &|_| ()).await.unwrap_err();
        assert!(matches!(error, GitError::TooSlow { .. }), "{fetched}: {error}");
    }
}

#[tokio::test]
async fn what_a_program_says_is_told_without_what_drives_a_terminal() {
    let scratch = Scratch::new();
    let options = scratch.program("printf 'remote: one\\nfatal: \\033[2Jtwo\\n' >&2; exit 128");
    let (url, place) = (url("https://host/r.git"), scratch.place());
    let error = check_out(&options, &url, &place).await;
    assert_eq!(error.to_string(), "`git init` of `https://host/r.git` failed: remote: one; \u{fffd}[2Jtwo");
    assert!(!error.is_transient() && !error.is_closed());
}

#[tokio::test]
async fn a_program_that_is_not_there_is_told_with_where_it_was_looked_for() {
    let scratch = Scratch::new();
    let (url, place) = (url("https://host/r.git"), scratch.place());
    let options = GitOptions::new(vec![place.clone()]);
    let error = Git::new(&options, &url, &GitAccess::default(), &place).unwrap_err();
    assert_eq!(error.to_string(), format!("`git` is not installed: it is in none of `{}`", place.display()));
}
