// SPDX-License-Identifier: Apache-2.0
//! Behaves: lists what a file of the image names, unsorted and one of them twice.

use wythe_guests::{Failure, Installed, Misbehave, State, guest, installed};

struct Guest;

impl Misbehave for Guest {
    fn plan(base: &State, _options: String) -> Result<State, Failure> {
        Ok(base.env("A", "1"))
    }

    fn packages(image: &State) -> Result<Vec<Installed>, Failure> {
        let release = image.read("/etc/os-release").map_err(Failure::Failed)?;
        let namespace = String::from_utf8_lossy(&release).trim_start_matches("ID=").to_owned();
        let names = image.glob("/etc/*").map_err(Failure::Failed)?;
        let first = |name: &String| Installed {
            namespace: namespace.clone(),
            qualifiers: vec![("arch".to_owned(), "amd64".to_owned())],
            properties: vec![("location".to_owned(), format!("{name}\u{7}"))],
            ..installed("alpha", name.trim_start_matches("/etc/"))
        };
        let mut listed: Vec<Installed> = names.iter().rev().map(first).collect();
        listed.extend([installed("beta", "c"), installed("beta", "c")]);
        Ok(listed)
    }
}

guest!(
    Guest,
    r#"{"format":1,"name":"lists","version":"1","kinds":[{"name":"lists","schema":true}],"inventory":["beta","alpha"]}"#
);
