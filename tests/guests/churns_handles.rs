// SPDX-License-Identifier: Apache-2.0
//! Takes and gives back handles without end: the table behind them must not grow.

use wythe_guests::{Command, Failure, Misbehave, State, guest};

struct Guest;

impl Misbehave for Guest {
    fn plan(base: &State, _options: String) -> Result<State, Failure> {
        loop {
            drop(Command::new(base, &["true".to_owned()]));
        }
    }
}

guest!(
    Guest,
    r#"{"format":1,"name":"churns-handles","version":"1.0.0","kinds":[{"name":"churns-handles","schema":true}]}"#
);
