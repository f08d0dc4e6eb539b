// SPDX-License-Identifier: Apache-2.0
//! Wants to read a file of the machine.

use wythe_guests::{Failure, Misbehave, State, guest};

struct Guest;

impl Misbehave for Guest {
    fn plan(base: &State, _options: String) -> Result<State, Failure> {
        Ok(base.env("USERS", &std::fs::read_to_string("/etc/passwd").unwrap_or_default()))
    }
}

guest!(
    Guest,
    r#"{"format":1,"name":"looks-at-files","version":"1.0.0","kinds":[{"name":"looks-at-files","schema":true}]}"#
);
