// SPDX-License-Identifier: Apache-2.0
//! Images, build contexts and options that want more than they may have. A test is named by its row of the table in
//! `docs/sandbox.md`; each is tried as root and, where the machine has the account, as an ordinary user.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use wythe_tests::{Bench, Ended, can_become_ordinary, run};

use crate::sandbox::BASE;

/// What nothing of a build may show or change.
const CANARY: &str = "CANARY-7f3a9c";

/// Builds as root and as an ordinary user, and hands both endings over.
pub(crate) fn both(bench: &Bench, check: impl Fn(&Ended)) {
    check(&bench.wythe(&["build", "-t", "x"]));
    if can_become_ordinary() {
        check(&bench.wythe_elsewhere(&["build", "-t", "x"]));
    }
}

/// A definition of one step that is given commands and other options.
pub(crate) fn step(options: &str) -> String {
    format!("{BASE}[[steps]]\nkind = \"run\"\nnetwork = \"none\"\n{options}\n")
}

fn prints(lines: &'static [&'static str]) -> impl Fn(&Ended) {
    move |ended| {
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let printed: Vec<&str> =
            ended.stderr.lines().filter_map(|line| line.split_once("[run] | ")).map(|(_, line)| line).collect();
        assert_eq!(printed, lines, "{}", ended.stderr);
    }
}

#[test]
fn b01_links_of_the_context_do_not_lead_to_the_machine() {
    let Some(bench) = Bench::with_busybox() else { return };
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("canary"), CANARY).unwrap();
    std::fs::create_dir(bench.dir().join("src")).unwrap();
    symlink(outside.path().join("canary"), bench.dir().join("src/absolute")).unwrap();
    symlink(outside.path(), bench.dir().join("src/directory")).unwrap();
    symlink("../../../../../../../../etc/shadow", bench.dir().join("src/relative")).unwrap();
    // As links they are copied, and mean the image's files.
    let copies = "[[steps]]\nkind = \"files\"\nfrom = \"src\"\nto = \"/src\"\n";
    let look =
        "commands = [\"for f in absolute directory relative; do readlink /src/$f > /dev/null && ! cat /src/$f; done\"]";
    bench.definition(&format!("{BASE}{copies}[[steps]]\nkind = \"run\"\nnetwork = \"none\"\n{look}\n"));
    both(&bench, |ended| {
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(!ended.stderr.contains(CANARY), "{}", ended.stderr);
    });
    // By their names, and below them, there is nothing.
    for path in ["src/absolute", "src/directory/canary", "src/relative"] {
        bench.definition(&format!("{BASE}[[steps]]\nkind = \"files\"\nfrom = \"{path}\"\nto = \"/canary\"\n[[steps]]\nkind = \"run\"\nnetwork = \"none\"\ncommands = [\"! grep -q {CANARY} /canary\"]\n"));
        both(&bench, |ended| assert!(!ended.stderr.contains("CANARY-7f3a9c /canary` exited"), "{}", ended.stderr));
    }
}

#[test]
fn b10_names_of_any_bytes_are_kept_and_shown_harmless() {
    use std::os::unix::ffi::OsStrExt as _;
    let Some(bench) = Bench::with_busybox() else { return };
    let src = bench.dir().join("src");
    std::fs::create_dir(&src).unwrap();
    for name in [b"new\nline".as_slice(), b"escape\x1b[2J", b"\xff\xfe", b"-rf", b"a b"] {
        std::fs::write(src.join(std::ffi::OsStr::from_bytes(name)), "x").unwrap();
    }
    bench.definition(&format!("{BASE}[[steps]]\nkind = \"files\"\nfrom = \"src\"\nto = \"/src\"\n[[steps]]\nkind = \"run\"\nnetwork = \"none\"\ncommands = [\"find /src -type f | wc -c; ls /src\"]\n"));
    both(&bench, |ended| {
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(!ended.stderr.contains('\u{1b}'), "{:?}", ended.stderr);
    });
}

#[test]
fn b11_what_is_no_file_is_never_opened() {
    let Some(bench) = Bench::with_busybox() else { return };
    std::fs::create_dir(bench.dir().join("src")).unwrap();
    assert_eq!(run("mkfifo", &[bench.dir().join("src/fifo")]).code, Some(0));
    let _socket = std::os::unix::net::UnixListener::bind(bench.dir().join("src/socket")).unwrap();
    // It ends, and nothing of the kind is in the image.
    bench.definition(&format!("{BASE}[[steps]]\nkind = \"files\"\nfrom = \"src\"\nto = \"/src\"\n[[steps]]\nkind = \"run\"\nnetwork = \"none\"\ncommands = [\"find /src -type p -o -type s\"]\n"));
    both(&bench, prints(&[]));
}

#[test]
fn c05_mount_options_are_not_smuggled() {
    let Some(bench) = Bench::with_busybox() else { return };
    for target in ["/v,suid", "/v ro", "/v\\nrw,dev", "/v:exec", "/v,lowerdir=/etc"] {
        bench.definition(&step(&format!("volumes = {{ \"{target}\" = \"smuggled\" }}\ncommands = ['grep smuggled /proc/mounts | grep -c -e nosuid.*nodev -e nodev.*nosuid']")));
        both(&bench, |ended| {
            // Either it cannot be mounted there, or it is a name like any other.
            assert!([Some(0), Some(1), Some(3), Some(5)].contains(&ended.code), "{target}: {}", ended.stderr);
            assert!(!ended.stderr.contains("suid,dev"), "{}", ended.stderr);
        });
    }
}

#[test]
fn c06_links_in_place_of_system_directories_move_no_mounts() {
    const THERE: &str = "commands = [\"test -e /proc/self/status && test -d /sys/kernel && test -c /dev/null\"]";
    for (name, target) in
        [("proc", "/etc"), ("sys", "/"), ("dev", "../../../tmp"), ("proc", "/proc/self/root"), ("sys", "sys")]
    {
        let Some(bench) = Bench::with_busybox() else { return };
        symlink(target, bench.dir().join("root").join(name)).unwrap();
        bench.definition(&step(THERE));
        // A directory of ours takes the place of the link, or the run is refused.
        both(&bench, |ended| assert!(matches!(ended.code, Some(0 | 3 | 5)), "{name} -> {target}: {}", ended.stderr));
    }
    // A file is none either.
    let Some(bench) = Bench::with_busybox() else { return };
    bench.file("root/proc", "no directory");
    bench.definition(&step("commands = [\"test -e /proc/self/status\"]"));
    both(&bench, |ended| assert_eq!(ended.code, Some(0), "{}", ended.stderr));
}

#[test]
fn c06_targets_of_mounts_do_not_leave_the_image() {
    let outside = tempfile::tempdir().unwrap();
    let sentinel = outside.path().join("sentinel");
    std::fs::write(&sentinel, CANARY).unwrap();
    for (link, target) in [
        ("/proc".to_owned(), "/link/sys"),
        ("/sys".to_owned(), "/link/fs"),
        ("/dev".to_owned(), "/link/pts"),
        (outside.path().display().to_string(), "/link/new"),
        ("../../../../../../../..".to_owned() + &outside.path().display().to_string(), "/link/new"),
        ("/".to_owned(), "/link"),
    ] {
        let Some(bench) = Bench::with_busybox() else { return };
        symlink(&link, bench.dir().join("root/link")).unwrap();
        bench.definition(&step(&format!("volumes = {{ \"{target}\" = \"hostile\" }}\ncommands = [\"true\"]")));
        both(&bench, |ended| assert!([Some(0), Some(3), Some(5)].contains(&ended.code), "{link}: {}", ended.stderr));
        let entries: Vec<_> = std::fs::read_dir(outside.path()).unwrap().collect();
        assert_eq!((entries.len(), std::fs::read_to_string(&sentinel).unwrap().as_str()), (1, CANARY), "{link}");
    }
}

#[test]
fn c08_a_working_directory_does_not_lead_through_descriptors() {
    let Some(bench) = Bench::with_busybox() else { return };
    let numbers = (0..24).map(|fd| format!("/proc/self/fd/{fd}"));
    let names =
        ["/proc/1/cwd", "/proc/1/root", "/proc/self/cwd/..", "/proc/thread-self/root", "/link"].map(str::to_owned);
    symlink("/proc/self/fd/7", bench.dir().join("root/link")).unwrap();
    for path in numbers.chain(names) {
        bench.definition(&format!(
            "{BASE}[[steps]]\nkind = \"workdir\"\npath = \"{path}\"\n[[steps]]\nkind = \"run\"\nnetwork = \"none\"\ncommands = [\"ls -d ../../../../../etc/passwd 2>&1; pwd\"]\n"
        ));
        let ended = bench.wythe(&["build"]);
        assert!(
            ended.code != Some(0) || !ended.stderr.contains("| ../../../../../etc/passwd"),
            "{path}: {}",
            ended.stderr
        );
    }
}

#[test]
fn c08_a_step_has_three_descriptors() {
    let Some(bench) = Bench::with_busybox() else { return };
    // The fourth is the directory that `ls` reads.
    bench.definition(&step("commands = [\"ls /proc/self/fd\"]"));
    both(&bench, prints(&["0", "1", "2", "3"]));
}

#[test]
fn c09_the_builder_s_own_program_is_not_changed() {
    use std::os::unix::fs::PermissionsExt as _;
    let Some(bench) = Bench::with_busybox() else { return };
    let before = run("sha256sum", &[wythe_tests::binary()]).stdout();
    bench.file("root/bin/evil", "#!/proc/self/exe\n");
    std::fs::set_permissions(bench.dir().join("root/bin/evil"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let overwrite = "for i in 1 2 3 4 5; do (echo x > /proc/1/exe) 2>/dev/null; (echo x > /proc/self/exe) 2>/dev/null; done; /bin/evil; true";
    bench.definition(&step(&format!("commands = [\"{overwrite}\"]")));
    both(&bench, |ended| assert_eq!(ended.code, Some(0), "{}", ended.stderr));
    bench.definition(&step("shell = [\"/bin/evil\"]\ncommands = [\"x\"]"));
    both(&bench, |ended| assert_ne!(ended.code, Some(0), "{}", ended.stderr));
    assert_eq!(run("sha256sum", &[wythe_tests::binary()]).stdout(), before);
}

#[test]
fn c11_nothing_is_inheritable_or_ambient() {
    let Some(bench) = Bench::with_busybox() else { return };
    bench.file("root/etc/passwd", "root:x:0:0::/:/bin/sh\napp:x:5:6::/:/bin/sh\n");
    for (user, effective) in [
        ("root", "CapEff:\t00000000800405fb"),
        ("app", "CapEff:\t0000000000000000"),
        ("5", "CapEff:\t0000000000000000"),
    ] {
        bench.definition(&step(&format!("user = \"{user}\"\ncommands = [\"grep -e ^Cap[IAE] /proc/self/status\"]")));
        both(&bench, |ended| {
            for line in ["CapInh:\t0000000000000000", "CapAmb:\t0000000000000000", effective] {
                assert!(ended.stderr.contains(line), "{user}: {line:?} is missing:\n{}", ended.stderr);
            }
        });
    }
}

#[test]
fn c12_groups_are_those_of_the_user() {
    let Some(bench) = Bench::with_busybox() else { return };
    bench.file("root/etc/passwd", "root:x:0:0::/:/bin/sh\napp:x:5:6::/:/bin/sh\n");
    bench.file("root/etc/group", "root:x:0:\napp:x:6:\nextra:x:7:app\nother:x:8:root\n");
    for (user, expected) in [
        ("app", "uid=5 gid=6 groups=6,7"),
        ("5", "uid=5 gid=6 groups=6,7"),
        ("app:extra", "uid=5 gid=7 groups=7"),
        ("5:9", "uid=5 gid=9 groups=9"),
        ("99", "uid=99 gid=0 groups=0"),
        ("99:98", "uid=99 gid=98 groups=98"),
        ("root", "uid=0 gid=0 groups=0,8"),
    ] {
        let groups =
            "busybox id -u; busybox id -g; busybox grep ^Groups /proc/self/status | busybox tr -s '[:space:]' ' '";
        bench.definition(&step(&format!("user = \"{user}\"\ncommands = ['''{groups}''']")));
        both(&bench, |ended| {
            assert_eq!(ended.code, Some(0), "{user}: {}", ended.stderr);
            let lines: Vec<&str> = ended.stderr.lines().filter_map(|line| line.strip_prefix("[run] | ")).collect();
            let [uid, gid, groups] = lines.as_slice() else { panic!("{user}: {lines:?}") };
            let groups = groups.trim_start_matches("Groups:").trim().replace(' ', ",");
            assert_eq!(format!("uid={uid} gid={gid} groups={groups}"), expected, "{user}");
        });
    }
}

#[test]
fn c13_users_that_are_none_are_refused_and_files_of_users_are_read_inside() {
    let Some(bench) = Bench::with_busybox() else { return };
    bench.file("root/etc/passwd", "root:x:0:0::/:/bin/sh\n007:x:70:70::/:/bin/sh\n");
    for user in [
        "0x0",
        "+0",
        "-1",
        "2147483648",
        "4294967295",
        "4294967296",
        "99999999999999999999",
        "root:nobody-there",
        "nobody-there",
        ":",
        "root:",
        "0:4294967295",
        "1e3",
        "0.0",
        "root/../app",
    ] {
        bench.definition(&step(&format!("user = \"{user}\"\ncommands = [\"id -u\"]")));
        let ended = bench.wythe(&["build"]);
        assert!(ended.code != Some(0), "{user} was taken: {}", ended.stderr);
    }
    // A number is that user, whoever the image calls so.
    bench.definition(&step("user = \"007\"\ncommands = [\"id -u\"]"));
    both(&bench, prints(&["7"]));
    // The list is a link out of the image, a pipe, or endless.
    for hostile in ["ln -s /proc/1/root/etc/passwd", "ln -s ../../../../../../../../etc/passwd", "mkfifo", "mkdir"] {
        let Some(bench) = Bench::with_busybox() else { return };
        std::fs::create_dir(bench.dir().join("root/etc")).unwrap();
        let made = Command::new("sh")
            .args(["-ec", &format!("{hostile} root/etc/passwd")])
            .current_dir(bench.dir())
            .status()
            .unwrap();
        assert!(made.success());
        bench.definition(&step("user = \"daemon\"\ncommands = [\"id -u\"]"));
        let ended = bench.wythe(&["build"]);
        assert!(ended.code != Some(0), "{hostile}: the machine's list was read: {}", ended.stderr);
    }
    let Some(bench) = Bench::with_busybox() else { return };
    bench.file("root/etc/passwd", "");
    std::fs::File::options().write(true).open(bench.dir().join("root/etc/passwd")).unwrap().set_len(1 << 26).unwrap();
    bench.definition(&step("user = \"daemon\"\ncommands = [\"id -u\"]"));
    assert_ne!(bench.wythe(&["build"]).code, Some(0));
}

#[test]
fn c15_what_a_step_leaves_running_is_dead() {
    let Some(bench) = Bench::with_busybox() else { return };
    let mark = format!("4{}", std::process::id());
    let daemons = format!(
        "busybox setsid sleep {mark} & (trap '' TERM HUP INT; sleep {mark}) & (sh -c 'sleep {mark} &') & (sleep {mark} & kill -STOP $!) & echo started"
    );
    bench.definition(&step(&format!("commands = [\"{daemons}\"]")));
    both(&bench, |ended| {
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let alive = std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("cmdline")).ok());
        let left: Vec<String> = alive.filter(|line| line.starts_with("sleep") && line.contains(&mark)).collect();
        assert_eq!(left, Vec::<String>::new());
    });
}

#[test]
fn c17_a_rootless_step_changes_neither_cgroups_nor_groups() {
    if !can_become_ordinary() {
        return;
    }
    let Some(bench) = Bench::with_busybox() else { return };
    let tries = "(echo 1 > /sys/fs/cgroup/cgroup.procs) 2>/dev/null && echo moved; mkdir /sys/fs/cgroup/x 2>/dev/null && echo made; \
        (echo allow > /proc/self/setgroups) 2>/dev/null && echo allowed; (echo 0 0 1 > /proc/self/uid_map) 2>/dev/null && echo mapped; echo done";
    bench.definition(&step(&format!("commands = [\"{tries}\"]")));
    prints(&["done"])(&bench.wythe_elsewhere(&["build"]));
}

#[test]
fn c22_what_the_host_lends_is_no_change() {
    let Some(bench) = Bench::with_busybox() else { return };
    bench.definition(&step(
        "commands = [\"cat /etc/hosts /etc/resolv.conf /proc/self/status > /dev/null; date > /dev/null\"]",
    ));
    both(&bench, |ended| {
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    });
    let inspected: serde_json::Value = serde_json::from_str(&bench.wythe(&["inspect", "x"]).stdout()).unwrap();
    assert_eq!(
        inspected["manifest"]["layers"].as_array().unwrap().len(),
        1,
        "a step that changes nothing made a layer"
    );
}

#[test]
fn g05_a_step_sees_nothing_of_the_callers_environment_and_home() {
    let Some(bench) = Bench::with_busybox() else { return };
    bench.definition(&step("commands = [\"env; ls -a $HOME; cat /proc/1/environ /proc/self/environ; find / -xdev -name .docker -o -name .ssh\"]"));
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".docker")).unwrap();
    std::fs::write(home.path().join(".docker/config.json"), CANARY).unwrap();
    let mut command = bench.command(&["build"]);
    command
        .env("HOME", home.path())
        .env("AWS_SECRET_ACCESS_KEY", CANARY)
        .env("SSH_AUTH_SOCK", format!("/tmp/{CANARY}"));
    let ended: Ended = command.output().unwrap().into();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let printed: Vec<&str> = ended.stderr.lines().filter_map(|line| line.strip_prefix("[run] | ")).collect();
    assert!(!printed.iter().any(|line| line.contains(CANARY) || line.contains(".docker")), "{printed:?}");
}

#[test]
fn g06_the_builder_s_memory_and_variables_are_hidden_from_steps() {
    let Some(bench) = Bench::with_busybox() else { return };
    bench.definition(&step("commands = [\"cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ | busybox tr '\\\\0' '\\\\n'; ls -l /proc/[0-9]*/exe\"]"));
    let ended: Ended = bench.command(&["build"]).env("BUILDERS", CANARY).output().unwrap().into();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let printed: String = ended.stderr.lines().filter(|line| line.contains(" | ")).collect();
    assert!(
        !printed.contains(CANARY)
            && !printed.contains("sandbox-init")
            && !printed.contains(&*Path::new(&bench.store()).to_string_lossy()),
        "{printed}"
    );
}
