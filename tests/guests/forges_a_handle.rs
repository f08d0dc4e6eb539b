// SPDX-License-Identifier: Apache-2.0
//! Returns a state that it was never given.

use wythe_guests::{Failure, Misbehave, State, guest};

struct Guest;

impl Misbehave for Guest {
    fn plan(_base: &State, _options: String) -> Result<State, Failure> {
        // SAFETY: it is not safe, which is what this guest is for; the host checks every handle.
        Ok(unsafe { State::from_handle(4711) })
    }
}

guest!(
    Guest,
    r#"{"format":1,"name":"forges-a-handle","version":"1.0.0","kinds":[{"name":"forges-a-handle","schema":true}]}"#
);
