// SPDX-License-Identifier: Apache-2.0
//! What apt said, in the sections that `resolve.sh` writes.

use std::collections::BTreeMap;

use wythe_sdk::{Failure, Problem};

use crate::{Key, Lock, Package};

/// Reads the sections; `asked` is the option `packages`.
pub(crate) fn read(text: &str, asked: &[String], keys: Vec<Key>) -> Result<Lock, Failure> {
    let sections = sections(text);
    if let Some(words) = sections.get("refused") {
        return Err(refusal(&sections, words, asked));
    }
    let (Some(files), Some(actions)) = (sections.get("files"), sections.get("actions")) else {
        return Err(Failure::failed("apt's answer is cut short"));
    };
    let mut packages =
        files.iter().filter(|line| !line.is_empty()).map(|line| file(line)).collect::<Result<Vec<_>, _>>()?;
    packages.sort_by(|a, b| (&a.name, &a.arch).cmp(&(&b.name, &b.arch)));
    let mut manual: Vec<String> = asked.iter().map(|spec| chosen(spec, actions)).collect();
    manual.sort();
    manual.dedup();
    let removed = actions.iter().filter_map(|line| line.strip_prefix("Remv ")?.split(' ').next());
    Ok(Lock { packages, manual, removed: removed.map(str::to_owned).collect(), keys })
}

fn sections(text: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut sections: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut name = "";
    for line in text.lines() {
        match line.strip_prefix("== ") {
            Some(next) => {
                name = next;
                sections.entry(name).or_default();
            }
            None => sections.entry(name).or_default().push(line),
        }
    }
    sections
}

/// One line of `--print-uris`: `'<address>' <name>_<version>_<arch>.deb <size> SHA256:<digest>`.
fn file(line: &str) -> Result<Package, Failure> {
    let unknown = || Failure::failed(format!("apt names a file in an unknown way: {line}"));
    let (url, rest) = line.strip_prefix('\'').and_then(|rest| rest.split_once("' ")).ok_or_else(unknown)?;
    let [file, size, hash] = rest.split(' ').collect::<Vec<_>>()[..] else { return Err(unknown()) };
    let name = file.strip_suffix(".deb").unwrap_or(file);
    let [name, version, arch] = name.split('_').collect::<Vec<_>>()[..] else { return Err(unknown()) };
    let (version, size) = (unquote(version), size.parse().map_err(|_| unknown())?);
    let Some(sha256) = hash.strip_prefix("SHA256:") else {
        let message = format!("the archive gives no SHA-256 for `{name}` {version}, so it cannot be locked ({url})");
        return Err(Failure::failed(message));
    };
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(Failure::failed(format!("`{name}` {version} lies at {url}, which the builder cannot fetch")));
    }
    Ok(Package { name: name.into(), version, arch: arch.into(), url: url.into(), sha256: sha256.into(), size })
}

/// apt quotes `_` and `:` in file names.
fn unquote(text: &str) -> String {
    text.replace("%3a", ":").replace("%5f", "_").replace("%25", "%")
}

/// Returns the package that stands for one of `packages`; apt says where it took another for a virtual one.
fn chosen(spec: &str, actions: &[&str]) -> String {
    let name = spec.split(['=', '/']).next().unwrap_or(spec);
    let taken = actions.iter().find_map(|line| {
        let (taken, virtual_name) = line.strip_prefix("Note, selecting '")?.split_once("' instead of '")?;
        (virtual_name.trim_end_matches('\'') == name).then_some(taken)
    });
    taken.unwrap_or(name).to_owned()
}

/// Each package that cannot be had alone, at its place; where each can, all of them together.
fn refusal(sections: &BTreeMap<&str, Vec<&str>>, words: &[&str], asked: &[String]) -> Failure {
    let mut problems = Vec::new();
    for (index, spec) in asked.iter().enumerate() {
        let Some(words) = sections.get(format!("refused {index}").as_str()) else { continue };
        let mut problem =
            Problem::error(format!("/packages/{index}"), format!("apt cannot install `{spec}`: {}", errors(words)));
        let name = chosen(spec, &[]);
        let names = sections.get(format!("names {index}").as_str());
        let mut names = names.into_iter().flatten().copied().filter(|line| !line.contains(' '));
        if !names.clone().any(|known| known == name) {
            if let Some(meant) = wythe_sdk::nearest(&name, &mut names) {
                problem = problem.hint(format!("did you mean `{meant}`?"));
            }
        } else if spec.contains('=') {
            problem = problem.hint("archives keep only the newest version; leave the version to the lock");
        }
        problems.push(problem);
    }
    if problems.is_empty() {
        problems.push(Problem::error(
            "/packages",
            format!("apt cannot install these packages together: {}", errors(words)),
        ));
    }
    Failure::Options(problems)
}

/// apt's errors, and the dependencies that it explains them by (` a : Conflicts: b`).
fn errors(words: &[&str]) -> String {
    let errors = words.iter().filter_map(|line| line.strip_prefix("E: ")).map(str::to_owned);
    let reasons = words.iter().filter(|line| line.starts_with(' ') && line.contains(':'));
    let reasons = reasons.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    let said: Vec<String> = errors.chain(reasons).collect();
    if said.is_empty() { words.join(" ") } else { said.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::{chosen, file};
    use crate::Package;

    #[test]
    fn a_file_is_read_as_apt_prints_it() {
        let line = "'http://deb.debian.org/debian/pool/main/g/git/git_2.39.5-0%2bdeb12u3_amd64.deb' \
            git_1%3a2.39.5-0+deb12u3_amd64.deb 7260512 SHA256:aa";
        let expected = Package {
            name: "git".into(),
            version: "1:2.39.5-0+deb12u3".into(),
            arch: "amd64".into(),
            url: "http://deb.debian.org/debian/pool/main/g/git/git_2.39.5-0%2bdeb12u3_amd64.deb".into(),
            sha256: "aa".into(),
            size: 7_260_512,
        };
        assert_eq!(file(line).unwrap(), expected);
    }

    #[test]
    fn a_file_without_a_sha256_cannot_be_locked() {
        let failure = file("'https://x.org/a_1_all.deb' a_1_all.deb 1 MD5Sum:aa").unwrap_err();
        assert!(failure.to_string().contains("no SHA-256 for `a` 1"), "{failure}");
        let failure = file("'file:/srv/a_1_all.deb' a_1_all.deb 1 SHA256:aa").unwrap_err();
        assert!(failure.to_string().contains("cannot fetch"), "{failure}");
    }

    #[test]
    fn a_virtual_package_stands_for_the_one_that_was_taken() {
        let actions = ["Note, selecting 'mawk' instead of 'awk'", "Inst mawk (1.3 Debian [amd64])"];
        assert_eq!(chosen("awk", &actions), "mawk");
        assert_eq!(chosen("git/bookworm-backports", &actions), "git");
        assert_eq!(chosen("libc6:i386=2.36-9", &actions), "libc6:i386");
    }
}
