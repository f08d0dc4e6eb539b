// SPDX-License-Identifier: Apache-2.0
//! Fetches from a host that it was not granted.

use wythe_guests::{Failure, Misbehave, State, fetch, guest};

struct Guest;

impl Misbehave for Guest {
    fn plan(base: &State, _options: String) -> Result<State, Failure> {
        Ok(base.env("A", "1"))
    }

    fn resolve(_base: &State, options: String) -> Result<String, Failure> {
        let url = options.trim_matches('"');
        fetch::get(url).map(|body| format!("{}", body.len())).map_err(Failure::Failed)
    }
}

guest!(
    Guest,
    r#"{"format":1,"name":"fetches-ungranted","version":"1.0.0","kinds":[{"name":"fetches-ungranted","schema":true,"resolves":true}],"hosts":["*.granted.example"]}"#
);
