// SPDX-License-Identifier: Apache-2.0
//! Git repositories as sources: a real server, the real `git`, and its own `archive` as the judge of what a commit holds.

mod server;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use wythe_tests::{Bench, Ended, run};

pub(crate) use server::Server;

/// Runs git as nobody in particular, without anybody's configuration.
#[track_caller]
pub(crate) fn git(at: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    command.args(args).current_dir(at).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "somebody").env(format!("GIT_{role}_EMAIL"), "a@example.com");
        command.env(format!("GIT_{role}_DATE"), "2026-01-02T03:04:05Z");
    }
    Ended::from(command.output().expect("git can be started")).stdout().trim().to_owned()
}

/// A repository and the directory that a server shows.
pub(crate) struct Repository {
    pub(crate) work: PathBuf,
    pub(crate) served: PathBuf,
}

impl Repository {
    /// Makes a repository of three files and a link below a bench, with the branch `main`, the tags `v1` and `v2` (with a
    /// text of its own), and a second commit on the branch. Its copy without a work tree is `served/r.git`.
    pub(crate) fn new(bench: &Bench, format: &str) -> Self {
        let (work, served) = (bench.dir().join("work"), bench.dir().join("served"));
        bench.file("work/top.txt", "top\n").file("work/sub/deep/f", "deep\n").file("work/run.sh", "#!/bin/sh\n");
        fs::create_dir_all(&served).unwrap();
        fs::set_permissions(work.join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink("/etc", work.join("link")).unwrap();
        git(&work, &["init", "--quiet", "--initial-branch=main", &format!("--object-format={format}")]);
        let one = Self { work, served };
        one.commit("one");
        git(&one.work, &["tag", "v1"]);
        git(&one.work, &["tag", "-a", "v2", "-m", "two"]);
        bench.file("work/second", "second\n");
        one.commit("two");
        git(bench.dir(), &["clone", "--quiet", "--bare", "work", "served/r.git"]);
        one
    }

    pub(crate) fn commit(&self, message: &str) {
        git(&self.work, &["add", "--all"]);
        git(&self.work, &["commit", "--quiet", "--message", message]);
    }

    fn id(&self, name: &str) -> String {
        git(&self.work, &["rev-parse", &format!("{name}^{{commit}}")])
    }

    /// Brings what is new to the server.
    pub(crate) fn publish(&self) {
        git(
            &self.work,
            &["push", "--quiet", "--force", "--tags", &self.served.join("r.git").display().to_string(), "HEAD:main"],
        );
    }

    /// Unpacks what git says that a commit holds.
    fn archived(&self, name: &str, into: &str) -> PathBuf {
        let dir = self.work.parent().unwrap().join(into);
        fs::create_dir_all(&dir).unwrap();
        let archive = format!("{}.tar", dir.display());
        git(&self.work, &["-c", "tar.umask=0022", "archive", "--format=tar", "-o", &archive, name]);
        run("tar", &["-xf", &archive, "-C", &dir.display().to_string()]).stdout();
        dir
    }
}

/// Lists a tree: kinds, modes, names, targets of links; contents are compared by `diff`.
fn listing(dir: &Path) -> String {
    let list = "cd \"$1\" && find . -mindepth 1 -not -path './.git*' -printf '%y %m %p %l\\n' | LC_ALL=C sort";
    run("sh", &["-c", list, "sh", &dir.display().to_string()]).stdout()
}

#[track_caller]
fn assert_same(found: &Path, expected: &Path) {
    assert_eq!(listing(found), listing(expected));
    let args = ["-r", "--no-dereference", "--exclude=.git"].map(str::to_owned).into_iter();
    let args: Vec<String> = args.chain([found, expected].map(|path| path.display().to_string())).collect();
    run("diff", &args).stdout();
}

fn dockerfile(bench: &Bench, lines: &str) {
    bench.file("context/Dockerfile", &format!("FROM scratch\n{lines}\n"));
}

#[track_caller]
fn build(bench: &Bench, more: &[&str]) -> Ended {
    drop(fs::remove_dir_all(bench.dir().join("out")));
    bench.wythe(&[&["build", "context", "-t", "made", "-o", "out"], more].concat())
}

#[test]
fn a_commit_is_what_git_says_that_it_holds() {
    for format in ["sha1", "sha256"] {
        let bench = Bench::new();
        let repository = Repository::new(&bench, format);
        let url = Server::new(&repository.served, None).url("r.git");
        let commit = repository.id("v1");
        dockerfile(
            &bench,
            &format!(
                "ADD {url} /default\nADD {url}#v1 /tag/\nADD {url}#v2 /text/\nADD {url}?branch=main /branch\n\
                 ADD {url}#{commit} /commit\nADD {url}#main:sub /sub\nADD --checksum={commit} {url}#v1 /checked\n\
                 ADD --exclude=*.txt --chmod=700 {url}#v1 /some/"
            ),
        );
        build(&bench, &[]).stdout();
        let (first, second) = (repository.archived("v1", "first"), repository.archived("main", "second"));
        let out = bench.dir().join("out");
        for name in ["default", "branch"] {
            assert_same(&out.join(name), &second);
        }
        for name in ["tag", "text", "commit", "checked"] {
            assert_same(&out.join(name), &first);
        }
        assert_same(&out.join("sub"), &second.join("sub"));
        let expected = "d 700 ./sub \nd 700 ./sub/deep \nf 700 ./run.sh \nf 700 ./sub/deep/f \nl 777 ./link /etc\n";
        assert_eq!(listing(&out.join("some")), expected);
        assert!(!out.join("default/.git").exists());
        // What is known by its commit is not fetched again, and needs no server.
        dockerfile(&bench, &format!("ADD {url}#{commit} /elsewhere"));
        build(&bench, &["--offline"]).stdout();
        assert_same(&out.join("elsewhere"), &first);
    }
}

#[test]
fn a_lock_holds_the_commit_still() {
    let bench = Bench::new();
    let repository = Repository::new(&bench, "sha1");
    let url = Server::new(&repository.served, None).url("r.git");
    dockerfile(&bench, &format!("ADD {url}#main /r"));
    let ended = build(&bench, &["--locked"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    bench.wythe(&["lock", "context"]).stdout();
    let lock: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(bench.dir().join("context/Dockerfile.lock")).unwrap()).unwrap();
    let (old, name) = (repository.id("main"), format!("{url}#main"));
    let expected = serde_json::json!({"git": {name: {"commit": old, "reference": "refs/heads/main"}}});
    assert_eq!(lock["images"][""]["base"]["entry"], expected);
    let first = build(&bench, &["--locked"]).stdout();
    bench.file("work/top.txt", "changed\n");
    // The history is written anew: nothing but a name that the server does not have any more led to the old commit.
    git(&repository.work, &["commit", "--quiet", "--all", "--amend", "--message", "other"]);
    repository.publish();
    assert_eq!(build(&bench, &["--locked", "--offline"]).stdout(), first);
    fs::remove_dir_all(bench.store()).unwrap();
    assert_eq!(build(&bench, &["--locked"]).stdout(), first);
    bench.wythe(&["lock", "context", "--upgrade"]).stdout();
    assert_ne!(build(&bench, &["--locked"]).stdout(), first);
    assert_eq!(fs::read_to_string(bench.dir().join("out/r/top.txt")).unwrap(), "changed\n");
    let ended = build(&bench, &["--locked", "--offline", "--no-cache"]);
    assert_eq!(ended.code, Some(5), "{}", ended.stderr);
    fs::remove_file(bench.dir().join("context/Dockerfile.lock")).unwrap();
    let ended = build(&bench, &["--offline"]);
    assert_eq!(ended.code, Some(5), "{}", ended.stderr);
    assert!(ended.stderr.contains("has to be pinned, which takes the network"), "{}", ended.stderr);
}

#[test]
fn a_named_context_is_a_commit_that_a_lock_holds_still() {
    let bench = Bench::new();
    let repository = Repository::new(&bench, "sha1");
    let url = Server::new(&repository.served, None).url("r.git");
    bench.file("context/Dockerfile", "FROM scratch\nCOPY --from=src . /all/\nCOPY --from=src /top.txt /one\n");
    let (all, sub) = (format!("src={url}#v1"), format!("src={url}#main:sub"));
    build(&bench, &["--build-context", &all]).stdout();
    assert_same(&bench.dir().join("out/all"), &repository.archived("v1", "first"));
    assert!(!bench.dir().join("out/all/.git").exists());
    assert_eq!(fs::read_to_string(bench.dir().join("out/one")).unwrap(), "top\n");
    let lacking = build(&bench, &["--build-context", &sub]);
    assert_eq!(lacking.code, Some(1), "{}", lacking.stderr);

    // It is a base as well, and what it holds is not fetched again.
    bench.file("context/Dockerfile", "FROM src\nLABEL a=b\n");
    bench.wythe(&["lock", "context", "--build-context", &sub]).stdout();
    let lock: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(bench.dir().join("context/Dockerfile.lock")).unwrap()).unwrap();
    let pinned = serde_json::json!({"commit": repository.id("main"), "reference": "refs/heads/main"});
    assert_eq!(lock["images"][""]["base"]["entry"]["git"][format!("{url}#main")], pinned);
    let first = build(&bench, &["--locked", "--build-context", &sub]).stdout();
    assert_same(&bench.dir().join("out"), &repository.archived("main", "second").join("sub"));
    bench.file("work/sub/deep/f", "changed\n");
    repository.commit("three");
    repository.publish();
    assert_eq!(build(&bench, &["--locked", "--offline", "--build-context", &sub]).stdout(), first);
    bench.wythe(&["lock", "context", "--upgrade", "--build-context", &sub]).stdout();
    assert_ne!(build(&bench, &["--locked", "--build-context", &sub]).stdout(), first);
    assert_eq!(fs::read_to_string(bench.dir().join("out/deep/f")).unwrap(), "changed\n");

    // A definition says the same.
    bench.file(
        "context/wythe.toml",
        &format!("builder = \"2026.11\"\n[base]\nkind = \"dockerfile\"\ncontexts = {{ src = \"{url}#v1:sub\" }}\n"),
    );
    build(&bench, &[]).stdout();
    assert_eq!(fs::read_to_string(bench.dir().join("out/deep/f")).unwrap(), "deep\n");
}

#[test]
fn the_directory_of_git_is_kept_and_is_the_same_everywhere() {
    let bench = Bench::new();
    let repository = Repository::new(&bench, "sha1");
    let url = Server::new(&repository.served, None).url("r.git");
    dockerfile(&bench, &format!("ADD --keep-git-dir {url}#v1 /tag\nADD {url}?ref=main&keep-git-dir=1 /branch"));
    let first = build(&bench, &[]).stdout();
    fs::remove_dir_all(bench.store()).unwrap();
    git(&repository.served.join("r.git"), &["repack", "-adfq", "--depth=1"]);
    assert_eq!(build(&bench, &[]).stdout(), first);
    let out = bench.dir().join("out");
    let ask = |name: &str, args: &[&str]| git(&out.join(name), &[&["-c", "safe.directory=*"], args].concat());
    assert_eq!(ask("tag", &["describe", "--tags"]), "v1");
    assert_eq!(ask("branch", &["symbolic-ref", "HEAD"]), "refs/heads/main");
    for (name, commit) in [("tag", "v1"), ("branch", "main")] {
        assert_eq!(ask(name, &["rev-parse", "HEAD"]), repository.id(commit));
        assert_eq!(ask(name, &["status", "--porcelain"]), "");
        assert_eq!(ask(name, &["remote", "get-url", "origin"]), url);
        assert!(!out.join(name).join(".git/hooks").exists());
    }
}

#[test]
fn submodules_are_fetched_unless_they_are_not_wanted() {
    let bench = Bench::new();
    let repository = Repository::new(&bench, "sha1");
    let url = Server::new(&repository.served, None).url("r.git");
    git(bench.dir(), &["clone", "--quiet", "--bare", "work", "served/part.git"]);
    let part = repository.served.join("part.git").display().to_string();
    let add = ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &part, "part"];
    git(&repository.work, &add);
    git(&repository.work, &["config", "--file", ".gitmodules", "submodule.part.url", "../part.git"]);
    repository.commit("with a part");
    repository.publish();
    dockerfile(
        &bench,
        &format!("ADD {url} /with\nADD {url}?submodules=false /without\nADD --keep-git-dir {url} /kept"),
    );
    let first = build(&bench, &[]).stdout();
    let out = bench.dir().join("out");
    for name in ["with", "kept"] {
        assert_eq!(fs::read_to_string(out.join(name).join("part/sub/deep/f")).unwrap(), "deep\n");
    }
    assert!(!out.join("with/part/.git").exists());
    assert_eq!(fs::read_dir(out.join("without/part")).unwrap().count(), 0);
    fs::remove_dir_all(bench.store()).unwrap();
    assert_eq!(build(&bench, &[]).stdout(), first);
}

#[test]
fn a_token_opens_a_repository_and_is_nowhere_afterwards() {
    let bench = Bench::new();
    let repository = Repository::new(&bench, "sha1");
    // `x-access-token:` and the token.
    let encoded = "eC1hY2Nlc3MtdG9rZW46dG9rZW4tN2ZRMi1kby1ub3Qtc2luZw==";
    let url = Server::new(&repository.served, Some(&format!("basic {encoded}"))).url("r.git");
    dockerfile(&bench, &format!("ADD --keep-git-dir {url}#main /r"));
    let ended = build(&bench, &[]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    for word in ["could not read Username", "`--secret id=GIT_AUTH_TOKEN,env=NAME` gives a token"] {
        assert!(ended.stderr.contains(word), "{}", ended.stderr);
    }
    for id in ["GIT_AUTH_TOKEN", "GIT_AUTH_TOKEN.127.0.0.1"] {
        drop(fs::remove_dir_all(bench.store()));
        let mut command = bench.command(&["build", "context", "--secret", &format!("id={id},env=DOOR"), "-o", "out"]);
        let ended = Ended::from(command.env("DOOR", "token-7fQ2-do-not-sing").output().unwrap());
        assert!(!ended.stderr.contains("7fQ2"), "{}", ended.stderr);
        ended.stdout();
        for word in ["token-7fQ2-do-not-sing", encoded.trim_end_matches('=')] {
            for place in [bench.store(), &bench.dir().join("out")] {
                let found = run("grep", &["-r", "-l", "-F", "--binary-files=text", word, &place.display().to_string()]);
                assert_eq!((found.code, found.stdout.as_str()), (Some(1), ""));
            }
        }
    }
}

#[test]
fn a_token_does_not_follow_a_redirect() {
    let bench = Bench::new();
    let repository = Repository::new(&bench, "sha1");
    let other = Server::new(&repository.served, None);
    let first = Server::leading_to(&other);
    // Looked up and fetched, and fetched only.
    for reference in ["main".to_owned(), repository.id("v1")] {
        dockerfile(&bench, &format!("ADD {}#{reference} /r", first.url("r.git")));
        let mut command = bench.command(&["build", "context", "--secret", "id=GIT_AUTH_TOKEN,env=DOOR", "-o", "out"]);
        let ended = Ended::from(command.env("DOOR", "token-7fQ2-do-not-sing").output().unwrap());
        let given = first.take_given();
        assert!(given.iter().any(|header| header.as_ref().is_some_and(|it| it.starts_with("basic "))), "{given:?}");
        assert_eq!(other.take_given(), [None; 0], "{}", ended.stderr);
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        for word in ["sends whoever asks to another address", "name that address in its place"] {
            assert!(ended.stderr.contains(word), "{word}:\n{}", ended.stderr);
        }
        // Without one it leads there.
        build(&bench, &[]).stdout();
        let given = other.take_given();
        assert!(!given.is_empty() && given.iter().all(Option::is_none), "{given:?}");
    }
}

#[test]
fn ssh_is_spoken_by_an_agent_that_is_given_and_to_hosts_that_are_known() {
    let bench = Bench::new();
    let repository = Repository::new(&bench, "sha1");
    let (programs, said) = (bench.dir().join("programs"), bench.dir().join("said"));
    // What stands for ssh writes down what it is told, and is the server.
    let script = format!(
        "#!/bin/sh\necho \"$SSH_AUTH_SOCK $*\" >> {}\nfor last; do :; done\nexec sh -c \"$last\"\n",
        said.display()
    );
    bench.file("programs/ssh", &script);
    fs::set_permissions(programs.join("ssh"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = repository.served.join("r.git").display().to_string();
    dockerfile(&bench, &format!("ADD git@127.0.0.1:{path}#main /r"));
    let ended = build(&bench, &[]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("it needs the ssh agent `default`: it is not given; `--ssh default` gives it"),
        "{}",
        ended.stderr
    );
    assert!(!said.exists());
    let socket = bench.dir().join("agent");
    let _agent = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let ssh = format!("default={}", socket.display());
    let mut command = bench.command(&["build", "context", "--ssh", &ssh, "-o", "out"]);
    let path = format!("{}:{}", programs.display(), run("printenv", &["PATH"]).stdout().trim());
    Ended::from(command.env("PATH", path).output().unwrap()).stdout();
    assert_eq!(fs::read_to_string(bench.dir().join("out/r/second")).unwrap(), "second\n");
    let said = fs::read_to_string(said).unwrap();
    for line in said.lines() {
        assert!(
            line.starts_with(&format!("{} -F none -o BatchMode=yes -o StrictHostKeyChecking=yes", socket.display())),
            "{line}"
        );
        assert!(line.contains(" git@127.0.0.1 git-upload-pack "), "{line}");
    }
    assert!(said.lines().count() >= 2, "{said}");
}

#[test]
fn a_machine_without_git_is_told_so() {
    let bench = Bench::new();
    dockerfile(&bench, "ADD https://127.0.0.1:1/r.git /r");
    // The administrators' directories are looked through, too, and do not have it.
    let mut command = bench.command(&["build", "context"]);
    let ended = Ended::from(command.env("PATH", bench.dir()).output().unwrap());
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("`git` is not installed: it is in none of"), "{}", ended.stderr);
}
