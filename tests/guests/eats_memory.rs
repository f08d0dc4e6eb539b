// SPDX-License-Identifier: Apache-2.0
//! Allocates until nothing is left.

use wythe_guests::{Failure, Misbehave, State, guest};

struct Guest;

impl Misbehave for Guest {
    fn plan(_base: &State, _options: String) -> Result<State, Failure> {
        let mut hoard = Vec::new();
        loop {
            hoard.push(std::hint::black_box(vec![1_u8; 1 << 20]));
        }
    }
}

guest!(Guest, r#"{"format":1,"name":"eats-memory","version":"1.0.0","kinds":[{"name":"eats-memory","schema":true}]}"#);
