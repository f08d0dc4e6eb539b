// SPDX-License-Identifier: Apache-2.0
//! Commands that do what a step does: `apt-get update && apt-get install -y … && rm -rf /var/lib/apt/lists/*`.

use serde_json::json;
use wythe_sdk::{Commanded, Program, Recogniser, Verdict};

use crate::Apt;

/// Where the tool keeps what it has downloaded: what a cache mount there holds is part of no image.
const CACHES: [&str; 3] = ["/var/cache/apt", "/var/cache/apt/archives", LISTS];
const LISTS: &str = "/var/lib/apt/lists";

/// What may be removed along with the lists: a step leaves none of it.
const REMOVED: [&str; 5] = [
    "/var/lib/apt/lists/*",
    "/var/cache/apt/*",
    "/var/cache/apt/archives/*",
    "/var/cache/apt/archives/*.deb",
    "/var/cache/apt/pkgcache.bin",
];

/// Variables by which packages are told that nobody answers.
const QUIET: [(&str, &str); 2] = [("DEBIAN_FRONTEND", "noninteractive"), ("DEBCONF_NONINTERACTIVE_SEEN", "true")];

impl Recogniser for Apt {
    fn recognise(command: &Commanded) -> Verdict {
        let is_tool = |program: &Program| is_tool(&program.argv[0]);
        if !command.programs.iter().any(is_tool) {
            let mentions = ["apt-get install", "apt install"].iter().any(|words| command.text.contains(words));
            return match mentions && command.programs.is_empty() {
                true => near("a shell does more here than to install packages"),
                false => Verdict::Other,
            };
        }
        match Read::of(command) {
            Ok(read) => read.verdict(command),
            Err(why) => near(&why),
        }
    }
}

fn near(why: &str) -> Verdict {
    Verdict::Near(why.to_owned())
}

fn is_tool(program: &str) -> bool {
    ["apt", "apt-get", "/usr/bin/apt", "/usr/bin/apt-get"].contains(&program)
}

/// What a command line says.
#[derive(Debug, Default)]
struct Read {
    updates: bool,
    packages: Vec<String>,
    recommends: Option<bool>,
    removes_lists: bool,
}

impl Read {
    fn of(command: &Commanded) -> Result<Self, String> {
        let mut read = Self::default();
        for program in &command.programs {
            if let Some((name, value)) = program.env.iter().find(|(name, value)| !QUIET.contains(&(name, value))) {
                return Err(format!("`{name}={value}` has no counterpart in a step"));
            }
            let words: Vec<&str> = program.argv.iter().map(String::as_str).collect();
            match words[..] {
                [tool, ref rest @ ..] if is_tool(tool) => read.tool(tool, rest)?,
                ["rm", ..] => read.rm(program)?,
                [other, ..] => return Err(format!("`{other}` does something else beside it")),
                [] => {}
            }
        }
        Ok(read)
    }

    fn tool(&mut self, tool: &str, words: &[&str]) -> Result<(), String> {
        let verb = words.iter().find(|word| !word.starts_with('-')).copied().unwrap_or_default();
        let mut is_sure = false;
        let mut packages = Vec::new();
        for word in words.iter().copied().filter(|word| *word != verb) {
            match word {
                "-y" | "--yes" | "--assume-yes" | "-qy" | "-yq" | "-qqy" | "-yqq" => is_sure = true,
                "-q" | "-qq" | "--quiet" => {}
                "--no-install-recommends" if verb == "install" => self.recommends = Some(false),
                "--install-recommends" if verb == "install" => self.recommends = Some(true),
                flag if flag.starts_with('-') => return Err(format!("`{tool} {flag}` has no counterpart in a step")),
                name if verb == "install" && is_package(name) => packages.push(name.to_owned()),
                other => return Err(format!("`{tool} {verb} {other}` has no counterpart in a step")),
            }
        }
        match verb {
            "update" if !self.updates && self.packages.is_empty() => self.updates = true,
            "clean" | "autoclean" => {}
            "install" if !self.packages.is_empty() => return Err(format!("`{tool} install` stands there twice")),
            "install" if packages.is_empty() => return Err(format!("`{tool} install` names no package")),
            "install" if !is_sure => return Err(format!("`{tool} install` asks before it installs, without `-y`")),
            "install" => self.packages = packages,
            other => return Err(format!("`{tool} {other}` is done by no step")),
        }
        Ok(())
    }

    fn rm(&mut self, program: &Program) -> Result<(), String> {
        for (place, word) in program.argv.iter().enumerate().skip(1) {
            match word.as_str() {
                "-r" | "-f" | "-rf" | "-fr" => {}
                flag if flag.starts_with('-') => return Err(format!("`rm {flag}` does something else beside it")),
                path if !REMOVED.contains(&path) => {
                    return Err(format!("`rm` removes `{path}` too, which no step does"));
                }
                path if path.contains('*') && !program.is_pattern(place) => {
                    return Err(format!("`{path}` is quoted, so that no shell replaces it and `rm` removes nothing"));
                }
                path => self.removes_lists |= !self.packages.is_empty() && path == REMOVED[0],
            }
        }
        Ok(())
    }

    fn verdict(self, command: &Commanded) -> Verdict {
        let Some(recommends) = self.recommends else {
            return near(
                "without `--no-install-recommends` it is a setting of the image whether recommended packages come along",
            );
        };
        if let Some(cache) = command.caches.iter().find(|cache| !CACHES.contains(&cache.as_str())) {
            return near(&format!("the cache at `{cache}` may hold more than what is downloaded"));
        }
        if !self.updates {
            return near("without `apt-get update` it installs from lists that the image has");
        }
        if !self.removes_lists && !command.caches.iter().any(|cache| cache == LISTS) {
            return near(
                "it leaves the package lists in the image, and a step does not: remove `/var/lib/apt/lists/*`",
            );
        }
        if command.env.iter().any(|(name, _)| name == "APT_CONFIG") {
            return near("`APT_CONFIG` may set anything");
        }
        let removes_lists = |text: &str| text.split([' ', '\t', '\n', ';', '&', '|']).any(|word| word == REMOVED[0]);
        let leaves_lists = |text: &&String| text.contains("apt") && text.contains("update") && !removes_lists(text);
        if command.earlier.iter().any(|text| leaves_lists(&text)) {
            return near("it removes package lists that an earlier command leaves in the image, and a step does not");
        }
        let mut options = json!({ "packages": self.packages });
        if recommends {
            options["recommends"] = true.into();
        }
        Verdict::Step { kind: "apt".to_owned(), options }
    }
}

/// As the schema has it; a pattern, a file, or a package that goes (`name-`) is none.
fn is_package(text: &str) -> bool {
    let (name, version) = text.split_once(['=', '/']).map_or((text, None), |(name, version)| (name, Some(version)));
    let (name, architecture) = name.split_once(':').map_or((name, None), |(name, word)| (name, Some(word)));
    let is_small = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_name = name.len() > 1
        && name.bytes().all(|byte| is_small(byte) || b"+.-".contains(&byte))
        && is_small(name.as_bytes()[0])
        && !name.ends_with('-');
    let is_architecture = |word: &str| !word.is_empty() && word.bytes().all(|byte| is_small(byte) || byte == b'-');
    let is_version = |word: &str| {
        word.starts_with(|first: char| first.is_ascii_alphanumeric())
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".+:~_-".contains(&byte))
    };
    is_name && architecture.is_none_or(is_architecture) && version.is_none_or(is_version)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wythe_sdk::{Commanded, Program, Recogniser as _, Verdict};

    use crate::Apt;

    const GOOD: &str =
        "apt-get update && apt-get install -y --no-install-recommends git curl=1.2-3 && rm -rf /var/lib/apt/lists/*";

    fn commanded(text: &str) -> Commanded {
        let program = |text: &str| {
            let (env, words): (Vec<&str>, Vec<&str>) = text.split_whitespace().partition(|word| word.starts_with("X="));
            let pair = |word: &&str| word.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
            let is_pattern = |word: &str| word.contains('*') && !word.starts_with('\'');
            let patterns = (0..).zip(&words).filter(|(_, word)| is_pattern(word)).map(|(place, _)| place).collect();
            let argv = words.iter().map(|word| word.trim_matches('\'').to_owned()).collect();
            Program { env: env.iter().filter_map(pair).collect(), argv, patterns }
        };
        let programs = text.split(" && ").map(program).collect();
        Commanded { text: text.to_owned(), programs, workdir: "/".to_owned(), ..Commanded::default() }
    }

    fn step(options: serde_json::Value) -> Verdict {
        Verdict::Step { kind: "apt".to_owned(), options }
    }

    #[test]
    fn an_installation_that_cleans_up_is_a_step() {
        let expected = step(json!({ "packages": ["git", "curl=1.2-3"] }));
        assert_eq!(Apt::recognise(&commanded(GOOD)), expected);
        let text = "apt update -qq && apt install -qy --install-recommends libc6:i386 g++ && apt clean && \
            rm -fr /var/lib/apt/lists/* /var/cache/apt/*";
        let expected = step(json!({ "packages": ["libc6:i386", "g++"], "recommends": true }));
        assert_eq!(Apt::recognise(&commanded(text)), expected);
        let text = "apt-get update && apt-get install -y --no-install-recommends git";
        let caches = vec!["/var/lib/apt/lists".to_owned(), "/var/cache/apt".to_owned()];
        let cached = Commanded { caches, ..commanded(text) };
        assert_eq!(Apt::recognise(&cached), step(json!({ "packages": ["git"] })));
    }

    #[test]
    fn what_may_have_another_effect_stays_a_command() {
        let long = |what: &str, by: &str| GOOD.replace(what, by);
        for (text, why) in [
            (long(" --no-install-recommends", ""), "a setting of the image"),
            (long(" && rm -rf /var/lib/apt/lists/*", ""), "leaves the package lists"),
            (long("apt-get update && ", ""), "lists that the image has"),
            (long(" -y", ""), "asks before it installs"),
            (long("git", "git-"), "`apt-get install git-`"),
            (long("git", "./git.deb"), "`apt-get install ./git.deb`"),
            (long("-y", "-y -t sid"), "`apt-get -t`"),
            (long("update", "upgrade"), "`apt-get upgrade`"),
            (long("lists/*", "lists/* /tmp/*"), "`/tmp/*`"),
            (long("/var/lib/apt/lists/*", "'/var/lib/apt/lists/*'"), "`/var/lib/apt/lists/*` is quoted"),
            (long("rm", "ls && rm"), "`ls`"),
            (long("apt-get install", "X=1 apt-get install"), "`X=1`"),
        ] {
            match Apt::recognise(&commanded(&text)) {
                Verdict::Near(said) => assert!(said.contains(why), "{text}: {said}"),
                other => panic!("{text}: {other:?}"),
            }
        }
        for earlier in [
            "apt-get update",
            "apt-get update && rm -rf '/var/lib/apt/lists/*'",
            "apt-get update && rm -rf /var/lib/apt/lists/*_Packages",
        ] {
            let later = Commanded { earlier: vec![earlier.to_owned()], ..commanded(GOOD) };
            assert!(
                matches!(Apt::recognise(&later), Verdict::Near(why) if why.contains("an earlier command")),
                "{earlier}"
            );
        }
        let cleaned = "apt-get update; rm -rf /var/tmp/x /var/lib/apt/lists/*; true".to_owned();
        assert!(matches!(
            Apt::recognise(&Commanded { earlier: vec![cleaned], ..commanded(GOOD) }),
            Verdict::Step { .. }
        ));
        let cached = Commanded { caches: vec!["/var/lib/apt".to_owned()], ..commanded(GOOD) };
        assert!(matches!(Apt::recognise(&cached), Verdict::Near(why) if why.contains("the cache at `/var/lib/apt`")));
    }

    #[test]
    fn other_commands_are_of_no_interest() {
        assert_eq!(Apt::recognise(&commanded("make install")), Verdict::Other);
        let shell = Commanded { text: "for p in a b; do apt-get install $p; done".to_owned(), ..Commanded::default() };
        assert!(matches!(Apt::recognise(&shell), Verdict::Near(_)));
    }
}
