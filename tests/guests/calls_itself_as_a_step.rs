// SPDX-License-Identifier: Apache-2.0
//! Is made of itself, without end.

use wythe_guests::{Failure, Misbehave, State, guest, steps};

struct Guest;

impl Misbehave for Guest {
    fn plan(base: &State, options: String) -> Result<State, Failure> {
        steps::call("calls-itself-as-a-step", &options, base)
    }
}

guest!(
    Guest,
    r#"{"format":1,"name":"calls-itself-as-a-step","version":"1.0.0","kinds":[{"name":"calls-itself-as-a-step","schema":true}]}"#
);
