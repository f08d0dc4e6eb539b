// SPDX-License-Identifier: Apache-2.0
//! Reports progress without end.

use wythe_guests::{Failure, Misbehave, State, guest, report};

struct Guest;

impl Misbehave for Guest {
    fn plan(_base: &State, _options: String) -> Result<State, Failure> {
        for done in 0.. {
            report::progress("", done, 0);
        }
        unreachable!()
    }
}

guest!(
    Guest,
    r#"{"format":1,"name":"floods-progress","version":"1.0.0","kinds":[{"name":"floods-progress","schema":true}]}"#
);
