// SPDX-License-Identifier: Apache-2.0
//! Runs a command when it should plan.

use wythe_guests::{Command, Failure, Misbehave, State, guest, probe};

struct Guest;

impl Misbehave for Guest {
    fn plan(base: &State, _options: String) -> Result<State, Failure> {
        let output = probe::output(Command::new(base, &["id".to_owned()])).map_err(Failure::Failed)?;
        Ok(base.env("LENGTH", &output.len().to_string()))
    }
}

guest!(
    Guest,
    r#"{"format":1,"name":"probes-while-planning","version":"1.0.0","kinds":[{"name":"probes-while-planning","schema":true}]}"#
);
