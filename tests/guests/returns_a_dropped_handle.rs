// SPDX-License-Identifier: Apache-2.0
//! Returns a state after it gave it back.

use wythe_guests::{Failure, Misbehave, State, guest};

struct Guest;

impl Misbehave for Guest {
    fn plan(base: &State, _options: String) -> Result<State, Failure> {
        let state = base.env("A", "1");
        let handle = state.handle();
        drop(state);
        // SAFETY: it is not safe, which is what this guest is for; the host checks every handle.
        Ok(unsafe { State::from_handle(handle) })
    }
}

guest!(
    Guest,
    r#"{"format":1,"name":"returns-a-dropped-handle","version":"1.0.0","kinds":[{"name":"returns-a-dropped-handle","schema":true}]}"#
);
