// SPDX-License-Identifier: Apache-2.0
//! Fetches when it should plan.

use wythe_guests::{Failure, Misbehave, State, fetch, guest};

struct Guest;

impl Misbehave for Guest {
    fn plan(base: &State, _options: String) -> Result<State, Failure> {
        let body = fetch::get("https://granted.example/").map_err(Failure::Failed)?;
        Ok(base.env("LENGTH", &body.len().to_string()))
    }
}

guest!(
    Guest,
    r#"{"format":1,"name":"fetches-while-planning","version":"1.0.0","kinds":[{"name":"fetches-while-planning","schema":true}],"hosts":["*"]}"#
);
