// SPDX-License-Identifier: Apache-2.0
//! Facts as keys of a lock: the word for the question, a space, and what it is about.

use crate::Fact;

/// Returns the one text of a question.
pub(super) fn to_text(fact: &Fact) -> String {
    match fact {
        Fact::Platform => "platform".to_owned(),
        Fact::MachinePlatform => "machine-platform".to_owned(),
        Fact::BuilderVersion => "builder-version".to_owned(),
        Fact::SourceDateEpoch => "source-date-epoch".to_owned(),
        Fact::BaseConfig => "base-config".to_owned(),
        Fact::Arg(name) => format!("arg {name}"),
        Fact::ContextRead(path) => format!("context-read {path}"),
        Fact::ContextExists(path) => format!("context-exists {path}"),
        Fact::ContextGlob(pattern) => format!("context-glob {pattern}"),
        Fact::BaseRead(path) => format!("base-read {path}"),
        Fact::BaseExists(path) => format!("base-exists {path}"),
        Fact::BaseWhich(program) => format!("base-which {program}"),
        Fact::BaseGlob(pattern) => format!("base-glob {pattern}"),
        Fact::Image(reference) => format!("image {reference}"),
        Fact::ImageConfig(reference) => format!("image-config {reference}"),
    }
}

/// Reads the text of a question.
pub(super) fn parse(text: &str) -> Option<Fact> {
    let Some((word, about)) = text.split_once(' ') else {
        return match text {
            "platform" => Some(Fact::Platform),
            "machine-platform" => Some(Fact::MachinePlatform),
            "builder-version" => Some(Fact::BuilderVersion),
            "source-date-epoch" => Some(Fact::SourceDateEpoch),
            "base-config" => Some(Fact::BaseConfig),
            _ => None,
        };
    };
    let with: fn(String) -> Fact = match word {
        "arg" => Fact::Arg,
        "context-read" => Fact::ContextRead,
        "context-exists" => Fact::ContextExists,
        "context-glob" => Fact::ContextGlob,
        "base-read" => Fact::BaseRead,
        "base-exists" => Fact::BaseExists,
        "base-which" => Fact::BaseWhich,
        "base-glob" => Fact::BaseGlob,
        "image" => Fact::Image,
        "image-config" => Fact::ImageConfig,
        _ => return None,
    };
    Some(with(about.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{parse, to_text};
    use crate::Fact;

    #[test]
    fn every_question_has_one_text() {
        for (fact, text) in [
            (Fact::Platform, "platform"),
            (Fact::MachinePlatform, "machine-platform"),
            (Fact::BuilderVersion, "builder-version"),
            (Fact::SourceDateEpoch, "source-date-epoch"),
            (Fact::BaseConfig, "base-config"),
            (Fact::Arg("A".into()), "arg A"),
            (Fact::ContextRead("a b/c".into()), "context-read a b/c"),
            (Fact::ContextExists(" ".into()), "context-exists  "),
            (Fact::ContextGlob("*.txt".into()), "context-glob *.txt"),
            (Fact::BaseRead("/etc/os-release".into()), "base-read /etc/os-release"),
            (Fact::BaseExists("".into()), "base-exists "),
            (Fact::BaseWhich("sh".into()), "base-which sh"),
            (Fact::BaseGlob("/a*".into()), "base-glob /a*"),
            (Fact::Image("a:b".into()), "image a:b"),
            (Fact::ImageConfig("a:b".into()), "image-config a:b"),
        ] {
            assert_eq!(to_text(&fact), text);
            assert_eq!(parse(text), Some(fact));
        }
        for text in ["", " ", "arg", "platform linux", "weather today"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
