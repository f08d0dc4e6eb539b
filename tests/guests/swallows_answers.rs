// SPDX-License-Identifier: Apache-2.0
//! Asks for more than it may be told.

use wythe_guests::{Failure, Misbehave, State, build, guest};

struct Guest;

impl Misbehave for Guest {
    fn plan(_base: &State, _options: String) -> Result<State, Failure> {
        loop {
            std::hint::black_box(build::read("large").ok());
        }
    }
}

guest!(
    Guest,
    r#"{"format":1,"name":"swallows-answers","version":"1.0.0","kinds":[{"name":"swallows-answers","schema":true}]}"#
);
