// SPDX-License-Identifier: Apache-2.0
//! Commands that do what a step does: `pip install …`.

use serde_json::Value;
use wythe_python::Words;
use wythe_sdk::{Commanded, Program, Recogniser, Verdict};

use crate::Pip;

const WORDS: Words = Words {
    calls: &["pip install", "pip3 install"],
    without_effect: &[
        "--no-cache-dir",
        "--disable-pip-version-check",
        "--no-input",
        "--no-warn-script-location",
        "--break-system-packages",
        "--no-color",
        "-q",
        "-qq",
        "--quiet",
        "-v",
        "--verbose",
        "--compile",
    ],
    with_value: &["--progress-bar", "--root-user-action", "--timeout", "--default-timeout", "--retries", "--cache-dir"],
    options: &[("--pre", "pre", true), ("--no-compile", "compile-bytecode", false)],
    prefix: "PIP_",
    harmless: &[
        "PIP_BREAK_SYSTEM_PACKAGES",
        "PIP_CACHE_DIR",
        "PIP_DEFAULT_TIMEOUT",
        "PIP_DISABLE_PIP_VERSION_CHECK",
        "PIP_NO_CACHE_DIR",
        "PIP_NO_INPUT",
        "PIP_PROGRESS_BAR",
        "PIP_QUIET",
        "PIP_ROOT_USER_ACTION",
    ],
    caches: &["/root/.cache", "/root/.cache/pip"],
};

impl Recogniser for Pip {
    fn recognise(command: &Commanded) -> Verdict {
        if !command.programs.iter().any(|program| tool(program).is_some()) {
            return WORDS.of_no_program(command);
        }
        step(command).unwrap_or_else(Verdict::Near)
    }
}

/// Returns the Python of a program that is pip, and the words for pip.
fn tool(program: &Program) -> Option<(&str, &[String])> {
    match &program.argv[..] {
        [pip, rest @ ..] if ["pip", "pip3"].contains(&pip.as_str()) => Some(("python3", rest)),
        [python, flag, module, rest @ ..] if flag == "-m" && module == "pip" && python.starts_with("python") => {
            Some((python, rest))
        }
        _ => None,
    }
}

fn step(command: &Commanded) -> Result<Verdict, String> {
    let installs =
        |program: &Program| tool(program).is_some_and(|(_, rest)| rest.first().is_some_and(|verb| verb == "install"));
    let empties = |program: &Program| tool(program).is_some_and(|(_, rest)| rest == ["cache", "purge"]);
    let program = WORDS.alone(command, installs, empties)?;
    let (python, rest) = tool(program).ok_or("it installs nothing")?;
    let mut options = WORDS.step(command, &rest[1..])?;
    if python != "python3" {
        options.insert("python".to_owned(), python.into());
    }
    Ok(Verdict::Step { kind: "pip".to_owned(), options: Value::Object(options) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wythe_sdk::testing::Build;
    use wythe_sdk::{Commanded, Program, Recogniser as _, Verdict};

    use crate::Pip;

    fn commanded(text: &str) -> Commanded {
        let argv = |text: &str| text.split(' ').map(str::to_owned).collect();
        let program = |text: &str| Program { argv: argv(text), ..Program::default() };
        Commanded {
            text: text.to_owned(),
            programs: text.split(" && ").map(program).collect(),
            workdir: "/app".to_owned(),
            copied: vec![("/app/r.txt".to_owned(), "r.txt".to_owned()), ("/srv".to_owned(), "reqs".to_owned())],
            ..Commanded::default()
        }
    }

    fn verdict(command: &Commanded) -> Verdict {
        let build = Build::new().context("r.txt", "a==1\n# b\n").context("reqs/all.txt", "-r base.txt\n");
        build.within(|| Pip::recognise(command))
    }

    #[test]
    fn an_installation_is_a_step() {
        for (text, options) in [
            ("pip install --no-cache-dir -r r.txt", json!({ "requirements": ["r.txt"] })),
            ("pip3 install a==1 b[c]~=2", json!({ "packages": ["a==1", "b[c]~=2"] })),
            (
                "python -m pip install --pre --no-compile a",
                json!({ "packages": ["a"], "pre": true, "compile-bytecode": false, "python": "python" }),
            ),
            (
                "pip install -i https://x.org/simple --extra-index-url=https://y.org --progress-bar off a && rm -rf /root/.cache/pip",
                json!({ "packages": ["a"], "index-url": "https://x.org/simple", "extra-index-url": ["https://y.org"] }),
            ),
            ("pip install a && pip3 cache purge && rm -rf /root/.cache", json!({ "packages": ["a"] })),
            ("pip install a && python3 -m pip cache purge", json!({ "packages": ["a"] })),
        ] {
            let expected = Verdict::Step { kind: "pip".to_owned(), options };
            assert_eq!(verdict(&commanded(text)), expected, "{text}");
        }
    }

    #[test]
    fn what_may_have_another_effect_stays_a_command() {
        for (text, why) in [
            ("pip install --upgrade pip", "`--upgrade`"),
            ("pip install -e .", "`-e`"),
            ("pip install .", "`.` is no project"),
            ("pip install ./a.whl", "`./a.whl` is no project"),
            ("pip install git+https://x.org/a", "is no project"),
            ("pip install -r other.txt", "`other.txt` is not known"),
            ("pip install -r /srv/all.txt", "names another file in line 1"),
            ("pip install a && make", "`make`"),
            ("pip install a && npm cache purge", "`npm` does something else"),
            ("pip install a && conda -m pip cache purge", "`conda` does something else"),
            ("pip install a && pip install b", "it installs twice"),
            ("pip install", "names nothing"),
            ("pip install -r", "has no value"),
            ("pip uninstall -y a", "`pip` does something else"),
        ] {
            match verdict(&commanded(text)) {
                Verdict::Near(said) => assert!(said.contains(why), "{text}: {said}"),
                other => panic!("{text}: {other:?}"),
            }
        }
        let env = vec![("PIP_TARGET".to_owned(), "/x".to_owned())];
        assert!(matches!(verdict(&Commanded { env, ..commanded("pip install a") }), Verdict::Near(_)));
        let caches = vec!["/root".to_owned()];
        assert!(matches!(verdict(&Commanded { caches, ..commanded("pip install a") }), Verdict::Near(_)));
        assert_eq!(verdict(&commanded("make pip")), Verdict::Other);
    }
}
