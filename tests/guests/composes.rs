// SPDX-License-Identifier: Apache-2.0
//! Behaves: is made of other steps, planned on states of its own.

use wythe_guests::{Failure, Misbehave, State, guest, steps};

struct Guest;

impl Misbehave for Guest {
    fn plan(base: &State, options: String) -> Result<State, Failure> {
        let on_base = steps::call("asks", "\"first\"", base)?;
        let further = steps::call("asks", "\"second\"", &on_base)?;
        steps::call(options.trim_matches('"'), "{}", &further)
    }
}

guest!(Guest, r#"{"format":1,"name":"composes","version":"1.0.0","kinds":[{"name":"composes","schema":true}]}"#);
