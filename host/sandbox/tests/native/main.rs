// SPDX-License-Identifier: Apache-2.0
//! The suite of all drivers. It runs with the native one as whoever runs it, once more as an ordinary user if that is root, and
//! both again with each OCI runtime that is installed.
//!
//! This binary is three things: the suite, the program that the driver executes again, and (copied into the root file
//! system of a run) the program that looks around from inside.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::exit,
    clippy::disallowed_methods,
    reason = "a test program"
)]

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use wythe_sys::userns::{Standing, standing};

mod confinement;
mod files;
mod insecure;
mod inside;
mod life;
mod limits;
mod output;
mod rlimits;
mod rootless;
mod runtimes;
mod secrets;
mod support;
mod terminal;
mod users;

/// Set in the environment of a suite that is to enter a user namespace first.
const ENTER: &str = "WYTHE_TEST_ENTER";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some(wythe_sandbox::INIT_ARGUMENT) => return wythe_sandbox::init_main(),
        Some(inside::ARGUMENT) => return inside::main(arguments),
        Some(terminal::ARGUMENT) => return terminal::main(arguments),
        _ => {}
    }
    if std::env::var_os(ENTER).is_some() && standing() == Standing::Ordinary {
        let Err(error) = wythe_sys::userns::enter();
        eprintln!("{error}: {:?}", std::error::Error::source(&error));
        return ExitCode::FAILURE;
    }
    let arguments = Arguments::from_args();
    libtest_mimic::run(&arguments, trials()).exit_code()
}

fn trials() -> Vec<Trial> {
    let mut trials = vec![];
    let mut add = |(name, test): (&'static str, fn())| {
        trials.push(Trial::test(name, move || {
            test();
            Ok::<(), Failed>(())
        }));
    };
    if standing() == Standing::Ordinary {
        eprintln!("skipped as an ordinary user: set {ENTER}=1 to run the suite in a user namespace");
        return trials;
    }
    let suites = [
        output::TESTS,
        life::TESTS,
        users::TESTS,
        confinement::TESTS,
        files::TESTS,
        insecure::TESTS,
        limits::TESTS,
        rlimits::TESTS,
        secrets::TESTS,
        terminal::TESTS,
    ];
    for suite in suites {
        suite.iter().copied().for_each(&mut add);
    }
    if standing() == Standing::Root {
        let again = [rootless::TESTS, runtimes::TESTS];
        // Once more is enough.
        again.into_iter().filter(|_| support::runtime().is_none()).flatten().copied().for_each(&mut add);
    }
    trials
}

/// The names of test functions with the functions.
#[macro_export]
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        pub(crate) const TESTS: &[(&str, fn())] = &[$((concat!(module_path!(), "::", stringify!($name)), $name)),*];
    };
}
