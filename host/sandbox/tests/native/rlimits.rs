// SPDX-License-Identifier: Apache-2.0
//! Limits of each process by itself, and the size of shared memory.

use wythe_sandbox::Rlimit;

use crate::support::Sand;

crate::tests![
    processes_have_the_limits_that_are_asked_for,
    every_name_is_one_that_the_driver_knows,
    a_command_is_held_to_its_limits,
    a_limit_beyond_what_may_be_set_runs_nothing,
    shared_memory_is_as_large_as_is_asked_for,
];

fn limit(name: &str, soft: u64, hard: u64) -> Rlimit {
    Rlimit { name: name.into(), soft: Some(soft), hard: Some(hard) }
}

fn with(script: &str, limits: &[Rlimit]) -> Sand {
    Sand::sh(script).with(|inputs| inputs.rlimits = limits.to_vec())
}

fn processes_have_the_limits_that_are_asked_for() {
    let script = "ulimit -Sn; ulimit -Hn; ulimit -Su; ulimit -Hf; sh -c 'ulimit -Sn'; ulimit -Sc";
    let limits = [limit("nofile", 64, 128), limit("nproc", 200, 200), limit("fsize", 1 << 20, 1 << 20)];
    for user in ["", "app"].into_iter().filter(|user| user.is_empty() || crate::rootless::others_exist()) {
        assert_eq!(with(script, &limits).user(user).prints(), "64\n128\n200\n2048\n64\n0\n", "{user}");
    }
}

fn every_name_is_one_that_the_driver_knows() {
    let limits: Vec<Rlimit> = Rlimit::names().map(|name| limit(name, 0, 0)).collect();
    // What there is none of stops nothing that a shell and a runtime do, but for these.
    let needed = ["cpu", "data", "fsize", "nofile", "nproc", "stack"];
    let limits: Vec<Rlimit> = limits.into_iter().filter(|limit| !needed.contains(&limit.name.as_str())).collect();
    let shown = with("grep -c ' 0  *0  *' /proc/self/limits", &limits).prints();
    assert_eq!(shown.trim().parse::<usize>().unwrap(), limits.len());
}

fn a_command_is_held_to_its_limits() {
    // The shell says what became of the other program, or does not.
    let script = "{ head -c 200000 /dev/zero > /srv/file; } 2>/dev/null; stat -c %s /srv/file";
    let ran = with(script, &[limit("fsize", 100_000, 100_000)]).run().unwrap();
    assert_eq!(ran.stdout, "100000\n", "{ran:?}");
}

fn a_limit_beyond_what_may_be_set_runs_nothing() {
    let most: u64 = std::fs::read_to_string("/proc/sys/fs/nr_open").unwrap().trim().parse().unwrap();
    let sand = with("echo ran", &[limit("stack", 1 << 20, 1 << 23), limit("nofile", 10, most + 1)]);
    let refusal = sand.refusal();
    let expected = format!("cannot set up the sandbox: cannot set the limit `nofile=10:{}`", most + 1);
    assert!(refusal.starts_with(&expected) && refusal.contains("the hard limit that this process has is"), "{refusal}");
}

fn shared_memory_is_as_large_as_is_asked_for() {
    let script = "df -k /dev/shm | tail -n 1 | awk '{ print $2 }'; stat -c %a /dev/shm";
    assert_eq!(Sand::sh(script).prints(), "65536\n1777\n");
    let large = Sand::sh(script).with(|inputs| inputs.shared_memory = Some(256 << 20));
    assert_eq!(large.prints(), "262144\n1777\n");
    let small = Sand::sh("head -c 100000 /dev/zero > /dev/shm/x 2>/dev/null || echo full");
    assert_eq!(small.with(|inputs| inputs.shared_memory = Some(64 << 10)).prints(), "full\n");
}
