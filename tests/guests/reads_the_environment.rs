// SPDX-License-Identifier: Apache-2.0
//! Looks for arguments, variables and input: there are none, everywhere and always.

use wythe_guests::{Failure, Misbehave, State, guest};

struct Guest;

impl Misbehave for Guest {
    fn plan(base: &State, _options: String) -> Result<State, Failure> {
        let mut input = String::new();
        let read = std::io::Read::read_to_string(&mut std::io::stdin(), &mut input);
        let found = format!("{} {} {:?}", std::env::args().count(), std::env::vars().count(), read.ok());
        let mut seen: std::collections::HashMap<u32, u32> = (0..100).map(|n| (n, n)).collect();
        seen.retain(|n, _| *n != 1);
        let order: Vec<String> = seen.keys().map(u32::to_string).collect();
        Ok(base.env("FOUND", &found).env("ORDER", &order.join(" ")))
    }
}

guest!(
    Guest,
    r#"{"format":1,"name":"reads-the-environment","version":"1.0.0","kinds":[{"name":"reads-the-environment","schema":true}]}"#
);
