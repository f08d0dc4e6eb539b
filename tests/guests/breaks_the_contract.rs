// SPDX-License-Identifier: Apache-2.0
//! Gives calls what they cannot take; the option says which.

use wythe_guests::{Artifact, Command, Failure, Files, Misbehave, State, guest};

struct Guest;

impl Misbehave for Guest {
    fn plan(base: &State, options: String) -> Result<State, Failure> {
        let command = || Command::new(base, &["true".to_owned()]);
        let artifact = || Artifact::new("https://example.org/x", &"0".repeat(64), None);
        match options.trim_matches('"') {
            "relative target" => command().cache("id", "cache", "shared"),
            "unknown sharing" => command().cache("id", "/cache", "sometimes"),
            "empty command" => drop(Command::new(base, &[])),
            "unknown format" => Files::new(base).unpack(&artifact(), "rar", "/"),
            "bad digest" => drop(Artifact::new("https://example.org/x", "ABC", None)),
            "bad address" => drop(Artifact::new("file:///etc/passwd", &"0".repeat(64), None)),
            "bad variable" => drop(base.env("A=B", "")),
            "relative path" => Files::new(base).put("etc/hosts", b""),
            "remove root" => Files::new(base).remove("//"),
            "bad device" => command().device("gpu"),
            "bad network" => command().network("some"),
            "bad platform" => drop(State::scratch_for("linux/none")),
            "no pattern" => Files::new(base).context(&[], "/"),
            other => panic!("no fault called {other}"),
        }
        Ok(base.env("REACHED", "the end"))
    }
}

guest!(
    Guest,
    r#"{"format":1,"name":"breaks-the-contract","version":"1.0.0","kinds":[{"name":"breaks-the-contract","schema":true}]}"#
);
