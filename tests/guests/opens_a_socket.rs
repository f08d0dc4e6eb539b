// SPDX-License-Identifier: Apache-2.0
//! Wants to speak to a machine.

use wythe_guests::{Failure, Misbehave, State, guest};

struct Guest;

impl Misbehave for Guest {
    fn plan(base: &State, _options: String) -> Result<State, Failure> {
        Ok(base.env("REACHED", &std::net::TcpStream::connect("127.0.0.1:80").is_ok().to_string()))
    }
}

guest!(
    Guest,
    r#"{"format":1,"name":"opens-a-socket","version":"1.0.0","kinds":[{"name":"opens-a-socket","schema":true}]}"#
);
