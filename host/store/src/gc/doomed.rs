// SPDX-License-Identifier: Apache-2.0
//! Content that was chosen, and the last look at its record before it goes.

use std::collections::{BTreeMap, BTreeSet};

use wythe_image::Digest;

use super::choose::Victims;
use super::stock::{self, Stock, Thing};
use crate::index::{Access, IndexError};
use crate::open::Inner;
use crate::parts;
use crate::record::digest_of;

/// Content that is to go.
pub(super) struct Doomed {
    pub(super) digest: Digest,
    pub(super) bytes: u64,
    /// Newest use that the choice knew of. A newer one is a reason to stay.
    used: i64,
    is_trusted: bool,
}

pub(super) fn doomed(stock: &BTreeMap<String, Thing>, names: &BTreeSet<String>) -> Vec<Doomed> {
    let one = |name: &String| {
        let Thing { bytes, used, is_trusted } = *stock.get(name)?;
        Some(Doomed { digest: digest_of(name)?, bytes, used, is_trusted })
    };
    names.iter().filter_map(one).collect()
}

/// A layer was last used with the newest of its results.
pub(super) fn doomed_layers(stock: &Stock, victims: &Victims) -> Vec<Doomed> {
    let mut layers = doomed(&stock.layers, &victims.layers);
    let mut uses = BTreeMap::new();
    for result in stock.results.values() {
        if let Some(layer) = result.layer.as_deref() {
            let latest = uses.entry(layer).or_insert(result.used);
            *latest = result.used.max(*latest);
        }
    }
    for layer in &mut layers {
        layer.used = uses.get(layer.digest.hex().as_str()).copied().unwrap_or(i64::MIN);
    }
    // What stands on another one goes first, or that could not go.
    layers.sort_by_key(|layer| !stock.stands_on.contains_key(&layer.digest.hex()));
    layers
}

pub(super) fn loose(names: &BTreeSet<String>) -> Vec<Doomed> {
    let one = |name: &String| Some(Doomed { digest: digest_of(name)?, bytes: 0, used: 0, is_trusted: false });
    names.iter().filter_map(one).collect()
}

/// Deletes the records of those of a batch that nothing needs, in one transaction, and leaves no others in it.
pub(super) type Delete = fn(&Access<'_>, &Inner, &mut Vec<&Doomed>) -> Result<(), IndexError>;

pub(super) fn delete_layers(index: &Access<'_>, inner: &Inner, batch: &mut Vec<&Doomed>) -> Result<(), IndexError> {
    let boot = &inner.boot;
    keep(batch, |doomed| {
        let hex = doomed.digest.hex();
        let gone = if doomed.is_trusted {
            if parts::carries(inner, index, &hex)? {
                return Ok(false);
            }
            let sql = "DELETE FROM layers WHERE digest = ?1 \
                       AND NOT EXISTS (SELECT 1 FROM image_layers WHERE layer = ?1) \
                       AND NOT EXISTS (SELECT 1 FROM results WHERE layer = ?1 AND used > ?2 AND boot IN ('', ?3))";
            index.run(sql, (&hex, doomed.used, boot))? > 0
        } else {
            index.run("DELETE FROM layers WHERE digest = ?1 AND boot NOT IN ('', ?2)", (&hex, boot))? > 0
        };
        if gone {
            index.run("DELETE FROM results WHERE layer = ?1", [&hex])?;
        }
        Ok(gone)
    })
}

/// What a result names stays with it: one may have been recorded since the choice, or be in use.
pub(super) fn delete_blobs(index: &Access<'_>, inner: &Inner, batch: &mut Vec<&Doomed>) -> Result<(), IndexError> {
    let boot = &inner.boot;
    let named = stock::named_blobs(index, boot)?;
    keep(batch, |doomed| {
        let hex = doomed.digest.hex();
        if !doomed.is_trusted {
            return Ok(index.run("DELETE FROM blobs WHERE digest = ?1 AND boot NOT IN ('', ?2)", (&hex, boot))? > 0);
        }
        let sql = "DELETE FROM blobs WHERE digest = ?1 AND used <= ?2 \
                   AND NOT EXISTS (SELECT 1 FROM image_blobs WHERE blob = ?1)";
        Ok(!named.contains(&hex) && index.run(sql, (&hex, doomed.used))? > 0)
    })
}

pub(super) fn loose_layers(index: &Access<'_>, inner: &Inner, batch: &mut Vec<&Doomed>) -> Result<(), IndexError> {
    without_record(index, "SELECT 1 FROM layers WHERE digest = ?1", batch)?;
    // Its record may be lost, and that of one that stands on it not.
    keep(batch, |doomed| Ok(!parts::carries(inner, index, &doomed.digest.hex())?))
}

pub(super) fn loose_blobs(index: &Access<'_>, _: &Inner, batch: &mut Vec<&Doomed>) -> Result<(), IndexError> {
    without_record(index, "SELECT 1 FROM blobs WHERE digest = ?1", batch)
}

fn without_record(index: &Access<'_>, sql: &str, batch: &mut Vec<&Doomed>) -> Result<(), IndexError> {
    keep(batch, |doomed| Ok(index.row(sql, [doomed.digest.hex()], |_| Ok(()))?.is_none()))
}

/// Leaves in a batch what `goes` says of.
fn keep(batch: &mut Vec<&Doomed>, mut goes: impl FnMut(&Doomed) -> Result<bool, IndexError>) -> Result<(), IndexError> {
    for doomed in std::mem::take(batch) {
        if goes(doomed)? {
            batch.push(doomed);
        }
    }
    Ok(())
}
