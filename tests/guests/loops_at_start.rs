// SPDX-License-Identifier: Apache-2.0
//! Never gets as far as being asked: a constructor loops.

use wythe_guests::{Failure, Misbehave, State, guest};

extern "C" fn constructor() {
    let mut steps = 0_u64;
    loop {
        steps = std::hint::black_box(steps.wrapping_add(1));
    }
}

#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn() = constructor;

struct Guest;

impl Misbehave for Guest {
    fn plan(base: &State, _options: String) -> Result<State, Failure> {
        Ok(base.env("A", "1"))
    }
}

guest!(
    Guest,
    r#"{"format":1,"name":"loops-at-start","version":"1.0.0","kinds":[{"name":"loops-at-start","schema":true}]}"#
);
