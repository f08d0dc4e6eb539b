// SPDX-License-Identifier: Apache-2.0
//! Behaves: plans a small graph from its options and a few facts.

use wythe_guests::{Command, Failure, Files, Misbehave, State, build, guest, report};

struct Guest;

impl Misbehave for Guest {
    fn plan(base: &State, options: String) -> Result<State, Failure> {
        report::log(report::Level::Info, "planning");
        let state = base.env("PLATFORM", &build::platform());
        let files = Files::new(&state);
        files.put("/etc/options", options.as_bytes());
        let state = Files::apply(files);
        let command = Command::new(&state, &["true".to_owned()]);
        command.describe("does nothing");
        Ok(Command::run(command))
    }
}

guest!(Guest, r#"{"format":1,"name":"plans","version":"1.0.0","kinds":[{"name":"plans","schema":true}]}"#);
