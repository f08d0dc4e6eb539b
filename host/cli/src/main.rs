// SPDX-License-Identifier: Apache-2.0
//! The binary `wythe`.

use std::process::ExitCode;

fn main() -> ExitCode {
    wythe_cli::main()
}
