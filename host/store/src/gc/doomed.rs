// SPDX-License-Identifier: Apache-2.0
//! Content that was chosen, and the last look at its record before it goes.

use std::collections::{BTreeMap, BTreeSet};

use wythe_image::Digest;

use super::choose::Victims;
use super::stock::{self, Stock, Thing};
use crate::index::{Access, IndexError};
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
    layers
}

pub(super) fn loose(names: &BTreeSet<String>) -> Vec<Doomed> {
    let one = |name: &String| Some(Doomed { digest: digest_of(name)?, bytes: 0, used: 0, is_trusted: false });
    names.iter().filter_map(one).collect()
}

/// Deletes the records of content that nothing needs, in one transaction, and returns which went.
pub(super) type Delete = for<'d> fn(&Access<'_>, &str, Vec<&'d Doomed>) -> Result<Vec<&'d Doomed>, IndexError>;

pub(super) fn delete_layers<'d>(
    index: &Access<'_>,
    boot: &str,
    doomed: Vec<&'d Doomed>,
) -> Result<Vec<&'d Doomed>, IndexError> {
    those(doomed, |doomed| {
        let hex = doomed.digest.hex();
        let gone = if doomed.is_trusted {
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
pub(super) fn delete_blobs<'d>(
    index: &Access<'_>,
    boot: &str,
    doomed: Vec<&'d Doomed>,
) -> Result<Vec<&'d Doomed>, IndexError> {
    let named = stock::named_blobs(index, boot)?;
    those(doomed, |doomed| {
        let hex = doomed.digest.hex();
        if !doomed.is_trusted {
            return Ok(index.run("DELETE FROM blobs WHERE digest = ?1 AND boot NOT IN ('', ?2)", (&hex, boot))? > 0);
        }
        let sql = "DELETE FROM blobs WHERE digest = ?1 AND used <= ?2 \
                   AND NOT EXISTS (SELECT 1 FROM image_blobs WHERE blob = ?1)";
        Ok(!named.contains(&hex) && index.run(sql, (&hex, doomed.used))? > 0)
    })
}

pub(super) fn loose_layers<'d>(
    index: &Access<'_>,
    _: &str,
    doomed: Vec<&'d Doomed>,
) -> Result<Vec<&'d Doomed>, IndexError> {
    without_record(index, "SELECT 1 FROM layers WHERE digest = ?1", doomed)
}

pub(super) fn loose_blobs<'d>(
    index: &Access<'_>,
    _: &str,
    doomed: Vec<&'d Doomed>,
) -> Result<Vec<&'d Doomed>, IndexError> {
    without_record(index, "SELECT 1 FROM blobs WHERE digest = ?1", doomed)
}

fn without_record<'d>(index: &Access<'_>, sql: &str, doomed: Vec<&'d Doomed>) -> Result<Vec<&'d Doomed>, IndexError> {
    those(doomed, |doomed| Ok(index.row(sql, [doomed.digest.hex()], |_| Ok(()))?.is_none()))
}

fn those(
    doomed: Vec<&Doomed>,
    mut goes: impl FnMut(&Doomed) -> Result<bool, IndexError>,
) -> Result<Vec<&Doomed>, IndexError> {
    let mut gone = Vec::new();
    for doomed in doomed {
        if goes(doomed)? {
            gone.push(doomed);
        }
    }
    Ok(gone)
}
