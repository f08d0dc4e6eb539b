// SPDX-License-Identifier: Apache-2.0
//! Never returns.

use wythe_guests::{Failure, Misbehave, State, guest};

struct Guest;

impl Misbehave for Guest {
    fn plan(_base: &State, _options: String) -> Result<State, Failure> {
        let mut steps = 0_u64;
        loop {
            steps = std::hint::black_box(steps.wrapping_add(1));
        }
    }
}

guest!(Guest, r#"{"format":1,"name":"loops","version":"1.0.0","kinds":[{"name":"loops","schema":true}]}"#);
