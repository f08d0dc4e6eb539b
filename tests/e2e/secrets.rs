// SPDX-License-Identifier: Apache-2.0
//! Secrets reach steps and nothing else: a canary is looked for in every byte that a build leaves behind.

use std::io::{BufRead as _, BufReader};
use std::path::Path;

use wythe_tests::{Bench, Ended, can_become_ordinary};

use crate::sandbox::BASE;

/// Long enough that it is nowhere by chance.
const CANARY: &str = "canary-7fQ2-do-not-sing-91";

/// The canary as it is, in base64 at three alignments, in hexadecimal, and backwards.
const FORMS: [&str; 6] = [
    CANARY,
    "Y2FuYXJ5LTdmUTItZG8tbm90LXNpbmctOT",
    "NhbmFyeS03ZlEyLWRvLW5vdC1zaW5nLTkx",
    "jYW5hcnktN2ZRMi1kby1ub3Qtc2luZy05M",
    "63616e6172792d376651322d646f2d6e6f742d73696e672d3931",
    "19-gnis-ton-od-2Qf7-yranac",
];

/// The files below a directory in which the canary is, in any form.
fn songs(dir: &Path) -> Vec<String> {
    songs_of(dir, &FORMS)
}

/// The files below a directory in which a secret is, in any of these forms.
pub(crate) fn songs_of<F: AsRef<[u8]>>(dir: &Path, forms: &[F]) -> Vec<String> {
    let forms: Vec<&[u8]> = forms.iter().map(AsRef::as_ref).collect();
    let mut found = Vec::new();
    let mut pending = vec![dir.to_owned()];
    while let Some(dir) = pending.pop() {
        for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                pending.push(path);
            } else if entry.file_type().unwrap().is_file() {
                let bytes = std::fs::read(&path).unwrap();
                let has = |form: &&&[u8]| bytes.windows(form.len()).any(|window| window == **form);
                let form = forms.iter().find(has);
                found.extend(form.map(|form| format!("{} in {}", form.escape_ascii(), path.display())));
            }
        }
    }
    found
}

fn is_silent(text: &str) -> bool {
    FORMS.iter().all(|form| !text.contains(form))
}

/// A build of one command that is given the canary as a file and in a variable.
fn with_secret(bench: &Bench, command: &str) {
    bench.file("token.txt", &format!("{CANARY}\n")).definition(&format!(
        "{BASE}[[steps]]\nkind = \"run\"\ncommands = ['''{command}''']\nnetwork = \"none\"
secrets = [\"token\", {{ id = \"token\", env = \"TOKEN\" }}]\n"
    ));
}

fn build(bench: &Bench) -> Ended {
    bench.wythe(&["build", "--secret", "id=token,src=token.txt"])
}

#[test]
fn a_secret_reaches_the_step_and_leaves_no_trace() {
    let Some(bench) = Bench::with_busybox() else { return };
    with_secret(
        &bench,
        "echo $TOKEN; cat /run/secrets/token; echo user:$TOKEN | busybox base64; printf %s $TOKEN | busybox base64
         printf %s \"$TOKEN\" | busybox hexdump -v -e '/1 \"%02x\"'; busybox stat -c %a:%u /run/secrets/token; echo $TOKEN >&2
         for letter in c a n a r y - 7 f Q 2 - do-not-sing-91; do printf %s $letter; busybox usleep 1000; done
         touch /made",
    );
    let ended = build(&bench);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(is_silent(&ended.stderr), "{}", ended.stderr);
    assert!(ended.stderr.matches("| ***").count() >= 4 && ended.stderr.contains("| ***400:0"), "{}", ended.stderr);
    assert_eq!(songs(bench.store()), [""; 0]);
    // The result is known: neither the value nor the secret is needed any more.
    let again = bench.wythe(&["build"]);
    assert_eq!((again.code, again.stdout), (Some(0), ended.stdout), "{}", again.stderr);
    let plan = bench.wythe(&["plan"]).stdout();
    assert!(plan.contains("secret token at /run/secrets/token") && is_silent(&plan), "{plan}");
}

#[test]
fn a_step_that_fails_does_not_sing() {
    let Some(bench) = Bench::with_busybox() else { return };
    with_secret(&bench, "echo $TOKEN > /tmp-file; echo \"it is $TOKEN\"; false");
    let ended = build(&bench);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(is_silent(&ended.stderr) && ended.stderr.contains("it is ***"), "{}", ended.stderr);
    assert_eq!(songs(bench.store()), [""; 0]);
}

#[test]
fn a_secret_in_a_layer_is_an_error_that_names_the_file() {
    for (command, file) in [
        ("mkdir /etc; echo \"password = $TOKEN\" > /etc/app.conf", "/etc/app.conf"),
        ("echo user:$TOKEN | busybox base64 > /encoded", "/encoded"),
        ("busybox ln -s $TOKEN /link", "/link"),
        (
            "mkdir -p /named/$TOKEN/below; touch /named/$TOKEN/below/x-$TOKEN",
            "/named/***`; the secret `token` is in `/named/***/below/x-***`",
        ),
    ] {
        let Some(bench) = Bench::with_busybox() else { return };
        with_secret(&bench, command);
        let ended = build(&bench);
        assert_eq!(ended.code, Some(3), "{}", ended.stderr);
        let expected = format!("step `run`: the secret `token` is in `{file}");
        assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
        assert!(is_silent(&ended.stderr) && is_silent(&ended.stdout), "{}", ended.stderr);
        assert_eq!(songs(bench.store()), [""; 0], "{command}");
    }
}

#[test]
fn a_kill_leaves_no_secret_behind() {
    let Some(bench) = Bench::with_busybox() else { return };
    with_secret(&bench, "echo $TOKEN; echo ready; sleep 1000");
    let mut child = bench.start(&["build", "--progress", "plain", "--secret", "id=token,src=token.txt"]);
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let shown: Vec<String> = lines.map(Result::unwrap).take_while(|line| !line.ends_with("| ready")).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(shown.iter().any(|line| line.ends_with("| ***")), "{shown:?}");
    assert_eq!(songs(bench.store()), [""; 0]);
}

/// The files of caches, of which there is one.
fn cached(bench: &Bench) -> Vec<String> {
    let mut names = Vec::new();
    let mut pending: Vec<_> = std::fs::read_dir(bench.store().join("cache")).unwrap().map(Result::unwrap).collect();
    while let Some(entry) = pending.pop() {
        match entry.file_type().unwrap().is_dir() {
            true => pending.extend(std::fs::read_dir(entry.path()).unwrap().map(Result::unwrap)),
            false => names.push(entry.file_name().into_string().unwrap()),
        }
    }
    names.retain(|name| name == "kept" || name.contains("canary"));
    names
}

#[test]
fn a_secret_in_a_cache_is_removed_from_it_however_the_command_ends() {
    let Some(bench) = Bench::with_busybox() else { return };
    bench.file("token.txt", &format!("{CANARY}\n"));
    let step = |command: &str| {
        let mounts = "--mount=type=secret,id=token,env=TOKEN --mount=type=cache,target=/c";
        bench.definition(&format!(
            "{BASE}[[steps]]\nkind = \"dockerfile\"\ncommands = ['''RUN {mounts} {command}''']\n"
        ));
    };
    step("echo fine > /c/kept");
    assert_eq!(build(&bench).code, Some(0));
    // More of them than a message names, and one in a directory that is one itself.
    let many = "i=0; while [ $i -lt 50 ]; do echo $TOKEN > /c/$i; i=$((i + 1)); done";
    let below = "mkdir -p /c/$TOKEN/d; echo $TOKEN > /c/$TOKEN/d/x; ln -s $TOKEN /c/link";
    for (end, code, words) in
        [("true", 3, "is in `/c/***`"), ("exit 7", 3, "is in `/c/***`; the secret `token` is in `/c/***/d/x`")]
    {
        step(&format!("{below}; {end}"));
        let ended = build(&bench);
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        assert!(ended.stderr.contains(words) && is_silent(&ended.stderr), "{}", ended.stderr);
        assert_eq!((songs(bench.store()), cached(&bench)), (vec![], vec!["kept".to_owned()]), "{end}");
        step(&format!("{many}; {end}"));
        assert_eq!(build(&bench).code, Some(code));
        assert_eq!((songs(bench.store()), cached(&bench)), (vec![], vec!["kept".to_owned()]), "{end}");
    }
    step(&format!("{many}; {below}; echo ready; sleep 1000"));
    let mut child = bench.start(&["build", "--progress", "plain", "--secret", "id=token,src=token.txt"]);
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    lines.map(Result::unwrap).find(|line| line.ends_with("| ready")).unwrap();
    let threads = std::fs::read_dir(format!("/proc/{}/task", child.id())).unwrap();
    let children = |thread: std::io::Result<std::fs::DirEntry>| thread.unwrap().path().join("children");
    let keepers: String = threads.filter_map(|thread| std::fs::read_to_string(children(thread)).ok()).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    // What watched the command removes it, and ends.
    let is_there = |keeper: &str| {
        let stat = std::fs::read_to_string(format!("/proc/{keeper}/stat")).unwrap_or_default();
        stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
    };
    assert!(!keepers.is_empty());
    while keepers.split_whitespace().any(is_there) {
        std::thread::yield_now();
    }
    assert_eq!((songs(bench.store()), cached(&bench)), (vec![], vec!["kept".to_owned()]));
}

#[test]
fn a_secret_that_is_not_given_is_asked_for_unless_it_is_optional() {
    let Some(bench) = Bench::with_busybox() else { return };
    with_secret(&bench, "true");
    let ended = bench.wythe(&["build"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    for words in
        ["step `run`: it needs the secret `token`: it is not given", "--secret id=token,env=NAME", "wythe.toml:7:1"]
    {
        assert!(ended.stderr.contains(words), "{words} is missing:\n{}", ended.stderr);
    }
    bench.definition(&format!(
        "{BASE}[[steps]]\nkind = \"run\"\ncommands = ['test ! -e /run/secrets/token']\nsecrets = [{{ id = \"token\", required = false }}]\n"
    ));
    assert_eq!(bench.wythe(&["build"]).code, Some(0));
}

#[test]
fn secrets_come_from_variables_files_and_commands() {
    let Some(bench) = Bench::with_busybox() else { return };
    let lengths = "test ${#A}-${#B}-${#C}-${#D} = 11-12-13-14";
    let used: Vec<String> = ["A", "B", "C", "D"].map(|name| format!("{{ id = \"{name}\", env = \"{name}\" }}")).into();
    bench.file(".env", "OTHER=no\nC='13 characters' # said\n").file("b", "12 character\n").definition(&format!(
        "{BASE}[[steps]]\nkind = \"run\"\ncommands = ['''{lengths}''']\nsecrets = [{}]\n",
        used.join(", ")
    ));
    let args = ["build", "--secret", "id=A,env=FROM", "--secret", "id=B,src=b", "--secret", "id=C,dotenv=.env"];
    let mut command = bench.command(&args);
    command.args(["--secret", "id=D,command=printf '%s,%s' 1234567 123456"]).env("FROM", "11 chars ok");
    let ended: Ended = command.output().unwrap().into();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for (option, words) in [
        ("id=A,env=UNSET_VARIABLE", "the variable `UNSET_VARIABLE` is not set"),
        ("id=A,src=missing", "there is no file `missing`"),
        ("id=A,env=X,src=Y", "it names two places"),
        ("env=X", "it has no id"),
    ] {
        let ended = bench.wythe(&["build", "--secret", option]);
        assert!(matches!(ended.code, Some(1 | 2)) && ended.stderr.contains(words), "{option}: {}", ended.stderr);
    }
}

#[test]
fn the_socket_of_an_agent_is_there_for_steps_that_ask_for_it() {
    let Some(bench) = Bench::with_busybox() else { return };
    let _agent = std::os::unix::net::UnixListener::bind(bench.dir().join("agent")).unwrap();
    bench.definition(&format!(
        "{BASE}[[steps]]\nkind = \"run\"\ncommands = ['test -S $SSH_AUTH_SOCK && busybox stat -c %a:%u $SSH_AUTH_SOCK && touch /made']\nssh = true\nuser = \"1000\"\n[[steps]]\nkind = \"run\"\ncommands = ['test -z \"$SSH_AUTH_SOCK\"']\n"
    ));
    let ended = bench.wythe(&["build"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("it needs the ssh agent `default`: it is not given"), "{}", ended.stderr);
    let user = bench.wythe(&["build", "--ssh", "default=agent"]);
    // The root directory is not this user's: what it may do there is another matter.
    assert!(user.stderr.contains("| 600:1000"), "{}", user.stderr);
}

#[test]
fn rootless_secrets_are_as_secret_as_roots() {
    if !can_become_ordinary() {
        return;
    }
    let Some(bench) = Bench::with_busybox() else { return };
    with_secret(&bench, "cat /run/secrets/token; busybox stat -c %a:%u /run/secrets/token; echo $TOKEN > /leak");
    let ended = bench.wythe_elsewhere(&["--store", "own-store", "build", "--secret", "id=token,src=token.txt"]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("| 400:0") && ended.stderr.contains("the secret `token` is in `/leak`"),
        "{}",
        ended.stderr
    );
    assert!(is_silent(&ended.stderr), "{}", ended.stderr);
}
