// SPDX-License-Identifier: Apache-2.0
//! Wants to know the time.

use wythe_guests::{Failure, Misbehave, State, guest};

struct Guest;

impl Misbehave for Guest {
    fn plan(base: &State, _options: String) -> Result<State, Failure> {
        Ok(base.env("NOW", &format!("{:?}", std::time::SystemTime::now())))
    }
}

guest!(
    Guest,
    r#"{"format":1,"name":"looks-at-the-clock","version":"1.0.0","kinds":[{"name":"looks-at-the-clock","schema":true}]}"#
);
