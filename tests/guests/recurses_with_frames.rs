// SPDX-License-Identifier: Apache-2.0
//! Calls itself with large frames until the stack in its memory is full.

use wythe_guests::{Failure, Misbehave, State, guest};

struct Guest;

impl Misbehave for Guest {
    fn plan(base: &State, options: String) -> Result<State, Failure> {
        fn deeper(depth: u64) -> u64 {
            let frame = std::hint::black_box([depth; 64]);
            if depth == u64::MAX { 0 } else { deeper(depth + 1) + frame[1] }
        }
        Ok(base.env("DEPTH", &(deeper(0) + options.len() as u64).to_string()))
    }
}

guest!(
    Guest,
    r#"{"format":1,"name":"recurses-with-frames","version":"1.0.0","kinds":[{"name":"recurses-with-frames","schema":true}]}"#
);
