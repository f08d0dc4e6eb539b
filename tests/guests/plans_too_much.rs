// SPDX-License-Identifier: Apache-2.0
//! Plans more operations than a plan may have.

use wythe_guests::{Failure, Misbehave, State, guest};

struct Guest;

impl Misbehave for Guest {
    fn plan(base: &State, _options: String) -> Result<State, Failure> {
        let mut state = base.env("N", "");
        for n in 0_u64.. {
            state = state.env("N", &n.to_string());
        }
        Ok(state)
    }
}

guest!(
    Guest,
    r#"{"format":1,"name":"plans-too-much","version":"1.0.0","kinds":[{"name":"plans-too-much","schema":true}]}"#
);
