// SPDX-License-Identifier: Apache-2.0
//! What a file lets a person choose: stages, arguments, secrets, agents.

use wythe_sdk::report::{self, Offer, Offering};

use crate::fault::Place;
use crate::source::Source;
use crate::text::instruction::{Action, Instruction};
use crate::text::mount;
use crate::text::stages::Dockerfile;
use crate::text::words::truth;
use crate::{Options, plan};

/// Tells of all of them, in the order of the file.
pub(crate) fn tell(file: &Dockerfile, source: &Source, options: &Options) {
    let Ok(target) = plan::target(file, options) else { return };
    let outline = Outline { source };
    file.global.iter().for_each(|one| outline.arguments(one));
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
    for one in needed.iter().flat_map(|index| &file.stages[*index].instructions) {
        outline.arguments(one);
        outline.grants(one);
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

    fn grants(&self, one: &Instruction) {
        for flag in one.flags_of("mount") {
            let value = flag.value.as_deref().unwrap_or_default();
            let field = |name: &str| mount::field(value, name);
            let id =
                field("id").or_else(|| field("target").and_then(|path| path.rsplit('/').next().map(str::to_owned)));
            let (kind, name) = match field("type").map(|kind| kind.to_ascii_lowercase()).as_deref() {
                Some("secret") => (Offering::Secret, id),
                Some("ssh") => (Offering::Ssh, Some(field("id").unwrap_or_else(|| "default".to_owned()))),
                _ => continue,
            };
            // What stands there may be a variable, whose value nobody knows yet.
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
