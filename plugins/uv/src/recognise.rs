// SPDX-License-Identifier: Apache-2.0
//! Commands that do what a step does: `uv pip install --system …`.

use serde_json::Value;
use wythe_python::Words;
use wythe_sdk::{Commanded, Program, Recogniser, Verdict};

use crate::Uv;

const WORDS: Words = Words {
    calls: &["uv pip install"],
    without_effect: &[
        "--system",
        "--no-cache",
        "--no-cache-dir",
        "-n",
        "--break-system-packages",
        "--no-progress",
        "--no-python-downloads",
        "-q",
        "-qq",
        "--quiet",
        "-v",
        "--verbose",
    ],
    with_value: &["--link-mode", "--color", "--cache-dir"],
    options: &[
        ("--compile-bytecode", "compile-bytecode", true),
        ("--compile", "compile-bytecode", true),
        ("--pre", "pre", true),
        ("--prerelease=allow", "pre", true),
    ],
    prefix: "UV_",
    harmless: &[
        "UV_BREAK_SYSTEM_PACKAGES",
        "UV_CACHE_DIR",
        "UV_COMPILE_BYTECODE",
        "UV_HTTP_TIMEOUT",
        "UV_LINK_MODE",
        "UV_NO_CACHE",
        "UV_NO_PROGRESS",
        "UV_PYTHON_DOWNLOADS",
        "UV_SYSTEM_PYTHON",
    ],
    caches: &["/root/.cache", "/root/.cache/uv"],
};

impl Recogniser for Uv {
    fn recognise(command: &Commanded) -> Verdict {
        if !command.programs.iter().any(is_uv) {
            return WORDS.of_no_program(command);
        }
        step(command).unwrap_or_else(Verdict::Near)
    }
}

fn is_uv(program: &Program) -> bool {
    ["uv", "/bin/uv", "/usr/local/bin/uv"].contains(&program.argv[0].as_str())
}

fn step(command: &Commanded) -> Result<Verdict, String> {
    if let Some(verb) =
        command.programs.iter().find_map(|one| one.argv.get(1).filter(|verb| is_uv(one) && *verb != "pip"))
    {
        return Err(format!("`uv {verb}` is done by no step"));
    }
    let installs =
        |program: &Program| is_uv(program) && program.argv.get(1..3).is_some_and(|words| words == ["pip", "install"]);
    let program = WORDS.alone(command, installs, |_| false)?;
    let is_set = |name: &str| {
        let all = command.env.iter().chain(&program.env);
        all.into_iter().any(|(known, value)| known == name && ["1", "true"].contains(&value.as_str()))
    };
    if !program.argv.iter().any(|word| word == "--system") && !is_set("UV_SYSTEM_PYTHON") {
        return Err("without `--system` it installs into a virtual environment".to_owned());
    }
    let mut options = WORDS.step(command, &program.argv[3..])?;
    // uv compiles nothing unless it is told to; a step does unless it is told not to.
    if options.remove("compile-bytecode").is_none() && !is_set("UV_COMPILE_BYTECODE") {
        options.insert("compile-bytecode".to_owned(), false.into());
    }
    Ok(Verdict::Step { kind: "uv".to_owned(), options: Value::Object(options) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wythe_sdk::testing::Build;
    use wythe_sdk::{Commanded, Program, Recogniser as _, Verdict};

    use crate::Uv;

    fn verdict(text: &str, env: &[(&str, &str)]) -> Verdict {
        let argv = |text: &str| text.split(' ').map(str::to_owned).collect();
        let program = |text: &str| Program { argv: argv(text), ..Program::default() };
        let command = Commanded {
            text: text.to_owned(),
            programs: text.split(" && ").map(program).collect(),
            workdir: "/".to_owned(),
            env: env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            ..Commanded::default()
        };
        Build::new().within(|| Uv::recognise(&command))
    }

    #[test]
    fn an_installation_is_a_step() {
        let step = |options| Verdict::Step { kind: "uv".to_owned(), options };
        let found = verdict("uv pip install --system --no-cache a==1", &[]);
        assert_eq!(found, step(json!({ "packages": ["a==1"], "compile-bytecode": false })));
        let found = verdict("uv pip install --compile-bytecode --pre a", &[("UV_SYSTEM_PYTHON", "1")]);
        assert_eq!(found, step(json!({ "packages": ["a"], "pre": true })));
    }

    #[test]
    fn what_may_have_another_effect_stays_a_command() {
        for (text, why) in [
            ("uv sync --frozen", "`uv sync`"),
            ("uv pip install a", "virtual environment"),
            ("uv pip install --system --no-deps a", "`--no-deps`"),
            ("uv pip sync --system r.txt", "does something else"),
            ("uv pip install --system a && npm cache purge", "`npm` does something else"),
            ("uv pip install --system a && uv cache clean", "`uv cache`"),
        ] {
            match verdict(text, &[]) {
                Verdict::Near(said) => assert!(said.contains(why), "{text}: {said}"),
                other => panic!("{text}: {other:?}"),
            }
        }
        assert_eq!(verdict("make", &[]), Verdict::Other);
    }
}
