// SPDX-License-Identifier: Apache-2.0
//! Where a machine has libraries, and what they call themselves.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use elf::ElfStream;
use elf::abi::{DT_SONAME, PT_INTERP};
use elf::endian::AnyEndian;

/// A cache lists some thousand libraries.
const LARGEST_CACHE: u64 = 16 << 20;

/// How the names of the loaders begin that distributions agree on (`/lib64/ld-linux-x86-64.so.2`, `/lib/ld-musl-x86_64.so.1`).
const USUAL_LOADER: [u8; 4] = *b"/lib";

/// Returns what a library calls itself; none for what is no library of the kernel's format.
pub(super) fn soname(path: &Path) -> Option<String> {
    let mut file = ElfStream::<AnyEndian, File>::open_stream(File::open(path).ok()?).ok()?;
    let offset = file.dynamic().ok()??.iter().find(|entry| entry.d_tag == DT_SONAME)?.d_val();
    let (_, names) = file.dynamic_symbol_table().ok()??;
    let name = names.get(usize::try_from(offset).ok()?).ok()?;
    let is_plain = !name.is_empty() && !name.contains(['/', '\n']) && name != ".." && name.contains(".so");
    is_plain.then(|| name.to_owned())
}

/// Tells whether a file is a program of the kernel's format that needs no other loader than the one that an image has.
pub(super) fn is_program(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    let Ok(program) = ElfStream::<AnyEndian, _>::open_stream(&file) else { return false };
    program.segments().iter().find(|segment| segment.p_type == PT_INTERP).is_none_or(|loader| {
        let mut name = [0; USUAL_LOADER.len()];
        file.read_exact_at(&mut name, loader.p_offset).is_ok() && name == USUAL_LOADER
    })
}

/// Returns the folders of the libraries that the loader's cache of a machine lists, in its order.
///
/// The format is that of glibc since 2.2 (`sysdeps/generic/dl-cache.h`, `struct cache_file_new`), alone or behind the old one.
pub(super) fn cached_folders(root: &Path) -> Vec<PathBuf> {
    let path = root.join("etc/ld.so.cache");
    let is_small = std::fs::metadata(&path).is_ok_and(|found| found.len() <= LARGEST_CACHE);
    let cache = if is_small { std::fs::read(&path).unwrap_or_default() } else { Vec::new() };
    let mut folders: Vec<PathBuf> = Vec::new();
    for path in paths(&cache) {
        let folder = Path::new(path).parent().map(Path::to_owned).filter(|folder| folder.is_absolute());
        folders.extend(folder.filter(|folder| !folders.contains(folder)));
    }
    folders
}

/// The second string of each entry. Anything that is not as it should be ends the list.
fn paths(cache: &[u8]) -> Vec<&str> {
    const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
    const HEADER: usize = 48;
    const ENTRY: usize = 24;
    let Some(begin) = cache.windows(MAGIC.len()).position(|window| window == MAGIC) else { return Vec::new() };
    let cache = &cache[begin..];
    let number = |at: usize| {
        let bytes = cache.get(at..at.checked_add(4)?)?;
        usize::try_from(u32::from_ne_bytes(bytes.try_into().ok()?)).ok()
    };
    let one = |index: usize| {
        let rest = cache.get(number(HEADER + index * ENTRY + 8)?..)?;
        std::str::from_utf8(&rest[..rest.iter().position(|byte| *byte == 0)?]).ok()
    };
    let count = number(MAGIC.len()).unwrap_or(0).min(cache.len() / ENTRY);
    (0..count).map_while(one).collect()
}

#[cfg(test)]
mod tests {
    use super::{cached_folders, is_program, paths};

    #[test]
    fn a_program_is_one_for_the_loader_of_an_image() {
        let place = tempfile::tempdir().unwrap();
        let is_one = |bytes: &[u8]| {
            let path = place.path().join("tool");
            std::fs::write(&path, bytes).unwrap();
            is_program(&path)
        };
        let mut program = std::fs::read("/proc/self/exe").unwrap();
        assert!(is_one(&program));
        // Its name is the first of all strings.
        let loader = program.windows(4).position(|window| window == b"/lib").unwrap();
        program[loader..loader + 4].copy_from_slice(b"/nix");
        assert!(!is_one(&program));
        assert!(!is_one(b"#!/bin/sh\nexec /usr/local/bin/tool\n"));
        assert!(!is_program(&place.path().join("none")));
    }

    fn cache(paths: &[&str]) -> Vec<u8> {
        let mut bytes = b"glibc-ld.so.cache1.1".to_vec();
        bytes.extend(u32::try_from(paths.len()).unwrap().to_ne_bytes());
        bytes.resize(48, 0);
        let mut strings = Vec::new();
        for path in paths {
            let at = 48 + 24 * paths.len() + strings.len();
            let mut entry = [0; 24];
            entry[8..12].copy_from_slice(&u32::try_from(at).unwrap().to_ne_bytes());
            bytes.extend(entry);
            strings.extend(path.as_bytes());
            strings.push(0);
        }
        [bytes, strings].concat()
    }

    #[test]
    fn folders_of_a_cache_are_listed_once_each() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        let listed = ["/opt/driver/libcuda.so.1", "/lib/x86_64-linux-gnu/libc.so.6", "/opt/driver/libnvidia-ml.so.1"];
        std::fs::write(root.path().join("etc/ld.so.cache"), cache(&listed)).unwrap();
        let folders: Vec<_> = cached_folders(root.path());
        assert_eq!(folders, ["/opt/driver", "/lib/x86_64-linux-gnu"].map(std::path::PathBuf::from));
    }

    #[test]
    fn a_cache_that_is_cut_off_or_lies_is_read_as_far_as_it_goes() {
        let whole = cache(&["/a/b", "/c/d"]);
        for length in 0..whole.len() {
            assert!(paths(&whole[..length]).len() <= 2);
        }
        let mut lying = whole.clone();
        lying[20..24].copy_from_slice(&u32::MAX.to_ne_bytes());
        assert!(paths(&lying).starts_with(&["/a/b", "/c/d"]));
        assert_eq!(paths(b"nothing of the kind"), Vec::<&str>::new());
    }
}
