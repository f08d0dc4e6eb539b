// SPDX-License-Identifier: Apache-2.0
//! Misbehaves where it is asked what is installed: each time in the way that a file of the image names.

use wythe_guests::{Failure, Installed, Misbehave, State, build, fetch, guest, installed};

struct Guest;

impl Misbehave for Guest {
    fn plan(base: &State, _options: String) -> Result<State, Failure> {
        Ok(base.env("A", "1"))
    }

    fn packages(image: &State) -> Result<Vec<Installed>, Failure> {
        let fault = image.read("/fault").map_err(Failure::Failed)?;
        Ok(vec![match String::from_utf8_lossy(&fault).as_ref() {
            "another type" => installed("gamma", "a"),
            "no name" => installed("alpha", ""),
            "bad qualifier" => Installed { qualifiers: vec![("a b".into(), "c".into())], ..installed("alpha", "a") },
            "long property" => {
                Installed { properties: vec![("license".into(), "x".repeat(70_000))], ..installed("alpha", "a") }
            }
            "asks about a build" => installed("alpha", &build::arg("x").unwrap_or_default()),
            "fetches" => installed("alpha", &format!("{:?}", fetch::get("https://a.example/"))),
            other => return Err(Failure::Failed(format!("it is {other}"))),
        }])
    }
}

guest!(
    Guest,
    r#"{"format":1,"name":"lists-strangers","version":"1","kinds":[{"name":"lists-strangers","schema":true}],"inventory":["alpha"]}"#
);
