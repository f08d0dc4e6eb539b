// SPDX-License-Identifier: Apache-2.0
//! The answers that a plan rests on, as texts: kept for people, who are shown what changed in them.

use wythe_plan::Fact;

use crate::chain::Chain;
use crate::reference::image_for;
use crate::why::past::StepPast;
use crate::why::tree::{LONGEST_TEXT, text_of};
use crate::world::digest_of_answer;

/// Reads the texts that are kept of answers: those that the last build has are taken from there.
pub(super) fn fill_texts(chain: &Chain, step: &mut StepPast, was: Option<&StepPast>) {
    for (fact, answer) in &mut step.facts {
        let known = was.and_then(|was| was.fact(fact)).filter(|known| known.digest == answer.digest);
        if answer.text.is_some() || known.is_some_and(|known| known.text.is_some()) {
            answer.text = answer.text.take().or_else(|| known.and_then(|known| known.text.clone()));
            continue;
        }
        let found = match fact {
            Fact::Arg(name) => Ok(Ok(chain.pretence.args.get(name).cloned().unwrap_or_default().into_bytes())),
            Fact::ContextRead(path) => chain.context.read_file(path, LONGEST_TEXT),
            Fact::ContextExists(path) => chain.context.exists(path).map(|is| Ok(is.to_string().into_bytes())),
            Fact::ContextGlob(pattern) => chain.context.glob(pattern),
            Fact::Image(reference) => {
                let stored = image_for(&chain.engine.store, reference, &chain.platform);
                Ok(stored.map(|stored| stored.digest.to_string().into_bytes()))
            }
            _ => continue,
        };
        // A failure of the machine is no answer, and has no text.
        let Ok(found) = found else { continue };
        // A file that has changed meanwhile is not what the plan was made from.
        if digest_of_answer(&found) == answer.digest {
            answer.text = found.ok().and_then(text_of);
        }
    }
}
