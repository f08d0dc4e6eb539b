// SPDX-License-Identifier: Apache-2.0
//! Calls itself until the stack is full.

use wythe_guests::{Failure, Misbehave, State, guest};

struct Guest;

impl Misbehave for Guest {
    fn plan(base: &State, options: String) -> Result<State, Failure> {
        // No tail call, and nothing that an accumulator could stand for.
        fn deeper(depth: u64) -> u64 {
            if depth == u64::MAX { 0 } else { deeper(depth + 1).rotate_left(3) ^ depth }
        }
        Ok(base.env("DEPTH", &(deeper(0) + options.len() as u64).to_string()))
    }
}

guest!(Guest, r#"{"format":1,"name":"recurses","version":"1.0.0","kinds":[{"name":"recurses","schema":true}]}"#);
