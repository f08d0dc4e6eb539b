// SPDX-License-Identifier: Apache-2.0
//! Hands over little, but makes the host repeat it: each action carries the brush.

use wythe_guests::{Failure, Files, Misbehave, State, guest};

struct Guest;

impl Misbehave for Guest {
    fn plan(base: &State, _options: String) -> Result<State, Failure> {
        let files = Files::new(base);
        files.exclude(&vec!["x".repeat(1000); 100]);
        for n in 0..100_000 {
            files.mkdir(&format!("/{n}"));
        }
        Ok(Files::apply(files))
    }
}

guest!(
    Guest,
    r#"{"format":1,"name":"multiplies-a-brush","version":"1.0.0","kinds":[{"name":"multiplies-a-brush","schema":true}]}"#
);
