// SPDX-License-Identifier: Apache-2.0
//! Every guest of `tests/guests` has a test here: the misbehaving end with an error of their own, and the host lives on.

mod support;

use std::collections::BTreeSet;

use support::{Still, guests_folder, load, low, plan, stem, variables};
use wythe_plan::{PlanError, StepCall, StepPlanner as _, Vertex, VertexId};
use wythe_plugin::{ExtraPlugin, PluginOptions, Plugins};

/// Defines a test for each guest, and the list of all of them.
macro_rules! guests {
    ($($name:ident => $test:expr;)*) => {
        const TESTED: &[&str] = &[$(stringify!($name)),*];
        mod guest {
            use super::*;
            $(#[test]
            fn $name() {
                let test: fn(&str) = $test;
                test(stringify!($name));
            })*
        }
    };
}

guests! {
    plans => |name| {
        let world = Still::default();
        let plugins = load(&[name], low());
        let fragment = plan(&plugins, "plans", "x", &world).expect("a plan");
        assert_eq!(fragment.vertices().len(), 4);
        assert_eq!(fragment.head(), VertexId(3));
        assert!(matches!(fragment.vertex(VertexId(3)), Vertex::Run(run) if run.on == VertexId(2)));
        assert_eq!(fragment.labels()[3].text, "does nothing");
        assert_eq!(world.heard(), ["Note: planning", "Platform"]);
        let again = plan(&load(&[name], low()), "plans", "x", &Still::default()).expect("a plan");
        assert_eq!(fragment.digest(), again.digest());
    };
    asks => super::asks;
    resolves => super::resolves;
    composes => super::composes;
    lists => super::lists;
    lists_strangers => super::lists_strangers;
    reads_the_environment => |name| {
        let fragment = plan(&load(&[name], low()), &kind(name), "", &Still::default()).expect("a plan");
        let found = variables(&fragment);
        assert_eq!(found[0], ("FOUND".to_owned(), "0 0 Some(0)".to_owned()));
        let again = plan(&load(&[name], low()), &kind(name), "", &Still::default()).expect("a plan");
        assert_eq!(found, variables(&again), "hash tables are seeded alike");
    };

    loops => |name| ends(name, "did not finish within 200ms of processor time (limit `cpu-time`)");
    loops_at_start => |name| ends(name, "did not finish within 200ms of processor time (limit `cpu-time`)");
    loops_in_host_calls => |name| {
        // Time in the world does not count, but what is handed to it does.
        let broken = broken(name, "");
        assert!(broken.starts_with("did not finish") || broken.starts_with("handed more"), "{broken}");
    };
    churns_handles => |name| {
        let broken = broken(name, "");
        assert!(broken.starts_with("did not finish") || broken.starts_with("handed more"), "{broken}");
    };
    eats_memory => |name| ends(name, "needs more than 24 MiB of memory (limit `memory`)");
    floods_log => |name| ends(name, "logged more than 64 KiB (limit `log-bytes`)");
    floods_stderr => |name| ends(name, "logged more than 64 KiB (limit `log-bytes`)");
    floods_progress => |name| ends(name, "logged more than 64 KiB (limit `log-bytes`)");
    hoards_handles => |name| ends(name, "holds more than 1000 handles (limit `handles`)");
    plans_too_much => |name| ends(name, "planned more than 500 operations (limit `vertices`)");
    hands_over_too_much => |name| ends(name, "handed more than 1 MiB to the host (limit `call-bytes`)");
    multiplies_a_brush => |name| ends(name, "handed more than 1 MiB to the host (limit `call-bytes`)");
    hands_over_a_giant => |name| {
        let mut limits = low();
        limits.set("memory", "100MiB").expect("a limit");
        let error = plan(&load(&[name], limits), &kind(name), "", &Still::default()).expect_err("too much");
        assert!(matches!(&error, PlanError::Broken { what, .. } if what.contains("too much data")), "{error}");
    };
    swallows_answers => |name| ends(name, "asked for more than 4 MiB of answers (limit `answer-bytes`)");
    recurses_with_frames => |name| ends(name, "touched memory that it does not have, as a full stack does");
    recurses => |name| ends(name, "called itself too deeply (limit `stack`)");

    panics => |name| {
        let PlanError::Broken { what, frames, .. } = fails(name, "") else { panic!("not broken") };
        assert!(what.contains("panicked at panics.rs:11:9:") && what.contains("cannot cope with None"), "{what}");
        assert!(frames.iter().any(|frame| frame.contains("panics.rs:11")), "{frames:?}");
        assert!(!frames.iter().any(|frame| frame.contains("library/")), "{frames:?}");
    };
    panics_politely => |name| {
        let PlanError::Broken { what, .. } = fails(name, "") else { panic!("not broken") };
        assert_eq!(what, "panicked at panics_politely.rs:14:9: it is too \u{fffd}[31mlate");
    };
    aborts => |name| ends(name, "stopped itself without saying why");
    exits => |name| ends(name, "ended its own process instead of returning a plan");
    forges_a_handle => |name| ends_in_rules(name);
    returns_a_dropped_handle => |name| ends_in_rules(name);
    breaks_the_contract => super::breaks_the_contract;
    shows_an_empty_program => |name| {
        let plugins = load(&[name], low());
        let translate = |options: &str| {
            let step = StepCall { kind: &kind(name), options: &options.into(), lock: None };
            plugins.translate(step, false, &[], &Still::default()).expect_err("nothing is translated").to_string()
        };
        let broken = "plugin `shows-an-empty-program` called `recognition.recognise` with a program that has no name";
        assert_eq!(translate(""), broken);
        assert_eq!(translate("harmless"), "Verdict::Other", "a command that has an empty name is only silly");
    };

    looks_at_the_clock => |name| is_refused(name, "wasi:clocks/");
    looks_at_files => |name| is_refused(name, "wasi:");
    opens_a_socket => |name| is_refused(name, "wasi:");

    fetches_ungranted => super::fetches_ungranted;
    fetches_while_planning => |name| ends(name, "called `fetch.get` while planning; only `resolve` may");
    probes_while_planning => |name| ends(name, "called `probe.output` while planning; only `resolve` may");
    locks_nonsense => |name| {
        let plugins = load(&[name], low());
        let step = StepCall { kind: &kind(name), options: &"".into(), lock: None };
        let error = plugins.resolve(step, &Still::default()).expect_err("nonsense");
        assert!(error.to_string().starts_with("plugin `locks-nonsense` returned a lock entry that is not JSON"), "{error}");
    };
    calls_itself_as_a_step => |name| {
        let error = fails(name, "");
        let expected = "steps are made of steps more than 8 deep (limit `depth`)";
        assert!(matches!(&error, PlanError::Failed(why) if why == expected), "{error:?}");
    };
}

#[test]
fn plugins_plan_side_by_side() {
    let plugins = load(&["plans", "loops"], low());
    let digest = plan(&plugins, "plans", "x", &Still::default()).expect("a plan").digest();
    std::thread::scope(|scope| {
        let looping = scope.spawn(|| plan(&plugins, "loops", "", &Still::default()).is_err());
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let fragment = plan(&plugins, "plans", "x", &Still::default()).expect("a plan");
                    assert_eq!(fragment.digest(), digest);
                }
            });
        }
        assert!(looping.join().expect("no panic"));
    });
}

#[test]
fn an_extra_plugin_takes_the_place_of_a_bundled_one_and_of_no_other() {
    let plans = || ExtraPlugin::from(support::guest("plans"));
    let options = |extra| PluginOptions { extra, no_bundled: true, ..PluginOptions::default() };
    let error = Plugins::load(options(vec![plans(), plans()])).expect_err("twice");
    assert_eq!(error.to_string(), "the kind `plans` of plugin `plans` is already provided by `plans`");

    let limits = wythe_plugin::Limits { component_bytes: 1000, ..low() };
    let error = Plugins::load(PluginOptions { limits, ..options(vec![plans()]) }).expect_err("too large");
    let source = std::error::Error::source(&error).expect("a reason").to_string();
    assert!(source.ends_with("and 1000 are allowed (limit `component-bytes`)"), "{source}");

    for (code, expected) in [
        (&b"\0asm\x01\0\0\0"[..], "it is a WebAssembly core module and not a component"),
        (&b"\0asm\x0d\0\x01\0"[..], "it has no `wythe:plugin` section, so it is not a plugin of wythe"),
        (&b"#!/bin/sh"[..], "it is not a valid WebAssembly component"),
        (&b""[..], "it is not a valid WebAssembly component"),
    ] {
        let error = Plugins::load(options(vec![ExtraPlugin::from(code.to_vec())])).expect_err(expected);
        assert_eq!(std::error::Error::source(&error).expect("a reason").to_string(), expected);
    }
}

#[test]
fn a_mutilated_component_is_an_error_and_nothing_worse() {
    let code = support::guest("asks");
    // A step that is no power of two meets all kinds of section and all places in them.
    for place in (0..code.len()).step_by(code.len() / 97) {
        let mut mutilated = code.clone();
        mutilated[place] ^= 0x55;
        let extra = vec![ExtraPlugin::from(mutilated)];
        let options = PluginOptions { extra, limits: low(), no_bundled: true, ..PluginOptions::default() };
        // Debug sections can be changed without harm; everything else must be refused or plan within its limits.
        if let Ok(plugins) = Plugins::load(options) {
            assert!(plugins.kinds().len() <= 1);
        }
    }
}

#[test]
fn every_guest_is_tested() {
    let files = std::fs::read_dir(guests_folder()).expect("the folder");
    let sources =
        files.map(|file| file.expect("an entry").path()).filter(|path| path.extension() == Some("rs".as_ref()));
    let sources: BTreeSet<String> = sources.map(|path| stem(&path)).filter(|name| name != "lib").collect();
    assert_eq!(sources, TESTED.iter().map(|name| (*name).to_owned()).collect());
}

/// A guest's name and kind: its file's name in the spelling of kinds.
fn kind(name: &str) -> String {
    name.replace('_', "-")
}

/// Plans with a guest that must fail; afterwards the same host plans with another guest as if nothing had been.
fn fails(name: &str, options: &str) -> PlanError {
    let plugins = load(&[name, "plans"], low());
    plugins.compile(&kind(name)).expect("it compiles");
    let error = plan(&plugins, &kind(name), options, &Still::default()).expect_err(name);
    plan(&plugins, "plans", "x", &Still::default()).expect("the host is alive");
    error
}

fn broken(name: &str, options: &str) -> String {
    match fails(name, options) {
        PlanError::Broken { plugin, what, .. } => {
            assert_eq!(plugin, kind(name));
            what
        }
        other => panic!("{name} ended in another way: {other:?}"),
    }
}

fn ends(name: &str, expected: &str) {
    assert_eq!(broken(name, ""), expected);
}

fn ends_in_rules(name: &str) {
    let what = broken(name, "");
    assert!(what.starts_with("broke the rules of the interface: "), "{what}");
}

/// Checks that a guest is refused when it is loaded, and that the import is named.
fn is_refused(name: &str, import: &str) {
    let extra = vec![ExtraPlugin::from(support::guest(name))];
    let error = Plugins::load(PluginOptions { extra, no_bundled: true, ..PluginOptions::default() }).expect_err(name);
    let source = std::error::Error::source(&error).expect("a reason").to_string();
    assert!(
        source.starts_with(&format!("it imports `{import}")) && source.contains("which no plugin gets"),
        "{source}"
    );
}

fn asks(name: &str) {
    let world = Still::default();
    let plugins = load(&[name], low());
    let fragment = plan(&plugins, "asks", "x", &world).expect("a plan");
    let only =
        "only the state that a step is given can be looked at; this one is described by the plan and not built yet";
    let expected = [
        ("ASKED", "yes".to_owned()),
        ("OPTIONS", "\"x\"".to_owned()),
        ("PLATFORM", "linux/amd64".to_owned()),
        ("MACHINE", "linux/amd64".to_owned()),
        ("BUILDER", "2026.11".to_owned()),
        ("EPOCH", "1700000000".to_owned()),
        ("ARG", "Some(\"value\") None".to_owned()),
        ("READ", format!("Ok({:?}) Err(\"`missing` is missing\")", b"bytes")),
        ("EXISTS", "true false".to_owned()),
        ("GLOB", "a b/c".to_owned()),
        ("CONFIG", "Ok(\"{}\")".to_owned()),
        ("FILE", format!("Ok({:?})", b"ID=debian")),
        ("THERE", "Ok(true) Ok(false)".to_owned()),
        ("WHICH", "Ok(Some(\"/usr/bin/python3\")) Ok(None)".to_owned()),
        ("NAMES", format!("Ok({:?})", ["/etc/a", "/etc/b"])),
        ("OTHER", format!("Err({only:?})")),
        ("ELSEWHERE", "Ok(\"found\")".to_owned()),
        ("IMAGE", "Ok(\"found\") Err(\"no such image\")".to_owned()),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value));
    let set: Vec<_> = variables(&fragment).into_iter().filter(|(name, _)| name != "A").collect();
    assert_eq!(set, expected);
    let pinned = "registry.example/debian:12@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert!(fragment.vertices().contains(&Vertex::Image { reference: pinned.to_owned() }));
    let riscv = "linux/riscv64".parse().expect("a platform");
    assert!(fragment.vertices().contains(&Vertex::ScratchFor { platform: riscv }));
    assert!(world.heard().contains(&"Image(\"registry.example/debian:12@linux/arm64\")".to_owned()));
    assert_eq!(world.heard().len(), 21, "{:?}", world.heard());

    let early = Still { is_too_early: true, ..Still::default() };
    assert!(matches!(plan(&plugins, "asks", "x", &early), Err(PlanError::NotYet)));

    let none = serde_json::json!({});
    let declined = plugins.plan(StepCall { kind: "asks", options: &none, lock: None }, &world);
    let Err(PlanError::Declined(problems)) = declined else { panic!("not declined: {declined:?}") };
    assert_eq!(problems.len(), 2);
    assert_eq!((problems[0].path.as_str(), problems[0].message.as_str()), ("/name", "is missing"));
    assert_eq!(problems[0].hint.as_deref(), Some("say \u{fffd}more"));
}

fn resolves(name: &str) {
    let plugins = load(&[name], low());
    let world = Still::default();
    let options = serde_json::json!({ "a": 1 });
    let entry =
        plugins.resolve(StepCall { kind: "resolves", options: &options, lock: None }, &world).expect("an entry");
    assert_eq!(entry, r#"{"index":"1.2.3","tool":"would install tool 1.2.3"}"#);
    let heard = world.heard();
    assert_eq!(heard[0], "fetch https://index.granted.example/latest");
    assert!(
        heard[1].starts_with("probe Run(Run { on: VertexId(1), command: Argv([\"tool\", \"--dry-run\"])"),
        "{heard:?}"
    );

    let fragment =
        plugins.plan(StepCall { kind: "resolves-too", options: &options, lock: None }, &world).expect("a plan");
    let expected = [("OPTIONS".to_owned(), r#"{"a":1,"kind":"resolves-too"}"#.to_owned())];
    assert_eq!(variables(&fragment), expected, "a plugin of several kinds is told which one is meant");

    let unresolved = plugins.resolve(StepCall { kind: "resolves-too", options: &options, lock: None }, &world);
    assert!(
        matches!(unresolved, Err(PlanError::Failed(why)) if why == "the kind `resolves-too` has nothing to resolve")
    );
}

fn composes(name: &str) {
    let plugins = load(&[name, "asks", "plans"], low());
    let world = Still::default();
    let fragment = plan(&plugins, name, "plans", &world).expect("a plan");
    let set = variables(&fragment);
    let of = |wanted: &str| {
        set.iter().filter(|(name, _)| name == wanted).map(|(_, value)| value.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(of("OPTIONS"), ["\"first\"", "\"second\""]);
    let described = "Err(\"the state that this step is given is described by a plan and not built yet\")";
    assert_eq!(of("CONFIG"), ["Ok(\"{}\")", described], "only the first stands on a state that can be looked at");
    assert!(matches!(fragment.vertex(fragment.head()), Vertex::Run(_)));

    let error = plan(&plugins, name, "asks", &world).expect_err("declined");
    assert!(matches!(error, PlanError::Declined(problems) if problems[0].message == "is missing"));
    let error = plan(&plugins, name, "workdir", &world).expect_err("options that the schema refuses");
    assert!(matches!(error, PlanError::Declined(_)), "{error:?}");
    let error = plan(&plugins, name, "nothing", &world).expect_err("unknown");
    assert!(matches!(error, PlanError::Failed(why) if why == "there is no step kind `nothing`"));
}

fn lists(name: &str) {
    let plugins = load(&[name, "lists_strangers"], low());
    // The other one lists packages of a type that already has an answerer.
    let [inventory] = plugins.inventories() else { panic!("{:?}", plugins.inventories()) };
    assert_eq!((inventory.plugin.as_str(), &inventory.types[..]), ("lists", &["alpha".into(), "beta".into()][..]));
    let world = Still::default();
    let packages = plugins.packages(inventory, &world).expect("a list");
    let purls: Vec<String> = packages.iter().map(wythe_plan::Package::purl).collect();
    assert_eq!(purls, ["pkg:alpha/debian/a@1?arch=amd64", "pkg:alpha/debian/b@1?arch=amd64", "pkg:beta/c@1"]);
    assert_eq!(packages[0].properties["location"], "/etc/a\u{fffd}");
    assert_eq!(world.heard(), ["BaseRead(\"/etc/os-release\")", "BaseGlob(\"/etc/*\")"]);
}

fn lists_strangers(name: &str) {
    let plugins = load(&[name], low());
    for (fault, expected) in [
        ("another type", "listed a package with the type `gamma`, which its metadata does not announce"),
        ("no name", "listed a package with an empty name"),
        ("bad qualifier", "listed a package with the qualifier `a b`, which is no key of a package URL"),
        ("long property", "listed a package with a `license` of more than 64 KiB"),
        ("asks about a build", "asked about the build while listing packages, when there is none"),
        ("fetches", "called `fetch.get` while listing packages; only `resolve` may"),
    ] {
        let world = Still { fault: fault.to_owned(), ..Still::default() };
        let error = plugins.packages(&plugins.inventories()[0], &world).expect_err(fault);
        assert!(matches!(&error, PlanError::Broken { what, .. } if what == expected), "{fault}: {error}");
    }
    let error = plugins.packages(&plugins.inventories()[0], &Still::default()).expect_err("it says no");
    assert!(matches!(&error, PlanError::Failed(why) if why == "it is "), "{error}");
}

fn fetches_ungranted(name: &str) {
    let plugins = load(&[name], low());
    let world = Still::default();
    let resolve = |url: &str| plugins.resolve(StepCall { kind: &kind(name), options: &url.into(), lock: None }, &world);
    assert_eq!(resolve("https://a.granted.example/x").expect("granted"), "5");
    for url in ["https://evil.example/", "https://granted.example/", "https://a.granted.example@evil.example/"] {
        let error = resolve(url).expect_err(url);
        let PlanError::Refused { what, hint, .. } = &error else { panic!("{url}: {error:?}") };
        let host = if url.contains("evil") { "evil.example" } else { "granted.example" };
        assert_eq!(
            *what,
            format!("wants to fetch from `{host}`, which it was not granted (it was granted: *.granted.example)")
        );
        assert_eq!(*hint, format!("add `{host}` to the hosts of the plugin"));
    }
    assert_eq!(world.heard(), ["fetch https://a.granted.example/x"]);
}

fn breaks_the_contract(name: &str) {
    for (fault, expected) in [
        ("relative target", "called `command.cache` with the target `cache`, which is not absolute"),
        (
            "unknown sharing",
            "called `command.cache` with the sharing `sometimes`, which is none of shared, private, locked",
        ),
        ("empty command", "called `command` with an empty command"),
        (
            "unknown format",
            "called `files.unpack` with the format `rar`, which is none of tar, zip, deb-data, deb-control",
        ),
        ("bad digest", "called `artifact` with the digest `ABC`, which is not 64 lower-case hexadecimal digits"),
        (
            "bad address",
            "called `artifact` with the address `file:///etc/passwd`, which is neither https:// nor http://",
        ),
        ("bad platform", "called `state.scratch-for` with the platform `linux/none`, which is none"),
        ("bad variable", "called `state.env` with the variable `A=B`, which has a `=` in it"),
        ("relative path", "called `files.put` with the path `etc/hosts`, which is not absolute"),
        ("remove root", "called `files.remove` with the path `//`, which is the root"),
        ("bad device", "called `command.device` with the device `gpu`, which is not of the form vendor/class=name"),
        ("bad network", "called `command.network` with the mode `some`, which is neither host nor none"),
        ("no pattern", "called `files.context` with no pattern"),
    ] {
        assert_eq!(broken(name, fault), expected, "{fault}");
    }
}
