// SPDX-License-Identifier: Apache-2.0
//! Further rows of `docs/attacks.md`: images and steps against what is mounted, names against the store, secrets against kills.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use wythe_tests::Bench;

use crate::hostile::{both, step};
use crate::sandbox::BASE;
use crate::secrets::songs_of;

/// What nothing of a build may show or change.
const CANARY: &str = "CANARY-1d09ab";

/// A directory of the machine that nobody may look into or change.
struct Outside(tempfile::TempDir);

impl Outside {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), CANARY).unwrap();
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        Self(dir)
    }

    fn path(&self) -> String {
        self.0.path().display().to_string()
    }

    #[track_caller]
    fn is_untouched(&self, what: &str) {
        let mut names: Vec<_> = std::fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["file", "sub"], "{what}");
        assert_eq!(std::fs::read_to_string(self.0.path().join("file")).unwrap(), CANARY, "{what}");
        assert_eq!(std::fs::read_dir(self.0.path().join("sub")).unwrap().count(), 0, "{what}");
    }
}

#[test]
fn b02_files_about_the_context_are_of_the_context() {
    let outside = Outside::new();
    for name in ["Dockerfile", ".dockerignore", "Dockerfile.dockerignore"] {
        let bench = Bench::new();
        bench.file("src/Dockerfile", "FROM scratch\nCOPY . /\n").file("src/a", "a");
        drop(std::fs::remove_file(bench.dir().join("src").join(name)));
        symlink(outside.0.path().join("file"), bench.dir().join("src").join(name)).unwrap();
        let ended = bench.wythe(&["build", "src"]);
        assert_eq!(ended.code, Some(1), "{name}: {}", ended.stderr);
        assert!(!ended.stderr.contains(CANARY) && ended.stderr.contains(name), "{name}: {}", ended.stderr);
    }
}

#[test]
fn c04_no_mount_point_is_cleaned_up_outside() {
    let Some(bench) = Bench::with_busybox() else { return };
    let outside = Outside::new();
    // The directory of a mount point becomes a link to the machine's, before the sandbox takes itself down.
    let command = format!(
        "busybox mv /a /moved; busybox ln -s {0} /a; busybox mv /run /moved-run; busybox ln -s {0} /run; \
         busybox mv /etc /moved-etc; busybox ln -s {0}/sub /etc; echo done",
        outside.path()
    );
    bench.definition(&step(&format!("volumes = {{ \"/a/sub\" = \"v\" }}\ncommands = ['''{command}''']")));
    both(&bench, |ended| {
        assert!(ended.stderr.contains("| done"), "{}", ended.stderr);
        outside.is_untouched("a mount point's directory was replaced");
    });
}

#[test]
fn c06_twenty_hostile_images_move_no_mount() {
    let outside = Outside::new();
    let there = "test -e /proc/self/status && test -d /sys/kernel && test -c /dev/null && test -r /etc/hosts";
    for name in ["proc", "sys", "dev", "etc"] {
        for target in [&*outside.path(), "..", name, "/proc/self/root/etc", ""] {
            let Some(bench) = Bench::with_busybox() else { return };
            if target.is_empty() {
                bench.file(&format!("root/{name}"), "a file");
            } else {
                symlink(target, bench.dir().join("root").join(name)).unwrap();
            }
            bench.definition(&step(&format!("commands = [\"{there}\"]")));
            both(&bench, |ended| {
                let is_expected = matches!(ended.code, Some(0 | 3 | 5)) && !ended.stderr.contains("panicked");
                assert!(is_expected, "{name} -> {target}: {}", ended.stderr);
                outside.is_untouched(&format!("{name} -> {target}"));
            });
        }
    }
}

#[test]
fn c07_what_is_masked_is_masked_whatever_the_image_has() {
    for (name, target) in
        [("null", "/proc/sys/kernel/core_pattern"), ("console", "/proc/sysrq-trigger"), ("pts", "/proc")]
    {
        let Some(bench) = Bench::with_busybox() else { return };
        std::fs::create_dir(bench.dir().join("root/dev")).unwrap();
        symlink(target, bench.dir().join("root/dev").join(name)).unwrap();
        let command = "test -c /dev/null && test $(cat /proc/kcore /proc/keys /proc/timer_list | busybox wc -c) = 0 \
             && for f in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/sys/kernel/hostname /sys/kernel/uevent_helper; \
             do (echo '|/evil' > $f) 2> /dev/null && exit 9; done; test ! -L /dev/null && echo masked";
        bench.definition(&step(&format!("commands = ['''{command}''']")));
        both(&bench, |ended| assert!(ended.code == Some(0) && ended.stderr.contains("| masked"), "{}", ended.stderr));
    }
}

#[test]
fn c08_no_descriptor_of_any_number_is_a_working_directory() {
    let Some(bench) = Bench::with_busybox() else { return };
    bench.definition(BASE);
    bench.wythe(&["build", "-t", "box"]).stdout();
    for number in (3..64).chain([127, 255, 511, 1022, 1023]) {
        let workdir = format!("/proc/self/fd/{number}");
        let args = [
            "run",
            "--network",
            "none",
            "-w",
            &workdir,
            "--entrypoint",
            "/bin/ls",
            "box",
            "--",
            "../../../../../etc/passwd",
        ];
        let ended = bench.wythe(&args);
        assert!(ended.code != Some(0) && ended.stdout.is_empty(), "{workdir}: {}{}", ended.stdout, ended.stderr);
    }
}

#[test]
fn c18_privileges_are_not_for_the_asking() {
    let bench = Bench::new();
    for line in ["RUN --security=insecure true", "RUN --device=/dev/kmsg true"] {
        bench.file("src/Dockerfile", &format!("FROM scratch\n{line}\n"));
        let ended = bench.wythe(&["build", "src"]);
        assert!(matches!(ended.code, Some(1 | 5)), "{line}: {}", ended.stderr);
        assert!(!ended.stderr.contains("] | "), "{line} was run: {}", ended.stderr);
    }
}

#[test]
fn c19_without_a_network_there_is_none() {
    let Some(bench) = Bench::with_busybox() else { return };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let command = format!(
        "test \"$(ls /sys/class/net)\" = lo && test $(cat /proc/net/route | busybox wc -l) -le 1 && test ! -s /etc/resolv.conf \
         && ! busybox nc -w 1 127.0.0.1 {port} < /dev/null && ! busybox nslookup pypi.org && test $(cat /proc/net/unix | busybox wc -l) = 1 && echo alone"
    );
    bench.definition(&step(&format!("commands = ['''{command}''']")));
    both(&bench, |ended| assert!(ended.code == Some(0) && ended.stderr.contains("| alone"), "{}", ended.stderr));
}

#[test]
fn c20_names_are_names() {
    let long = "x".repeat(4096);
    let strings = [
        "../../../escape",
        "/absolute",
        "a/../../b",
        "..",
        ".",
        "",
        " ",
        "a b",
        "a\\nb",
        "a\\u0000b",
        "\\u001b[2J",
        &long,
    ];
    let Some(bench) = Bench::with_busybox() else { return };
    bench.definition(BASE);
    bench.wythe(&["build"]).stdout();
    let around = || {
        let mut names: Vec<_> =
            std::fs::read_dir(bench.dir()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = around();
    for string in strings {
        for option in [
            "volumes = {{ \"/v\" = \"{}\" }}",
            "caches = [\"/c/{}\"]",
            "user = \"{}\"",
            "workdir = \"{}\"",
            "name = \"{}\"",
        ] {
            bench.definition(&step(&format!(
                "{}\ncommands = [\"true\"]",
                option.replace("{{", "{").replace("}}", "}").replacen("{}", string, 1)
            )));
            let ended = bench.wythe(&["build"]);
            assert!(matches!(ended.code, Some(0..=3 | 5)), "{option} with {string}: {:?} {}", ended.code, ended.stderr);
            assert!(!ended.stderr.contains('\u{1b}') && !ended.stderr.contains("panicked"), "{}", ended.stderr);
        }
        if !string.contains("\\u0000") {
            for args in [["build", "-t", string], ["volume", "inspect", string], ["inspect", string, "--json"]] {
                let ended = bench.wythe(&args);
                assert!(!ended.stderr.contains("panicked") && ended.code.is_some(), "{args:?}: {}", ended.stderr);
            }
        }
    }
    assert_eq!(around(), before, "something was made beside the store");
}

#[test]
fn c23_what_an_image_says_of_itself_is_not_obeyed() {
    let Some(bench) = Bench::with_busybox() else { return };
    let outside = Outside::new();
    let path = outside.path();
    bench.file(
        "Dockerfile",
        &format!(
            "FROM scratch\nCOPY root /\nVOLUME /proc /sys /dev {path} /../..\nHEALTHCHECK CMD touch {path}/checked\n\
             LABEL containerd.io/logging=\"binary:///bin/touch?{path}/logged\" cdi.k8s.io/x=vendor.com/gpu=all io.podman.annotations.seccomp=unconfined\n\
             ONBUILD RUN touch {path}/onbuild\nSTOPSIGNAL SIGSTOP\nENV LD_PRELOAD={path}/file\nENTRYPOINT [\"/bin/echo\"]\n"
        ),
    );
    bench.wythe(&["build", "-t", "box", "."]).stdout();
    assert_eq!(bench.wythe(&["run", "box", "--", "only", "this"]).stdout(), "only this\n");
    outside.is_untouched("an image's configuration was obeyed");
    let inspected = bench.wythe(&["inspect", "box"]).stdout();
    assert!(inspected.contains("containerd.io/logging") && inspected.contains("OnBuild"), "{inspected}");
}

/// The files below a directory in which a secret is: as it is, in UTF-16, backwards, in hexadecimal.
fn songs(dir: &Path, secret: &str) -> Vec<String> {
    let wide = |order: fn(u16) -> [u8; 2]| secret.encode_utf16().flat_map(order).collect::<Vec<u8>>();
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let backwards: Vec<u8> = secret.bytes().rev().collect();
    let forms: [Vec<u8>; 5] =
        [secret.into(), wide(u16::to_le_bytes), wide(u16::to_be_bytes), backwards, hex.into_bytes()];
    songs_of(dir, &forms)
}

#[test]
#[allow(clippy::disallowed_methods, reason = "tests take the number of kills from the environment")]
fn g04_a_kill_at_any_moment_leaves_no_secret_behind() {
    const SECRET: &str = "canary-of-many-deaths-5Qz";
    let Some(bench) = Bench::with_busybox() else { return };
    // What the command writes is a file of the image, of a cache, in memory, and of a process's own.
    let command = "i=0; while [ $i -lt 40 ]; do echo line $i $TOKEN; echo $TOKEN > /written-$i; echo $TOKEN > /dev/shm/x; i=$((i+1)); done; rm /written-*";
    bench.file("token.txt", SECRET).definition(&step(&format!(
        "commands = ['''{command}''']\nsecrets = [\"token\", {{ id = \"token\", env = \"TOKEN\" }}]"
    )));
    let kills: u32 = std::env::var("WYTHE_TEST_KILLS").map_or(25, |kills| kills.parse().unwrap());
    for kill in 0..kills {
        // When a line is seen, or later by a part of what a line takes.
        let lines = usize::try_from(kill * 50 / kills).unwrap();
        let mut start =
            bench.command(&["build", "--progress", "plain", "--secret", "id=token,src=token.txt", "--rebuild-all"]);
        let mut child = start.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let shown = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap).take(lines);
        let shown: Vec<String> = shown.collect();
        std::thread::sleep(Duration::from_micros(250) * (kill % 4));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(shown.iter().all(|line| !line.contains(SECRET)), "{shown:?}");
        // What watched the command has the last word; the next one that uses the store has it if that was killed, too.
        bench.wythe(&["store", "gc"]).stdout();
        assert_eq!(songs(bench.store(), SECRET), [""; 0], "kill {kill} of {kills}");
    }
    let whole = bench.wythe(&["build", "--secret", "id=token,src=token.txt"]);
    assert_eq!(whole.code, Some(0), "{}", whole.stderr);
    assert_eq!(songs(bench.store(), SECRET), [""; 0]);
}
