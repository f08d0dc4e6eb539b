// SPDX-License-Identifier: Apache-2.0
//! Logs without end.

use wythe_guests::{Failure, Misbehave, State, guest, report};

struct Guest;

impl Misbehave for Guest {
    fn plan(_base: &State, _options: String) -> Result<State, Failure> {
        loop {
            report::log(report::Level::Info, &"blah ".repeat(1000));
        }
    }
}

guest!(Guest, r#"{"format":1,"name":"floods-log","version":"1.0.0","kinds":[{"name":"floods-log","schema":true}]}"#);
