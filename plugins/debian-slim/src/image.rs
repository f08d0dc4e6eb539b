// SPDX-License-Identifier: Apache-2.0
//! From a lock entry to the plan of a base: one batch that unpacks all packages, one command that configures them.
//!
//! dpkg itself unpacks nothing: the host does it, faster, from archives it has verified. What dpkg would have written
//! down is put together in the sandbox from the packages' control members, which the command sees as a second state.

mod sources;

use wythe_sdk::{Artifact, Command, Failure, Files, Format, State, build};

use crate::lock::{Lock, LockedPackage};
use crate::options::Options;
use crate::release;

const CONFIGURE: &str = include_str!("image/configure.sh");
const DATABASE: &str = include_str!("image/database.pl");

/// Where the command finds the control members.
const CONTROL: &str = "/run/wythe/control";
/// A folder beside them that no package can be named like.
const SCRIPTS: &str = "/.wythe";

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Documentation that a slim image goes without, as patterns of paths in a package. Copyright files stay, and so do
/// the directories of manuals: some packages put links into them when they are configured.
const DOCS: [&str; 6] = [
    "usr/share/doc/*/[!c]*",
    "usr/share/doc/*/c[!o]*",
    "usr/share/info/*",
    "usr/share/lintian/*",
    "usr/share/locale/*",
    "usr/share/man/*/*",
];

/// The same in dpkg's words, so that packages that are added later go without it, too.
const DPKG_SLIM: &str = "\
# This image goes without documentation. Remove this file to get that of packages that are installed from now on.
path-exclude /usr/share/doc/*/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/info/*
path-exclude /usr/share/lintian/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/man/*/*
";

/// What an image is made in is thrown away when it fails: there is nothing that a flush to the disk would protect.
const DPKG_SPEED: &str = "force-unsafe-io\n";

const APT_SLIM: &str = "\
// What apt keeps in an image: indexes compressed, no translations of them, no package that is merely suggested.
Acquire::GzipIndexes \"true\";
Acquire::Languages \"none\";
Apt::AutoRemove::SuggestsImportant \"false\";
";

/// Dockerfiles know this name: those that keep packages in a cache mount remove the file.
const APT_CLEAN: &str = "\
// What apt-get leaves behind stays in a layer: no package that is installed, and no index of its own.
APT::Keep-Downloaded-Packages \"false\";
Dir::Cache::pkgcache \"\";
Dir::Cache::srcpkgcache \"\";
";

/// There is no init in an image, and no service of the image runs while it is made.
const NO_SERVICES: &str = "#!/bin/sh\n# Services are not started by package scripts in this image.\nexit 101\n";

/// Plans the base.
pub(crate) fn plan(options: &Options, lock: &Lock) -> Result<State, Failure> {
    lock.check()?;
    let packages: Vec<(&LockedPackage, Artifact)> = in_order(lock)
        .map(|package| (package, Artifact::new(&package.url, &package.sha256, Some(package.size))))
        .collect();
    let unpacked = unpack(options, lock, &packages)?;
    let command = Command::new(&unpacked, ["/bin/sh", &format!("{CONTROL}{SCRIPTS}/configure.sh")])
        .bind_state(&control(&packages), "/", CONTROL)
        .env("PYTHON", lock.python.as_deref().unwrap_or_default())
        .describe(&format!("configure {} packages", packages.len()));
    let base = command.run().env("PATH", PATH);
    Ok(match lock.python {
        Some(_) => base.env("LANG", "C.UTF-8").cmd(&["python3".to_owned()]),
        None => base.cmd(&["bash".to_owned()]),
    })
}

/// The packages in the order in which they are unpacked. As with dpkg, of two packages that have the same directory the
/// earlier one says how it looks; base-files knows that best.
fn in_order(lock: &Lock) -> impl Iterator<Item = &LockedPackage> {
    let is_first = |package: &&LockedPackage| package.name == "base-files";
    lock.packages.iter().filter(is_first).chain(lock.packages.iter().filter(move |package| !is_first(package)))
}

fn unpack(options: &Options, lock: &Lock, packages: &[(&LockedPackage, Artifact)]) -> Result<State, Failure> {
    let mut files = Files::on(&State::scratch());
    for directory in release::usr_links(&lock.architecture) {
        files =
            files.mkdir(&format!("/usr/{directory}")).symlink(&format!("usr/{directory}"), &format!("/{directory}"));
    }
    // Older releases leave this link to scripts, which then have no shell to run in.
    files = files.symlink("dash", "/usr/bin/sh");
    if !options.docs {
        files = files.exclude(DOCS);
    }
    for (package, artifact) in packages {
        let names = format!("/var/lib/dpkg/info/{}.list", package.instance());
        files = files.unpack(artifact, Format::DebData, "/").unpack_names(artifact, Format::DebData, &names);
    }
    files = files.exclude([""; 0]).put("/etc/dpkg/dpkg.cfg.d/90image-speed", DPKG_SPEED);
    if !options.docs {
        files = files.put("/etc/dpkg/dpkg.cfg.d/90image-slim", DPKG_SLIM);
    }
    let keyring = keyring(options)?;
    let signed_by = keyring.as_ref().map_or(sources::ARCHIVE_KEYRING, |(path, _)| path);
    files = files
        .put("/etc/apt/apt.conf.d/90image-slim", APT_SLIM)
        .put("/etc/apt/apt.conf.d/docker-clean", APT_CLEAN)
        .put("/etc/apt/sources.list.d/debian.sources", sources::deb822(options, &lock.release, signed_by)?);
    if let Some((path, bytes)) = &keyring {
        files = files.put(path, bytes);
    }
    Ok(files.mode(0o755).put("/usr/sbin/policy-rc.d", NO_SERVICES).apply())
}

/// The keyring of the build context, where one is used, and its place in the image.
fn keyring(options: &Options) -> Result<Option<(&'static str, Vec<u8>)>, Failure> {
    let Some(path) = &options.keyring else { return Ok(None) };
    let bytes =
        build::read(path).map_err(|error| Failure::option("/keyring", format!("cannot read `{path}`: {error}")))?;
    // apt tells the two forms apart by the name.
    let place =
        if bytes.starts_with(b"-----") { "/etc/apt/keyrings/archive.asc" } else { "/etc/apt/keyrings/archive.gpg" };
    Ok(Some((place, bytes)))
}

/// The control members of each package in a folder of its name, and the scripts.
fn control(packages: &[(&LockedPackage, Artifact)]) -> State {
    let mut files = Files::on(&State::scratch());
    for (package, artifact) in packages {
        files = files.unpack(artifact, Format::DebControl, &format!("/{}", package.name));
    }
    let script = |name: &str| format!("{SCRIPTS}/{name}");
    files.put(&script("configure.sh"), CONFIGURE).put(&script("database.pl"), DATABASE).apply()
}
