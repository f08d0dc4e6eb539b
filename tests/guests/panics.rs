// SPDX-License-Identifier: Apache-2.0
//! Panics, as a plugin without an SDK does.

use wythe_guests::{Failure, Misbehave, State, guest};

struct Guest;

impl Misbehave for Guest {
    fn plan(_base: &State, options: String) -> Result<State, Failure> {
        let words: Vec<&str> = options.split("no such word").collect();
        panic!("cannot cope with {:?}", words.get(7))
    }
}

guest!(Guest, r#"{"format":1,"name":"panics","version":"1.0.0","kinds":[{"name":"panics","schema":true}]}"#);
