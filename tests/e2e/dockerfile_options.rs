// SPDX-License-Identifier: Apache-2.0
//! Options of a build that are for claimed files, as people give them to other builders.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;
use wythe_tests::{Bench, is_installed, is_root, run};

use crate::dockerfile::{busybox, inspect};

fn labels(bench: &Bench, name: &str) -> Value {
    inspect(bench, name)["config"]["config"]["Labels"].clone()
}

#[test]
fn an_argument_without_a_value_is_that_of_the_environment() {
    let bench = Bench::new();
    bench.file("Dockerfile", "FROM scratch\nARG WHO=nobody\nARG NONE=nothing\nLABEL who=$WHO none=$NONE\n");
    let mut command = bench.command(&["build", "-t", "made", "--build-arg", "WHO", "--build-arg", "NONE_SUCH"]);
    let built = command.env("WHO", "me=you").env_remove("NONE_SUCH").output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    assert_eq!(labels(&bench, "made"), serde_json::json!({"who": "me=you", "none": "nothing"}));
}

#[test]
fn what_scripts_say_to_other_builders_is_understood() {
    let bench = Bench::new();
    bench.file("Dockerfile", "FROM scratch\nLABEL a=b\n");
    let habits = [
        "--load",
        "--rm",
        "--force-rm",
        "--provenance=false",
        "--sbom=false",
        "--attest=type=sbom,disabled=true",
        "--builder=default",
        "-D",
        "--compress",
        "--isolation=default",
        "--disable-content-trust=false",
        "--network=default",
        "--output=type=docker",
        "--output=type=cacheonly",
    ];

    let ended = bench.wythe(&[["build", "-q", "."].as_slice(), &habits].concat());
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert_eq!(ended.stdout, bench.wythe(&["build", "--progress", "quiet"]).stdout());
    // What would be made is not, so it cannot be asked for.
    assert_eq!(bench.wythe(&["build", "--provenance=true"]).code, Some(2));
    assert_eq!(bench.wythe(&["build", "-q", "--progress", "plain"]).code, Some(2));
}

#[test]
fn what_has_no_effect_is_told_and_what_would_be_missed_is_refused() {
    let bench = Bench::new();
    bench.file("Dockerfile", "FROM scratch\nLABEL a=b\n");
    let told = bench.wythe(&["build", "--cache-from", "x/y", "--cache-to=type=local,dest=c", "--memory-swap", "-1"]);
    let notes: Vec<&str> = told.stderr.lines().filter(|line| line.starts_with("note: ")).collect();
    assert_eq!(notes.len(), 3, "{}", told.stderr);
    assert!(
        notes[0].starts_with("note: `--cache-from` has no effect: results are looked up in the store"),
        "{notes:?}"
    );
    for (options, said) in [
        (&["--push"][..], "skopeo copy"),
        (&["-o", "type=registry"], "skopeo copy"),
        (&["-o", "type=image,name=x,push=true"], "skopeo copy"),
        (&["--squash"], "COPY --from=STAGE / /"),
        (&["--attest", "type=sbom"], "no attestations are made"),
        (&["--provenance=mode=max"], "no attestations are made"),
        (&["--sbom=true"], "no attestations are made"),
        (&["--annotation", "a=b"], "--label NAME=VALUE"),
        (&["--cgroup-parent", "x"], "systemd-run --scope"),
        (&["--cpu-quota", "1000", "--cpu-period", "0"], "is no time"),
    ] {
        let ended = bench.wythe(&[&["build"], options].concat());
        assert!(ended.code == Some(2) && ended.stderr.contains(said), "{options:?}: {}", ended.stderr);
    }
    let names = ["build", "-t", "one", "-o", "type=image,\"name=two:1,three\",push=false"];
    bench.wythe(&names).stdout();
    for name in ["one", "two:1", "three"] {
        bench.wythe(&["inspect", name]).stdout();
    }
    let digest = bench.wythe(&["build", "-t", "one", "--label", "empty", "--metadata-file", "made.json"]).stdout();
    let made: Value = serde_json::from_str(&fs::read_to_string(bench.dir().join("made.json")).unwrap()).unwrap();
    assert_eq!(
        (&made["containerimage.digest"], &made["digest"]),
        (&Value::from(digest.trim()), &Value::from(digest.trim()))
    );
    assert_eq!(made["image.name"], "one:latest");
    assert_eq!(labels(&bench, "one")["empty"], "");
    bench.file("definition/wythe.toml", "builder = \"2026.11\"\nbase = \"scratch\"\n");
    let ended = bench.wythe(&["build", "definition", "-m", "1g"]);
    assert!(ended.code == Some(2) && ended.stderr.contains("memory = \"2GiB\""), "{}", ended.stderr);
}

#[test]
fn a_command_has_the_processors_and_the_memory_that_are_given() {
    let bench = Bench::new();
    if !is_root() || !busybox(&bench) {
        return;
    }
    bench.file("Dockerfile", "FROM busybox:test\nRUN dd if=/dev/zero of=/dev/null bs=64M count=1\n");
    let ended = bench.wythe(&["build", "--memory", "16m"]);
    assert!(ended.code == Some(3) && ended.stderr.contains("memory"), "{}", ended.stderr);
    bench.wythe(&["build", "--memory", "256m", "--cpu-quota", "50000", "--cpu-period=100000"]).stdout();
}

#[test]
fn outputs_are_files_or_archives_of_the_image() {
    let bench = Bench::new();
    bench.file("Dockerfile", "FROM scratch\nCOPY a /dir/a\nCOPY --chmod=600 b /b\n").file("a", "a\n").file("b", "b\n");
    let digest = bench
        .wythe(&["build", "-t", "made", "-o", "out", "-o", "type=tar,dest=files.tar", "-o", "type=oci,dest=image.tar"])
        .stdout();
    let at = |path: &str| bench.dir().join(path);
    assert_eq!(fs::read_to_string(at("out/dir/a")).unwrap(), "a\n");
    assert_eq!(fs::metadata(at("out/b")).unwrap().permissions().mode() & 0o7777, 0o600);
    let listed = run("tar", &["-tf", &at("files.tar").display().to_string()]).stdout();
    assert_eq!(listed.lines().filter(|name| !name.ends_with('/')).collect::<Vec<_>>(), ["b", "dir/a"]);
    if is_installed("skopeo") {
        let text = run("skopeo", &["inspect", &format!("oci-archive:{}", at("image.tar").display())]).stdout();
        assert!(text.contains(digest.trim()), "{text}");
    }
    // On standard output there is nothing else.
    let archive = bench.command(&["build", "-o", "-"]).output().unwrap().stdout;
    assert_eq!(archive, fs::read(at("files.tar")).unwrap());
    let ended = bench.wythe(&["build", "-o", "type=zip,dest=x"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("`zip` is no type of output"), "{}", ended.stderr);
}

#[test]
fn a_directory_takes_the_place_of_a_name() {
    let bench = Bench::new();
    bench
        .file("Dockerfile", "FROM scratch\nCOPY --from=other x/y /z\nCOPY a /a\n")
        .file("a", "a\n")
        .file("elsewhere/x/y", "y\n");
    let build = ["build", "-t", "made", "--build-context", "other=elsewhere", "-o", "out"];
    bench.wythe(&build).stdout();
    assert_eq!(fs::read_to_string(bench.dir().join("out/z")).unwrap(), "y\n");
    bench.file("elsewhere/x/y", "changed\n");
    bench.wythe(&build).stdout();
    assert_eq!(fs::read_to_string(bench.dir().join("out/z")).unwrap(), "changed\n");
    let ended = bench.wythe(&["build", "--build-context", "other=nowhere"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("the named context `other`: `nowhere` is no directory"), "{}", ended.stderr);
    let ended = bench.wythe(&["build", "--build-context", "other=ftp://example.org/x"]);
    assert!(ended.stderr.contains("`ftp://` is not available in this version"), "{}", ended.stderr);
}

#[test]
fn a_lock_is_made_by_who_asks_for_it() {
    let bench = Bench::new();
    bench.file("base/Dockerfile", "FROM scratch\nLABEL n=1\n").file("Dockerfile", "FROM moving\nLABEL a=b\n");
    bench.wythe(&["build", "base", "-t", "moving"]).stdout();
    let first = bench.wythe(&["build"]).stdout();
    assert!(!bench.dir().join("Dockerfile.lock").exists(), "a build makes no lock of its own");
    assert_eq!(bench.wythe(&["build", "--locked"]).code, Some(1));
    bench.wythe(&["lock"]).stdout();
    bench.file("base/Dockerfile", "FROM scratch\nLABEL n=2\n");
    bench.wythe(&["build", "base", "-t", "moving"]).stdout();
    assert_eq!(bench.wythe(&["build", "--locked"]).stdout(), first);
    bench.wythe(&["lock", "--upgrade"]).stdout();
    assert_ne!(bench.wythe(&["build", "--locked"]).stdout(), first);
}

#[test]
fn stages_are_run_again_by_their_names() {
    let bench = Bench::new();
    if !busybox(&bench) {
        return;
    }
    bench.file(
        "Dockerfile",
        "FROM busybox:test AS one\nRUN echo of-one > /a\nFROM busybox:test AS two\nRUN echo of-two > /b\nCOPY --from=one /a /a\n",
    );
    bench.wythe(&["build"]).stdout();
    let again = |options: &[&str]| bench.wythe(&[&["build", "--progress", "plain"], options].concat()).stderr;
    assert!(!again(&[]).contains("RUN"), "everything is known");
    let said = again(&["--no-cache-filter", "one"]);
    assert!(said.contains("done RUN echo of-one") && !said.contains("RUN echo of-two"), "{said}");
    let said = again(&["--no-cache-filter", "one,two"]);
    assert!(said.contains("done RUN echo of-one") && said.contains("done RUN echo of-two"), "{said}");
}

#[test]
fn mounts_look_as_they_are_asked_to() {
    let bench = Bench::new();
    if !busybox(&bench) {
        return;
    }
    bench.file("a", "a\n").file("d/b", "b\n").file(
        "Dockerfile",
        "FROM busybox:test AS begin\nRUN mkdir /begin && echo first > /begin/file\n\
         FROM busybox:test\n\
         RUN --mount=type=bind,source=a,target=/a,rw echo more >> /a && cat /a > /out\n\
         RUN --mount=type=bind,source=d,target=/d,rw echo c > /d/c && ls /d >> /out\n\
         RUN --mount=type=bind,from=begin,source=/begin,target=/s,rw echo c > /s/c && ls /s >> /out\n\
         RUN --mount=type=bind,source=d,target=/d ls /d >> /out; echo x > /d/x || echo read-only >> /out\n\
         RUN --mount=type=cache,id=looks,target=/c,uid=1000,gid=1001,mode=0750 stat -c '%u:%g %a' /c >> /out\n\
         RUN --mount=type=cache,id=begins,target=/c,from=begin,source=/begin cat /c/file >> /out && echo second > /c/file\n\
         RUN --mount=type=cache,id=begins,target=/c,ro cat /c/file >> /out; echo x > /c/x || echo read-only >> /out\n\
         RUN --mount=type=secret,id=s,uid=1000,gid=1001,mode=0440,required stat -c '%u:%g %a' /run/secrets/s >> /out\n\
         RUN --mount=type=tmpfs,target=/m,size=1m dd if=/dev/zero of=/m/x bs=1k count=2000 2>/dev/null || echo full >> /out\n",
    );
    bench.file("secret", "word");
    bench.wythe(&["build", "-t", "made", "--secret", "id=s,src=secret", "-o", "files"]).stdout();
    let said = fs::read_to_string(bench.dir().join("files/out")).unwrap();
    let expected =
        "a\nmore\nb\nc\nc\nfile\nb\nread-only\n1000:1001 750\nfirst\nsecond\nread-only\n1000:1001 440\nfull\n";
    assert_eq!(said, expected);
    assert_eq!(fs::read_to_string(bench.dir().join("a")).unwrap(), "a\n", "the context is as it was");
    assert!(!bench.dir().join("d/c").exists(), "the context is as it was");
}

#[test]
fn a_mount_may_lie_in_another() {
    let bench = Bench::new();
    if !busybox(&bench) {
        return;
    }
    bench.file("a", "a\n").file("secret", "word").file(
        "Dockerfile",
        "FROM busybox:test\nWORKDIR /w\n\
         RUN --mount=type=cache,target=/c --mount=type=cache,target=/c/sub touch /c/sub/x && ls /c > /out\n\
         RUN --mount=type=bind,target=.,rw --mount=type=cache,target=target touch target/y && ls >> /out\n\
         RUN --mount=type=tmpfs,target=/run --mount=type=secret,id=s ls /run/secrets >> /out\n\
         RUN --mount=type=cache,target=/npm --mount=type=bind,source=a,target=/npm/.npmrc cat /npm/.npmrc >> /out\n\
         RUN --mount=type=bind,target=/src,rw --mount=type=secret,id=s,target=/src/.env wc -c < /src/.env >> /out\n",
    );
    let secret = ["--secret", "id=s,src=secret"];
    bench.wythe(&[["build", "-o", "files"].as_slice(), &secret].concat()).stdout();
    let said = fs::read_to_string(bench.dir().join("files/out")).unwrap();
    assert_eq!(said, "sub\nDockerfile\na\nbase.toml\nimage\nsecret\nstore\ntarget\ns\na\n4\n");
    assert!(!bench.dir().join("target").exists() && !bench.dir().join(".env").exists(), "the context is as it was");
    let inside = "RUN --mount=type=bind,target=/src --mount=type=secret,id=s,target=/src/.env true";
    bench.file("Dockerfile", &format!("FROM busybox:test\n{inside}\n"));
    let ended = bench.wythe(&[["build", "--progress", "quiet"].as_slice(), &secret].concat());
    assert_eq!(ended.code, Some(3));
    let expected = format!(
        "error: step `base`: cannot run `RUN true` in a sandbox\n --> Dockerfile:2:1\n  |\n2 | {inside}\n  | ^^^\n  \
         cannot mount anything on `/src/.env`\n  Read-only file system (os error 30)\n  nothing of it is kept; what was done before it is\n\
         hint: inside another mount its place has to be there, or that one has to be writable\n"
    );
    assert_eq!(ended.stderr, expected);
}

#[test]
fn modes_by_letters_change_what_files_have() {
    let bench = Bench::new();
    bench
        .file("d/plain", "")
        .file("d/program", "")
        .file("Dockerfile", "FROM scratch\nCOPY --chmod=u=rwX,go=rX d /d/\n");
    let mode = |path: &str, bits| {
        fs::set_permissions(bench.dir().join(path), fs::Permissions::from_mode(bits)).unwrap();
    };
    mode("d/plain", 0o600);
    mode("d/program", 0o700);
    bench.wythe(&["build", "-o", "out"]).stdout();
    let found = |path: &str| fs::metadata(bench.dir().join(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((found("out/d/plain"), found("out/d/program")), (0o644, 0o755));
    let ended = bench.file("Dockerfile", "FROM scratch\nCOPY --chmod=u=q d /d/\n").wythe(&["build"]);
    assert!(ended.stderr.contains("`u=q` is not a mode such as"), "{}", ended.stderr);
}
