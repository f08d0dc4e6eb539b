// SPDX-License-Identifier: Apache-2.0
//! Behaves: pins what floats with a fetch and a probe, and plans from the entry alone.

use wythe_guests::{Command, Failure, Misbehave, State, fetch, guest, probe};

struct Guest;

impl Misbehave for Guest {
    fn plan(base: &State, options: String) -> Result<State, Failure> {
        Ok(base.env("OPTIONS", &options))
    }

    fn resolve(base: &State, _options: String) -> Result<String, Failure> {
        let index = fetch::get("https://index.granted.example/latest").map_err(Failure::Failed)?;
        let command = Command::new(&base.env("A", "1"), &["tool".to_owned(), "--dry-run".to_owned()]);
        let output = probe::output(command).map_err(Failure::Failed)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(format!("{{\"index\":{:?},\"tool\":{:?}}}", text(&index), text(&output)))
    }
}

guest!(
    Guest,
    r#"{"format":1,"name":"resolves","version":"1.0.0","hosts":["*.granted.example"],"kinds":[{"name":"resolves","resolves":true,"schema":true},{"name":"resolves-too","schema":true}]}"#
);
