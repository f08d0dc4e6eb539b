// SPDX-License-Identifier: Apache-2.0
//! What the host lends to a command: mount points, the resolver's file, the machine's certificate authorities.
//!
//! All of it lies in one directory that is the top-most *lower* layer of the command's overlay. The command sees it,
//! and nothing of it is in the upper directory that becomes the layer. Files that a package may want to replace (a
//! distribution's CA bundle) are lent this way and not as mounts, since a mount cannot be renamed over.
//!
//! What is lent is worked out as a value first, a sketch. Most steps of a build have the same one, and so share what was
//! drawn of it: only the first makes files.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use wythe_sandbox::cdi::Link;
use wythe_sandbox::{Mount, MountSource};
use wythe_store::{Active, Store};
use wythe_sys::root::Root;

use crate::error::Cause;
use crate::machine::Machine;
use crate::network::{View, without_loopback};
use crate::state::StateFiles;

mod sketch;

use sketch::Sketch;

/// Where distributions keep the bundle that their programs trust. The first is lent always, the others where they exist.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Variables by which programs are told of a bundle. Plugins and images may set them themselves; then theirs hold.
const BUNDLE_VARIABLES: [&str; 8] = [
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
    "AWS_CA_BUNDLE",
    "CARGO_HTTP_CAINFO",
    "NIX_SSL_CERT_FILE",
];

/// Where the lent bundle is found by its variables: a mount, so that it stays whatever the command installs.
const BUNDLE_MOUNT: &str = "/run/wythe/ca-certificates.crt";

/// Largest bundle of an image that is read.
const LARGEST_BUNDLE: u64 = 16 << 20;

/// Directories that every command finds, whatever its image has.
const MOUNT_POINTS: [&str; 4] = ["/proc", "/sys", "/dev", "/run/wythe"];

/// The machine's plumbing.
#[derive(Debug)]
pub(crate) struct Plumbing {
    machine: Machine,
    bundle: OnceLock<Vec<u8>>,
    /// What was drawn for commands of this build.
    kept: Mutex<BTreeMap<(View, Sketch), Arc<Kept>>>,
}

/// What a command gets beside its own mounts and variables.
#[derive(Debug, Default)]
pub(crate) struct Lent {
    pub(crate) mounts: Vec<Mount>,
    pub(crate) env: BTreeMap<String, String>,
}

/// What several commands get.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) lent: Lent,
    active: Active,
}

impl Kept {
    /// Returns the directory to lay on top of the lower ones.
    pub(crate) fn dir(&self) -> PathBuf {
        self.active.plumbing()
    }
}

impl Lent {
    /// Adds what is lent to the variables of a command, and its home. What the command sets itself holds.
    pub(crate) fn dress(
        &self,
        mut env: BTreeMap<String, String>,
        files: &StateFiles,
        user: &str,
    ) -> Result<BTreeMap<String, String>, Cause> {
        for (name, value) in &self.env {
            env.entry(name.clone()).or_insert_with(|| value.clone());
        }
        if !env.contains_key("HOME") {
            env.insert("HOME".to_owned(), files.home_of(user)?);
        }
        Ok(env)
    }
}

/// A mount point that a command asks for.
#[derive(Debug, Clone)]
pub(crate) struct Point<'a> {
    pub(crate) target: &'a str,
    pub(crate) is_file: bool,
}

/// What a command asks for.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) points: Vec<Point<'a>>,
    /// Links to the libraries of devices.
    pub(crate) links: &'a [Link],
    pub(crate) view: View,
    /// Names that lead where somebody says.
    pub(crate) extra_hosts: &'a BTreeMap<String, Vec<IpAddr>>,
}

impl Plumbing {
    pub(crate) fn new(machine: &Machine) -> Self {
        Self { machine: machine.clone(), bundle: OnceLock::new(), kept: Mutex::default() }
    }

    /// Returns what a command on `base` is lent. It stays as long as this value.
    pub(crate) fn lend(&self, store: &Store, base: Option<&Root>, asked: &Asked<'_>) -> Result<Arc<Kept>, Cause> {
        let doing = || Cause::doing("cannot lay out the sandbox");
        let sketch = self.sketch(base, asked).map_err(doing())?;
        let mut kept = self.kept.lock().expect("no drawing panics");
        let view = asked.view;
        let place = (view, sketch);
        if let Some(known) = kept.get(&place) {
            return Ok(Arc::clone(known));
        }
        let sketch = &place.1;
        let active = store.begin().map_err(Cause::store)?;
        sketch.draw(&active.plumbing(), active.dir()).map_err(doing())?;
        let new = Arc::new(Kept { lent: self.lent(sketch, active.dir(), view), active });
        kept.insert(place, Arc::clone(&new));
        Ok(new)
    }

    /// Fills `dir`, which lies beside the layers below `base`, and returns the mounts and variables that go with it.
    ///
    /// `scratch` is a directory for the sources of those mounts.
    pub(crate) fn lay(
        &self,
        dir: &Path,
        scratch: &Path,
        base: Option<&Root>,
        asked: &Asked<'_>,
    ) -> std::io::Result<Lent> {
        let sketch = self.sketch(base, asked)?;
        sketch.draw(dir, scratch)?;
        Ok(self.lent(&sketch, scratch, asked.view))
    }

    fn sketch(&self, base: Option<&Root>, asked: &Asked<'_>) -> std::io::Result<Sketch> {
        let mut sketch = Sketch::new(base);
        for point in MOUNT_POINTS {
            sketch.directory(base, Path::new(point))?;
        }
        for point in &asked.points {
            sketch.point(base, point)?;
        }
        for link in asked.links {
            sketch.link(base, Path::new(&link.path), Path::new(&link.to))?;
        }
        self.lend_hosts(&mut sketch, base, asked)?;
        if asked.view != View::Nothing {
            self.lend_bundle(&mut sketch, base)?;
        }
        Ok(sketch)
    }

    fn lent(&self, sketch: &Sketch, scratch: &Path, view: View) -> Lent {
        let mut lent = Lent { mounts: sketch.mounts(scratch), env: BTreeMap::new() };
        if view != View::Nothing {
            if self.machine.ca_bundle.is_some() {
                let names = self.machine.ca_variables.iter().map(String::as_str);
                let names = BUNDLE_VARIABLES.iter().copied().chain(names);
                lent.env.extend(names.map(|name| (name.to_owned(), BUNDLE_MOUNT.to_owned())));
            }
            lent.env.extend(view.proxies(&self.machine));
        }
        lent
    }

    fn lend_hosts(&self, sketch: &mut Sketch, base: Option<&Root>, asked: &Asked<'_>) -> std::io::Result<()> {
        const ONLY_ITSELF: &[u8] = b"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";
        let (hosts, resolver) = match asked.view {
            View::Machine => (read_or_empty(&self.machine.hosts)?, read_or_empty(&self.machine.resolv_conf)?),
            View::Own { resolver } => {
                let hosts = read_or_empty(&self.machine.hosts)?;
                (hosts, without_loopback(&read_or_empty(&self.machine.resolv_conf)?, resolver.into()))
            }
            View::Nothing | View::Gate { .. } => (ONLY_ITSELF.to_vec(), Vec::new()),
        };
        // Of several lines with a name the first counts, and what was asked for is to win over what the machine has.
        let hosts = [lines_of(asked.extra_hosts).into_bytes(), hosts].concat();
        for (target, bytes) in [("/etc/hosts", hosts), ("/etc/resolv.conf", resolver)] {
            sketch.file_at(base, Path::new(target), Arc::from([]))?;
            sketch.mount(target, bytes.into());
        }
        Ok(())
    }

    /// Lends the authorities that this machine trusts, together with those that the image trusts already.
    fn lend_bundle(&self, sketch: &mut Sketch, base: Option<&Root>) -> std::io::Result<()> {
        let Some(path) = &self.machine.ca_bundle else { return Ok(()) };
        let machines = match self.bundle.get() {
            Some(bytes) => bytes,
            None => {
                let bytes = fs::read(path)?;
                self.bundle.get_or_init(|| bytes)
            }
        };
        let merged =
            |own: &[u8]| [own, if own.is_empty() || own.ends_with(b"\n") { b"" } else { b"\n" }, machines].concat();
        let mut first: Option<Arc<[u8]>> = None;
        for (index, place) in BUNDLES.iter().enumerate() {
            let own = base.and_then(|base| base.read_bounded(Path::new(place), LARGEST_BUNDLE).ok());
            if own.is_none() && index > 0 {
                continue;
            }
            let bytes: Arc<[u8]> = merged(own.as_deref().unwrap_or_default()).into();
            sketch.file(base, Path::new(place), Arc::clone(&bytes))?;
            first.get_or_insert(bytes);
        }
        sketch.point(base, &Point { target: BUNDLE_MOUNT, is_file: true })?;
        sketch.mount(BUNDLE_MOUNT, first.unwrap_or_default());
        Ok(())
    }
}

/// Returns the lines of hosts(5).
fn lines_of(hosts: &BTreeMap<String, Vec<IpAddr>>) -> String {
    let pairs = hosts.iter().flat_map(|(name, addresses)| addresses.iter().map(move |address| (name, address)));
    pairs.map(|(name, address)| format!("{address}\t{name}\n")).collect()
}

fn bind(path: PathBuf, target: &str) -> Mount {
    Mount { target: target.to_owned(), source: MountSource::Bind { path, subpath: String::new(), read_only: true } }
}

fn read_or_empty(path: &Path) -> std::io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        result => result,
    }
}

/// Most links that are followed on the way, as in the kernel (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// Returns where a path leads inside a root: all links resolved, as far as there is anything.
pub(crate) fn real_path(root: &Root, path: &Path) -> std::io::Result<PathBuf> {
    let mut real = PathBuf::from("/");
    let mut rest: Vec<PathBuf> = parts(path);
    // As nearly all are: one look instead of one a part.
    if !rest.iter().any(|part| part == Path::new("..")) && root.is_without_links(path) {
        return Ok(rest.into_iter().rev().fold(real, |real, part| real.join(part)));
    }
    let mut links = 0;
    while let Some(part) = rest.pop() {
        if part == Path::new("..") {
            real.pop();
            continue;
        }
        let next = real.join(&part);
        match root.read_link(&next) {
            Ok(target) => {
                links += 1;
                if links > MOST_LINKS {
                    return Err(std::io::Error::other(format!("too many links below `{}`", path.display())));
                }
                if target.is_absolute() {
                    real = PathBuf::from("/");
                }
                rest.extend(parts(&target));
            }
            Err(_) => real = next,
        }
    }
    Ok(real)
}

/// The parts of a path, the first one last.
fn parts(path: &Path) -> Vec<PathBuf> {
    let wanted = |part: &Component<'_>| matches!(part, Component::Normal(_) | Component::ParentDir);
    path.components().filter(wanted).map(|part| PathBuf::from(part.as_os_str())).rev().collect()
}
