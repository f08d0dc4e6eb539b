// SPDX-License-Identifier: Apache-2.0
//! When two entries are the same: type, mode, owner, attributes and content. Time is not part of it.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::Stat;

use crate::disk;
use crate::layer::node::{Kind, Node};
use crate::xattrs;

/// Compares an entry that is no directory with the one of the same name in `below`.
pub(super) fn entry(node: &Node, upper: BorrowedFd<'_>, stat: &Stat, below: BorrowedFd<'_>) -> io::Result<bool> {
    let other = disk::kind(stat);
    Ok(match &node.kind {
        Kind::File(file) => {
            other.is_file()
                && same_attributes(node, stat)
                && file.size == u64::try_from(stat.st_size).unwrap_or(0)
                && same_file(upper, below, &node.name)?
        }
        // The mode of a link is whatever the system says.
        Kind::Symlink(target) => {
            other.is_symlink()
                && node.owner == (stat.st_uid, stat.st_gid)
                && disk::read_link(below, &node.name)? == *target
        }
        Kind::Fifo => other.is_fifo() && same_attributes(node, stat),
        Kind::Directory(_) | Kind::Whiteout { .. } | Kind::Unfit { .. } => false,
    })
}

/// Compares a directory's own attributes with those of the open directory `other`.
pub(super) fn directory(node: &Node, stat: &Stat, other: BorrowedFd<'_>) -> io::Result<bool> {
    let Kind::Directory(directory) = &node.kind else { return Ok(false) };
    Ok(same_attributes(node, stat) && xattrs::read(other)?.carried == directory.xattrs.carried)
}

fn same_attributes(node: &Node, stat: &Stat) -> bool {
    node.mode == stat.st_mode & disk::MODE_BITS && node.owner == (stat.st_uid, stat.st_gid)
}

fn same_file(upper: BorrowedFd<'_>, below: BorrowedFd<'_>, name: &[u8]) -> io::Result<bool> {
    let (one, other) = (disk::open_file(upper, name)?, disk::open_file(below, name)?);
    if xattrs::read(one.as_fd())?.carried != xattrs::read(other.as_fd())?.carried {
        return Ok(false);
    }
    Ok(common_prefix(&mut one.into(), &mut other.into())?.is_whole())
}

/// How far two files agree.
pub(super) struct Prefix {
    /// Bytes that are the same.
    pub(super) length: u64,
    /// Whether the first file ends there.
    pub(super) first_ends: bool,
    /// Whether the second file ends there.
    pub(super) second_ends: bool,
}

impl Prefix {
    fn is_whole(&self) -> bool {
        self.first_ends && self.second_ends
    }
}

/// Compares two files from their beginnings.
pub(super) fn common_prefix(one: &mut std::fs::File, other: &mut std::fs::File) -> io::Result<Prefix> {
    const PIECE: usize = 64 * 1024;
    let (mut a, mut b) = (vec![0; PIECE], vec![0; PIECE]);
    let mut length = 0;
    loop {
        let (in_a, in_b) = (read_full(one, &mut a)?, read_full(other, &mut b)?);
        let both = in_a.min(in_b);
        if a[..both] != b[..both] {
            let differs = (0..both).find(|at| a[*at] != b[*at]).unwrap_or(both);
            return Ok(Prefix { length: length + differs as u64, first_ends: false, second_ends: false });
        }
        length += both as u64;
        if both < PIECE {
            return Ok(Prefix { length, first_ends: in_a == both, second_ends: in_b == both });
        }
    }
}

fn read_full(file: &mut std::fs::File, piece: &mut [u8]) -> io::Result<usize> {
    let mut used = 0;
    while used < piece.len() {
        match file.read(&mut piece[used..]) {
            Ok(0) => break,
            Ok(count) => used += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(used)
}
