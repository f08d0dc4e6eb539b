// SPDX-License-Identifier: Apache-2.0
//! Build contexts that are no directory: standard input, archives and files at addresses, git repositories.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;

use wythe_tests::{Bench, Ended, run};

use crate::git::{Repository, Server, git};

const CANARY: &str = "the machine's own";

/// Serves the files of a directory for as long as the process lives.
fn serve(root: &Path) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, root) = (listener.local_addr().unwrap(), root.to_owned());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let lines: Vec<String> = BufReader::new(stream.try_clone().unwrap())
                .lines()
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty())
                .collect();
            let name = lines.first().and_then(|line| line.split(' ').nth(1)).unwrap_or("/").trim_start_matches('/');
            let (status, body) = match fs::read(root.join(name)) {
                Ok(body) => ("200 OK", body),
                Err(_) => ("404 Not Found", Vec::new()),
            };
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            drop(stream.write_all(&[head.into_bytes(), body].concat()));
        }
    });
    format!("http://{address}")
}

fn with_input(bench: &Bench, args: &[&str], input: &[u8]) -> Ended {
    let mut command = bench.command(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Who refuses the command line does not read.
    drop(child.stdin.take().unwrap().write_all(input));
    child.wait_with_output().unwrap().into()
}

/// A bench with a context in `src`, and that as archives.
fn bench() -> Bench {
    let bench = Bench::new();
    bench.file("src/Dockerfile", "FROM scratch\nCOPY . /all/\n");
    bench.file("src/sub/Other", "FROM scratch\nCOPY a /other\n");
    bench.file("src/a", "a\n").file("src/left.log", "no\n").file("src/.dockerignore", "*.log\nDockerfile\nsub\n");
    let src = bench.dir().join("src").display().to_string();
    for (letter, name) in [("", "x.tar"), ("z", "x.tar.gz"), ("j", "x.tar.bz2"), ("J", "x.tar.xz")] {
        let archive = bench.dir().join(name).display().to_string();
        run("tar", &[&format!("-c{letter}f"), &archive, "--owner=1234", "--mtime=@1", "-C", &src, "."]).stdout();
    }
    bench
}

fn names(bench: &Bench, below: &str) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(bench.dir().join(below))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_on_standard_input_needs_no_context() {
    let bench = bench();
    let text = b"FROM scratch\nARG V\nCOPY <<EOF /f\nv=$V\nEOF\n";
    with_input(&bench, &["build", "-", "--build-arg", "V=1", "-o", "out"], text).stdout();
    assert_eq!(fs::read_to_string(bench.dir().join("out/f")).unwrap(), "v=1\n");
    let wrong = with_input(&bench, &["build", "-"], b"FROM scratch\nCOPY a /\n");
    assert_eq!(wrong.code, Some(1), "{}", wrong.stderr);
    assert!(wrong.stderr.contains("--> -:2:1") && wrong.stderr.contains("COPY a /"), "{}", wrong.stderr);
    with_input(&bench, &["build", "-f", "-", "src", "-o", "again"], b"FROM scratch\nCOPY a /\n").stdout();
    for (args, input, said) in [
        (&["build", "-", "-f", "-"][..], &b"FROM scratch\n"[..], "cannot be both"),
        (&["build", "-", "-f", "Other"], b"FROM scratch\n", "is no archive, and `--file` names a file in one"),
        (&["build", "-"], b"", "is empty"),
        (&["build", "-"], b"\n<!DOCTYPE html>\n", "is a page of a web site"),
        (&["build", "-"], b"\x1f\x8b\x08\0\0\0\0\0\0\0", "neither a tar archive nor a text"),
        (&["build", "-"], b"PK\x03\x04\0\0", "neither a tar archive nor a text"),
    ] {
        let ended = with_input(&bench, args, input);
        assert!(matches!(ended.code, Some(1 | 2)) && ended.stderr.contains(said), "{args:?}: {}", ended.stderr);
    }
}

#[test]
fn an_archive_on_standard_input_is_the_context() {
    let bench = bench();
    let mut digests = Vec::new();
    for name in ["x.tar", "x.tar.gz", "x.tar.bz2", "x.tar.xz"] {
        let bytes = fs::read(bench.dir().join(name)).unwrap();
        digests.push(with_input(&bench, &["build", "-", "-o", "out"], &bytes).stdout());
    }
    assert_eq!(names(&bench, "out/all"), [".dockerignore", "a"]);
    digests.dedup();
    assert_eq!(digests.len(), 1, "{digests:?}");
    let bytes = fs::read(bench.dir().join("x.tar")).unwrap();
    with_input(&bench, &["build", "-", "-f", "sub/Other", "-o", "other"], &bytes).stdout();
    assert_eq!(names(&bench, "other"), ["other"]);
    for (file, said) in [("no/such", "there is no file `no/such`"), ("../src/Dockerfile", "there is no file `../src")] {
        let ended = with_input(&bench, &["build", "-", "-f", file], &bytes);
        assert!(ended.code == Some(1) && ended.stderr.contains(said), "{file}: {}", ended.stderr);
    }
    let locked = with_input(&bench, &["lock", "-"], &bytes);
    assert!(locked.stderr.contains("has no place for a lock"), "{}", locked.stderr);
    let plan = with_input(&bench, &["plan", "-"], &bytes).stdout();
    assert!(plan.contains("COPY . /all/"), "{plan}");
    let failing = with_input(&bench, &["build", "-", "-f", "sub/Other", "--target", "none"], &bytes);
    assert!(!failing.stderr.contains("active/"), "{}", failing.stderr);
}

#[test]
fn an_address_is_an_archive_or_a_file() {
    let bench = bench();
    let url = serve(bench.dir());
    let of_archive = bench.wythe(&["build", &format!("{url}/x.tar.gz"), "-o", "out"]).stdout();
    assert_eq!(names(&bench, "out/all"), [".dockerignore", "a"]);
    let of_input = with_input(&bench, &["build", "-"], &fs::read(bench.dir().join("x.tar")).unwrap()).stdout();
    assert_eq!(of_archive, of_input);
    bench.wythe(&["build", &format!("{url}/x.tar.xz"), "-f", "sub/Other", "-o", "other"]).stdout();
    assert_eq!(names(&bench, "other"), ["other"]);
    bench.file("alone", "FROM scratch\nCOPY <<EOF /f\nx\nEOF\n");
    bench.wythe(&["build", &format!("{url}/alone"), "-o", "alone.out"]).stdout();
    assert_eq!(names(&bench, "alone.out"), ["f"]);
    let missing = bench.wythe(&["build", &format!("{url}/nothing")]);
    assert!(
        missing.code == Some(1) && missing.stderr.contains("/nothing`") && missing.stderr.contains("404"),
        "{}",
        missing.stderr
    );
    let offline = bench.wythe(&["build", "--offline", &format!("{url}/alone")]);
    assert!(offline.code == Some(5) && offline.stderr.contains("--offline"), "{}", offline.stderr);
    let scheme = bench.wythe(&["build", "ftp://example.com/x.tar"]);
    assert!(scheme.code == Some(2) && scheme.stderr.contains("`ftp://` is no address"), "{}", scheme.stderr);
    let hidden =
        bench.wythe(&["build", &format!("{}/nothing?token=hunter2", url.replace("//", "//somebody:hunter2@"))]);
    assert!(!hidden.stderr.contains("hunter2"), "{}", hidden.stderr);
    // The same as a named context.
    bench.file("named/Dockerfile", "FROM scratch\nCOPY --from=other a /named\n");
    let other = format!("other={url}/x.tar.gz");
    bench.wythe(&["build", "named", "--build-context", &other, "-o", "named.out"]).stdout();
    assert_eq!(names(&bench, "named.out"), ["named"]);
    let no_archive = bench.wythe(&["build", "named", "--build-context", &format!("other={url}/alone")]);
    assert!(no_archive.stderr.contains("is no archive"), "{}", no_archive.stderr);
}

#[test]
fn a_repository_is_the_context() {
    let bench = Bench::new();
    bench
        .file("work/Dockerfile", "FROM scratch\nCOPY . /all/\n")
        .file("work/sub/Dockerfile", "FROM scratch\nCOPY deep /deep/\n");
    let repository = Repository::new(&bench, "sha1");
    let url = Server::new(&repository.served, None).url("r.git");
    let build = |reference: &str, more: &[&str]| {
        bench.wythe(&[&["build", &format!("{url}{reference}"), "-o", "out"], more].concat())
    };
    build("#v1", &[]).stdout();
    let mut expected = vec!["Dockerfile", "link", "run.sh", "sub", "top.txt"];
    assert_eq!(names(&bench, "out/all"), expected);
    fs::remove_dir_all(bench.dir().join("out")).unwrap();
    build("", &["--build-arg", "BUILDKIT_CONTEXT_KEEP_GIT_DIR=1"]).stdout();
    expected.extend(["second", ".git"]);
    expected.sort_unstable();
    assert_eq!(names(&bench, "out/all"), expected);
    fs::remove_dir_all(bench.dir().join("out")).unwrap();
    build("#main:sub", &[]).stdout();
    assert_eq!(names(&bench, "out"), ["deep"]);
    let commit = git(&repository.work, &["rev-parse", "v1"]);
    build(&format!("?commit={commit}"), &[]).stdout();
    for (reference, said) in [
        ("#nowhere", "nowhere"),
        ("#main:none", "none"),
        ("#main:link", "link"),
        ("#main:sub/deep", "has none of `wythe.toml`, `Dockerfile`"),
        ("?commit=0123456", "not at 0123456"),
        ("#main:../up", "has a part that is"),
    ] {
        let ended = build(reference, &[]);
        assert!(matches!(ended.code, Some(1 | 2)) && ended.stderr.contains(said), "{reference}: {}", ended.stderr);
    }
    let private = Server::new(&repository.served, Some("basic eC1hY2Nlc3MtdG9rZW46aHVudGVyMg==")).url("r.git");
    let closed = bench.wythe(&["build", &private]);
    assert!(closed.code == Some(5) && closed.stderr.contains("GIT_AUTH_TOKEN"), "{}", closed.stderr);
    bench.file("token", "hunter2");
    bench.wythe(&["build", &private, "--secret", "id=GIT_AUTH_TOKEN,src=token"]).stdout();
}

/// What an archive or a repository sends says nothing about files of the machine.
#[test]
fn b04_a_context_that_is_sent_leads_nowhere() {
    let bench = Bench::new();
    bench.file("outside/Dockerfile", &format!("FROM scratch\nLABEL a=\"{CANARY}\"\nNONSENSE {CANARY}\n"));
    bench.file("outside/secret", CANARY);
    let outside = bench.dir().join("outside");
    let pack = |change: &dyn Fn(&Path), more: &[&str]| {
        let src = bench.dir().join("hostile");
        drop(fs::remove_dir_all(&src));
        fs::create_dir(&src).unwrap();
        fs::write(src.join("Dockerfile"), "FROM scratch\nCOPY . /\n").unwrap();
        change(&src);
        let mut args = vec!["-cPf".to_owned(), "-".to_owned(), "-C".to_owned(), src.display().to_string()];
        args.extend(more.iter().map(|it| (*it).to_owned()));
        args.push(".".to_owned());
        std::process::Command::new("tar").args(&args).output().unwrap().stdout
    };
    let link = |name: &'static str, target: std::path::PathBuf| {
        move |src: &Path| {
            drop(fs::remove_file(src.join(name)));
            symlink(&target, src.join(name)).unwrap();
        }
    };
    let refused = [
        pack(&link("Dockerfile", outside.join("Dockerfile")), &[]),
        pack(&link("wythe.toml", outside.join("Dockerfile")), &[]),
        pack(&link("Dockerfile.lock", outside.join("Dockerfile")), &[]),
        pack(&link(".dockerignore", outside.join("secret")), &[]),
        pack(&|_| (), &["--transform=s,^./Dockerfile$,../../../../../Dockerfile,"]),
    ];
    for (number, bytes) in refused.iter().enumerate() {
        let ended = with_input(&bench, &["build", "-"], bytes);
        assert_eq!(ended.code, Some(1), "{number}: {}", ended.stderr);
        assert!(!ended.stderr.contains(CANARY) && !ended.stdout.contains(CANARY), "{number}: {}", ended.stderr);
    }
    // A directory that is a link, and then what lies in it: inside of the context that is.
    let through = pack(&link("sub", outside.clone()), &[]);
    let ended = with_input(&bench, &["build", "-", "-f", "sub/Dockerfile"], &through);
    assert!(ended.code == Some(1) && !ended.stderr.contains(CANARY), "{}", ended.stderr);
    // Where there is such a file inside, its lock would still be looked for outside.
    bench.file("outside/Dockerfile.lock", CANARY);
    let twice = pack(
        &|src| {
            let inside = src.join(outside.strip_prefix("/").unwrap());
            fs::create_dir_all(&inside).unwrap();
            fs::write(inside.join("Dockerfile"), "FROM scratch\nCOPY . /\n").unwrap();
            symlink(&outside, src.join("sub")).unwrap();
        },
        &[],
    );
    let ended = with_input(&bench, &["build", "-", "-f", "sub/Dockerfile"], &twice);
    assert!(ended.code == Some(1) && !ended.stderr.contains(CANARY), "{}", ended.stderr);
    with_input(&bench, &["build", "-", "-o", "out"], &through).stdout();
    assert_eq!(fs::read_link(bench.dir().join("out/sub")).unwrap(), outside);
    fs::write(bench.dir().join("late"), "late").unwrap();
    let after = pack(
        &link("d", outside.clone()),
        &[&format!("--transform=s,^{}/late$,./d/secret,", bench.dir().display().to_string().trim_start_matches('/'))],
    );
    with_input(&bench, &["build", "-"], &after);
    assert_eq!(fs::read_to_string(outside.join("secret")).unwrap(), CANARY);
}
