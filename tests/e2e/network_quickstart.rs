// SPDX-License-Identifier: Apache-2.0
//! The main job: the quickstart, from its definition to a running program, judged by other tools.

use wythe_tests::{Bench, debian, is_installed, run, top};

fn quickstart() -> Bench {
    let bench = Bench::shared();
    let source = top().join("examples/quickstart");
    let copied = std::process::Command::new("cp").arg("-a").arg(source.join(".")).arg(bench.dir()).status().unwrap();
    assert!(copied.success());
    let text = std::fs::read_to_string(source.join("wythe.toml")).unwrap();
    let plain = "base = { kind = \"debian-slim\", release = \"bookworm\", python = \"3.11\" }\n";
    assert!(text.contains(plain), "the quickstart's base has changed");
    bench.file("wythe.toml", &text.replace(plain, &debian(", python = \"3.11\"")));
    bench
}

#[test]
fn network_the_quickstart_builds_runs_and_is_accepted() {
    let bench = quickstart();
    let first = bench.wythe(&["build", "-t", "quickstart"]);
    let digest = first.stdout().trim().to_owned();

    let output = bench.wythe(&["run", "quickstart"]).stdout();
    assert!(output.starts_with("python 3.11"), "{output}");
    assert!(output.contains("1,000,000 points lie on y = 3.00 x + 1.00"), "{output}");

    let again = bench.wythe(&["build", "-t", "quickstart", "--locked"]);
    assert!(again.stderr.contains("unchanged quickstart:latest"), "{}", again.stderr);
    assert_eq!(again.stdout().trim(), digest);

    let lock = std::fs::read_to_string(bench.dir().join("wythe.lock")).unwrap();
    for word in ["numpy", "humanize", "git", "sha256"] {
        assert!(lock.contains(word), "{word} is not in the lock");
    }

    let inside = |command: &str| bench.wythe(&["run", "--entrypoint", "/bin/sh", "quickstart", "--", "-c", command]);
    inside("apt-get check && dpkg --audit && pip check && git --version && test \"$(dpkg --audit)\" = ''").stdout();
    let left = inside(
        "find /var/lib/apt/lists /var/log/apt /root/.cache /var/cache/apt/archives /run/wythe -type f 2>/dev/null; true",
    );
    let lent = "/run/wythe/ca-certificates.crt\n";
    assert_eq!(left.stdout().replace(lent, ""), "", "a package tool left something behind");

    if is_installed("umoci") {
        let layout = bench.dir().join("layout").display().to_string();
        let bundle = bench.dir().join("bundle").display().to_string();
        bench.wythe(&["save", "quickstart", "--format", "oci-dir", "-o", &layout]).stdout();
        run("umoci", &["unpack", "--image", &format!("{layout}:latest"), &bundle]).stdout();
        let root = format!("{bundle}/rootfs");
        let version =
            run("chroot", &[&root, "python", "-c", "import numpy, humanize; print(numpy.__version__)"]).stdout();
        assert!(version.trim().split('.').count() == 3, "{version}");
        assert_eq!(run("chroot", &[&root, "dpkg", "--audit"]).stdout(), "");
    }
}

#[test]
fn network_packages_that_do_not_exist() {
    let bench = Bench::shared();
    for (kind, name) in [
        ("apt", "no-such-package-at-all"),
        ("pip", "no-such-package-at-all-wythe"),
        ("uv", "no-such-package-at-all-wythe"),
    ] {
        bench.definition(&format!(
            "{}[[steps]]\nkind = \"{kind}\"\npackages = [\"{name}\"]\n",
            debian(", python = \"3.11\"")
        ));
        let ended = bench.wythe(&["build"]);
        assert_eq!(ended.code, Some(1), "{kind}: {}", ended.stderr);
        assert!(ended.stderr.contains(name) && ended.stderr.contains("wythe.toml:5:"), "{kind}: {}", ended.stderr);
    }
}

#[test]
fn network_a_python_that_the_release_does_not_have() {
    let bench = Bench::shared();
    bench.definition(&debian(", python = \"3.99\""));
    let ended = bench.wythe(&["build"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("3.99") && ended.stderr.contains("3.11"), "{}", ended.stderr);
}

#[test]
fn network_a_package_that_is_not_what_the_lock_promises() {
    let bench = Bench::shared();
    bench.definition(&debian(""));
    bench.wythe(&["build"]).stdout();
    let lock = std::fs::read_to_string(bench.dir().join("wythe.lock")).unwrap();
    let at = lock.find("\"packages\"").unwrap();
    let start = at + lock[at..].find("\"sha256\": \"").unwrap() + "\"sha256\": \"".len();
    let forged = format!("{}{}{}", &lock[..start], "0".repeat(64), &lock[start + 64..]);
    bench.file("wythe.lock", &forged);
    let ended = bench.wythe(&["build", "--locked"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(5), ""), "{}", ended.stderr);
    for word in ["step `base`", "is not what the lock promised", "the download was discarded", "wythe.toml:2:"] {
        assert!(ended.stderr.contains(word), "{word:?} is missing:\n{}", ended.stderr);
    }
    assert_eq!(std::fs::read_to_string(bench.dir().join("wythe.lock")).unwrap(), forged, "`--locked` wrote the lock");
}
