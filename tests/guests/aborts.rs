// SPDX-License-Identifier: Apache-2.0
//! Stops without a word.

use wythe_guests::{Failure, Misbehave, State, guest};

struct Guest;

impl Misbehave for Guest {
    fn plan(_base: &State, _options: String) -> Result<State, Failure> {
        std::process::abort()
    }
}

guest!(Guest, r#"{"format":1,"name":"aborts","version":"1.0.0","kinds":[{"name":"aborts","schema":true}]}"#);
