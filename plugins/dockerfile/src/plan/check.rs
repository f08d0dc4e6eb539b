// SPDX-License-Identifier: Apache-2.0
//! What should be looked at: the rules of the established builders, under their names.

use super::Given;
use crate::Options;
use crate::fault::{Fault, Place};
use crate::text::directive::Directives;
use crate::text::instruction::{Action, Assignment, Command, Instruction};
use crate::text::stages::{Dockerfile, Stage};

/// Finds what the text as such shows.
pub(super) fn text(file: &Dockerfile, source: &str, found: &mut Vec<Fault>) {
    let mut finder = Finder { found: Vec::new() };
    finder.casing(file, source);
    finder.stages(file);
    finder.descriptions(file);
    for stage in &file.stages {
        finder.stage(stage);
    }
    found.append(&mut finder.found);
}

/// Rules that are looked at only where somebody asks for them.
const EXPERIMENTAL: [&str; 1] = ["InvalidDefinitionDescription"];

/// The argument that says the same as `# check`, for the whole build.
const ARGUMENT: &str = "BUILDKIT_DOCKERFILE_CHECK";

/// Which rules count.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    skipped: Vec<String>,
    experimental: Vec<String>,
    /// Whether a warning is an error.
    pub(crate) are_errors: bool,
}

impl Rules {
    /// Reads what a file, or who builds it, says of them.
    pub(crate) fn of(file: &Dockerfile, options: &Options) -> Result<Self, Fault> {
        match (Given { args: &options.args }).get(ARGUMENT) {
            None => Ok(file.directives.clone().into()),
            Some(text) => Directives::of_check(&text)
                .map(Into::into)
                .map_err(|fault| Fault::new(Place::line(1), format!("the argument `{ARGUMENT}`: {}", fault.message))),
        }
    }

    /// Leaves out what is not to be told.
    pub(crate) fn choose(&self, found: &mut Vec<Fault>) {
        let has = |list: &[String], rule: &str| {
            list.iter().any(|one| one.eq_ignore_ascii_case("all") || one.eq_ignore_ascii_case(rule))
        };
        found.retain(|fault| {
            let is_asked_for = !EXPERIMENTAL.contains(&fault.rule) || has(&self.experimental, fault.rule);
            is_asked_for && !has(&self.skipped, fault.rule)
        });
    }
}

impl From<Directives> for Rules {
    fn from(directives: Directives) -> Self {
        Self {
            skipped: directives.skipped_rules,
            experimental: directives.experimental_rules,
            are_errors: directives.warnings_are_errors,
        }
    }
}

struct Finder {
    found: Vec<Fault>,
}

impl Finder {
    fn add(&mut self, place: Place, rule: &'static str, message: &str) {
        self.found.push(Fault::of_rule(rule, place, message));
    }

    /// A comment directly above a stage or an argument says something of it, and begins with its name.
    fn descriptions(&mut self, file: &Dockerfile) {
        let mut check = |comment: &[String], name: &str, place: Place| {
            let first = comment.first().and_then(|line| line.split_whitespace().next());
            if first.is_some_and(|first| !first.eq_ignore_ascii_case(name)) {
                let message = format!("the comment above `{name}` describes it, and does not begin with its name");
                let fault = Fault::of_rule("InvalidDefinitionDescription", place, message);
                self.found.push(fault.hint(format!("write `# {name} …`, or leave an empty line below the comment")));
            }
        };
        for stage in &file.stages {
            if let Some(name) = &stage.name {
                check(&stage.comment, &name.text, stage.place);
            }
        }
        for one in file.global.iter().chain(file.stages.iter().flat_map(|stage| &stage.instructions)) {
            if let Action::Arg(pairs) = &one.action
                && let [pair] = &pairs[..]
            {
                check(&one.comment, &pair.name.text, one.place);
            }
        }
    }

    fn casing(&mut self, file: &Dockerfile, source: &str) {
        let all = || file.global.iter().chain(file.stages.iter().flat_map(|stage| &stage.instructions));
        let is_upper = |name: &str| name == name.to_ascii_uppercase();
        let uppers = all().filter(|one| is_upper(&one.name)).count();
        let wants_upper = uppers * 2 >= all().count();
        for one in all() {
            let wanted = if wants_upper { one.name.to_ascii_uppercase() } else { one.name.to_ascii_lowercase() };
            if one.name != wanted {
                let message = format!("`{}` is written unlike most other instructions: `{wanted}`", one.name);
                self.add(one.place, "ConsistentInstructionCasing", &message);
            }
            if let Some(place) = one.empty_continuation {
                self.add(place, "NoEmptyContinuation", "an empty line inside a continuation");
            }
        }
        for stage in file.stages.iter().filter(|stage| stage.name.is_some()) {
            let line = source.lines().nth(stage.place.line.saturating_sub(1) as usize).unwrap_or_default();
            let words: Vec<&str> = line.split_whitespace().collect();
            let word = words.iter().find(|word| word.eq_ignore_ascii_case("as"));
            if let (Some(first), Some(word)) = (words.first(), word)
                && is_upper(first) != is_upper(word)
            {
                self.add(stage.place, "FromAsCasing", &format!("`{word}` and `{first}` are not written alike"));
            }
        }
    }

    fn stages(&mut self, file: &Dockerfile) {
        for (index, stage) in file.stages.iter().enumerate() {
            let Some(name) = &stage.name else { continue };
            if name.text != name.text.to_ascii_lowercase() {
                self.add(name.place, "StageNameCasing", &format!("the stage `{}` is not in lower case", name.text));
            }
            if file.stage(&name.text, index).is_some() {
                self.add(name.place, "DuplicateStageName", &format!("there is a stage `{}` already", name.text));
            }
            if ["context", "scratch"].contains(&name.text.to_ascii_lowercase().as_str()) {
                self.add(name.place, "ReservedStageName", &format!("`{}` has a meaning of its own", name.text));
            }
        }
        for stage in &file.stages {
            let Some(flag) = &stage.platform else { continue };
            match flag.value.as_deref().unwrap_or_default() {
                "$TARGETPLATFORM" | "${TARGETPLATFORM}" => {
                    self.add(flag.place, "RedundantTargetPlatform", "`$TARGETPLATFORM` is the platform anyway");
                }
                value if !value.contains('$') => {
                    let message = format!("`{value}` holds the stage to one platform");
                    self.add(flag.place, "FromPlatformFlagConstDisallowed", &message);
                }
                _ => {}
            }
        }
    }

    fn stage(&mut self, stage: &Stage) {
        let mut has_workdir = false;
        let (mut commands, mut entrypoints, mut checks) = (Vec::new(), Vec::new(), Vec::new());
        let has_shell = stage.instructions.iter().any(|one| matches!(one.action, Action::Shell(_)));
        for one in &stage.instructions {
            match &one.action {
                Action::Maintainer(_) => {
                    let message = "`MAINTAINER` is out of use: write `LABEL org.opencontainers.image.authors=…`";
                    self.add(one.place, "MaintainerDeprecated", message);
                }
                Action::Workdir(text) => {
                    if !has_workdir && !text.text.starts_with(['/', '$']) {
                        let message = format!("`{}` depends on the image below", text.text);
                        self.add(text.place, "WorkdirRelativePath", &message);
                    }
                    has_workdir = true;
                }
                Action::Cmd(command) => {
                    self.json(one, command, has_shell);
                    commands.push(one.place);
                }
                Action::Entrypoint(command) => {
                    self.json(one, command, has_shell);
                    entrypoints.push(one.place);
                }
                Action::Healthcheck(_) => checks.push(one.place),
                Action::Env { pairs, is_legacy } | Action::Label { pairs, is_legacy } => {
                    if *is_legacy {
                        let message = format!("write `{} {}=…`", one.name, pairs[0].name.text);
                        self.add(one.place, "LegacyKeyValueFormat", &message);
                    }
                    if matches!(one.action, Action::Env { .. }) {
                        self.secrets(one, pairs);
                    }
                }
                Action::Arg(pairs) => self.secrets(one, pairs),
                Action::Expose(texts) => {
                    for text in texts {
                        let protocol = text.text.split_once('/').map_or("", |(_, protocol)| protocol);
                        if protocol != protocol.to_ascii_lowercase() && !protocol.contains('$') {
                            self.add(text.place, "ExposeProtoCasing", &format!("`{protocol}` is not in lower case"));
                        }
                        if text.text.contains(':') && !text.text.contains('$') {
                            let message =
                                format!("`{}`: an address or a port of the machine has no meaning here", text.text);
                            self.add(text.place, "ExposeInvalidFormat", &message);
                        }
                    }
                }
                _ => {}
            }
        }
        for (name, places) in [("CMD", commands), ("ENTRYPOINT", entrypoints), ("HEALTHCHECK", checks)] {
            for place in places.iter().rev().skip(1) {
                let message = format!("only the last `{name}` of a stage counts");
                self.add(*place, "MultipleInstructionsDisallowed", &message);
            }
        }
    }

    fn json(&mut self, one: &Instruction, command: &Command, has_shell: bool) {
        if matches!(command, Command::Shell(_)) && !has_shell {
            let message = format!("`{}` is run by a shell, which keeps signals from it: write a JSON array", one.name);
            self.add(one.place, "JSONArgsRecommended", &message);
        }
    }

    fn secrets(&mut self, one: &Instruction, pairs: &[Assignment]) {
        for pair in pairs.iter().filter(|pair| is_secret(&pair.name.text)) {
            let message = format!("`{}` looks like a secret, and `{}` keeps it in the image", pair.name.text, one.name);
            self.add(pair.name.place, "SecretsUsedInArgOrEnv", &message);
        }
    }
}

/// Whether a name looks like that of a secret.
fn is_secret(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let mut words = lower.split(['_', '-', '.']);
    let secret =
        ["apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret", "token"];
    let is_public = lower.split(['_', '-', '.']).any(|word| word == "public");
    !is_public && words.any(|word| secret.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::{Rules, text};
    use crate::text::stages::Dockerfile;

    fn rules(source: &str) -> Vec<String> {
        let file = Dockerfile::parse(source).expect(source);
        let mut found = Vec::new();
        text(&file, source, &mut found);
        Rules::from(file.directives.clone()).choose(&mut found);
        let one = |fault: &crate::fault::Fault| format!("{} {}", fault.place.line, fault.rule);
        found.iter().map(one).collect()
    }

    #[test]
    fn each_rule_finds_its_line() {
        for (source, expected) in [
            ("FROM a AS B", "1 StageNameCasing"),
            ("FROM a as b", "1 FromAsCasing"),
            ("FROM a AS b\nFROM a AS b", "2 DuplicateStageName"),
            ("FROM a AS scratch", "1 ReservedStageName"),
            ("FROM a\nRUN b \\\n\n c", "3 NoEmptyContinuation"),
            ("FROM a\nRUN b\nrun c", "3 ConsistentInstructionCasing"),
            ("FROM a\nCMD b", "2 JSONArgsRecommended"),
            ("FROM a\nMAINTAINER b", "2 MaintainerDeprecated"),
            ("FROM a\nWORKDIR b", "2 WorkdirRelativePath"),
            ("FROM a\nCMD [\"b\"]\nCMD [\"c\"]", "2 MultipleInstructionsDisallowed"),
            ("FROM a\nENV b c", "2 LegacyKeyValueFormat"),
            ("FROM a\nARG API_TOKEN", "2 SecretsUsedInArgOrEnv"),
            ("FROM --platform=linux/amd64 a", "1 FromPlatformFlagConstDisallowed"),
            ("FROM --platform=$TARGETPLATFORM a", "1 RedundantTargetPlatform"),
            ("FROM a\nEXPOSE 53/UDP", "2 ExposeProtoCasing"),
            ("FROM a\nEXPOSE 127.0.0.1:80:80", "2 ExposeInvalidFormat"),
            ("# check=experimental=all\n\n# other words\nFROM a AS b", "4 InvalidDefinitionDescription"),
        ] {
            assert_eq!(rules(source), [expected], "{source}");
        }
    }

    #[test]
    fn what_is_skipped_is_not_found() {
        assert!(rules("# check=skip=JSONArgsRecommended\nFROM a\nCMD b").is_empty());
        assert!(rules("# check=skip=all\nFROM a as B\nCMD b").is_empty());
        assert!(rules("FROM a\nWORKDIR /b\nWORKDIR c\nCMD [\"d\"]\nARG PUBLIC_KEY").is_empty());
    }
}
