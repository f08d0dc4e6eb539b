// SPDX-License-Identifier: Apache-2.0
//! What a file lets a person choose: stages, arguments, secrets, agents.

use std::collections::BTreeMap;

use wythe_sdk::report::{self, Offer, Offering};

use crate::fault::Place;
use crate::source::Source;
use crate::text::expand::{self, Quotes, Variables};
use crate::text::instruction::{Action, Instruction};
use crate::text::mount;
use crate::text::stages::Dockerfile;
use crate::text::words::truth;
use crate::{Options, plan};

/// Tells of all of them, in the order of the file.
pub(crate) fn tell(file: &Dockerfile, source: &Source, options: &Options) {
    let Ok(target) = plan::target(file, options) else { return };
    let outline = Outline { source };
    let mut global = Known { escape: file.directives.escape, ..Known::default() };
    for one in &file.global {
        outline.arguments(one);
        global.learn(one, &Known::default(), options);
    }
    for (index, stage) in file.stages.iter().enumerate() {
        if let Some(name) = &stage.name {
            outline.offer(Offer {
                kind: Offering::Target,
                name: name.text.clone(),
                description: described(&stage.comment, &name.text),
                value: stage.from.as_ref().map(|from| from.text.clone()),
                required: index == target,
                place: Some(source.place(stage.place)),
            });
        }
    }
    let needed = plan::needed(file, options, target).unwrap_or_else(|_| vec![target]);
    // What a stage that others stand on says is known in these, too.
    let mut ends = BTreeMap::<usize, Known>::new();
    for index in needed {
        let stage = &file.stages[index];
        let below = stage.from.as_ref().and_then(|from| file.stage(&global.value(&from.text)?, index));
        let below = below.and_then(|below| ends.get(&below));
        let mut known = below.cloned().unwrap_or(Known { escape: global.escape, ..Known::default() });
        for one in &stage.instructions {
            outline.arguments(one);
            outline.grants(one, &known);
            known.learn(one, &global, options);
        }
        ends.insert(index, known);
    }
}

/// What variables stand for, as far as the file and who builds say it. The environment of an image below is not known.
#[derive(Debug, Clone, Default)]
struct Known {
    values: BTreeMap<String, String>,
    escape: char,
}

impl Variables for Known {
    fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }
}

impl Known {
    fn value(&self, text: &str) -> Option<String> {
        expand::value(text, self.escape, Quotes::Taken, self).ok()
    }

    fn learn(&mut self, one: &Instruction, global: &Self, options: &Options) {
        let (Action::Arg(pairs) | Action::Env { pairs, .. }) = &one.action else { return };
        for pair in pairs {
            let Some(name) = self.value(&pair.name.text) else { continue };
            let value = pair.value.as_ref().and_then(|value| self.value(value));
            let value = match &one.action {
                Action::Env { .. } => value,
                _ => options.args.get(&name).cloned().or(value).or_else(|| global.values.get(&name).cloned()),
            };
            // Who comes last wins.
            self.values.extend(value.map(|value| (name, value)));
        }
    }
}

struct Outline<'a> {
    source: &'a Source,
}

impl Outline<'_> {
    fn offer(&self, offer: Offer) {
        report::offers(offer);
    }

    fn arguments(&self, one: &Instruction) {
        let Action::Arg(pairs) = &one.action else { return };
        for pair in pairs {
            self.offer(Offer {
                kind: Offering::Argument,
                name: pair.name.text.clone(),
                description: described(&one.comment, &pair.name.text),
                value: pair.value.clone(),
                required: false,
                place: Some(self.source.place(pair.name.place)),
            });
        }
    }

    fn grants(&self, one: &Instruction, known: &Known) {
        for flag in one.flags_of("mount") {
            let text = flag.value.as_deref().unwrap_or_default();
            // What cannot be read is told when it is planned.
            let field = |name: &str| mount::field(text, name).map(|value| known.value(&value).unwrap_or(value));
            let id =
                field("id").or_else(|| field("target").and_then(|path| path.rsplit('/').next().map(str::to_owned)));
            let (kind, name) = match field("type").map(|kind| kind.to_ascii_lowercase()).as_deref() {
                Some("secret") => (Offering::Secret, id),
                Some("ssh") => (Offering::Ssh, Some(field("id").unwrap_or_else(|| "default".to_owned()))),
                _ => continue,
            };
            // What stands there may be a variable of the image below.
            let is_required = field("required").is_some_and(|value| truth(&value) != Some(false));
            if let Some(name) = name {
                self.grant(kind, name, is_required, flag.place);
            }
        }
    }

    fn grant(&self, kind: Offering, name: String, required: bool, place: Place) {
        let place = Some(self.source.place(place));
        self.offer(Offer { kind, name, description: String::new(), value: None, required, place });
    }
}

/// Returns what a comment says of a name: what follows it, where it begins with it.
fn described(comment: &[String], name: &str) -> String {
    let text = comment.join(" ");
    match text.split_once(char::is_whitespace) {
        Some((first, rest)) if first.eq_ignore_ascii_case(name) => rest.trim().to_owned(),
        _ => String::new(),
    }
}
