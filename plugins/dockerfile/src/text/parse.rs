// SPDX-License-Identifier: Apache-2.0
//! From a logical line to an instruction.

use super::heredoc::{self, Heredoc};
use super::instruction::{Action, Assignment, Command, Flag, INSTRUCTIONS, Instruction, REPEATED, TRUTHS, Text};
use super::json::{exec_form, is_other_array};
use super::lines::Line;
use super::words::{self, Word};
use crate::fault::{Fault, Place};

/// Reads one instruction.
///
/// # Errors
///
/// What is wrong with it.
pub fn instruction(line: &Line, escape: char) -> Result<Instruction, Fault> {
    let text = &line.text[..];
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let name = &text[..end];
    let known = INSTRUCTIONS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    let Some((known, allowed)) = known else {
        let shown: String = name.chars().take(40).collect();
        let fault = Fault::new(line.place(0), format!("unknown instruction `{shown}`"));
        let names = INSTRUCTIONS.iter().map(|(name, _)| *name);
        return Err(match wythe_sdk::nearest(&name.to_ascii_uppercase(), names) {
            Some(nearest) => fault.hint(format!("did you mean `{nearest}`?")),
            None => fault,
        });
    };
    let (flags, rest) = match allowed.is_empty() && *known != "CMD" {
        true => (Vec::new(), end + text[end..].len() - text[end..].trim_start().len()),
        false => flags(line, known, allowed, end, escape)?,
    };
    let body = Body { line, name: known, at: rest, text: &text[rest..], escape };
    let action = body.action()?;
    refuse_nul(line, &action)?;
    Ok(Instruction {
        name: name.to_owned(),
        place: line.place(0),
        last: line.last,
        comment: line.comment.clone(),
        empty_continuation: line.empty_continuation,
        flags,
        action,
    })
}

/// No program can be given an argument with a NUL in it, and no name or value has one.
fn refuse_nul(line: &Line, action: &Action) -> Result<(), Fault> {
    let argv = match action {
        Action::Run { command: Command::Exec(argv), .. }
        | Action::Cmd(Command::Exec(argv))
        | Action::Entrypoint(Command::Exec(argv))
        | Action::Healthcheck(Some(Command::Exec(argv)))
        | Action::Shell(argv) => &argv[..],
        _ => &[],
    };
    let at = line.text.find('\0').or_else(|| {
        let is_written = argv.iter().any(|argument| argument.contains('\0'));
        is_written.then(|| line.text.find("\\u0000").unwrap_or(0))
    });
    if let Some(at) = at {
        return Err(Fault::new(line.place(at), "there is a NUL here, which no argument can have in it"));
    }
    let is_in = |heredoc: &Heredoc| heredoc.body.contains('\0');
    if matches!(action, Action::Run { heredocs, .. } if heredocs.iter().any(is_in)) {
        return Err(Fault::new(line.place(0), "there is a NUL in a heredoc of the command"));
    }
    Ok(())
}

fn flags(
    line: &Line,
    name: &str,
    allowed: &'static [&'static str],
    end: usize,
    escape: char,
) -> Result<(Vec<Flag>, usize), Fault> {
    let (found, rest) = words::flags(&line.text[end..], escape);
    let mut flags: Vec<Flag> = Vec::new();
    for (word, at) in found {
        let place = line.place(end + at);
        let (wanted, value) = match word[2..].split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (&word[2..], None),
        };
        let Some(flag) = allowed.iter().find(|flag| **flag == wanted) else {
            let fault = Fault::new(place, format!("`{name}` has no flag `--{wanted}`"));
            return Err(fault.nearest(wanted, allowed.iter().copied()));
        };
        if !REPEATED.contains(flag) && flags.iter().any(|known| known.name == *flag) {
            return Err(Fault::new(place, format!("`--{flag}` is given a second time")));
        }
        if value.is_none() && !TRUTHS.contains(flag) {
            return Err(Fault::new(place, format!("`--{flag}` has no value")).hint(format!("write `--{flag}=VALUE`")));
        }
        flags.push(Flag { name: flag, value, place });
    }
    Ok((flags, end + rest))
}

/// The text of an instruction behind its flags.
struct Body<'a> {
    line: &'a Line,
    name: &'static str,
    at: usize,
    text: &'a str,
    escape: char,
}

impl Body<'_> {
    fn action(&self) -> Result<Action, Fault> {
        if self.text.is_empty() && !matches!(self.name, "RUN" | "CMD" | "ENTRYPOINT") {
            return Err(self.wrong("has no argument"));
        }
        let has_exec_form = ["ADD", "CMD", "COPY", "ENTRYPOINT", "RUN", "SHELL", "VOLUME"].contains(&self.name);
        if has_exec_form && is_other_array(self.text) {
            return Err(Fault::new(self.place(0), "a JSON array in an instruction holds strings and nothing else"));
        }
        match self.name {
            "FROM" => self.from(),
            "ARG" => self.arg(),
            "ENV" => self.pairs().map(|(pairs, is_legacy)| Action::Env { pairs, is_legacy }),
            "LABEL" => self.pairs().map(|(pairs, is_legacy)| Action::Label { pairs, is_legacy }),
            "RUN" => self.run(),
            "COPY" => self.copy().map(|(sources, dest, heredocs)| Action::Copy { sources, dest, heredocs }),
            "ADD" => self.copy().map(|(sources, dest, heredocs)| Action::Add { sources, dest, heredocs }),
            "CMD" => Ok(Action::Cmd(self.command())),
            "ENTRYPOINT" => Ok(Action::Entrypoint(self.command())),
            "SHELL" => self.shell(),
            "USER" => Ok(Action::User(self.whole())),
            "WORKDIR" => Ok(Action::Workdir(self.whole())),
            "VOLUME" => match self.list() {
                paths if paths.is_empty() => Err(self.wrong("names no path")),
                paths => Ok(Action::Volume(paths)),
            },
            "EXPOSE" => Ok(Action::Expose(self.words())),
            "STOPSIGNAL" => self.single("signal").map(Action::StopSignal),
            "HEALTHCHECK" => self.healthcheck(),
            "ONBUILD" => self.onbuild(),
            _ => Ok(Action::Maintainer(self.whole())),
        }
    }

    fn place(&self, at: usize) -> Place {
        self.line.place(self.at + at)
    }

    /// Says what is wrong with the instruction as a whole.
    fn wrong(&self, what: &str) -> Fault {
        Fault::new(self.line.place(0), format!("`{}` {what}", self.name))
    }

    fn text_of(&self, word: &Word<'_>) -> Text {
        Text { text: word.text.to_owned(), place: self.place(word.at) }
    }

    fn whole(&self) -> Text {
        Text { text: self.text.to_owned(), place: self.place(0) }
    }

    fn words(&self) -> Vec<Text> {
        words::split(self.text).iter().map(|word| self.text_of(word)).collect()
    }

    /// Returns the words, or the strings of the exec form.
    fn list(&self) -> Vec<Text> {
        match exec_form(self.text) {
            Some(strings) => strings.into_iter().map(|text| Text { text, place: self.place(0) }).collect(),
            None => self.words(),
        }
    }

    fn command(&self) -> Command {
        exec_form(self.text).map_or_else(|| Command::Shell(self.text.to_owned()), Command::Exec)
    }

    fn single(&self, what: &str) -> Result<Text, Fault> {
        let mut words = self.words();
        if words.len() > 1 {
            return Err(self.wrong(&format!("takes one {what}, and there are {} words", words.len())));
        }
        Ok(words.remove(0))
    }

    fn from(&self) -> Result<Action, Fault> {
        let mut words = self.words().into_iter();
        let (Some(image), rest) = (words.next(), words.collect::<Vec<_>>()) else {
            return Err(self.wrong("has no argument"));
        };
        match &rest[..] {
            [] => Ok(Action::From { image, stage: None }),
            [word, stage] if word.text.eq_ignore_ascii_case("as") => {
                let mut letters = stage.text.chars();
                let begins = letters.next().is_some_and(|letter| letter.is_ascii_alphabetic());
                if !begins || !letters.all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter)) {
                    let fault = Fault::new(stage.place, format!("`{}` cannot be the name of a stage", stage.text));
                    return Err(fault.hint("a letter, then letters, digits, `-`, `_` and `.`"));
                }
                Ok(Action::From { image, stage: Some(stage.clone()) })
            }
            [word, ..] => {
                let fault = Fault::new(word.place, format!("`{}` is not expected here", word.text));
                Err(fault.hint("write `FROM image` or `FROM image AS name`"))
            }
        }
    }

    fn arg(&self) -> Result<Action, Fault> {
        let words = words::split_quoted(self.text, self.escape);
        let assignments: Vec<Assignment> = words.iter().map(|word| self.assignment(word)).collect();
        match assignments.iter().find(|one| one.name.text.is_empty()) {
            Some(nameless) => Err(Fault::new(nameless.name.place, "an argument has no name")),
            None => Ok(Action::Arg(assignments)),
        }
    }

    fn assignment(&self, word: &Word<'_>) -> Assignment {
        let (name, value) = match word.text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word.text, None),
        };
        Assignment { name: Text { text: name.to_owned(), place: self.place(word.at) }, value }
    }

    /// Reads `name=value` pairs, or the old form of one name and the rest of the line.
    fn pairs(&self) -> Result<(Vec<Assignment>, bool), Fault> {
        let words = words::split_quoted(self.text, self.escape);
        let first = &words[0];
        if !first.text.contains('=') {
            let value = self.text[first.at + first.text.len()..].trim_start();
            if value.is_empty() {
                let fault = self.wrong(&format!("gives `{}` no value", first.text));
                return Err(fault.hint(format!("write `{} {}=VALUE`", self.name, first.text)));
            }
            return Ok((vec![Assignment { name: self.text_of(first), value: Some(value.to_owned()) }], true));
        }
        let mut pairs = Vec::new();
        for word in &words {
            let pair = self.assignment(word);
            if pair.value.is_none() {
                let fault = Fault::new(pair.name.place, format!("`{}` has no `=`", word.text));
                return Err(fault.hint("a value with blanks stands in quotes: `NAME=\"a b\"`"));
            }
            if pair.name.text.is_empty() {
                return Err(Fault::new(pair.name.place, "a value has no name"));
            }
            pairs.push(pair);
        }
        Ok((pairs, false))
    }

    fn run(&self) -> Result<Action, Fault> {
        let command = self.command();
        let is_empty = match &command {
            Command::Shell(text) => text.is_empty(),
            Command::Exec(argv) => argv.first().is_none_or(String::is_empty),
        };
        if is_empty {
            return Err(self.wrong("has no command"));
        }
        Ok(Action::Run { command, heredocs: self.line.heredocs.clone() })
    }

    fn copy(&self) -> Result<(Vec<Text>, Text, Vec<Heredoc>), Fault> {
        let mut sources = match exec_form(self.text) {
            Some(_) => self.list(),
            // Quoted names of heredocs may hold blanks; other words are cut at every blank.
            None if self.line.heredocs.is_empty() => self.words(),
            None => words::split_quoted(self.text, self.escape).iter().map(|word| self.text_of(word)).collect(),
        };
        let dest = sources.pop().filter(|_| !sources.is_empty());
        let Some(dest) = dest else {
            let fault = self.wrong("needs a source and a destination");
            return Err(fault.hint(format!("write `{} SOURCE… DESTINATION`", self.name)));
        };
        Ok((sources, dest, self.line.heredocs.clone()))
    }

    fn shell(&self) -> Result<Action, Fault> {
        match exec_form(self.text) {
            Some(argv) if argv.first().is_some_and(|program| !program.is_empty()) => Ok(Action::Shell(argv)),
            _ => Err(self.wrong("takes a JSON array of strings").hint("write `SHELL [\"/bin/sh\", \"-c\"]`")),
        }
    }

    fn healthcheck(&self) -> Result<Action, Fault> {
        let words = words::split(self.text);
        let (kind, rest) = (words[0].text, self.text[words[0].at + words[0].text.len()..].trim());
        match kind.to_ascii_uppercase().as_str() {
            "NONE" if rest.is_empty() => Ok(Action::Healthcheck(None)),
            "NONE" => Err(self.wrong("`NONE` takes no argument")),
            "CMD" => {
                let command = exec_form(rest).map_or_else(|| Command::Shell(rest.to_owned()), Command::Exec);
                let is_empty = matches!(&command, Command::Shell(text) if text.is_empty())
                    || matches!(&command, Command::Exec(argv) if argv.is_empty());
                if is_empty { Err(self.wrong("has no command")) } else { Ok(Action::Healthcheck(Some(command))) }
            }
            _ => {
                let fault = Fault::new(self.place(words[0].at), format!("unknown kind `{kind}` of health check"));
                Err(fault.hint("write `HEALTHCHECK CMD command` or `HEALTHCHECK NONE`"))
            }
        }
    }

    fn onbuild(&self) -> Result<Action, Fault> {
        let mut inner = self.line.from_byte(self.at);
        inner.heredocs.clone_from(&self.line.heredocs);
        let word = self.text.split_whitespace().next().unwrap_or_default();
        let refused = ["ONBUILD", "FROM", "MAINTAINER"].iter().find(|name| name.eq_ignore_ascii_case(word));
        if let Some(name) = refused {
            return Err(Fault::new(self.place(0), format!("`{name}` cannot be a trigger of `ONBUILD`")));
        }
        instruction(&inner, self.escape)?;
        Ok(Action::Onbuild { trigger: heredoc::appended(self.text, &self.line.heredocs) })
    }
}
