// SPDX-License-Identifier: Apache-2.0
//! Shows the recognisers a command one of whose programs has no word, not even a name.

use wythe_guests::commands::{Command, Program};
use wythe_guests::{Definition, Failure, Misbehave, State, guest, recognition};

struct Guest;

impl Misbehave for Guest {
    fn plan(base: &State, _options: String) -> Result<State, Failure> {
        Ok(base.env("A", "1"))
    }

    fn translate(options: String) -> Result<Definition, Failure> {
        let program = |argv: &[&str]| Program {
            env: Vec::new(),
            argv: argv.iter().map(|word| (*word).to_owned()).collect(),
            patterns: Vec::new(),
        };
        let words: &[&str] = if options.contains("harmless") { &[""] } else { &[] };
        let verdict = recognition::recognise(&Command {
            text: "true && ".to_owned(),
            programs: vec![program(&["true"]), program(words)],
            workdir: "/".to_owned(),
            env: Vec::new(),
            caches: Vec::new(),
            copied: Vec::new(),
            earlier: Vec::new(),
        });
        Err(Failure::Failed(format!("{verdict:?}")))
    }
}

guest!(
    Guest,
    r#"{"format":1,"name":"shows-an-empty-program","version":"1","kinds":[{"name":"shows-an-empty-program","schema":true,"base":true,"files":["Nothing"],"translates":true}]}"#
);
