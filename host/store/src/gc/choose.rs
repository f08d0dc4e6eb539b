// SPDX-License-Identifier: Apache-2.0
//! Which things go: a function of the stock, the policy and the time.

use std::collections::{BTreeMap, BTreeSet};

use crate::GcPolicy;

use super::stock::{Stock, StockedImage, StockedResult, Thing};

/// What is to go, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Victims {
    pub(super) images: BTreeSet<String>,
    pub(super) layers: BTreeSet<String>,
    pub(super) blobs: BTreeSet<String>,
    pub(super) results: BTreeSet<String>,
    pub(super) traces: BTreeSet<String>,
    pub(super) caches: BTreeSet<String>,
    pub(super) logs: BTreeSet<String>,
}

/// Chooses what goes. Layers and blobs of a named image never do.
pub(super) fn choose(stock: &Stock, policy: &GcPolicy, now: i64) -> Victims {
    let mut victims = by_age(stock, policy, now);
    by_size(stock, policy, &mut victims);
    victims
}

fn by_age(stock: &Stock, policy: &GcPolicy, now: i64) -> Victims {
    let is_old = |used: i64| policy.max_age.is_some_and(|age| used <= now.saturating_sub(age));
    let rooted = rooted_layers(stock);
    let mut victims = Victims::default();
    let images = stock.images.iter().filter(|(_, image)| !image.is_named && is_old(image.used));
    victims.images = images.map(|(name, _)| name.clone()).collect();
    // A result whose layer stays in any case costs nothing, and makes the next build of the image a hit.
    let results = stock.results.iter().filter(|(_, result)| {
        let is_rooted = result.layer.as_ref().is_some_and(|layer| rooted.contains(layer));
        !result.is_trusted || (!is_rooted && is_old(result.used))
    });
    victims.results = results.map(|(name, _)| name.clone()).collect();
    let kept = kept_layers(stock, &victims);
    victims.layers = names(&stock.layers, |name, layer| !layer.is_trusted || !kept.contains(name));
    let mut kept = blobs_of(stock.images.iter().filter(|(name, _)| !victims.images.contains(*name)));
    kept.extend(kept_results(stock, &victims).flat_map(|result| &result.blobs));
    victims.blobs = names(&stock.blobs, |name, blob| !blob.is_trusted || (!kept.contains(name) && is_old(blob.used)));
    victims.traces = names(&stock.traces, |_, trace| !trace.is_trusted || is_old(trace.used));
    let logs: BTreeSet<&String> = kept_results(stock, &victims).filter_map(|result| result.logs.as_ref()).collect();
    victims.logs = names(&stock.logs, |name, log| !logs.contains(name) && is_old(log.used));
    victims.caches = names(&stock.caches, |_, cache| policy.caches && is_old(cache.used));
    victims
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Log,
    Layer,
    Blob,
    Cache,
}

fn by_size(stock: &Stock, policy: &GcPolicy, victims: &mut Victims) {
    let Some(limit) = policy.max_bytes else { return };
    let mut candidates = candidates(stock, policy, victims);
    candidates.sort();
    let mut bytes = remaining(stock, victims);
    for (_, kind, name, size) in candidates {
        if bytes <= limit {
            break;
        }
        bytes -= size;
        match kind {
            Kind::Log => victims.logs.insert(name),
            Kind::Layer => victims.layers.insert(name),
            Kind::Blob => victims.blobs.insert(name),
            Kind::Cache => victims.caches.insert(name),
        };
    }
    add_dependents(stock, victims);
}

/// What may go for its size: last use, kind, name, bytes.
fn candidates(stock: &Stock, policy: &GcPolicy, victims: &Victims) -> Vec<(i64, Kind, String, u64)> {
    let rooted_layers = rooted_layers(stock);
    let mut rooted_blobs = blobs_of(stock.images.iter().filter(|(_, image)| image.is_named));
    // What explains a result is small, and goes with it.
    rooted_blobs.extend(kept_results(stock, victims).flat_map(|result| &result.blobs));
    let uses = layer_uses(stock, victims);
    let mut candidates = Vec::new();
    for (name, layer) in stock.layers.iter().filter(|(name, _)| !rooted_layers.contains(*name)) {
        let used = uses.get(name.as_str()).copied().unwrap_or(layer.used);
        candidates.push((used, Kind::Layer, name.clone(), layer.bytes));
    }
    for (name, blob) in stock.blobs.iter().filter(|(name, _)| !rooted_blobs.contains(*name)) {
        candidates.push((blob.used, Kind::Blob, name.clone(), blob.bytes));
    }
    for (name, log) in &stock.logs {
        candidates.push((log.used, Kind::Log, name.clone(), log.bytes));
    }
    for (name, cache) in stock.caches.iter().filter(|_| policy.caches) {
        candidates.push((cache.used, Kind::Cache, name.clone(), cache.bytes));
    }
    candidates.retain(|(_, kind, name, _)| {
        let gone = match kind {
            Kind::Log => &victims.logs,
            Kind::Layer => &victims.layers,
            Kind::Blob => &victims.blobs,
            Kind::Cache => &victims.caches,
        };
        !gone.contains(name)
    });
    candidates
}

/// A layer goes with the one that it stands on. An image without a name that loses a part goes: what is listed is whole.
fn add_dependents(stock: &Stock, victims: &mut Victims) {
    let fallen = stock.stands_on.iter().filter(|(_, on)| victims.layers.contains(*on)).map(|(name, _)| name.clone());
    let fallen: Vec<String> = fallen.filter(|name| stock.layers.contains_key(name)).collect();
    victims.layers.extend(fallen);
    for (name, image) in &stock.images {
        let has_lost = image.layers.iter().any(|layer| victims.layers.contains(layer))
            || image.blobs.iter().any(|blob| victims.blobs.contains(blob));
        if has_lost && !image.is_named {
            victims.images.insert(name.clone());
        }
    }
    let lost = stock.results.iter().filter(|(_, r)| r.layer.as_ref().is_some_and(|l| victims.layers.contains(l)));
    victims.results.extend(lost.map(|(name, _)| name.clone()));
}

/// Returns when each layer was used last: with its newest result or its newest image without a name.
fn layer_uses<'s>(stock: &'s Stock, victims: &Victims) -> BTreeMap<&'s str, i64> {
    let results = stock.results.iter().filter(|(name, _)| !victims.results.contains(*name));
    let results = results.filter_map(|(_, result)| Some((result.layer.as_deref()?, result.used)));
    let images = stock.images.iter().filter(|(name, _)| !victims.images.contains(*name));
    let images = images.flat_map(|(_, image)| image.layers.iter().map(|layer| (layer.as_str(), image.used)));
    let mut uses = BTreeMap::new();
    for (layer, used) in results.chain(images) {
        for layer in stock.stands_on.get(layer).map(String::as_str).into_iter().chain([layer]) {
            let latest = uses.entry(layer).or_insert(used);
            *latest = used.max(*latest);
        }
    }
    uses
}

fn rooted_layers(stock: &Stock) -> BTreeSet<&String> {
    let named = stock.images.values().filter(|image| image.is_named).flat_map(|image| &image.layers);
    with_standing(stock, named)
}

/// Adds to layers those that they stand on.
fn with_standing<'s>(stock: &'s Stock, layers: impl Iterator<Item = &'s String>) -> BTreeSet<&'s String> {
    layers.flat_map(|layer| stock.stands_on.get(layer).into_iter().chain([layer])).collect()
}

fn kept_layers<'s>(stock: &'s Stock, victims: &Victims) -> BTreeSet<&'s String> {
    let images = stock.images.iter().filter(|(name, _)| !victims.images.contains(*name));
    let of_images = images.flat_map(|(_, image)| &image.layers);
    with_standing(stock, of_images.chain(kept_results(stock, victims).filter_map(|result| result.layer.as_ref())))
}

fn kept_results<'s>(stock: &'s Stock, victims: &Victims) -> impl Iterator<Item = &'s StockedResult> {
    stock.results.iter().filter(|(name, _)| !victims.results.contains(*name)).map(|(_, result)| result)
}

fn blobs_of<'s>(images: impl Iterator<Item = (&'s String, &'s StockedImage)>) -> BTreeSet<&'s String> {
    images.flat_map(|(_, image)| &image.blobs).collect()
}

fn remaining(stock: &Stock, victims: &Victims) -> u64 {
    let sets = [
        (&stock.layers, &victims.layers),
        (&stock.blobs, &victims.blobs),
        (&stock.caches, &victims.caches),
        (&stock.logs, &victims.logs),
    ];
    let kept = sets.iter().flat_map(|(things, gone)| things.iter().filter(|(name, _)| !gone.contains(*name)));
    kept.map(|(_, thing)| thing.bytes).sum()
}

fn names(things: &BTreeMap<String, Thing>, goes: impl Fn(&String, &Thing) -> bool) -> BTreeSet<String> {
    things.iter().filter(|(name, thing)| goes(name, thing)).map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod tests;
