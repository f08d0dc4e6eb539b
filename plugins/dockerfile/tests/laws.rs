// SPDX-License-Identifier: Apache-2.0
//! What holds of every text: reading ends, with instructions or with a place inside of the text.

use std::time::Instant;

use proptest::prelude::{ProptestConfig, Strategy, proptest};
use wythe_plugin_dockerfile::Docker;
use wythe_plugin_dockerfile::text::expand::{Quotes, Variables, value};
use wythe_plugin_dockerfile::text::stages::Dockerfile;
use wythe_sdk::testing::{Build, resolving};

/// Text that looks like a Dockerfile until it does not.
fn texts() -> impl Strategy<Value = String> {
    let words = [
        "FROM ",
        "RUN ",
        "COPY ",
        "ADD ",
        "ENV ",
        "ARG ",
        "LABEL ",
        "ONBUILD ",
        "HEALTHCHECK ",
        "EXPOSE ",
        "SHELL ",
        "Run ",
        "--mount=type=",
        "--from=",
        "--",
        "<<EOF",
        "<<-'E F'",
        "EOF\n",
        "\\\n",
        "`\n",
        "# escape=`\n",
        "#",
        "\n",
        "\r\n",
        "${",
        "$",
        "}",
        ":-",
        "/",
        "%",
        "\"",
        "'",
        "[\"",
        "\"]",
        ",",
        "=",
        " ",
        "\t",
        "a",
        "b1",
        "x.y",
        "\u{feff}",
        "\0",
        "é",
    ];
    let piece = proptest::sample::select(words.to_vec());
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

struct Nothing;

impl Variables for Nothing {
    fn get(&self, name: &str) -> Option<&str> {
        (name.len() == 1).then_some("a b")
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_text_is_read_or_pointed_at(text in texts()) {
        match Dockerfile::parse(&text) {
            Ok(file) => assert!(!file.stages.is_empty()),
            Err(fault) => {
                let lines = u32::try_from(text.lines().count().max(1)).unwrap();
                assert!((1..=lines).contains(&fault.place.line), "{fault:?}");
                assert!(fault.place.column >= 1);
                assert!(!fault.message.is_empty());
            }
        }
    }

    #[test]
    fn every_text_is_planned_or_pointed_at(text in texts()) {
        // A panic of the plugin fails the test; what it says of the text is for others to judge.
        let options = serde_json::json!({ "text": text });
        let _said = Build::new().plan(resolving::<Docker>(), &options, Some(&serde_json::json!({})));
    }

    #[test]
    fn every_file_is_read_or_refused(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let build = Build::new().context("Dockerfile", [b"FROM a\n", &bytes[..]].concat());
        let _said = build.plan(resolving::<Docker>(), &serde_json::json!({}), Some(&serde_json::json!({})));
    }

    #[test]
    fn expansion_ends(text in texts()) {
        let _said = value(&text, '\\', Quotes::Taken, &Nothing);
        let _said = value(&text, '`', Quotes::Kept, &Nothing);
    }

    #[test]
    fn what_is_quoted_singly_is_itself(text in "[^']*") {
        assert_eq!(value(&format!("'{text}'"), '\\', Quotes::Taken, &Nothing), Ok(text));
    }
}

#[test]
fn megabytes_are_read_in_one_go() {
    let megabyte = 1 << 20;
    let texts = [
        format!("FROM a\nRUN {}", "x".repeat(megabyte)),
        format!("FROM a\nRUN {}", "x \\\n".repeat(megabyte / 4)),
        format!("FROM a\nENV {}", "a=\"".repeat(megabyte / 3)),
        format!("FROM a\nLABEL {}", "a='b' ".repeat(megabyte / 6)),
        format!("FROM a\nCMD {}", "[".repeat(megabyte)),
        format!("FROM a\nRUN {}", "<<A ".repeat(megabyte / 4)),
        format!("FROM a\n{}", "ONBUILD ".repeat(megabyte / 8)),
        "FROM a\n".repeat(megabyte / 7),
        format!("{}FROM a", "# comment\n".repeat(megabyte / 10)),
        format!("FROM a\nENV a={}", "${a:-".repeat(megabyte / 5)),
        format!("FROM a\nENV a={}", "\"'".repeat(megabyte / 2)),
        format!("FROM a\nENV {}", "é=ü ".repeat(megabyte / 6)),
        format!("FROM a\nCOPY {} /", "é ".repeat(megabyte / 3)),
        format!("FROM a\nEXPOSE {}", "1 ".repeat(megabyte / 2)),
        format!("FROM a\nRUN --mount={} true", "a,".repeat(megabyte / 2)),
        format!("FROM a\nRUN {}", "--network=none ".repeat(megabyte / 15)),
        format!("FROM a\nHEALTHCHECK {}", "--interval=1s ".repeat(megabyte / 14)),
        format!("FROM a\n{}", "COPY <<A /\nA\n".repeat(megabyte / 13)),
    ];
    for text in texts {
        let begun = Instant::now();
        let _said = Dockerfile::parse(&text);
        // A guard against work that grows with the square, which takes many minutes here, on a busy machine too; no measurement.
        assert!(begun.elapsed().as_secs() < 120, "{}", &text[..40]);
    }
}
