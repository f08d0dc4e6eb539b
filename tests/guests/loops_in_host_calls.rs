// SPDX-License-Identifier: Apache-2.0
//! Never returns, and spends its time in cheap calls of the host.

use wythe_guests::{Failure, Misbehave, State, build, guest};

struct Guest;

impl Misbehave for Guest {
    fn plan(_base: &State, _options: String) -> Result<State, Failure> {
        loop {
            std::hint::black_box(build::exists("x"));
        }
    }
}

guest!(
    Guest,
    r#"{"format":1,"name":"loops-in-host-calls","version":"1.0.0","kinds":[{"name":"loops-in-host-calls","schema":true}]}"#
);
