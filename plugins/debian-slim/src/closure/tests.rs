// SPDX-License-Identifier: Apache-2.0
use super::*;

/// Makes an index of `name version; Field: value; …` lines.
fn index(lines: &[&str]) -> Index {
    let mut text = String::new();
    for line in lines {
        let mut parts = line.split(';').map(str::trim);
        let (name, version) = parts.next().unwrap().split_once(' ').unwrap();
        text.push_str(&format!("Package: {name}\nVersion: {version}\nArchitecture: amd64\n"));
        parts.for_each(|field| text.push_str(&format!("{field}\n")));
        text.push('\n');
    }
    let mut index = Index::default();
    index.read(text.as_bytes(), 0, "amd64").unwrap();
    index
}

fn solve(lines: &[&str], wanted: &[&str]) -> Result<Vec<String>, String> {
    let index = index(lines);
    closure(&index, wanted, &Locked::new())
        .map(|set| set.values().map(|package| format!("{} {}", package.name(), package.version())).collect())
        .map_err(|error| error.to_string())
}

#[test]
fn dependencies_are_followed_also_in_cycles() {
    let lines =
        ["libc6 2; Depends: libgcc", "libgcc 12; Depends: libc6 (>= 2)", "bash 5; Pre-Depends: libc6", "other 1"];
    assert_eq!(solve(&lines, &["bash"]).unwrap(), ["bash 5", "libc6 2", "libgcc 12"]);
}

#[test]
fn an_alternative_that_is_there_wins_over_the_first() {
    let lines = [
        "init 1; Depends: usrmerge | usr-is-merged, later",
        "usrmerge 1; Depends: perl",
        "usr-is-merged 1",
        "perl 5",
        "later 1; Depends: usr-is-merged",
    ];
    assert_eq!(solve(&lines, &["init"]).unwrap(), ["init 1", "later 1", "usr-is-merged 1"]);
}

#[test]
fn a_package_that_another_provides_is_not_added() {
    let lines = ["app 1; Depends: lsb-base (>= 3), tools", "lsb-base 11", "tools 3; Provides: lsb-base (= 11.1)"];
    assert_eq!(solve(&lines, &["app"]).unwrap(), ["app 1", "tools 3"]);
}

#[test]
fn without_one_the_first_that_can_be_had_is_taken() {
    let lines = ["init 1; Depends: gone | old (>= 2) | first | second", "old 1", "first 1", "second 1"];
    assert_eq!(solve(&lines, &["init"]).unwrap(), ["first 1", "init 1"]);
}

#[test]
fn a_virtual_package_is_provided_by_the_most_important() {
    let lines = [
        "base 1; Depends: awk",
        "gawk 5; Provides: awk; Priority: optional",
        "mawk 1; Provides: awk; Priority: required",
        "original-awk 1; Provides: awk; Priority: optional",
    ];
    assert_eq!(solve(&lines, &["base"]).unwrap(), ["base 1", "mawk 1"]);
    assert_eq!(solve(&lines, &["base", "gawk"]).unwrap(), ["base 1", "gawk 5"]);
}

#[test]
fn a_versioned_relation_needs_a_versioned_provision() {
    let lines = [
        "app 1; Depends: api (>= 2)",
        "plain 1; Provides: api",
        "old 1; Provides: api (= 1)",
        "new 1; Provides: api (= 3)",
    ];
    assert_eq!(solve(&lines, &["app"]).unwrap(), ["app 1", "new 1"]);
}

#[test]
fn locked_versions_are_kept_while_an_index_has_them() {
    let index = index(&["tool 1", "tool 2", "gone 2"]);
    let locked = Locked::from([("tool", "1"), ("gone", "1")]);
    let set = closure(&index, &["tool", "gone"], &locked).unwrap();
    assert_eq!(set.values().map(|package| package.version()).collect::<Vec<_>>(), ["2", "1"]);
}

#[test]
fn what_cannot_be_is_said() {
    let lines = [
        "app 1; Depends: lib (>= 2) | lib-ng:any",
        "lib 1",
        "one 1; Conflicts: two (<< 2)",
        "two 1",
        "mta-a 1; Provides: mta; Conflicts: mta",
        "mta-b 1; Provides: mta; Conflicts: mta",
        "broken 1; Depends: lib (oops)",
    ];
    let table = [
        (vec!["app"], "`app` needs `lib (>= 2) | lib-ng:any`, which the release does not have"),
        (vec!["nope"], "there is no package `nope`"),
        (vec!["mta"], "`mta` is provided by several packages: mta-a, mta-b"),
        (vec!["one", "two"], "`one` and `two` cannot be together: `one` rules out `two (<< 2)`"),
        (vec!["mta-a", "mta-b"], "`mta-a` and `mta-b` cannot be together: `mta-a` rules out `mta`"),
        (vec!["broken"], "`broken` has the relation `lib (oops)`, which cannot be read"),
    ];
    for (wanted, expected) in table {
        assert_eq!(solve(&lines, &wanted).unwrap_err(), expected);
    }
    assert_eq!(solve(&lines, &["mta-a"]).unwrap(), ["mta-a 1"]);
}

#[test]
fn what_is_said_of_other_architectures_does_not_count() {
    let lines =
        ["one 1; Conflicts: two:i386; Depends: two:any", "two 1; Conflicts: one:x32", "odd 1; Depends: two:i386"];
    assert_eq!(solve(&lines, &["one"]).unwrap(), ["one 1", "two 1"]);
    assert_eq!(solve(&lines, &["odd"]).unwrap_err(), "`odd` needs `two:i386`, which the release does not have");
}

#[test]
fn the_minimal_set_is_what_is_required_and_apt() {
    let index =
        index(&["bash 5; Essential: yes", "tzdata 1; Priority: required", "vim 1; Priority: important", "apt 2"]);
    assert_eq!(minimal(&index), ["apt", "bash", "tzdata"].into());
}

#[test]
fn a_hundred_thousand_alternatives_end() {
    let alternatives = (0..100_000).map(|number| format!("p{number}")).collect::<Vec<_>>().join(" | ");
    let app = format!("app 1; Depends: {alternatives} | last");
    assert_eq!(solve(&[&app, "last 1"], &["app"]).unwrap(), ["app 1", "last 1"]);
}
