// SPDX-License-Identifier: Apache-2.0
//! Behaves: asks every question there is, and writes the answers into its plan.

use wythe_guests::{Failure, Misbehave, Problem, Severity, State, build, guest};

struct Guest;

impl Misbehave for Guest {
    fn plan(base: &State, options: String) -> Result<State, Failure> {
        if options == "{}" {
            let problem = |severity, message: &str| Problem {
                severity,
                path: "/name".to_owned(),
                message: message.to_owned(),
                hint: Some("say \u{7}more".to_owned()),
            };
            let problems = [problem(Severity::Error, "is missing"), problem(Severity::Note, "has a default")];
            return Err(Failure::Options(problems.into()));
        }
        let image = State::image("registry.example/debian:12").map(|_| "found");
        let other = State::image_for("registry.example/debian:12", "linux/aarch64").map(|_| "found");
        drop(State::scratch_for("linux/riscv64"));
        let answers = [
            ("OPTIONS", options),
            ("PLATFORM", build::platform()),
            ("MACHINE", build::machine_platform()),
            ("BUILDER", build::builder_version()),
            ("EPOCH", build::source_date_epoch().to_string()),
            ("ARG", format!("{:?} {:?}", build::arg("given"), build::arg("absent"))),
            ("READ", format!("{:?} {:?}", build::read("present"), build::read("missing"))),
            ("EXISTS", format!("{} {}", build::exists("present"), build::exists("missing"))),
            ("GLOB", build::glob("*").join(" ")),
            ("CONFIG", format!("{:?}", base.config())),
            ("FILE", format!("{:?}", base.read("/etc/os-release"))),
            ("THERE", format!("{:?} {:?}", base.exists("/etc"), base.exists("/nowhere"))),
            ("WHICH", format!("{:?} {:?}", base.which("python3"), base.which("none"))),
            ("NAMES", format!("{:?}", base.glob("/etc/*"))),
            ("OTHER", format!("{:?}", base.env("A", "1").config())),
            ("ELSEWHERE", format!("{other:?}")),
            ("IMAGE", format!("{image:?} {:?}", State::image("missing.example/x").map(|_| ()))),
        ];
        let start = base.env("ASKED", "yes");
        Ok(answers.iter().fold(start, |state, (name, answer)| state.env(name, answer)))
    }
}

guest!(Guest, r#"{"format":1,"name":"asks","version":"1.0.0","kinds":[{"name":"asks","schema":true}]}"#);
