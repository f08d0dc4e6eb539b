// SPDX-License-Identifier: Apache-2.0
//! Ends its process.

use wythe_guests::{Failure, Misbehave, State, guest};

struct Guest;

impl Misbehave for Guest {
    fn plan(_base: &State, _options: String) -> Result<State, Failure> {
        std::process::exit(0)
    }
}

guest!(Guest, r#"{"format":1,"name":"exits","version":"1.0.0","kinds":[{"name":"exits","schema":true}]}"#);
