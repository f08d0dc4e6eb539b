// SPDX-License-Identifier: Apache-2.0
//! Instructions that edit the configuration. They make no layer, but for `WORKDIR`, which makes its directory.

use serde_json::json;
use wythe_sdk::Files;

use super::stage::Work;
use super::{duration, paths, ports};
use crate::fault::{Fault, Place};
use crate::text::expand::{self, Quotes};
use crate::text::instruction::{Action, Assignment, Command, Instruction, Text};

/// Most bytes of a trigger: it is kept in the image's configuration.
const MOST_TRIGGER_BYTES: usize = 4096;

impl Work {
    pub(super) fn configure(&mut self, one: &Instruction, action: &Action) -> Result<(), Fault> {
        match action {
            Action::Env { pairs, .. } => self.env(pairs),
            Action::Label { pairs, .. } => self.labels(pairs),
            Action::Cmd(command) => {
                let argv = self.argv(command);
                self.step(self.state.cmd(&argv));
                self.config.cmd = argv;
                self.config.has_own_cmd = true;
                Ok(())
            }
            Action::Entrypoint(command) => {
                let argv = self.argv(command);
                self.step(self.state.entrypoint(&argv));
                // The command of the image below is for its own entry point; one that this stage set stays.
                if self.config.has_own_cmd {
                    self.step(self.state.cmd(&self.config.cmd.clone()));
                }
                Ok(())
            }
            Action::Shell(argv) => {
                self.step(self.state.shell(argv));
                self.config.shell.clone_from(argv);
                Ok(())
            }
            Action::User(text) => self.user(text),
            Action::Workdir(text) => self.workdir(text),
            Action::Volume(texts) => texts.iter().try_for_each(|text| self.volume(text)),
            Action::Expose(texts) => texts.iter().try_for_each(|text| self.expose(text)),
            Action::StopSignal(text) => self.stop_signal(text),
            Action::Healthcheck(command) => self.healthcheck(one, command.as_ref()),
            Action::Onbuild { trigger } => self.onbuild(one, trigger),
            Action::Maintainer(_) => Ok(()),
            _ => unreachable!("the other instructions are not of the configuration"),
        }
    }

    /// Returns the exec form of a command.
    fn argv(&self, command: &Command) -> Vec<String> {
        match command {
            Command::Exec(argv) => argv.clone(),
            Command::Shell(text) => self.config.shell().into_iter().chain([text.clone()]).collect(),
        }
    }

    /// Replaces variables in pairs; all of them see what stood before the instruction.
    fn pairs(&self, pairs: &[Assignment]) -> Result<Vec<(String, String, Place)>, Fault> {
        let one = |pair: &Assignment| {
            let place = pair.name.place;
            let name = self.scope.value(&pair.name, self.escape)?;
            if name.is_empty() {
                return Err(Fault::new(place, format!("`{}` is empty, and a name is needed", pair.name.text)));
            }
            let value = pair.value.as_deref().unwrap_or_default();
            Ok((name, self.scope.long_value(value, place, self.escape, Quotes::Taken)?, place))
        };
        pairs.iter().map(one).collect()
    }

    fn env(&mut self, pairs: &[Assignment]) -> Result<(), Fault> {
        for (name, value, place) in self.pairs(pairs)? {
            if name.contains('=') {
                return Err(Fault::new(place, format!("`{name}` cannot be the name of a variable")));
            }
            self.step(self.state.env(&name, &value));
            self.scope.set(&name, &value);
        }
        Ok(())
    }

    fn labels(&mut self, pairs: &[Assignment]) -> Result<(), Fault> {
        for (name, value, _) in self.pairs(pairs)? {
            self.step(self.state.label(&name, &value));
        }
        Ok(())
    }

    fn user(&mut self, text: &Text) -> Result<(), Fault> {
        let user = self.scope.value(text, self.escape)?;
        check_user(&user, text.place)?;
        self.step(self.state.user(&user));
        self.config.user = user;
        Ok(())
    }

    fn workdir(&mut self, text: &Text) -> Result<(), Fault> {
        let path = self.scope.value(text, self.escape)?;
        if path.is_empty() {
            return Err(Fault::new(text.place, format!("`{}` is empty, and a directory is needed", text.text)));
        }
        let path = paths::clean(&paths::absolute(self.config.workdir(), &path));
        self.step(self.state.workdir(&path));
        self.config.working_dir.clone_from(&path);
        if path != "/" {
            let files = Files::on(&self.state)
                .describe(&format!("WORKDIR {path}"))
                .place(&self.place)
                .part(&self.part)
                .owner(&self.config.user);
            self.step(files.mkdir(&path).apply());
        }
        Ok(())
    }

    fn volume(&mut self, text: &Text) -> Result<(), Fault> {
        let path = self.scope.value(text, self.escape)?;
        if path.is_empty() {
            return Err(Fault::new(text.place, format!("`{}` is empty, and a path is needed", text.text)));
        }
        self.step(self.state.volume(&path));
        Ok(())
    }

    fn expose(&mut self, text: &Text) -> Result<(), Fault> {
        let words = expand::words(&text.text, self.escape, &self.scope).map_err(|what| Fault::new(text.place, what))?;
        for word in words {
            for port in ports::read(&word).map_err(|what| Fault::new(text.place, what))? {
                self.step(self.state.expose(&port));
            }
        }
        Ok(())
    }

    fn stop_signal(&mut self, text: &Text) -> Result<(), Fault> {
        let signal = self.scope.value(text, self.escape)?;
        let name = signal.to_ascii_uppercase();
        let name = name.strip_prefix("SIG").unwrap_or(&name);
        let is_number = name.parse::<u8>().is_ok_and(|number| (1..=64).contains(&number));
        let real_time = name.strip_prefix("RTMIN").or_else(|| name.strip_prefix("RTMAX"));
        let is_real_time = real_time.is_some_and(|rest| {
            rest.is_empty()
                || rest.strip_prefix(['+', '-']).is_some_and(|number| number.parse::<u8>().is_ok_and(|n| n <= 15))
        });
        if !is_number && !is_real_time && !SIGNALS.contains(&name) {
            return Err(
                Fault::new(text.place, format!("`{signal}` is not a signal")).nearest(name, SIGNALS.iter().copied())
            );
        }
        self.step(self.state.stop_signal(&signal));
        Ok(())
    }

    fn healthcheck(&mut self, one: &Instruction, command: Option<&Command>) -> Result<(), Fault> {
        let mut check = json!({ "Test": match command {
            None => vec!["NONE".to_owned()],
            Some(Command::Shell(text)) => vec!["CMD-SHELL".to_owned(), text.clone()],
            Some(Command::Exec(argv)) => std::iter::once("CMD".to_owned()).chain(argv.clone()).collect(),
        }});
        for (flag, member) in [
            ("interval", "Interval"),
            ("timeout", "Timeout"),
            ("start-period", "StartPeriod"),
            ("start-interval", "StartInterval"),
        ] {
            let Some(flag) = one.flag(flag) else { continue };
            let text = self.scope.raw_value(flag.value.as_deref().unwrap_or_default(), flag.place, self.escape)?;
            let time = duration::read(&text).map_err(|what| Fault::new(flag.place, what))?;
            if time > 0 {
                check[member] = time.into();
            }
        }
        if let Some(flag) = one.flag("retries") {
            let text = flag.value.as_deref().unwrap_or_default();
            let retries = text.parse::<u32>().ok();
            let retries =
                retries.ok_or_else(|| Fault::new(flag.place, format!("`{text}` is not a number of retries")))?;
            if retries > 0 {
                check["Retries"] = retries.into();
            }
        }
        let edited = self.state.healthcheck(Some(&check.to_string())).map_err(|why| Fault::new(one.place, why))?;
        self.step(edited);
        Ok(())
    }

    fn onbuild(&mut self, one: &Instruction, trigger: &str) -> Result<(), Fault> {
        if trigger.len() > MOST_TRIGGER_BYTES {
            return Err(Fault::new(one.place, format!("the trigger is longer than {MOST_TRIGGER_BYTES} bytes")));
        }
        self.step(self.state.onbuild(trigger));
        self.config.on_build.push(trigger.to_owned());
        Ok(())
    }
}

/// Refuses what is no `user` or `user:group`.
pub(super) fn check_user(user: &str, place: Place) -> Result<(), Fault> {
    let is_odd = |letter: char| letter.is_control() || letter.is_whitespace() || letter == '/';
    if user.is_empty() || user.matches(':').count() > 1 || user.chars().any(is_odd) {
        return Err(Fault::new(place, format!("`{user}` is not `user` or `user:group`")));
    }
    Ok(())
}

/// signal(7), without `SIG`.
const SIGNALS: [&str; 34] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL",
    "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1",
    "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
];
