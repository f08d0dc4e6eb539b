// SPDX-License-Identifier: Apache-2.0
//! Repositories and addresses that are made to do harm. The canary is a file that nobody may make, or read.

use std::fs;
use std::process::Command;

use wythe_tests::{Bench, Ended};

use crate::git::{Repository, Server, git};

#[track_caller]
fn build(bench: &Bench, line: &str) -> Ended {
    bench.file("context/Dockerfile", &format!("FROM scratch\n{line}\n"));
    bench.wythe(&["build", "context", "-o", "out"])
}

#[test]
fn what_could_be_an_option_a_program_or_a_file_is_no_address() {
    let bench = Bench::new();
    let canary = bench.dir().join("canary");
    let touch = format!("touch${{IFS}}{}", canary.display());
    bench.file("other/secret.txt", "secret\n");
    let other = bench.dir().join("other").display().to_string();
    let sources = [
        format!("ext::sh -c {touch}"),
        format!("ext::sh%20-c%20{touch}.git"),
        format!("fd::7/{touch}"),
        format!("file://{other}"),
        format!("file://{other}/.git"),
        format!("git+ssh://{other}/r.git"),
        format!("--upload-pack={touch}@h:r"),
        format!("-oProxyCommand={touch}@h:r.git"),
        format!("ssh://-oProxyCommand={touch}/r.git"),
        format!("ssh://git@-oProxyCommand={touch}/r.git"),
        "ssh://git:zebra@h/r.git".to_owned(),
        "git@-x:r.git".to_owned(),
        "git@h:-r.git".to_owned(),
        "git://-h/r.git".to_owned(),
        "git://127.0.0.1:x/r.git".to_owned(),
        "https://127.0.0.1:1/r.git#-x".to_owned(),
        "https://127.0.0.1:1/r.git#--upload-pack=id".to_owned(),
        "https://127.0.0.1:1/r.git#a..b".to_owned(),
        "https://127.0.0.1:1/r.git#main:..".to_owned(),
        "https://127.0.0.1:1/r.git#main:../../etc".to_owned(),
        "https://127.0.0.1:1/r.git#main:a/%2e%2e/%2e%2e/etc".to_owned(),
        "https://127.0.0.1:1/r.git#main:.git/hooks".to_owned(),
        "https://127.0.0.1:1/r.git?ref=%2dx".to_owned(),
        "https://127.0.0.1:1/r.git?upload-pack=id".to_owned(),
        "https://127.0.0.1:1/r.git?commit=;id".to_owned(),
        "https://user:zebra@127.0.0.1:1/r.git".to_owned(),
        "https://zebra@127.0.0.1:1/r.git".to_owned(),
        "https://127.0.0.1:1/`id`.git".to_owned(),
        "https://127.0.0.1%00.example/r.git".to_owned(),
    ];
    for source in sources {
        // As JSON, so that a `$` is the only thing that the file's own language would touch.
        let line = format!("ADD {}", serde_json::json!([source.replace('$', "\\$"), "/x"]));
        let ended = build(&bench, &line);
        assert_eq!(ended.code, Some(1), "{source}:\n{}", ended.stderr);
        assert!(!ended.stderr.contains("is a fault in the plugin"), "{source}:\n{}", ended.stderr);
        assert!(!source.contains("zebra@") || !ended.stderr.contains("zebra"), "{source}:\n{}", ended.stderr);
        assert!(!canary.exists() && !bench.dir().join("out").exists(), "{source}");
    }
}

#[test]
fn a_directory_that_is_a_link_is_none() {
    let bench = Bench::new();
    let repository = Repository::new(&bench, "sha1");
    std::os::unix::fs::symlink("../../..", repository.work.join("sub/up")).unwrap();
    repository.commit("a link");
    repository.publish();
    let url = Server::new(&repository.served, None).url("r.git");
    for (subdir, why) in [
        ("link", "`link` of the repository is a link, and only a directory can be taken"),
        ("link/ssh", "`link` of the repository is a link"),
        ("sub/up/etc", "`sub/up` of the repository is a link"),
        ("top.txt", "`top.txt` of the repository is a file"),
        ("none/at/all", "`none` of the repository is not there"),
    ] {
        let ended = build(&bench, &format!("ADD {url}#main:{subdir} /x"));
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert!(ended.stderr.contains(why), "{subdir}:\n{}", ended.stderr);
    }
}

#[test]
fn submodules_lead_nowhere_else() {
    let bench = Bench::new();
    let repository = Repository::new(&bench, "sha1");
    let url = Server::new(&repository.served, None).url("r.git");
    let canary = bench.dir().join("canary");
    git(bench.dir(), &["clone", "--quiet", "--bare", "work", "elsewhere.git"]);
    let elsewhere = bench.dir().join("elsewhere.git").display().to_string();
    let commit = git(&repository.work, &["rev-parse", "HEAD"]);
    git(&repository.work, &["update-index", "--add", "--cacheinfo", &format!("160000,{commit},part")]);
    let touch = format!("touch {}", canary.display());
    for (path, target) in [
        ("part", format!("file://{elsewhere}")),
        ("part", elsewhere.clone()),
        ("part", format!("ext::sh -c '{touch}'")),
        ("part", format!("-u{touch}")),
        ("part", format!("--upload-pack={touch}")),
        ("part", "git://127.0.0.1:1/r.git".to_owned()),
        ("part", format!("ssh://-oProxyCommand={touch}/r")),
    ] {
        let modules = format!("[submodule \"{path}\"]\n\tpath = {path}\n\turl = \"{target}\"\n\tupdate = checkout\n");
        fs::write(repository.work.join(".gitmodules"), modules).unwrap();
        git(&repository.work, &["add", ".gitmodules"]);
        git(&repository.work, &["commit", "--quiet", "--allow-empty", "--message", &target]);
        repository.publish();
        let ended = build(&bench, &format!("ADD {url}#main /x"));
        assert_eq!(ended.code, Some(5), "{target}:\n{}", ended.stderr);
        assert!(!canary.exists() && !bench.dir().join("out").exists(), "{target}");
        // Whoever does not want them gets the rest.
        build(&bench, &format!("ADD {url}?ref=main&submodules=0 /x")).stdout();
        fs::remove_dir_all(bench.dir().join("out")).unwrap();
    }
}

#[test]
fn nothing_of_this_machine_has_a_say() {
    let bench = Bench::new();
    let repository = Repository::new(&bench, "sha1");
    let url = Server::new(&repository.served, None).url("r.git");
    let canary = bench.dir().join("canary");
    let program = bench.dir().join("home/program");
    bench.file("home/program", &format!("#!/bin/sh\ntouch {}\n", canary.display()));
    bench.file("home/hooks/post-checkout", &format!("#!/bin/sh\ntouch {}\n", canary.display()));
    for path in ["home/program", "home/hooks/post-checkout"] {
        let path = bench.dir().join(path);
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let program = program.display();
    bench.file(
        "home/.gitconfig",
        &format!(
            "[core]\n\thooksPath = {home}/hooks\n\tfsmonitor = {program}\n\tsshCommand = {program}\n[credential]\n\thelper = {program}\n\
             [filter \"x\"]\n\tsmudge = {program}\n\trequired = true\n[url \"http://127.0.0.1:1/\"]\n\tinsteadOf = http://\n",
            home = bench.dir().join("home").display(),
        ),
    );
    fs::write(repository.work.join(".gitattributes"), "* filter=x\n").unwrap();
    repository.commit("attributes");
    repository.publish();
    bench.file("context/Dockerfile", &format!("FROM scratch\nADD {url}#main /x\n"));
    let mut command: Command = bench.command(&["build", "context", "-o", "out"]);
    command.env("HOME", bench.dir().join("home")).env("GIT_DIR", bench.dir().join("work/.git"));
    command.env("GIT_SSH_COMMAND", program.to_string()).env("GIT_ASKPASS", program.to_string());
    command.env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_KEY_0", "core.fsmonitor");
    command.env("GIT_CONFIG_VALUE_0", program.to_string()).env("GIT_ALLOW_PROTOCOL", "ext");
    Ended::from(command.output().unwrap()).stdout();
    assert!(!canary.exists());
    assert_eq!(fs::read_to_string(bench.dir().join("out/x/second")).unwrap(), "second\n");
}
