// SPDX-License-Identifier: Apache-2.0
//! Hands over more bytes than it may, in one string.

use wythe_guests::{Failure, Files, Misbehave, State, guest};

struct Guest;

impl Misbehave for Guest {
    fn plan(base: &State, _options: String) -> Result<State, Failure> {
        let files = Files::new(base);
        files.put("/large", &vec![b'x'; 3 << 20]);
        Ok(Files::apply(files))
    }
}

guest!(
    Guest,
    r#"{"format":1,"name":"hands-over-too-much","version":"1.0.0","kinds":[{"name":"hands-over-too-much","schema":true}]}"#
);
