// SPDX-License-Identifier: Apache-2.0
//! Panics and says so, as the SDK does.

use wythe_guests::{Failure, Misbehave, State, guest, report};

struct Guest;

impl Misbehave for Guest {
    fn plan(_base: &State, _options: String) -> Result<State, Failure> {
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().expect("a place");
            report::panicked("it is too \u{1b}[31mlate", place.file(), place.line(), place.column());
        }));
        panic!("never shown")
    }
}

guest!(
    Guest,
    r#"{"format":1,"name":"panics-politely","version":"1.0.0","kinds":[{"name":"panics-politely","schema":true}]}"#
);
