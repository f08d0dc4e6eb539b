// SPDX-License-Identifier: Apache-2.0
//! Writes to its standard error without end.

use wythe_guests::{Failure, Misbehave, State, guest};

struct Guest;

impl Misbehave for Guest {
    fn plan(_base: &State, _options: String) -> Result<State, Failure> {
        loop {
            eprintln!("{}", "blah ".repeat(1000));
        }
    }
}

guest!(
    Guest,
    r#"{"format":1,"name":"floods-stderr","version":"1.0.0","kinds":[{"name":"floods-stderr","schema":true}]}"#
);
