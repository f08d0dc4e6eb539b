// SPDX-License-Identifier: Apache-2.0
//! What hooks of the common vendor are for, done without running them.
//!
//! They make links to libraries (`create-symlinks`) and have the loader know of folders (`update-ldcache`), and they do it
//! in the image's own files, as root, by paths (CVE-2025-23266, CVE-2025-23267). Here the links lie in what the host lends, and
//! the loader is told by a variable.

use super::edits::{Hook, Link};
use super::rules;
use super::spec::SpecError;

/// Returns the links that a hook is for; none if it is for something else.
///
/// Links that lead to no library are left out: a build needs none of them.
pub(super) fn links(hook: &Hook) -> Option<Result<Vec<Link>, SpecError>> {
    let program = hook.path.file_name()?.to_str()?;
    let mut words = hook.args.iter().skip(1).map(String::as_str).peekable();
    match program {
        "nvidia-cdi-hook" => {}
        "nvidia-ctk" => drop(words.next_if_eq(&"hook")),
        _ => return None,
    }
    match words.next()? {
        "update-ldcache" => Some(Ok(Vec::new())),
        "create-symlinks" => Some(read(words)),
        _ => None,
    }
}

/// Where a link leads, by its text alone; none for above everything.
fn end(path: &str, to: &str) -> Option<String> {
    let folder = if to.starts_with('/') { "" } else { path.rsplit_once('/')?.0 };
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(to.split('/')).filter(|part| !part.is_empty() && *part != ".") {
        match part {
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(format!("/{}", parts.join("/")))
}

fn read<'a>(mut words: impl Iterator<Item = &'a str>) -> Result<Vec<Link>, SpecError> {
    let mut links = Vec::new();
    while let Some(word) = words.next() {
        let said = match word.split_once('=') {
            Some(("--link" | "-link", said)) => Some(said),
            _ if matches!(word, "--link" | "-link") => words.next(),
            _ => None,
        };
        let Some(said) = said else { continue };
        let Some((to, path)) = said.split_once("::") else {
            return Err(SpecError::wrong(format!("`{}` is no link, as `TARGET::PATH` is", said.escape_debug())));
        };
        let path = rules::inside(path)?;
        let is_library = |path: &str| path.rsplit('/').next().is_some_and(|name| name.contains(".so"));
        if !is_library(&path) || !is_library(to) {
            continue;
        }
        rules::check_target(&path)?;
        let end = end(&path, to).filter(|end| rules::check_target(end).is_ok() && !to.contains(['\0', '\n']));
        if end.is_none() {
            return Err(SpecError::wrong(format!("the link `{}` leads to no place of a library", said.escape_debug())));
        }
        links.push(Link { path, to: to.to_owned() });
    }
    Ok(links)
}

#[cfg(test)]
mod tests {
    use super::{Hook, Link, links};

    fn asked(program: &str, args: &[&str]) -> Option<Result<Vec<Link>, String>> {
        let args = args.iter().map(|word| (*word).to_owned()).collect();
        let hook =
            Hook { kind: "createContainer".to_owned(), path: program.into(), args, env: Vec::new(), timeout: None };
        links(&hook).map(|links| links.map_err(|error| error.what))
    }

    #[test]
    fn links_of_the_vendors_hooks_are_read_as_it_writes_them() {
        let link = |path: &str, to: &str| Link { path: path.to_owned(), to: to.to_owned() };
        let gbm = "../libnvidia-allocator.so.1::/usr/lib/x86_64-linux-gnu/gbm/nvidia-drm_gbm.so";
        let words = ["nvidia-cdi-hook", "create-symlinks", "--link", gbm, "--link=libcuda.so.1::/usr/lib64/libcuda.so"];
        let card = ["--link", "../card1::/dev/dri/by-path/pci-0000:06:00.0-card"];
        let expected = [
            link("/usr/lib/x86_64-linux-gnu/gbm/nvidia-drm_gbm.so", "../libnvidia-allocator.so.1"),
            link("/usr/lib64/libcuda.so", "libcuda.so.1"),
        ];
        assert_eq!(asked("/usr/bin/nvidia-cdi-hook", &[&words[..], &card].concat()), Some(Ok(expected.to_vec())));
        let old = ["nvidia-ctk", "hook", "create-symlinks", "--link", "libcuda.so.1::/usr/lib64/libcuda.so"];
        assert_eq!(asked("/usr/bin/nvidia-ctk", &old), Some(Ok(expected[1..].to_vec())));
        let cache = ["nvidia-cdi-hook", "update-ldcache", "--folder", "/usr/lib64"];
        assert_eq!(asked("/usr/bin/nvidia-cdi-hook", &cache), Some(Ok(Vec::new())));
    }

    #[test]
    fn other_hooks_are_left_to_the_operator_and_wild_links_refused() {
        assert_eq!(asked("/usr/bin/nvidia-cdi-hook", &["nvidia-cdi-hook", "chmod", "--mode", "755"]), None);
        assert_eq!(asked("/usr/bin/other", &["other", "create-symlinks", "--link", "a.so::/usr/lib/x/b.so"]), None);
        for wild in ["a.so", "../../../etc/a.so::/usr/lib/x/b.so", "../../../../a.so::/usr/lib/x/b.so", "a.so::b.so"] {
            let words = ["nvidia-cdi-hook", "create-symlinks", "--link", wild];
            assert!(asked("/usr/bin/nvidia-cdi-hook", &words).is_some_and(|links| links.is_err()), "{wild} was taken");
        }
    }
}
