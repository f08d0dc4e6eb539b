// SPDX-License-Identifier: Apache-2.0
//! An ordinary user builds what root builds. Needs root, to become somebody else, and an account with sub-ids.

use std::process::Command;

use wythe_tests::{ACCOUNT, Bench, Ended, binary, can_become_ordinary};

#[test]
fn rootless_gives_roots_digest() {
    if !can_become_ordinary() {
        return;
    }
    let bench = Bench::new();
    bench.file("src/a.txt", "a\n").definition(
        "base = \"scratch\"\n[[steps]]\nkind = \"files\"\nfrom = \"src\"\nto = \"/src\"\nowner = \"1000:100\"\n",
    );
    let roots = bench.wythe(&["build"]).stdout();
    assert_eq!(bench.wythe_elsewhere(&["build"]).stdout(), roots);
}

#[test]
fn rootless_doctor_says_how_it_stands() {
    if !can_become_ordinary() {
        return;
    }
    let ended = Bench::new().wythe_elsewhere(&["doctor"]);
    assert!(ended.stdout.contains("an ordinary user with"), "{}{}", ended.stdout, ended.stderr);
}

/// Runs a script as a user who has no sub-ids, with the binary in `$1`, in a directory of its own.
fn as_nobody_special(script: &str) -> Option<Ended> {
    if !can_become_ordinary() {
        return None;
    }
    let home = tempfile::TempDir::new_in("/tmp").unwrap();
    let at = home.path().display();
    // No account has this number, so nothing names it in /etc/subuid.
    let user = "54321";
    let prepare = format!("cp {} {at}/wythe && chown -R {user}:{user} {at} && chmod 755 {at}", binary().display());
    assert!(Command::new("sh").args(["-ec", &prepare]).status().unwrap().success());
    let output = Command::new("setpriv")
        .args(["--reuid", user, "--regid", user, "--clear-groups", "sh", "-c", script, "sh"])
        .arg(home.path().join("wythe"))
        .current_dir(home.path())
        .env("HOME", home.path())
        .env_remove("WYTHE_HOME")
        .env_remove("XDG_DATA_HOME")
        .output();
    Some(output.unwrap().into())
}

const FILES: &str =
    "builder = \"2026.11\"\nbase = \"scratch\"\n[[steps]]\nkind = \"files\"\nfrom = \"f\"\nto = \"/f\"\n";

#[test]
fn rootless_without_sub_ids_builds_what_belongs_to_root() {
    let script = format!("echo f > f; printf '%s' '{FILES}' > wythe.toml; $1 build");
    let Some(ended) = as_nobody_special(&script) else { return };
    let bench = Bench::new();
    bench.file("f", "f\n").file("wythe.toml", FILES);
    assert_eq!(ended.stdout(), bench.wythe(&["build"]).stdout());
}

#[test]
fn rootless_without_sub_ids_is_told_what_to_do() {
    let owner = format!("{FILES}owner = \"1000\"\n");
    let script = format!("echo f > f; printf '%s' '{owner}' > wythe.toml; $1 build; $1 doctor");
    let Some(ended) = as_nobody_special(&script) else { return };
    for word in ["step `files`", "the owner 1000:1000 does not exist for an ordinary user", "`wythe doctor`"] {
        assert!(ended.stderr.contains(word), "{word:?} is missing:\n{}", ended.stderr);
    }
    for word in ["an ordinary user with a single id", "usermod --add-subuids"] {
        assert!(ended.stdout.contains(word), "{word:?} is missing:\n{}", ended.stdout);
    }
}

#[test]
fn rootless_without_sub_ids_a_command_that_changes_owners_is_explained() {
    let Some(bench) = Bench::with_busybox() else { return };
    let root = bench.dir().join("root");
    let definition = "builder = \"2026.11\"\nbase = \"scratch\"\n[[steps]]\nkind = \"files\"\nfrom = \"root\"\nto = \"/\"\n\
        [[steps]]\nkind = \"run\"\nnetwork = \"none\"\ncommands = [\"chown 5:5 /bin/sh\"]\n";
    let script = format!("cp -R {} root && printf '%s' '{definition}' > wythe.toml; $1 build", root.display());
    let Some(ended) = as_nobody_special(&script) else { return };
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    for word in ["chown: ", "this user has a single id", "`wythe doctor`"] {
        assert!(ended.stderr.contains(word), "{word:?} is missing:\n{}", ended.stderr);
    }
}

#[test]
fn rootless_a_place_that_cannot_be_looked_at_is_not_taken_for_a_free_one() {
    // Nobody but root sees what is in there.
    let Some(ended) = as_nobody_special("echo 'FROM scratch' | $1 import -f - /root") else { return };
    let said = "error: cannot look at `/root/wythe.toml`\n  Permission denied (os error 13)\n";
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), said));
}

#[test]
fn rootless_and_root_do_not_share_a_store() {
    if !can_become_ordinary() {
        return;
    }
    let bench = Bench::new();
    bench.definition("base = \"scratch\"\n");
    bench.wythe(&["build"]).stdout();
    let chowned = Command::new("chown").args(["-R", ACCOUNT]).arg(bench.store()).status().unwrap();
    assert!(chowned.success());
    let ended = bench.wythe(&["build"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(5), ""), "{}", ended.stderr);
    assert!(ended.stderr.contains("was made by another user"), "{}", ended.stderr);
}

#[test]
fn rootless_without_user_namespaces_is_told_which_setting_it_is() {
    // Inside a user namespace of its own the limit can be set to nothing without touching the machine's.
    let script = "unshare --user --map-root-user sh -c 'echo 0 > /proc/sys/user/max_user_namespaces &&
        exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs \"$0\" build' $1; $1 images";
    let Some(ended) = as_nobody_special(script) else { return };
    for word in ["does not let ordinary users create user namespaces", "user.max_user_namespaces is 0"] {
        assert!(ended.stderr.contains(word), "{word:?} is missing:\n{}", ended.stderr);
    }
}
