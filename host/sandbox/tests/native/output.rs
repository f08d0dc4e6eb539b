// SPDX-License-Identifier: Apache-2.0
//! What a command prints, reads and returns.

use std::time::Duration;

use wythe_sandbox::{Ending, Stream};
use wythe_sys::cancel::Cancel;

use crate::support::Sand;

crate::tests![
    the_exit_status_is_the_command_s,
    a_signal_is_not_an_exit_status,
    both_streams_arrive_in_order,
    ten_mebibytes_arrive_whole,
    input_is_read_to_its_end,
    without_input_there_is_nothing_to_read,
    the_environment_is_exact,
    arguments_are_exact,
    usage_is_counted,
    output_can_be_opened_by_name_by_an_ordinary_user,
];

fn the_exit_status_is_the_command_s() {
    for code in [0, 1, 42, 125, 126, 127, 255] {
        assert_eq!(Sand::sh(&format!("exit {code}")).run().unwrap().ending, Ending::Exited(code));
    }
}

fn a_signal_is_not_an_exit_status() {
    let ran = Sand::ask("fault").run().unwrap();
    assert!(matches!(ran.ending, Ending::Signaled(4 | 6 | 11)), "{ran:?}");
    let ran = Sand::sh("(sh -c 'kill -TERM $$'; echo $?) 2>/dev/null").prints();
    assert_eq!(ran, "143\n");
}

fn both_streams_arrive_in_order() {
    let sand = Sand::sh("for i in 1 2 3 4 5 6 7 8 9; do echo out $i; echo err $i >&2; done");
    let ran = sand.run().unwrap();
    let lines = |name: &str| (1..10).map(|i| format!("{name} {i}\n")).collect::<String>();
    assert_eq!((ran.stdout, ran.stderr), (lines("out"), lines("err")));
    assert_eq!(ran.ending, Ending::Exited(0));
}

fn ten_mebibytes_arrive_whole() {
    let sand = Sand::sh("yes 0123456789abcde | head -c 10485760");
    let mut pieces = 0;
    let ran = sand.run_until(&Cancel::new().unwrap(), &mut |_: Stream, _: &[u8]| pieces += 1).unwrap();
    assert_eq!(ran.ending, Ending::Exited(0));
    assert_eq!(ran.stdout, "0123456789abcde\n".repeat(655_360));
    assert!(pieces < 10_000, "{pieces} pieces");
}

fn input_is_read_to_its_end() {
    let content: Vec<u8> = (0..3_000_000u32).map(|i| b'a' + u8::try_from(i % 26).unwrap()).collect();
    let sand = Sand::new(&["cat"]).with(|inputs| inputs.stdin = content.clone());
    assert!(sand.prints().as_bytes() == content);
    let sand = Sand::sh("cat /dev/stdin").user("app").with(|inputs| inputs.stdin = b"again".to_vec());
    if crate::rootless::others_exist() {
        assert_eq!(sand.prints(), "again");
    }
}

fn without_input_there_is_nothing_to_read() {
    assert_eq!(Sand::sh("wc -c").prints().trim(), "0");
}

fn the_environment_is_exact() {
    // Runtimes add a home.
    if crate::support::runtime().is_some() {
        let env = Sand::new(&["env"]).with(|inputs| drop(inputs.env.insert("HOME".into(), "/srv".into())));
        assert_eq!(env.prints(), "HOME=/srv\nPATH=/bin\n");
        return;
    }
    assert_eq!(Sand::new(&["env"]).prints(), "PATH=/bin\n");
    let sand = Sand::new(&["/bin/env"]).with(|inputs| {
        inputs.env = [("B", "two\nlines"), ("A", ""), ("Ü", "=x=")].map(|(k, v)| (k.into(), v.into())).into();
    });
    assert_eq!(sand.prints(), "A=\nB=two\nlines\nÜ=x=\n".replace("Ü=x", "Ü==x"));
    assert_eq!(Sand::new(&["/bin/env"]).with(|inputs| inputs.env.clear()).prints(), "");
}

fn arguments_are_exact() {
    let sand = Sand::new(&["printf", "[%s]", "", " a b ", "$PATH", "*", "-n"]);
    assert_eq!(sand.prints(), "[][ a b ][$PATH][*][-n]");
}

fn usage_is_counted() {
    let ran = Sand::sh("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done").run().unwrap();
    let usage = ran.outcome.usage;
    assert!(usage.user > Duration::from_millis(5), "{usage:?}");
    assert!(usage.max_rss > 100_000 && usage.wall >= usage.user, "{usage:?}");
}

fn output_can_be_opened_by_name_by_an_ordinary_user() {
    if crate::rootless::others_exist() {
        assert_eq!(Sand::sh("echo out > /dev/stdout; echo more > /proc/self/fd/1").user("app").prints(), "out\nmore\n");
    }
}
