// SPDX-License-Identifier: Apache-2.0

use proptest::prelude::*;

use super::{Victims, choose};
use crate::GcPolicy;
use crate::gc::stock::{Stock, StockedImage, StockedResult, Thing};

const NOW: i64 = 1000;

fn thing(bytes: u64, used: i64) -> Thing {
    Thing { bytes, used, is_trusted: true }
}

fn image(is_named: bool, used: i64, layers: &[&str], blobs: &[&str]) -> StockedImage {
    let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    StockedImage { is_named, used, layers: own(layers), blobs: own(blobs) }
}

fn result(layer: Option<&str>, used: i64) -> StockedResult {
    StockedResult { layer: layer.map(str::to_owned), used, is_trusted: true, logs: None, blobs: Vec::new() }
}

/// A named image on layer 1, an image without a name on layer 2, and results for layers 1 to 4; layer 5 is loose.
fn stock() -> Stock {
    let mut stock = Stock::default();
    for (name, used) in [("l1", 100), ("l2", 200), ("l3", 300), ("l4", 400), ("l5", 500)] {
        stock.layers.insert(name.into(), thing(10, used));
    }
    for (name, used) in [("m1", 100), ("m2", 200), ("artifact", 350)] {
        stock.blobs.insert(name.into(), thing(1, used));
    }
    stock.images.insert("m1".into(), image(true, 100, &["l1"], &["m1"]));
    stock.images.insert("m2".into(), image(false, 200, &["l2"], &["m2"]));
    for (key, layer, used) in [("r1", "l1", 100), ("r2", "l2", 200), ("r3", "l3", 300), ("r4", "l4", 400)] {
        stock.results.insert(key.into(), result(Some(layer), used));
    }
    stock.results.insert("r0".into(), result(None, 50));
    stock.traces.insert("t".into(), thing(0, 100));
    stock.logs.insert("log".into(), thing(5, 150));
    stock.caches.insert("cache".into(), thing(50, 120));
    stock
}

fn list(names: &std::collections::BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
}

fn lists(victims: &Victims) -> [String; 7] {
    let Victims { images, layers, blobs, results, traces, caches, logs } = victims;
    [images, layers, blobs, results, traces, caches, logs].map(list)
}

#[test]
fn without_limits_only_garbage_goes() {
    let mut stock = stock();
    stock.results.get_mut("r4").unwrap().is_trusted = false;
    let victims = choose(&stock, &GcPolicy::default(), NOW);
    assert_eq!(lists(&victims), ["", "l4 l5", "", "r4", "", "", ""]);
}

#[test]
fn age_takes_what_was_not_used() {
    let policy = GcPolicy { max_age: Some(NOW - 320), ..GcPolicy::default() };
    let victims = choose(&stock(), &policy, NOW);
    assert_eq!(lists(&victims), ["m2", "l2 l3 l5", "m2", "r0 r2 r3", "t", "", "log"]);
    let policy = GcPolicy { max_age: Some(0), caches: true, ..GcPolicy::default() };
    let victims = choose(&stock(), &policy, NOW);
    assert_eq!(lists(&victims), ["m2", "l2 l3 l4 l5", "artifact m2", "r0 r2 r3 r4", "t", "cache", "log"]);
}

#[test]
fn size_takes_the_least_recently_used_and_what_depends_on_it() {
    // 107 bytes without the loose layer: cache mounts are not asked for, the named image stays.
    let at_most = |bytes| GcPolicy { max_bytes: Some(bytes), ..GcPolicy::default() };
    assert_eq!(lists(&choose(&stock(), &at_most(98), NOW)), ["", "l5", "", "", "", "", ""]);
    assert_eq!(lists(&choose(&stock(), &at_most(97), NOW)), ["", "l5", "", "", "", "", "log"]);
    assert_eq!(lists(&choose(&stock(), &at_most(90), NOW)), ["m2", "l2 l5", "", "r2", "", "", "log"]);
    let nothing = lists(&choose(&stock(), &at_most(0), NOW));
    assert_eq!(nothing, ["m2", "l2 l3 l4 l5", "artifact m2", "r2 r3 r4", "", "", "log"]);
}

fn any_stock() -> impl Strategy<Value = Stock> {
    let layer = 0..6u8;
    let images = prop::collection::vec((any::<bool>(), 0..NOW, prop::collection::vec(layer.clone(), 0..4)), 0..4);
    let results = prop::collection::vec((prop::option::of(layer), 0..NOW, any::<bool>()), 0..8);
    let layers = prop::collection::vec((0..100u64, 0..NOW), 6);
    (images, results, layers).prop_map(|(images, results, layers)| {
        let mut stock = Stock::default();
        for (index, (bytes, used)) in layers.into_iter().enumerate() {
            stock.layers.insert(format!("l{index}"), thing(bytes, used));
        }
        for (index, (is_named, used, layers)) in images.into_iter().enumerate() {
            let layers: Vec<String> = layers.into_iter().map(|layer| format!("l{layer}")).collect();
            let blobs = vec![format!("m{index}")];
            stock.blobs.insert(format!("m{index}"), thing(1, used));
            stock.images.insert(format!("m{index}"), StockedImage { is_named, used, layers, blobs });
        }
        for (index, (layer, used, is_trusted)) in results.into_iter().enumerate() {
            let layer = layer.map(|layer| format!("l{layer}"));
            stock
                .results
                .insert(format!("r{index}"), StockedResult { layer, used, is_trusted, logs: None, blobs: Vec::new() });
        }
        stock
    })
}

proptest! {
    #[test]
    fn what_stays_is_whole(
        stock in any_stock(),
        max_age in prop::option::of(0..NOW),
        max_bytes in prop::option::of(0..400u64),
    ) {
        let policy = GcPolicy { max_age, max_bytes, caches: true, dry_run: false };
        let victims = choose(&stock, &policy, NOW);
        for (name, image) in &stock.images {
            prop_assert!(!(image.is_named && victims.images.contains(name)), "named image {name} goes");
            if !victims.images.contains(name) {
                prop_assert!(image.layers.iter().all(|layer| !victims.layers.contains(layer)), "{name} loses a layer");
                prop_assert!(image.blobs.iter().all(|blob| !victims.blobs.contains(blob)), "{name} loses a blob");
            }
        }
        for (name, result) in &stock.results {
            let is_lost = result.layer.as_ref().is_some_and(|layer| victims.layers.contains(layer));
            prop_assert!(!is_lost || victims.results.contains(name), "{name} stays without its layer");
        }
        if let Some(limit) = max_bytes {
            let kept: u64 = stock.layers.iter().filter(|(n, _)| !victims.layers.contains(*n)).map(|(_, l)| l.bytes).sum();
            let rooted = super::rooted_layers(&stock);
            let all_rooted = stock.layers.keys().all(|name| victims.layers.contains(name) || rooted.contains(name));
            prop_assert!(kept <= limit || all_rooted, "{kept} bytes stay");
        }
    }
}
