// SPDX-License-Identifier: Apache-2.0
//! Returns a lock entry that is not JSON.

use wythe_guests::{Failure, Misbehave, State, guest};

struct Guest;

impl Misbehave for Guest {
    fn plan(base: &State, _options: String) -> Result<State, Failure> {
        Ok(base.env("A", "1"))
    }

    fn resolve(_base: &State, _options: String) -> Result<String, Failure> {
        Ok("{not json".to_owned())
    }
}

guest!(
    Guest,
    r#"{"format":1,"name":"locks-nonsense","version":"1.0.0","kinds":[{"name":"locks-nonsense","schema":true,"resolves":true}]}"#
);
