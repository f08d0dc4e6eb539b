// SPDX-License-Identifier: Apache-2.0
//! What is said of failures that no definition brings about at will. `BLESS=1` rewrites the texts.

use std::io;
use std::path::{Path, PathBuf};

use wythe_image::{Digest, Platform};
use wythe_plan::spec::Spec;
use wythe_plan::{CORE_KINDS, PlanError};
use wythe_sandbox::foreign::ForeignError;
use wythe_sandbox::{Ending, RunError};
use wythe_solve::{BuildError, Cause, Foreign, StepId};

use super::{Texts, explain};

const DEFINITION: &str = "\
base = \"scratch\"

[[steps]]
kind = \"run\"
name = \"deps\"
commands = [\"fetch https://me:secret@host/\"]
";

fn broken(what: &str, frames: &[&str]) -> Cause {
    let frames = frames.iter().map(|frame| (*frame).to_owned()).collect();
    Cause::Plan(PlanError::Broken { plugin: "acme".to_owned(), what: what.to_owned(), frames })
}

/// Name, exit code, cause.
fn causes() -> Vec<(&'static str, u8, Cause)> {
    let io_error = || io::Error::from_raw_os_error(28);
    let refused = PlanError::Refused {
        plugin: "acme".to_owned(),
        what: "wants to fetch from `example.com`, which it is not granted".to_owned(),
        hint: "use a version of the plugin that names the host".to_owned(),
    };
    let ended = |ending| Cause::Command {
        command: "make".to_owned(),
        ending,
        tail: vec!["fetching https://me:secret@host/x".to_owned(), "killed".to_owned()],
        log: PathBuf::from("/store/logs/1-2/deps.1.log"),
        scene: None,
    };
    let foreign = |why| {
        let platform = |text: &str| text.parse::<Platform>().unwrap();
        let foreign = Foreign { platform: platform("linux/arm64"), machine: platform("linux/amd64"), why };
        Cause::Foreign { command: "make".to_owned(), foreign: Box::new(foreign) }
    };
    vec![
        ("plugin-trapped", 4, broken("trapped while planning: unreachable", &["plan at src/lib.rs:7"])),
        ("plugin-too-slow", 4, broken("did not finish planning within 10 s", &[])),
        ("plugin-refused", 1, Cause::Plan(refused)),
        ("plugin-failed", 5, Cause::Plan(PlanError::Failed("the index has no package `gti`".to_owned()))),
        ("plugin-world", 5, Cause::Plan(PlanError::World("cannot read `/etc/os-release`: disk on fire".to_owned()))),
        ("plugin-no-reason", 4, Cause::Plan(PlanError::Declined(Vec::new()))),
        ("planned-too-early", 70, Cause::Plan(PlanError::NotYet)),
        ("bug", 70, Cause::Bug("blob sha256:… vanished".to_owned())),
        ("locked", 1, Cause::Locked { reason: "the options have changed".to_owned() }),
        ("command-signal", 3, ended(Ending::Signaled(9))),
        ("command-timed-out", 3, ended(Ending::TimedOut)),
        ("stopped", 130, Cause::Cancelled),
        ("foreign-no-emulator", 5, foreign(ForeignError::NoEmulator)),
        ("foreign-switched-off", 5, foreign(ForeignError::SwitchedOff { format: "qemu-aarch64".to_owned() })),
        (
            "foreign-not-fixed",
            5,
            foreign(ForeignError::NotFixed {
                format: "qemu-aarch64".to_owned(),
                interpreter: "/usr/bin/qemu-aarch64".into(),
            }),
        ),
        (
            "disk-full",
            5,
            Cause::Machine { doing: "cannot write the log `/store/logs/x`".to_owned(), source: io_error() },
        ),
        ("store", 5, Cause::Store(Box::new(io_error()))),
        ("files", 5, Cause::Files(Box::new(io_error()))),
        ("sandbox-killed", 5, Cause::Sandbox { command: "make".to_owned(), source: RunError::Lost }),
        (
            "wrong-content",
            5,
            Cause::WrongContent {
                url: "https://me:secret@host/oak-1.2.tar".to_owned(),
                expected: Digest::of(b"expected"),
                actual: Digest::of(b"actual"),
            },
        ),
    ]
}

#[test]
#[allow(clippy::disallowed_methods, reason = "BLESS is how golden files are rewritten")]
fn each_failure_has_its_message_and_its_exit_code() {
    let spec = Spec::parse("wythe.toml", &format!("builder = \"2026.11\"\n{DEFINITION}"), &CORE_KINDS).unwrap();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/diagnostic/build/messages");
    let texts = Texts { spec: &spec, dir: &dir, is_brought: false, claimed: None };
    for (name, code, cause) in causes() {
        let step = StepId { image: "".into(), step: "deps".into() };
        let report = explain(&BuildError { step, cause: Box::new(cause), place: None }, &texts);
        assert_eq!(report.exit as u8, code, "{name}");
        let text = report.render(false) + "\n";
        assert!(!text.contains("secret"), "{text}");
        let path = dir.join(name).with_extension("txt");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        assert_eq!(text, std::fs::read_to_string(&path).unwrap_or_default(), "{name}");
    }
}
