// SPDX-License-Identifier: Apache-2.0
//! Dockerfiles through the command line. Where commands run, the image is the machine's own busybox.

use serde_json::Value;
use wythe_tests::{Bench, is_installed, run};

/// Tags an image with a busybox, as the files name it. None where the machine has none.
pub(crate) fn busybox(bench: &Bench) -> bool {
    if !is_installed("busybox") {
        return false;
    }
    // The program and the libraries that it is linked to.
    let script = "set -e; d=$1/image; mkdir -p $d/bin $d/etc $d/tmp; chmod 1777 $d/tmp; b=$(readlink -f $(command -v busybox)); cp $b $d/bin/busybox; \
         for l in $(ldd $b 2>/dev/null | grep -o '/[^ )]*'); do mkdir -p $d$(dirname $l); cp -L $l $d$l; done; \
         for a in $(busybox --list); do [ $a = busybox ] || ln -s busybox $d/bin/$a; done; \
         printf 'root:x:0:0:root:/root:/bin/sh\\napp:x:1000:1001::/home/app:/bin/sh\\n' > $d/etc/passwd; \
         printf 'root:x:0:\\nstaff:x:1001:\\n' > $d/etc/group";
    run("sh", &["-c", script, "sh", &bench.dir().display().to_string()]).stdout();
    bench.file(
        "base.toml",
        "builder = \"2026.11\"\nbase = \"scratch\"\n[[steps]]\nkind = \"files\"\nfrom = \"image\"\nto = \"/\"\n\
         [[steps]]\nkind = \"env\"\nset = { PATH = \"/usr/local/bin:/bin\" }\n\
         [[steps]]\nkind = \"cmd\"\nargv = [\"/bin/sh\"]\n",
    );
    bench.wythe(&["build", "base.toml", "-t", "docker.io/library/busybox:test"]).stdout();
    true
}

/// Returns what `wythe inspect` prints of an image.
pub(crate) fn inspect(bench: &Bench, name: &str) -> Value {
    let text = bench.wythe(&["inspect", name]).stdout();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Returns the files of an image with what they hold, as `umoci` unpacks it.
fn files(bench: &Bench, name: &str) -> Vec<(String, String)> {
    let (layout, bundle) = (bench.dir().join("layout"), bench.dir().join("bundle"));
    let _absent = (std::fs::remove_dir_all(&layout), std::fs::remove_dir_all(&bundle));
    let (layout, bundle) = (layout.display().to_string(), bundle.display().to_string());
    bench.wythe(&["save", name, "--format", "oci-dir", "--tag", "x", "-o", &layout]).stdout();
    run("umoci", &["unpack", "--rootless", "--image", &format!("{layout}:latest"), &bundle]).stdout();
    let listed = run("sh", &["-c", &format!("cd {bundle}/rootfs && find . -type f | sort")]).stdout();
    let read = |path: &str| std::fs::read_to_string(format!("{bundle}/rootfs/{path}")).unwrap();
    listed.lines().map(|path| (path[1..].to_owned(), read(path))).collect()
}

#[test]
fn a_directory_with_a_dockerfile_builds_without_a_definition() {
    let bench = Bench::new();
    bench
        .file("Dockerfile", "FROM scratch AS files\nCOPY a.txt dir/ /x/\nFROM scratch\nCOPY --from=files /x/*.txt /y/\nADD t.tar.gz /z\nCOPY <<'one' <<two /h/\n$a\none\nb$c\ntwo\nLABEL k=v\n")
        .file(".dockerignore", "dir/*.log\n!dir/keep.log\n")
        .file("a.txt", "a")
        .file("dir/b.txt", "b")
        .file("dir/no.log", "no")
        .file("dir/keep.log", "keep")
        .file("inner/c.txt", "c");
    run(
        "tar",
        &[
            "-C",
            &bench.dir().join("inner").display().to_string(),
            "-czf",
            &bench.dir().join("t.tar.gz").display().to_string(),
            "c.txt",
        ],
    )
    .stdout();
    let first = bench.wythe(&["build", "-t", "made", "--label", "l=w", "--iidfile", "id"]);
    let digest = first.stdout();
    assert_eq!(bench.wythe(&["build", "--label", "l=w"]).stdout(), digest);
    let found = inspect(&bench, "made");
    assert_eq!(found["config"]["config"]["Labels"], serde_json::json!({"k": "v", "l": "w"}));
    assert_eq!(found["config"]["rootfs"]["diff_ids"].as_array().map(Vec::len), Some(3), "one layer an instruction");
    let id = std::fs::read_to_string(bench.dir().join("id")).unwrap();
    assert!(id.starts_with("sha256:"), "{id}");
    if is_installed("umoci") {
        let pairs = [("/h/one", "$a\n"), ("/h/two", "b\n"), ("/y/a.txt", "a"), ("/y/b.txt", "b"), ("/z/c.txt", "c")];
        assert_eq!(files(&bench, "made"), pairs.map(|(path, text)| (path.to_owned(), text.to_owned())));
        bench.wythe(&["build", "--target", "files", "-t", "files"]).stdout();
        let pairs = [("/x/a.txt", "a"), ("/x/b.txt", "b"), ("/x/keep.log", "keep")];
        assert_eq!(files(&bench, "files"), pairs.map(|(path, text)| (path.to_owned(), text.to_owned())));
    }
}

#[test]
fn files_elsewhere_and_standard_input_are_built_too() {
    let bench = Bench::new();
    bench.file("context/a", "a").file("other/Dockerfile.dev", "FROM scratch\nARG TO=/a\nCOPY a ${TO}\n");
    let built = bench.wythe(&["build", "-f", "other/Dockerfile.dev", "--build-arg", "TO=/b", "context"]).stdout();
    // The same text: what an image's history says of an instruction is its words.
    bench.file("context/Dockerfile", "FROM scratch\nARG TO=/a\nCOPY a ${TO}\n");
    assert_eq!(bench.wythe(&["build", "--build-arg", "TO=/b", "context/Dockerfile"]).stdout(), built);
    let mut command = bench.command(&["build", "-f", "-", "--build-arg", "TO=/b", "context"]);
    command.stdin(std::fs::File::open(bench.dir().join("context/Dockerfile")).unwrap());
    assert_eq!(String::from_utf8(command.output().unwrap().stdout).unwrap(), built);
}

#[test]
fn mistakes_are_shown_at_their_place() {
    let bench = Bench::new();
    for (text, expected) in [
        (
            "FROM scratch\nRUNN x\n",
            "unknown instruction `RUNN`\n --> Dockerfile:2:1\n  |\n2 | RUNN x\n  | ^^^^\nhint: did you mean `RUN`?",
        ),
        ("FROM scratch\nCOPY ../a /a\n", "`../a` is outside the build context"),
        ("FROM scratch\nCOPY a /a\n", "`a` matches no file"),
        ("# x\nCMD [\"a\"]\n", "there is no `FROM`, and this begins no stage\n --> Dockerfile:2:1\n"),
        ("FROM scratch\nCOPY Docker* no* a /a/\n", "`a` matches no file"),
        (
            "FROM nowhere:1\n",
            "image `nowhere:1` is not in the store\n --> Dockerfile:1:6\n  |\n1 | FROM nowhere:1\n  |      ^^^^^^^^^\n\
             hint: images are not pulled: build it, `wythe build -t nowhere:1 DIR`, or name a layout that has it, \
             `--build-context nowhere:1=oci-layout://DIR:TAG` (`skopeo copy docker://nowhere:1 oci:DIR:TAG` makes one)",
        ),
        ("FROM scratch\nCOPY --from=one a /a\n", "image `one` is not in the store"),
    ] {
        let ended = bench.file("Dockerfile", text).wythe(&["build"]);
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{text}:\n{}", ended.stderr);
        assert!(!ended.stderr.contains("builder ="), "a text that nobody wrote is shown:\n{}", ended.stderr);
    }
    bench.file("Dockerfile", "FROM scratch AS one\n");
    let ended = bench.wythe(&["build", "--target", "oen"]);
    assert!(
        ended.stderr.contains("there is no stage `oen`") && ended.stderr.contains("there is: one"),
        "{}",
        ended.stderr
    );
}

#[test]
fn commands_run_and_the_file_is_a_base_and_a_step() {
    let bench = Bench::new();
    if !busybox(&bench) {
        return;
    }
    bench.file("Dockerfile", "FROM busybox:test\nARG WHO=you\nENV GREETING=\"hello $WHO\"\nWORKDIR /work\nRUN echo $GREETING $WHO > said\nRUN <<END\necho two >> said\nEND\nRUN <<END\n#!/bin/busybox sh\necho three >> said\nEND\nRUN --mount=type=bind,source=Dockerfile,target=/f --mount=type=tmpfs,target=/t head -n 1 /f >> said\n");
    bench.wythe(&["build", "-t", "ran", "--build-arg", "WHO=me"]).stdout();
    let said = bench.wythe(&["run", "ran", "--", "cat", "/work/said"]).stdout();
    assert_eq!(said, "hello me me\ntwo\nthree\nFROM busybox:test\n");
    bench.definition(
        "base = { kind = \"dockerfile\", args = { WHO = \"it\" } }\n\
         [[steps]]\nkind = \"dockerfile\"\ncommands = [\"RUN echo $GREETING >> said\"]\n",
    );
    bench.wythe(&["build", "-t", "both"]).stdout();
    let said = bench.wythe(&["run", "both", "--", "tail", "-n", "1", "said"]).stdout();
    assert_eq!(said, "hello it\n");
    bench.file("failing/Dockerfile", "FROM busybox:test\nRUN exit 3\n");
    let ended = bench.wythe(&["build", "failing"]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("RUN exit 3"), "{}", ended.stderr);
}

#[test]
fn triggers_run_in_the_image_that_is_built_on_them() {
    let bench = Bench::new();
    bench.file("a", "a").file("one/Dockerfile", "FROM scratch\nONBUILD COPY a /from-trigger\nONBUILD LABEL done=yes\n");
    bench.wythe(&["build", "one", "-t", "triggering"]).stdout();
    bench.file("Dockerfile", "FROM triggering\n");
    bench.wythe(&["build", "-t", "triggered"]).stdout();
    let found = inspect(&bench, "triggered");
    assert_eq!(found["config"]["config"]["Labels"]["done"], "yes");
    assert_eq!(found["config"]["config"]["OnBuild"], Value::Null);
    assert_eq!(found["config"]["rootfs"]["diff_ids"].as_array().map(Vec::len), Some(1));
}

/// A file that is copied from another stage has its attributes, or is not copied. Needs strace, and skips without.
#[test]
fn attributes_that_cannot_be_read_are_not_left_out() {
    if !is_installed("strace") {
        return;
    }
    let build = |number: u32| {
        let bench = Bench::new();
        bench.file("f", "f").file("Dockerfile", "FROM scratch AS a\nADD t.tar /\nFROM scratch\nCOPY --from=a /f /g\n");
        let script = "cd \"$1\" && tar --format=pax --pax-option=SCHILY.xattr.user.note:=hey --mtime=@0 --owner=0 --group=0 -cf t.tar f";
        run("sh", &["-c", script, "sh", &bench.dir().display().to_string()]).stdout();
        let fault = format!("inject=flistxattr:error=EIO:when={number}");
        let ended = bench.traced(&["-e", "trace=flistxattr", "-e", &fault], &["build"]);
        let is_struck = std::fs::read_to_string(bench.dir().join("strace")).unwrap().contains("(INJECTED)");
        (ended, is_struck)
    };
    let (whole, is_struck) = build(1000);
    assert!(!is_struck, "a thread asked for attributes a thousand times");
    let digest = whole.stdout();
    for number in 1.. {
        let (ended, is_struck) = build(number);
        if !is_struck {
            assert!(number > 3, "no file was asked for its attributes");
            break;
        }
        assert!(ended.code != Some(0) || ended.stdout == digest, "{number}: {}", ended.stderr);
    }
}
