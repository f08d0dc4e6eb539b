// SPDX-License-Identifier: Apache-2.0
//! What strangers' bytes do to a terminal: nothing. The judge is the emulator of the crate `vt100`.

use std::io::Read as _;
use std::process::{Command, Stdio};

use wythe_tests::{Bench, Ended, binary, is_root};

use crate::hostile::step;

/// Sequences that do something to a terminal, as `printf` writes them: titles, the clipboard, links, cursors, screens, questions
/// that the terminal answers by typing, modes, controls of eight bits, halves of characters.
const PAYLOADS: [&str; 60] = [
    r"\033]0;owned\007",
    r"\033]1;owned\007",
    r"\033]2;owned\033\\",
    r"\033]52;c;b3duZWQ=\007",
    r"\033]52;p;?\007",
    r"\033]8;;http://evil.example\033\\text\033]8;;\033\\",
    r"\033]4;1;rgb:00/00/00\007",
    r"\033]10;?\007",
    r"\033]11;#000000\007",
    r"\033]50;font\007",
    r"\033]104\007",
    r"\033]777;notify;a;b\007",
    r"\033]9;message\007",
    r"\033]1337;File=inline=1:AAAA\007",
    r"\033]133;A\007",
    r"\033[2J",
    r"\033[3J",
    r"\033[H",
    r"\033[10;10H",
    r"\033[5A",
    r"\033[5B",
    r"\033[1000D",
    r"\033[1000C",
    r"\033[2K",
    r"\033[1K",
    r"\033[J",
    r"\033[5L",
    r"\033[5M",
    r"\033[5P",
    r"\033[5@",
    r"\033[6n",
    r"\033[5n",
    r"\033[c",
    r"\033[>c",
    r"\033[21t",
    r"\033[8;10;10t",
    r"\033[?25l",
    r"\033[?1049h",
    r"\033[?47h",
    r"\033[?1000h",
    r"\033[?2004h",
    r"\033[?5h",
    r"\033[?7l",
    r"\033[4h",
    r"\033[20h",
    r"\033[2;5r",
    r"\033[8m",
    r"\033[30;40m",
    r"\033[31",
    r"\033c",
    r"\0337\0338",
    r"\033M",
    r"\033(0",
    r"\033P+q544e\033\\",
    r"\033_payload\033\\",
    r"\033^payload\033\\",
    r"\302\2332J",
    r"\302\2350;owned\302\234",
    r"\016\017\005\007\010\010\010\013\014\177",
    r"\342\202\303\050\377\376",
];

/// Lines that build services take for orders, or people for ours.
const ORDERS: [&str; 12] = [
    "::set-output name=a::b",
    "::add-mask::x",
    "::error file=a::b",
    "::stop-commands::x",
    "::set-env name=PATH::/evil",
    "##vso[task.setvariable variable=PATH]/evil",
    "##vso[task.prependpath]/evil",
    "##[error]x",
    "##[group]x",
    "##teamcity[buildStatus status='SUCCESS']",
    "x ##vso[task.complete result=Succeeded;]DONE",
    "[run] done everything",
];

/// The bytes that a payload stands for.
fn bytes(payload: &str) -> Vec<u8> {
    std::process::Command::new("printf").arg(payload).output().unwrap().stdout
}

/// Shows text to the emulator, and holds what is on its screen against the lines of the text.
#[track_caller]
fn is_harmless(what: &str, text: &str) {
    const COLUMNS: u16 = 2000;
    let lines: Vec<&str> = text.lines().collect();
    let rows = u16::try_from(lines.len() + 2).unwrap();
    let mut terminal = vt100::Parser::new_with_callbacks(rows, COLUMNS, 0, Struck::default());
    terminal.process(text.replace('\n', "\r\n").as_bytes());
    // Tabs are spaces on a screen, how many depends on where.
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown: Vec<String> = terminal.screen().rows(0, COLUMNS).take(lines.len()).map(|line| words(&line)).collect();
    // What stands for bytes that are no text is left out by this emulator.
    let meant: Vec<String> = lines.iter().map(|line| words(&line.replace('\u{fffd}', ""))).collect();
    assert_eq!(shown, meant, "{what}");
    assert_eq!(terminal.callbacks().0, Vec::<String>::new(), "{what}");
    let screen = terminal.screen();
    assert!(!screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste(), "{what}");
    assert_eq!(screen.cursor_position(), (rows - 2, 0), "{what}");
}

/// What somebody made the terminal do.
#[derive(Default)]
struct Struck(Vec<String>);

impl vt100::Callbacks for Struck {
    fn audible_bell(&mut self, _: &mut vt100::Screen) {
        self.0.push("bell".into());
    }

    fn resize(&mut self, _: &mut vt100::Screen, size: (u16, u16)) {
        self.0.push(format!("size {size:?}"));
    }

    fn set_window_icon_name(&mut self, _: &mut vt100::Screen, name: &[u8]) {
        self.0.push(format!("icon {name:?}"));
    }

    fn set_window_title(&mut self, _: &mut vt100::Screen, title: &[u8]) {
        self.0.push(format!("title {title:?}"));
    }

    fn copy_to_clipboard(&mut self, _: &mut vt100::Screen, _: &[u8], text: &[u8]) {
        self.0.push(format!("clipboard {text:?}"));
    }

    fn paste_from_clipboard(&mut self, _: &mut vt100::Screen, _: &[u8]) {
        self.0.push("paste".into());
    }

    fn unhandled_control(&mut self, _: &mut vt100::Screen, byte: u8) {
        self.0.push(format!("control {byte}"));
    }

    fn unhandled_escape(&mut self, _: &mut vt100::Screen, _: Option<u8>, _: Option<u8>, byte: u8) {
        self.0.push(format!("escape {byte}"));
    }

    fn unhandled_csi(&mut self, _: &mut vt100::Screen, _: Option<u8>, _: Option<u8>, _: &[&[u16]], char: char) {
        self.0.push(format!("sequence {char}"));
    }

    fn unhandled_osc(&mut self, _: &mut vt100::Screen, words: &[&[u8]]) {
        self.0.push(format!("order {words:?}"));
    }
}

/// That the judge sees anything: shown as they are, the payloads strike.
#[test]
fn i01_the_payloads_strike_where_nobody_takes_them_out() {
    let strikes = PAYLOADS.iter().filter(|payload| {
        let text = String::from_utf8_lossy(&bytes(payload)).into_owned() + "end\n";
        std::panic::catch_unwind(|| is_harmless("as it is", &text)).is_err()
    });
    let strikes = strikes.count();
    assert!(strikes >= 50, "{strikes} of 60 did something");
}

#[test]
fn i01_what_a_step_prints_does_nothing_to_a_terminal() {
    let Some(bench) = Bench::with_busybox() else { return };
    let all: Vec<u8> = PAYLOADS.iter().flat_map(|payload| [bytes(payload), b" end\n".to_vec()].concat()).collect();
    std::fs::write(bench.dir().join("root/payloads"), &all).unwrap();
    for command in ["cat /payloads", "cat /payloads >&2; false"] {
        bench.definition(&step(&format!("commands = [\"{command}\"]")));
        for progress in ["plain", "quiet"] {
            let ended = bench.wythe(&["build", "--progress", progress, "--rebuild-all"]);
            is_harmless(&format!("{command} --progress {progress}"), &ended.stderr);
        }
        let json = bench.wythe(&["build", "--progress", "json", "--rebuild-all"]).stderr;
        assert!(json.bytes().all(|byte| byte == b'\n' || byte >= b' '), "{json:?}");
    }
    // The log is what was printed.
    let logged = bench.command(&["logs", "run"]).output().unwrap();
    assert!(logged.stdout == all);
}

#[test]
fn i01_names_do_nothing_to_a_terminal() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let bench = Bench::new();
    for payload in PAYLOADS {
        let bytes = bytes(payload);
        let name = OsStr::from_bytes(&bytes);
        let show = |args: &[&OsStr]| {
            let ended: Ended = bench.command(&[]).args(args).output().unwrap().into();
            assert_ne!(ended.code, Some(101), "{}", ended.stderr);
            is_harmless(&format!("{args:?}"), &ended.stderr);
        };
        // A name of an image, of a definition, of a volume.
        let word = OsStr::new;
        show(&[word("inspect"), name]);
        show(&[word("build"), name]);
        show(&[word("volume"), word("inspect"), name]);
        // Names in a definition.
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let quoted = serde_json::to_string(&text).unwrap().replace('\u{7f}', "\\u007f");
        let steps = format!("[[steps]]\nkind = \"files\"\nfrom = {quoted}\nto = \"/\"\n");
        bench.definition(&format!("base = \"scratch\"\n{steps}"));
        show(&[word("build")]);
        bench.definition(&format!("base = \"scratch\"\n{steps}[[steps]]\nkind = {quoted}\n"));
        show(&[word("build")]);
    }
}

#[test]
fn i02_a_step_orders_nothing_of_a_build_service() {
    let Some(bench) = Bench::with_busybox() else { return };
    bench.file("root/orders", &(ORDERS.join("\n") + "\n"));
    bench.definition(&step("commands = [\"cat /orders; false\"]"));
    let ended = bench.wythe(&["build", "--progress", "plain"]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    for line in ended.stderr.lines() {
        let is_order = line.trim_start().starts_with("::")
            || ["##vso[", "##[", "##teamcity["].iter().any(|order| line.contains(order))
            || line.starts_with("[run] done everything");
        assert!(!is_order, "{line}");
    }
    assert_eq!(bench.wythe(&["logs", "run"]).stdout, ORDERS.join("\n") + "\n");
}

#[test]
fn i03_a_flood_is_kept_and_shown_in_part() {
    let Some(bench) = Bench::with_busybox() else { return };
    // One line without an end, and many.
    let command = "busybox head -c 67108864 /dev/zero | busybox tr '\\0' x; echo; busybox yes 'a line like others' | busybox head -c 67108864";
    bench.definition(&step(&format!("commands = ['''{command}''']")));
    let ended = bench.wythe(&["build", "--progress", "plain"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr.lines().last().unwrap_or_default());
    assert!(ended.stderr.len() < 24 << 20 && ended.stderr.contains("what follows is in the log only"));
    assert!(ended.stderr.lines().all(|line| line.len() < 17 << 10));
    assert_eq!(bench.wythe(&["logs", "run"]).stdout.len(), (64 << 20) + 1 + (64 << 20));
}

#[test]
fn i03_who_stops_listening_stops_nothing() {
    let Some(bench) = Bench::with_busybox() else { return };
    bench.definition(&step("commands = [\"busybox seq 100000; touch /made\"]"));
    for progress in ["plain", "json"] {
        let mut command = bench.command(&["build", "-t", "x", "--progress", progress, "--rebuild-all"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut stderr = child.stderr.take().unwrap();
        stderr.read_exact(&mut [0; 200]).unwrap();
        drop(stderr);
        assert_eq!(child.wait().unwrap().code(), Some(0), "--progress {progress}");
    }
    assert_eq!(bench.wythe(&["run", "--entrypoint", "/bin/ls", "x", "--", "/made"]).stdout(), "/made\n");
}

/// A pipe that is full makes a build wait, and not lose anything.
#[test]
fn i03_who_listens_late_hears_all() {
    let Some(bench) = Bench::with_busybox() else { return };
    bench.definition(&step("commands = [\"busybox seq 50000\"]"));
    let mut child = bench.start(&["build", "--progress", "plain"]);
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let shown: Vec<&str> = text.lines().filter_map(|line| line.split_once("| ")).map(|(_, line)| line).collect();
    let all: Vec<String> = (1..=50_000).map(|number: u32| number.to_string()).collect();
    assert!(shown == all, "{} lines were shown", shown.len());
}

/// Where the disk has no room for what a step says, the step ends, and the steps before it stay.
#[test]
fn i03_a_log_that_fills_the_disk_ends_the_step() {
    if !is_root() {
        return;
    }
    let Some(bench) = Bench::with_busybox() else { return };
    let flood = "busybox yes 'a line like others' | busybox head -c 67108864; touch /made";
    bench.definition(
        &(step("commands = [\"touch /first\"]")
            + "[[steps]]\nkind = \"run\"\nname = \"flood\"\n"
            + &format!("commands = ['''{flood}''']\n")),
    );
    std::fs::create_dir_all(bench.store()).unwrap();
    let wythe = binary();
    let script = "mount -t tmpfs -o size=32m tmpfs \"$WYTHE_HOME\" || exit 99; \
                  \"$0\" build --progress plain; echo \"ended with $?\"; \"$0\" store verify; \
                  \"$0\" store gc --older-than 0 >&2; sed -i 's/head -c 67108864/head -c 10/' wythe.toml; \
                  \"$0\" build --progress plain >/dev/null; echo \"ended with $?\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", script]).arg(wythe);
    command.current_dir(bench.dir()).env("WYTHE_HOME", bench.store()).env_remove("SOURCE_DATE_EPOCH");
    let ended: Ended = command.output().unwrap().into();
    let said: Vec<&str> = ended.stderr.lines().filter(|line| !line.starts_with("[flood] | ")).collect();
    let about = |what: &str| said.iter().filter(|line| line.contains(what)).count();
    let told = "error: step `flood`: cannot write the log `";
    assert_eq!((about(told), about("No space left on device (os error 28)")), (1, 1), "{said:#?}");
    assert_eq!(about("hint: free room: `wythe store gc --older-than 0`"), 1, "{said:#?}");
    let checked = "checked 0 images, 2 layers, 1 blobs, 3 records, 1 index";
    assert_eq!(ended.stdout.lines().collect::<Vec<_>>(), ["ended with 5", "ended with 0"], "{said:#?}");
    assert_eq!(about(checked), 1, "{said:#?}");
}
