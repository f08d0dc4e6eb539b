// SPDX-License-Identifier: Apache-2.0
//! Hands over a string far larger than it may.

use wythe_guests::{Failure, Misbehave, State, guest, report};

struct Guest;

impl Misbehave for Guest {
    fn plan(_base: &State, _options: String) -> Result<State, Failure> {
        report::log(report::Level::Info, &"x".repeat(40 << 20));
        unreachable!()
    }
}

guest!(
    Guest,
    r#"{"format":1,"name":"hands-over-a-giant","version":"1.0.0","kinds":[{"name":"hands-over-a-giant","schema":true}]}"#
);
