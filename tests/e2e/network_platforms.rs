// SPDX-License-Identifier: Apache-2.0
//! A real system of another platform: needs a Debian mirror, and an emulator.

use wythe_tests::{Bench, can_become_ordinary, debian, runs_programs_of};

/// Another architecture than the machine's that Debian is made for, as Go and as the kernel call it.
const OTHER: [&str; 2] = if cfg!(target_arch = "x86_64") { ["arm64", "aarch64"] } else { ["amd64", "x86_64"] };

#[test]
fn network_debian_for_another_machine_is_bootstrapped_and_runs() {
    let [architecture, machine] = OTHER;
    if !runs_programs_of(architecture) {
        return;
    }
    let bench = Bench::shared();
    let base = debian("");
    bench.definition(&format!(
        "{base}[[steps]]\nkind = \"apt\"\npackages = [\"tree\"]\n\
         [[steps]]\nkind = \"run\"\ncommands = [\"uname -m > /machine; dpkg --print-architecture >> /machine; tree --version\"]\n"
    ));
    let platform = format!("linux/{architecture}");
    bench.wythe(&["build", "--platform", &platform, "-t", "other-machine", "-o", "out"]).stdout();
    let told = std::fs::read_to_string(bench.dir().join("out/machine")).unwrap();
    assert_eq!(told, format!("{machine}\n{architecture}\n"));
    let listed = bench.wythe(&["packages", "other-machine"]).stdout();
    assert!(listed.contains("tree") && listed.contains(architecture), "{listed}");
}

#[test]
fn network_rootless_debian_for_another_machine_has_roots_digest() {
    let [architecture, machine] = OTHER;
    if !can_become_ordinary() || !runs_programs_of(architecture) {
        return;
    }
    let bench = Bench::shared();
    let test = format!("test $(uname -m) = {machine} && id > /who");
    bench.definition(&format!("{}[[steps]]\nkind = \"run\"\ncommands = [\"{test}\"]\n", debian("")));
    let platform = format!("linux/{architecture}");
    let made = bench.wythe(&["build", "--platform", &platform]).stdout();
    // With the lock that lies beside the definition.
    assert_eq!(bench.wythe_elsewhere(&["build", "--locked", "--platform", &platform]).stdout(), made);
}
