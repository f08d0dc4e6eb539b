// SPDX-License-Identifier: Apache-2.0
//! A whole file: what stands before the first `FROM`, and the stages.

use super::directive::Directives;
use super::instruction::{Action, Flag, Instruction, Text};
use super::{lines, parse};
use crate::fault::{Fault, Place};

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    /// Its directives.
    pub directives: Directives,
    /// The `ARG`s before the first `FROM`, or, where a file has no `FROM`, nothing.
    pub global: Vec<Instruction>,
    /// Its stages. One without `FROM` continues the image so far.
    pub stages: Vec<Stage>,
}

/// A stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Its name, as it is written.
    pub name: Option<Text>,
    /// What it stands on; none for the image so far.
    pub from: Option<Text>,
    /// The platform that `FROM` asks for.
    pub platform: Option<Flag>,
    /// Where it begins.
    pub place: Place,
    /// The comment above it.
    pub comment: Vec<String>,
    /// Its instructions.
    pub instructions: Vec<Instruction>,
}

impl Dockerfile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let file = lines::read(text)?;
        let escape = file.directives.escape;
        let instructions =
            file.lines.iter().map(|line| parse::instruction(line, escape)).collect::<Result<Vec<_>, _>>()?;
        let has_from = instructions.iter().any(|one| matches!(one.action, Action::From { .. }));
        let (mut global, mut stages) = (Vec::new(), Vec::<Stage>::new());
        for one in instructions {
            if let Action::From { image, stage } = &one.action {
                stages.push(Stage {
                    name: stage.clone(),
                    from: Some(image.clone()),
                    platform: one.flag("platform").cloned(),
                    place: one.place,
                    comment: one.comment.clone(),
                    instructions: Vec::new(),
                });
                continue;
            }
            match stages.last_mut() {
                Some(stage) => stage.instructions.push(one),
                None if !has_from => stages.push(Stage::continuing(one)),
                None if matches!(one.action, Action::Arg(_)) => global.push(one),
                None => {
                    let fault = Fault::new(one.place, format!("`{}` stands before the first `FROM`", one.name));
                    return Err(fault.hint("only `ARG` may stand there"));
                }
            }
        }
        if stages.is_empty() {
            return Err(Fault::new(Place::line(1), "there is no instruction").hint("begin with `FROM image`"));
        }
        Ok(Self { directives: file.directives, global, stages })
    }

    /// Returns the stage of a name among the first `before`; names do not regard case, the last one of a name is meant.
    #[must_use]
    pub fn stage(&self, name: &str, before: usize) -> Option<usize> {
        let is_it = |stage: &Stage| stage.name.as_ref().is_some_and(|known| known.text.eq_ignore_ascii_case(name));
        self.stages[..before].iter().rposition(is_it)
    }

    /// Returns the stage of a name or number among the first `before`.
    #[must_use]
    pub fn stage_or_number(&self, name: &str, before: usize) -> Option<usize> {
        self.stage(name, before).or_else(|| name.parse::<usize>().ok().filter(|number| *number < before))
    }

    /// Returns the names of all stages.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.stages.iter().filter_map(|stage| stage.name.as_ref().map(|name| name.text.as_str()))
    }
}

impl Stage {
    fn continuing(first: Instruction) -> Self {
        let (place, comment) = (first.place, Vec::new());
        Self { name: None, from: None, platform: None, place, comment, instructions: vec![first] }
    }
}
