// SPDX-License-Identifier: Apache-2.0

use std::collections::BTreeMap;
use std::io::Write as _;

use proptest::prelude::*;
use wythe_image::Digest;

use crate::support::{NOW, TestStore, commit, key, layer_dir, parts_digest, record};

/// One change of the store.
#[derive(Debug, Clone)]
enum Change {
    PutBlob(Vec<u8>),
    PutResult(u8, Option<u8>),
    PutTrace(u8, String),
    Sync,
    Reopen,
    Reboot,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Change::PutBlob),
        (0..4u8, prop::option::of(0..3u8)).prop_map(|(key, layer)| Change::PutResult(key, layer)),
        (0..4u8, "[a-z]{0,8}").prop_map(|(key, text)| Change::PutTrace(key, text)),
        Just(Change::Sync),
        Just(Change::Reopen),
        Just(Change::Reboot),
    ]
}

/// What a store must hold: what was put last, and of that what was there at the last sync.
#[derive(Debug, Clone, Default, PartialEq)]
struct Model {
    blobs: BTreeMap<Digest, Vec<u8>>,
    results: BTreeMap<u8, Option<u8>>,
    traces: BTreeMap<u8, String>,
}

fn check(store: &TestStore, model: &Model) -> Result<(), TestCaseError> {
    for (digest, bytes) in &model.blobs {
        prop_assert_eq!(store.read_blob(digest).unwrap(), Some(bytes.clone()));
    }
    for number in 0..4u8 {
        let name = key(&number.to_string());
        let layer = store.result(&name).unwrap().map(|result| result.layer);
        let texts = layer.map(|layer| layer.map(|layer| layer_dir(store, &layer)));
        let texts = texts.map(|path| path.map(|path| std::fs::read_to_string(path.join("etc/file")).unwrap()));
        let expected = model.results.get(&number).map(|layer| layer.map(|layer| layer.to_string()));
        prop_assert_eq!(texts, expected);
        prop_assert_eq!(store.trace(&name).unwrap(), model.traces.get(&number).cloned());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn bytes_in_any_pieces_are_one_blob(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..6)) {
        let store = TestStore::new();
        let bytes = pieces.concat();
        for _ in 0..2 {
            let mut writer = store.blob_writer().unwrap();
            for piece in &pieces {
                writer.write_all(piece).unwrap();
            }
            let written = writer.finish(Some(Digest::of(&bytes))).unwrap();
            prop_assert_eq!(written, (Digest::of(&bytes), bytes.len() as u64));
        }
        prop_assert_eq!(store.read_blob(&Digest::of(&bytes)).unwrap(), Some(bytes));
        prop_assert_eq!(store.usage().unwrap()[&wythe_store::Class::Blobs].count, 1);
    }

    /// Whatever was synced survives a restart of the machine as it was at the sync or as it was put since: a record
    /// that replaces a durable one is not durable itself, so after a restart there may be none.
    #[test]
    fn a_store_is_a_map(changes in prop::collection::vec(change(), 1..24)) {
        let mut store = TestStore::new();
        let (mut model, mut synced) = (Model::default(), Model::default());
        let mut restarts = 0;
        for change in changes {
            match change {
                Change::PutBlob(bytes) => {
                    let digest = store.put_blob(&bytes).unwrap();
                    model.blobs.insert(digest, bytes);
                }
                Change::PutResult(number, layer) => {
                    let made = layer.map(|layer| commit(&store, &layer.to_string()));
                    let text = number.to_string();
                    store.put_result(&key(&text), &record(made, &text)).unwrap();
                    model.results.insert(number, layer);
                    synced.results.remove(&number);
                }
                Change::PutTrace(number, text) => {
                    store.put_trace(&key(&number.to_string()), &text).unwrap();
                    model.traces.insert(number, text);
                    synced.traces.remove(&number);
                }
                Change::Sync => {
                    store.sync().unwrap();
                    synced = model.clone();
                }
                Change::Reopen if restarts == 0 => store = store.reopen(NOW),
                Change::Reboot if restarts == 0 => {
                    restarts += 1;
                    store = store.reboot(NOW);
                    model = synced.clone();
                }
                Change::Reopen | Change::Reboot => {}
            }
            check(&store, &model)?;
        }
        let report = store.verify(true, &mut |_| (), &|parts| Ok(parts_digest(parts))).unwrap();
        prop_assert_eq!(report.findings, []);
    }
}
