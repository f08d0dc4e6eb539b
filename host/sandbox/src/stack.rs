// SPDX-License-Identifier: Apache-2.0
//! A user-mode network stack as a value: which program it is, and what it is told.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What leads out of a network of one's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkStack {
    /// The program.
    pub program: PathBuf,
    /// How it is spoken to.
    pub dialect: StackDialect,
    /// TCP ports of the machine's loopback that are to be reached at the same ports of the command's own.
    pub loopback_ports: Vec<u16>,
    /// Whether the machine's resolver is asked on behalf of whoever asks [`StackDialect::resolver`].
    pub relays_resolver: bool,
}

/// The programs that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StackDialect {
    /// `pasta`, of the package `passt`.
    Pasta,
    /// `slirp4netns`.
    Slirp4netns,
}

/// Where the namespace is found by the program: its standard input.
const NAMESPACE: &str = "/proc/self/fd/0";

impl StackDialect {
    /// All of them, the best first.
    pub const ALL: [Self; 2] = [Self::Pasta, Self::Slirp4netns];

    /// The name of the program.
    #[must_use]
    pub const fn program(self) -> &'static str {
        match self {
            Self::Pasta => "pasta",
            Self::Slirp4netns => "slirp4netns",
        }
    }

    /// Whether ports of the machine's loopback can be passed on, and no others.
    #[must_use]
    pub const fn passes_ports_on(self) -> bool {
        matches!(self, Self::Pasta)
    }

    /// Where the command reaches the machine's resolver, if it is passed on.
    #[must_use]
    pub const fn resolver(self) -> Ipv4Addr {
        match self {
            Self::Pasta => Ipv4Addr::new(169, 254, 1, 1),
            Self::Slirp4netns => Ipv4Addr::new(10, 0, 2, 3),
        }
    }
}

impl NetworkStack {
    /// The first of the known programs that is in one of these directories.
    #[must_use]
    pub fn find(directories: &[PathBuf]) -> Option<Self> {
        StackDialect::ALL.into_iter().find_map(|dialect| {
            let program =
                directories.iter().map(|directory| directory.join(dialect.program())).find(|it| is_program(it))?;
            Some(Self { program, dialect, loopback_ports: Vec::new(), relays_resolver: false })
        })
    }

    /// Its arguments, its own name first. The namespace is its standard input; on `ready` it says a number when the network
    /// is there.
    pub(crate) fn arguments(&self, ready: i32) -> Vec<String> {
        let words = match self.dialect {
            StackDialect::Pasta => {
                let ports: Vec<String> = self.loopback_ports.iter().map(u16::to_string).collect();
                let ports = if ports.is_empty() { "none".to_owned() } else { ports.join(",") };
                let words = "pasta --foreground --quiet --config-net --netns-only --no-netns-quit --no-map-gw -t none -u none -U none";
                let resolver = self.relays_resolver.then(|| format!(" --dns-forward {}", self.dialect.resolver()));
                format!(
                    "{words} -T {ports}{} --pid /proc/self/fd/{ready} --netns {NAMESPACE}",
                    resolver.unwrap_or_default()
                )
            }
            StackDialect::Slirp4netns => {
                let sandbox = "--disable-host-loopback --enable-sandbox --enable-seccomp";
                let resolver = if self.relays_resolver { "" } else { " --disable-dns" };
                format!(
                    "slirp4netns --configure --mtu=65520 {sandbox}{resolver} --ready-fd={ready} --netns-type=path {NAMESPACE} tap0"
                )
            }
        };
        words.split(' ').map(str::to_owned).collect()
    }
}

fn is_program(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok() && path.is_file()
}

#[cfg(test)]
mod tests {
    use super::{NetworkStack, StackDialect};

    fn stack(dialect: StackDialect) -> NetworkStack {
        NetworkStack {
            program: dialect.program().into(),
            dialect,
            loopback_ports: vec![3128, 8080],
            relays_resolver: true,
        }
    }

    #[test]
    fn nothing_of_the_machines_loopback_is_passed_on_but_what_was_named() {
        let pasta = stack(StackDialect::Pasta);
        let words = pasta.arguments(1).join(" ");
        assert!(
            words.contains("--no-map-gw -t none -u none -U none -T 3128,8080 --dns-forward 169.254.1.1 "),
            "{words}"
        );
        let closed = NetworkStack { loopback_ports: vec![], relays_resolver: false, ..pasta };
        let words = closed.arguments(1).join(" ");
        assert!(words.contains("--no-map-gw -t none -u none -U none -T none --pid "), "{words}");
        let slirp = stack(StackDialect::Slirp4netns);
        let words = slirp.arguments(1).join(" ");
        assert!(words.contains("--disable-host-loopback") && !words.contains("--disable-dns"), "{words}");
    }

    #[test]
    fn the_first_that_is_installed_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let directories = [directory.path().to_owned()];
        assert_eq!(NetworkStack::find(&directories), None);
        std::fs::write(directory.path().join("pasta"), "").unwrap();
        std::os::unix::fs::symlink("/bin/sh", directory.path().join("slirp4netns")).unwrap();
        let found = NetworkStack::find(&directories).unwrap();
        assert_eq!(found.dialect, StackDialect::Slirp4netns, "a file that cannot be executed is no program");
    }
}
