// SPDX-License-Identifier: Apache-2.0
//! Explanations of steps whose plugin reads a file and pins packages: needs a Debian mirror and PyPI.

use wythe_tests::{Bench, debian};

fn definition(bench: &Bench, packages: &str) {
    // The store is shared by tests and runs: a variable that nobody else has makes the step new to it.
    let own = bench.dir().file_name().unwrap().to_string_lossy();
    let step = format!(
        "[[steps]]\nkind = \"uv\"\nrequirements = [\"requirements.txt\"]\n{packages}env = {{ TEST = \"{own}\" }}\n"
    );
    bench.definition(&format!("{}{step}", debian(", python = \"3.11\"")));
}

#[test]
fn a_requirement_is_named_by_its_line_and_its_version() {
    let bench = Bench::shared();
    bench.file("requirements.txt", "# what it needs\nsix==1.16.0\n");
    definition(&bench, "");
    bench.wythe(&["build", "--progress", "quiet"]).stdout();
    let told = |bench: &Bench| {
        bench.wythe(&["build", "--progress", "quiet"]).stdout();
        bench.wythe(&["explain"]).stdout()
    };
    bench.file("requirements.txt", "# what it needs\nsix==1.17.0\n");
    assert_eq!(
        told(&bench),
        "`uv` ran because `requirements.txt` changed (line 2: `six==1.16.0` → `six==1.17.0`) and the lock changed (six \
         1.16.0 → 1.17.0)\n1 step was a hit\n"
    );
    bench.file("requirements.txt", "# what it really needs\nsix==1.17.0\n");
    assert_eq!(told(&bench), "nothing ran: everything was as before\n");
    definition(&bench, "packages = [\"iniconfig==2.0.0\"]\n");
    assert_eq!(
        told(&bench),
        "`uv` ran because option `packages` was set to `[\"iniconfig==2.0.0\"]` and the lock changed (iniconfig 2.0.0 \
         was added)\n1 step was a hit\n"
    );
}
