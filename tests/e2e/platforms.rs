// SPDX-License-Identifier: Apache-2.0
//! Images for another platform than the machine's: without its commands anywhere, with them where an emulator is registered.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use wythe_tests::{Bench, Ended, can_become_ordinary, runs_programs_of};

use crate::dockerfile::{busybox, inspect};

/// The platform of the machine.
const HERE: &str = if cfg!(target_arch = "x86_64") { "linux/amd64" } else { "linux/arm64" };

/// One that no machine has on which wythe runs.
const OTHER: &str = "linux/riscv64";

/// A program of that platform: `exit(unshare(CLONE_NEWUSER) == 0 ? 0 : errno)`.
const PROGRAM: [u32; 6] = [0x1000_0537, 0x0610_0893, 0x0000_0073, 0x40a0_0533, 0x05d0_0893, 0x0000_0073];

/// One that ends with 0.
const NOTHING: [u32; 3] = [0x0000_0513, 0x05d0_0893, 0x0000_0073];

/// Writes a program of [`OTHER`]: an ELF file whose only segment is all of it.
fn program(bench: &Bench, name: &str, code: &[u32]) {
    let halves = |values: &[u16]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>();
    let longs = |values: &[u64]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>();
    let length = 120 + 4 * code.len() as u64;
    let parts = [
        b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec(),
        halves(&[2, 243, 1, 0]),
        longs(&[0x40_0078, 64, 0]),
        halves(&[0, 0, 64, 56, 1, 0, 0, 0]),
        halves(&[1, 0, 5, 0]),
        longs(&[0, 0x40_0000, 0x40_0000, length, length, 0x1_0000]),
        code.iter().flat_map(|word| word.to_le_bytes()).collect(),
    ];
    fs::write(bench.dir().join(name), parts.concat()).unwrap();
}

/// Builds for [`OTHER`] on a machine whose kernel shows these formats.
fn build_with_formats(bench: &Bench, formats: &[(&str, &str)], arguments: &[&str]) -> Ended {
    let dir = bench.dir().join("formats");
    let _absent = fs::remove_dir_all(&dir);
    fs::create_dir(&dir).unwrap();
    formats.iter().chain(&[("status", "enabled\n"), ("register", "")]).for_each(|(name, text)| {
        fs::write(dir.join(name), text).unwrap();
    });
    let arguments = [&["build", "--platform", OTHER], arguments].concat();
    bench.command(&arguments).env("WYTHE_BINFMT_DIR", dir).output().unwrap().into()
}

fn architecture(bench: &Bench, name: &str) -> (String, Option<String>) {
    let config = inspect(bench, name)["config"].take();
    let text = |key: &str| config[key].as_str().map(str::to_owned);
    (text("architecture").unwrap(), text("variant"))
}

#[test]
fn what_runs_nothing_is_built_for_any_platform() {
    let bench = Bench::new();
    bench.file("a.txt", "a").file("Dockerfile", "FROM scratch\nARG TARGETARCH TARGETVARIANT BUILDPLATFORM\nCOPY a.txt /\nENV FOR=$TARGETARCH$TARGETVARIANT ON=$BUILDPLATFORM\n");
    for (platform, (name, variant)) in [
        ("linux/riscv64", ("riscv64", None)),
        ("aarch64", ("arm64", None)),
        ("linux/arm64/v8", ("arm64", None)),
        ("linux/arm", ("arm", Some("v7"))),
        ("linux/arm/v6", ("arm", Some("v6"))),
    ] {
        let arguments = ["build", "--platform", platform, "-t", "made"];
        let ended: Ended = bench.command(&arguments).env("WYTHE_BINFMT_DIR", "/nowhere").output().unwrap().into();
        ended.stdout();
        assert_eq!(architecture(&bench, "made"), (name.to_owned(), variant.map(str::to_owned)), "{platform}");
        let env = inspect(&bench, "made")["config"]["config"]["Env"].take();
        let expected = [format!("FOR={name}{}", variant.unwrap_or_default()), format!("ON={HERE}")];
        assert_eq!(env.as_array().unwrap()[1..], expected.map(Value::from));
    }
    bench.wythe(&["build", "--platform", "local", "-t", "here"]).stdout();
    assert_eq!(format!("linux/{}", architecture(&bench, "here").0), HERE);
}

#[test]
fn a_definition_says_which_platform_each_image_is_for() {
    let bench = Bench::new();
    bench.definition(
        "[images.one]\nbase = \"scratch\"\nplatform = \"linux/riscv64\"\n[images.two]\nbase = \"scratch\"\nplatform = \"aarch64\"\n\
         [images.three]\nbase = \"scratch\"\n",
    );
    bench.wythe(&["build"]).stdout();
    let found = ["one", "two", "three"].map(|name| format!("linux/{}", architecture(&bench, name).0));
    assert_eq!(found, ["linux/riscv64", "linux/arm64", HERE]);
    bench.wythe(&["build", "--platform", "s390x", "--image", "two"]).stdout();
    assert_eq!(architecture(&bench, "two").0, "s390x", "the command line wins");
}

#[test]
fn what_is_no_platform_is_refused() {
    let bench = Bench::new();
    bench.file("Dockerfile", "FROM scratch\nLABEL a=b\n");
    for (platform, says) in [
        ("linux/amd64,linux/arm64", "several platforms"),
        ("windows/amd64", "for another system"),
        ("linux/arm46", "an architecture that is not known"),
        ("amd64 please", "is not a platform"),
    ] {
        let ended = bench.wythe(&["build", "--platform", platform]);
        assert_eq!(ended.code, Some(2), "{platform}");
        assert!(ended.stderr.contains(says), "{platform}: {}", ended.stderr);
    }
    bench.file("Dockerfile", "FROM --platform=windows/amd64 scratch\n");
    let ended = bench.wythe(&["build"]);
    assert!(ended.code == Some(1) && ended.stderr.contains("Dockerfile:1:6"), "{}", ended.stderr);
}

#[test]
fn a_command_without_an_emulator_is_an_error_at_its_line() {
    let bench = Bench::new();
    program(&bench, "program", &NOTHING);
    bench.file("Dockerfile", "FROM scratch\nCOPY --chmod=755 program /\nRUN [\"/program\"]\n");
    let format = "enabled\ninterpreter /usr/bin/qemu-riscv64\nflags: OCF\noffset 0\n\
         magic 7f454c460201010000000000000000000200f300\nmask ffffffffffffff00fffffffffffffffffeffffff\n";
    let (off, loose) = (format.replace("enabled", "disabled"), format.replace("OCF", "OC"));
    for (formats, says) in [
        ([].as_slice(), ["no emulator of it is registered", "qemu-user-static", "tonistiigi/binfmt --install riscv64"]),
        (&[("riscv", &*off)], ["as `riscv` is switched off", "binfmt_misc/riscv", "echo 1"]),
        (&[("riscv", &*loose)], ["has not the flag `F`", "/usr/bin/qemu-riscv64", "qemu-user-static"]),
    ] {
        let ended = build_with_formats(&bench, formats, &[]);
        assert_eq!(ended.code, Some(5), "{}", ended.stderr);
        let place = "Dockerfile:3:1".to_owned();
        let what = format!("is for {OTHER}, and this machine is {HERE}");
        for words in says.iter().copied().chain([&*place, &*what]) {
            assert!(ended.stderr.contains(words), "{words:?} is missing:\n{}", ended.stderr);
        }
    }
    // It is told before anything runs, and is no error while nothing of that platform has to run.
    bench.file(
        "late/Dockerfile",
        "FROM scratch AS a\nCOPY Dockerfile /a\nFROM a\nRUN [\"/program\"]\nFROM a\nCOPY --from=1 / /\n",
    );
    let ended = build_with_formats(&bench, &[], &["late"]);
    let lines: Vec<&str> = ended.stderr.lines().collect();
    let at = |words: &str| {
        lines.iter().position(|line| line.contains(words)).unwrap_or_else(|| panic!("{words}: {lines:?}"))
    };
    assert!(at(&format!("commands for {OTHER} cannot be run on this machine")) < at("COPY Dockerfile /a"), "{lines:?}");
    let ended = build_with_formats(&bench, &[], &["late", "--target", "a"]);
    assert!(ended.code == Some(0) && !ended.stderr.contains("cannot be run"), "{}", ended.stderr);
    // A step of a definition, and a program of the image, are told the same.
    bench.definition(&format!(
        "base = \"scratch\"\nplatform = \"{OTHER}\"\n[[steps]]\nkind = \"run\"\ncommands = [\"x\"]\n"
    ));
    let ended = build_with_formats(&bench, &[], &[]);
    assert!(ended.code == Some(5) && ended.stderr.contains("step `run`: `x` is for"), "{}", ended.stderr);
    bench.file("only/Dockerfile", "FROM scratch\nCOPY --chmod=755 program /\n");
    fs::copy(bench.dir().join("program"), bench.dir().join("only/program")).unwrap();
    bench.wythe(&["build", "only", "--platform", OTHER, "-t", "other"]).stdout();
    let formats = bench.dir().join("formats");
    let ended: Ended =
        bench.command(&["run", "other", "/program"]).env("WYTHE_BINFMT_DIR", formats).output().unwrap().into();
    assert!(ended.code == Some(5) && ended.stderr.contains("no emulator of it is registered"), "{}", ended.stderr);
}

#[test]
fn stages_of_the_machine_work_for_another_platform() {
    let bench = Bench::new();
    if !busybox(&bench) {
        return;
    }
    bench.file(
        "Dockerfile",
        "FROM --platform=$BUILDPLATFORM busybox:test AS build\nARG TARGETARCH\nRUN echo for $TARGETARCH > /made\n\
         FROM --platform=$BUILDPLATFORM scratch AS pack\nCOPY --from=build / /\nRUN cat /made > /packed\n\
         FROM scratch\nCOPY --from=pack /packed /made\n",
    );
    let ended = build_with_formats(&bench, &[], &["-t", "made", "-o", "out"]);
    ended.stdout();
    assert_eq!(fs::read_to_string(bench.dir().join("out/made")).unwrap(), "for riscv64\n");
    assert_eq!(architecture(&bench, "made").0, "riscv64");
    // The last stage does not have to be for what the build is for.
    bench.file("Dockerfile", "FROM --platform=$BUILDPLATFORM busybox:test\nRUN true\n");
    build_with_formats(&bench, &[], &["-t", "here"]).stdout();
    assert_eq!(format!("linux/{}", architecture(&bench, "here").0), HERE);
}

#[test]
fn a_name_stands_for_an_image_on_each_platform() {
    let bench = Bench::new();
    bench.file("base/Dockerfile", "FROM scratch\nARG TARGETARCH\nENV FOR=$TARGETARCH\n");
    bench.file(
        "Dockerfile",
        "FROM --platform=$BUILDPLATFORM base AS build\nFROM base\nLABEL is=$FOR\nFROM build AS here\nLABEL is=$FOR\n",
    );
    let is = |name: &str| inspect(&bench, name)["config"]["config"]["Labels"]["is"].take();
    bench.wythe(&["build", "base", "-t", "base"]).stdout();
    let ended = bench.wythe(&["build", "--platform", OTHER, "--target", "1"]);
    let says = [
        format!("image `base` of the store is for {HERE}, and {OTHER} is wanted"),
        "Dockerfile:2:6".to_owned(),
        format!("wythe build --platform {OTHER} -t base DIR"),
    ];
    assert!(ended.code == Some(1) && says.iter().all(|words| ended.stderr.contains(words)), "{}", ended.stderr);
    bench.definition("base = { kind = \"image\", reference = \"base\" }\n");
    let ended = bench.wythe(&["build", "--platform", OTHER]);
    assert!(ended.code == Some(1) && ended.stderr.contains(&says[0]), "{}", ended.stderr);
    fs::remove_file(bench.dir().join("wythe.toml")).unwrap();
    bench.wythe(&["build", "base", "--platform", OTHER, "-t", "base"]).stdout();
    bench.wythe(&["build", "--platform", OTHER, "--target", "1", "-t", "made"]).stdout();
    assert_eq!(is("made"), "riscv64");
    bench.wythe(&["build", "--platform", OTHER, "-t", "made:here"]).stdout();
    assert_eq!(is("made:here"), HERE["linux/".len()..]);
    let names = bench.wythe(&["images"]).stdout();
    assert!(names.contains("base:latest ") && names.contains(&format!("base:latest@{HERE} ")), "{names}");
    assert_eq!(format!("linux/{}", architecture(&bench, &format!("base@{HERE}")).0), HERE);
    assert_eq!(architecture(&bench, &format!("base@{OTHER}")).0, "riscv64");
    bench.wythe(&["rm", "base"]).stdout();
    assert!(!bench.wythe(&["images"]).stdout().contains("base:latest"));
}

/// Puts the images of names into one layout, as an index of their platforms.
fn layout_of(bench: &Bench, names: &[String]) -> String {
    let whole = bench.dir().join("whole");
    let mut entries = Vec::new();
    for name in names {
        let one = bench.dir().join("one");
        let _absent = fs::remove_dir_all(&one);
        bench.wythe(&["save", name, "--format", "oci-dir", "-o", &one.display().to_string()]).stdout();
        let copy = "mkdir -p $2/blobs/sha256; cp $1/oci-layout $2; cp $1/blobs/sha256/* $2/blobs/sha256";
        wythe_tests::run("sh", &["-ec", copy, "sh", &one.display().to_string(), &whole.display().to_string()]).stdout();
        let read = |path: &Path| serde_json::from_str::<Value>(&fs::read_to_string(path).unwrap()).unwrap();
        entries.extend(read(&one.join("index.json"))["manifests"].as_array().unwrap().iter().take(1).cloned());
    }
    let index = json!({"schemaVersion": 2, "manifests": entries});
    fs::write(whole.join("index.json"), index.to_string()).unwrap();
    whole.display().to_string()
}

#[test]
fn a_layout_of_several_platforms_gives_each_stage_its_own() {
    let bench = Bench::new();
    bench.file("base/Dockerfile", "FROM scratch\nARG TARGETARCH\nENV FOR=$TARGETARCH\nCOPY Dockerfile /\n");
    bench.wythe(&["build", "base", "-t", "base"]).stdout();
    bench.wythe(&["build", "base", "--platform", OTHER, "-t", "base"]).stdout();
    let layout = layout_of(&bench, &[format!("base@{HERE}"), "base".to_owned()]);
    bench.file(
        "Dockerfile",
        "FROM --platform=$BUILDPLATFORM both AS build\nENV ON=$FOR\nFROM both\nLABEL is=$FOR\nFROM build AS here\nLABEL is=$FOR\n",
    );
    let context = format!("both=oci-layout://{layout}");
    for (target, is) in [("1", "riscv64"), ("here", &HERE["linux/".len()..])] {
        let arguments = ["build", "--platform", OTHER, "--target", target, "--build-context", &*context, "-t", "made"];
        bench.wythe(&arguments).stdout();
        assert_eq!(inspect(&bench, "made")["config"]["config"]["Labels"]["is"], is);
    }
    // Where the layout has none for what is built, it may still have one for the machine.
    bench.file(
        "Dockerfile",
        "FROM --platform=$BUILDPLATFORM both AS build\nFROM scratch\nCOPY --from=build /Dockerfile /\n",
    );
    bench.wythe(&["build", "--platform", "s390x", "--build-context", &context]).stdout();
    bench.file("Dockerfile", "FROM scratch\nCOPY --from=files a /\n").file("files/a", "a");
    bench.wythe(&["build", "--platform", "s390x", "--build-context", "files=files"]).stdout();
}

#[test]
fn a_lock_has_a_place_for_each_platform() {
    let bench = Bench::new();
    bench.file("base/Dockerfile", "FROM scratch\nARG TARGETARCH V\nENV FOR=$TARGETARCH V=$V\n");
    bench.definition("base = { kind = \"image\", reference = \"base\" }\n");
    let make = |version: &str| {
        for platform in [HERE, OTHER] {
            bench.wythe(&["build", "base", "--platform", platform, "--build-arg", version, "-t", "base"]).stdout();
        }
    };
    let locked = |platform: &str| bench.wythe(&["build", "--locked", "--platform", platform]);
    make("V=1");
    bench.wythe(&["lock", "--platform", HERE]).stdout();
    let ended = locked(OTHER);
    assert!(ended.code == Some(1) && ended.stderr.contains("the lock has no valid entry"), "{}", ended.stderr);
    bench.wythe(&["lock", "--platform", OTHER]).stdout();
    let first = [HERE, OTHER].map(|platform| locked(platform).stdout());
    let text = fs::read_to_string(bench.dir().join("wythe.lock")).unwrap();
    let lock: Value = serde_json::from_str(&text).unwrap();
    assert!(lock["platforms"][OTHER][""]["base"]["images"]["base"].is_string(), "{text}");
    make("V=2");
    assert_eq!([HERE, OTHER].map(|platform| locked(platform).stdout()), first);
    // What is renewed for one platform is renewed for no other.
    let told = bench.wythe(&["lock", "--platform", OTHER, "--upgrade"]).stderr;
    assert!(told.contains(&format!("base ({OTHER}): moved base")), "{told}");
    assert_eq!(locked(HERE).stdout(), first[0]);
    assert_ne!(locked(OTHER).stdout(), first[1]);
}

#[test]
fn emulated_commands_are_run_and_confined() {
    if !runs_programs_of("riscv64") {
        return;
    }
    let bench = Bench::new();
    program(&bench, "nothing", &NOTHING);
    program(&bench, "escape", &PROGRAM);
    bench.file("Dockerfile", "FROM scratch\nCOPY --chmod=755 nothing escape /\nRUN [\"/nothing\"]\n");
    let roots = bench.wythe(&["build", "--platform", OTHER, "-t", "made"]).stdout();
    assert_eq!(bench.wythe(&["run", "made", "--", "/nothing"]).code, Some(0));
    // The filter of this machine's calls stands around the emulator: EPERM.
    assert_eq!(bench.wythe(&["run", "made", "--", "/escape"]).code, Some(1));
    if can_become_ordinary() {
        assert_eq!(bench.wythe_elsewhere(&["build", "--platform", OTHER]).stdout(), roots);
    }
}
