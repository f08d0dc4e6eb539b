// SPDX-License-Identifier: Apache-2.0
//! What should be looked at: the rules of the established builders, under their names.

use crate::fault::{Fault, Place};
use crate::text::instruction::{Action, Assignment, Command, Instruction};
use crate::text::stages::{Dockerfile, Stage};

/// Finds what the text as such shows, and leaves out what the file's `# check` skips.
pub(super) fn text(file: &Dockerfile, source: &str, found: &mut Vec<Fault>) {
    let mut rules = Rules { found: Vec::new() };
    rules.casing(file, source);
    rules.stages(file);
    for stage in &file.stages {
        rules.stage(stage);
    }
    let skipped = &file.directives.skipped_rules;
    let is_skipped = |fault: &Fault| {
        let rule = fault.message.split(':').next().unwrap_or_default();
        skipped.iter().any(|skip| skip.eq_ignore_ascii_case("all") || skip.eq_ignore_ascii_case(rule))
    };
    found.extend(rules.found.into_iter().filter(|fault| !is_skipped(fault)));
    found.sort_by_key(|fault| fault.place);
}

struct Rules {
    found: Vec<Fault>,
}

impl Rules {
    fn add(&mut self, place: Place, rule: &str, message: &str) {
        self.found.push(Fault::new(place, format!("{rule}: {message}")));
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
    use super::text;
    use crate::text::stages::Dockerfile;

    fn rules(source: &str) -> Vec<String> {
        let file = Dockerfile::parse(source).expect(source);
        let mut found = Vec::new();
        text(&file, source, &mut found);
        let one =
            |fault: &crate::fault::Fault| format!("{} {}", fault.place.line, fault.message.split(':').next().unwrap());
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
