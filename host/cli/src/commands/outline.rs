// SPDX-License-Identifier: Apache-2.0
//! `wythe build --call targets|outline`: what a text lets a person choose.

use wythe_plan::{Offer, Offering};

use crate::arguments;
use crate::commands::check;
use crate::diagnostic::Report;
use crate::print;
use crate::workshop::Workshop;

/// Prints what can be built.
pub(crate) fn targets(workshop: &Workshop, wanted: &arguments::Definition, json: bool) -> Result<(), Report> {
    let offers = offers(workshop, wanted, &[Offering::Target])?;
    if json {
        print::json(&offers);
        return Ok(());
    }
    let name = |offer: &Offer| if offer.required { format!("{} (default)", offer.name) } else { offer.name.clone() };
    table(
        ["TARGET", "FROM", "DESCRIPTION"],
        offers.iter().map(|offer| [name(offer), offer.value.clone().unwrap_or_default(), offer.description.clone()]),
    );
    Ok(())
}

/// Prints arguments, secrets and agents.
pub(crate) fn outline(workshop: &Workshop, wanted: &arguments::Definition, json: bool) -> Result<(), Report> {
    let kinds = [Offering::Argument, Offering::Secret, Offering::Ssh];
    let offers = offers(workshop, wanted, &kinds)?;
    if json {
        print::json(&offers);
        return Ok(());
    }
    for (kind, title) in kinds.into_iter().zip(["ARGUMENT", "SECRET", "SSH"]) {
        let of_kind = offers.iter().filter(|offer| offer.kind == kind);
        let value = |offer: &Offer| match kind {
            Offering::Secret | Offering::Ssh if offer.required => "required".to_owned(),
            Offering::Secret | Offering::Ssh => "optional".to_owned(),
            _ => offer.value.clone().unwrap_or_default(),
        };
        table(
            [title, "VALUE", "DESCRIPTION"],
            of_kind.map(|offer| [offer.name.clone(), value(offer), offer.description.clone()]),
        );
    }
    Ok(())
}

/// Returns what is offered of some kinds, each name once, the first that is said of it.
fn offers(workshop: &Workshop, wanted: &arguments::Definition, kinds: &[Offering]) -> Result<Vec<Offer>, Report> {
    let looked = check::look(workshop, wanted).map_err(|unread| unread.report)?;
    let mut found: Vec<Offer> = Vec::new();
    for (_, offer) in looked.offers()? {
        if !kinds.contains(&offer.kind) {
            continue;
        }
        match found.iter_mut().find(|known| (known.kind, &known.name) == (offer.kind, &offer.name)) {
            // A stage takes over what stands before all stages without saying its value again.
            Some(known) => known.value = known.value.take().or(offer.value),
            None => found.push(offer),
        }
    }
    Ok(found)
}

/// Prints rows below a title, where there are any.
fn table(titles: [&str; 3], rows: impl Iterator<Item = [String; 3]>) {
    let rows = std::iter::once(titles.map(str::to_owned)).chain(rows);
    let rows: Vec<Vec<String>> = rows.map(Vec::from).collect();
    if rows.len() > 1 {
        print::table(&rows);
    }
}
