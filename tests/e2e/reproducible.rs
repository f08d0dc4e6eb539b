// SPDX-License-Identifier: Apache-2.0
//! The same definition gives the same bytes, whoever builds it, where, when and in which surroundings. What package
//! tools make is in `network_reproducible`.

use wythe_tests::{Bench, Ended, can_become_ordinary, is_installed};

/// Everything that the core kinds can do to files, and what a command can see of where it runs.
const DEFINITION: &str = "base = \"scratch\"
[[steps]]
kind = \"files\"
from = \"root\"
to = \"/\"
[[steps]]
kind = \"files\"
from = \"src\"
to = \"/src\"
owner = \"1000:100\"
[[steps]]
kind = \"env\"
set = { GREETING = \"hello\" }
[[steps]]
kind = \"workdir\"
path = \"/made/by/nobody\"
[[steps]]
kind = \"run\"
network = \"none\"
commands = [
    \"env | grep -v ^SHLVL= | sort > /env; hostname > /hostname; id > /id\",
    \"names=$(find / -xdev | sort); echo $names > /names; umask > /mask; stat -c '%a %u:%g %n' / /src /src/a /bin /etc/hosts > /modes\",
    \"mkdir -p /a/b; echo b > /a/b/c; ln /a/b/c /a/d; ln -s d /a/e; touch -d '1999-01-01 00:00:00' /a/old\",
    \"chown 7:8 /a/b/c; chmod 4755 /a/b/c; chmod 1777 /a; rm /src/deep/b; mkfifo /pipe\",
]
[[steps]]
kind = \"run\"
name = \"as-user\"
network = \"none\"
user = \"1000\"
commands = [\"echo mine > /a/mine; cat /etc/hosts > /dev/null\"]
[[steps]]
kind = \"entrypoint\"
argv = [\"/bin/sh\"]
";

fn bench() -> Option<Bench> {
    let bench = Bench::with_busybox()?;
    bench.definition(DEFINITION).file("src/a", "a\n").file("src/deep/b", "b\n");
    Some(bench)
}

fn build_with(bench: &Bench, mask: &str, variables: &[(&str, &str)]) -> Ended {
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &format!("umask {mask}; exec \"$0\" build"), &wythe_tests::binary().display().to_string()]);
    shell.current_dir(bench.dir()).env("WYTHE_HOME", bench.store()).env_remove("SOURCE_DATE_EPOCH");
    shell.envs(variables.iter().copied()).output().unwrap().into()
}

#[test]
fn neither_masks_nor_variables_nor_times_of_files_reach_an_image() {
    let Some(bench) = bench() else { return };
    let first = build_with(&bench, "0022", &[]).stdout();
    for (mask, variables) in
        [("0077", &[("TZ", "Asia/Tokyo"), ("LC_ALL", "C")][..]), ("0002", &[("HOSTNAME", "x")]), ("0000", &[])]
    {
        let Some(other) = self::bench() else { return };
        wythe_tests::run("touch", &["-d", "2001-02-03", &other.dir().join("src/a").display().to_string()]).stdout();
        assert_eq!(build_with(&other, mask, variables).stdout(), first, "{mask} {variables:?}");
        assert_eq!(keys(&other), keys(&bench), "the keys differ: {mask} {variables:?}");
    }
}

/// Returns the keys of everything that a store has the results of.
fn keys(bench: &Bench) -> Option<String> {
    const PROGRAM: &str = "import sqlite3, sys
for row in sqlite3.connect(sys.argv[1]).execute('select key, layer from results order by key'): print(*row)";
    let index = bench.store().join("index.db").display().to_string();
    is_installed("python3").then(|| wythe_tests::run("python3", &["-c", PROGRAM, &index]).stdout())
}

#[test]
fn rootless_core_kinds_give_roots_digest() {
    let Some(bench) = bench() else { return };
    if can_become_ordinary() {
        let roots = bench.wythe(&["build"]).stdout();
        assert_eq!(bench.wythe_elsewhere(&["build"]).stdout(), roots);
    }
}

#[test]
fn a_time_that_is_still_to_come_is_warned_of() {
    let bench = Bench::new();
    bench.definition("base = \"scratch\"\n");
    let ended: Ended = bench.command(&["build"]).env("SOURCE_DATE_EPOCH", "32503680000").output().unwrap().into();
    assert!(ended.stderr.contains("the clock of this machine is before"), "{}", ended.stderr);
    assert_eq!(ended.code, Some(0));
}
