// SPDX-License-Identifier: Apache-2.0
//! Takes handles and never gives one back.

use wythe_guests::{Failure, Misbehave, State, guest};

struct Guest;

impl Misbehave for Guest {
    fn plan(_base: &State, _options: String) -> Result<State, Failure> {
        loop {
            std::mem::forget(State::scratch());
        }
    }
}

guest!(
    Guest,
    r#"{"format":1,"name":"hoards-handles","version":"1.0.0","kinds":[{"name":"hoards-handles","schema":true}]}"#
);
