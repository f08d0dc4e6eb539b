// SPDX-License-Identifier: Apache-2.0
//! What the host lends to a command: mount points, the resolver's file, the machine's certificate authorities.
//!
//! All of it lies in one directory that is the top-most *lower* layer of the command's overlay. The command sees it,
//! and nothing of it is in the upper directory that becomes the layer. Files that a package may want to replace (a
//! distribution's CA bundle) are lent this way and not as mounts, since a mount cannot be renamed over.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

use wythe_sandbox::{Mount, MountSource};
use wythe_sys::root::Root;

use crate::machine::Machine;
use crate::state::StateFiles;

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
}

/// What a command gets beside its own mounts and variables.
#[derive(Debug, Default)]
pub(crate) struct Lent {
    pub(crate) mounts: Vec<Mount>,
    pub(crate) env: BTreeMap<String, String>,
}

impl Lent {
    /// Adds what is lent to the variables of a command, and its home. What the command sets itself holds.
    pub(crate) fn dress(
        &self,
        mut env: BTreeMap<String, String>,
        files: &StateFiles,
        user: &str,
    ) -> BTreeMap<String, String> {
        for (name, value) in &self.env {
            env.entry(name.clone()).or_insert_with(|| value.clone());
        }
        env.entry("HOME".to_owned()).or_insert_with(|| files.home_of(user));
        env
    }
}

/// A mount point that a command asks for.
#[derive(Debug, Clone)]
pub(crate) struct Point<'a> {
    pub(crate) target: &'a str,
    pub(crate) is_file: bool,
}

impl Plumbing {
    pub(crate) fn new(machine: &Machine) -> Self {
        Self { machine: machine.clone(), bundle: OnceLock::new() }
    }

    /// Fills `dir`, which lies beside the layers below `base`, and returns the mounts and variables that go with it.
    ///
    /// `scratch` is a directory for the sources of those mounts.
    pub(crate) fn lay(
        &self,
        dir: &Path,
        scratch: &Path,
        base: Option<&Root>,
        points: &[Point<'_>],
        has_network: bool,
    ) -> std::io::Result<Lent> {
        let mut layer = Layer { dir, base };
        layer.begin()?;
        for point in MOUNT_POINTS {
            layer.directory(Path::new(point))?;
        }
        for point in points {
            layer.point(point)?;
        }
        let mut lent = Lent::default();
        self.lend_hosts(&mut layer, scratch, has_network, &mut lent)?;
        if has_network {
            self.lend_bundle(&mut layer, scratch, &mut lent)?;
            lent.env.extend(self.machine.proxies.clone());
        }
        Ok(lent)
    }

    fn lend_hosts(
        &self,
        layer: &mut Layer<'_>,
        scratch: &Path,
        has_network: bool,
        lent: &mut Lent,
    ) -> std::io::Result<()> {
        const ONLY_ITSELF: &[u8] = b"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";
        let (hosts, resolver) = if has_network {
            (read_or_empty(&self.machine.hosts)?, read_or_empty(&self.machine.resolv_conf)?)
        } else {
            (ONLY_ITSELF.to_vec(), Vec::new())
        };
        for (target, bytes) in [("/etc/hosts", hosts), ("/etc/resolv.conf", resolver)] {
            let source = scratch.join(target.rsplit('/').next().expect("the path has a name"));
            fs::File::create(&source)?.write_all(&bytes)?;
            fs::set_permissions(&source, Permissions::from_mode(0o644))?;
            layer.file_at(Path::new(target), b"")?;
            lent.mounts.push(bind(source, target));
        }
        Ok(())
    }

    /// Lends the authorities that this machine trusts, together with those that the image trusts already.
    fn lend_bundle(&self, layer: &mut Layer<'_>, scratch: &Path, lent: &mut Lent) -> std::io::Result<()> {
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
        let mut first = None;
        for (index, place) in BUNDLES.iter().enumerate() {
            let own = layer.base.and_then(|base| base.read_bounded(Path::new(place), LARGEST_BUNDLE).ok());
            if own.is_none() && index > 0 {
                continue;
            }
            let bytes = merged(own.as_deref().unwrap_or_default());
            layer.file(Path::new(place), &bytes)?;
            first.get_or_insert(bytes);
        }
        let source = scratch.join("ca-certificates.crt");
        fs::File::create(&source)?.write_all(&first.unwrap_or_default())?;
        fs::set_permissions(&source, Permissions::from_mode(0o644))?;
        layer.point(&Point { target: BUNDLE_MOUNT, is_file: true })?;
        lent.mounts.push(bind(source, BUNDLE_MOUNT));
        let names = BUNDLE_VARIABLES.iter().copied().chain(self.machine.ca_variables.iter().map(String::as_str));
        lent.env.extend(names.map(|name| (name.to_owned(), BUNDLE_MOUNT.to_owned())));
        Ok(())
    }
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

/// The directory that becomes the top-most lower layer.
struct Layer<'a> {
    dir: &'a Path,
    base: Option<&'a Root>,
}

impl Layer<'_> {
    /// Makes the directory itself look like the root of the image.
    fn begin(&self) -> std::io::Result<()> {
        fs::create_dir_all(self.dir)?;
        self.adopt(Path::new("/"), self.dir)
    }

    fn point(&mut self, point: &Point<'_>) -> std::io::Result<()> {
        let target = Path::new(point.target);
        if point.is_file { self.file(target, b"") } else { self.directory(target) }
    }

    /// Makes sure that a directory exists at `path`. Links of the image are followed, so that a mount point below
    /// `/var/run` is made where `/var/run` leads and does not hide the link.
    fn directory(&mut self, path: &Path) -> std::io::Result<()> {
        let real = self.real(path)?;
        self.directories(&real)
    }

    /// Makes a file at `path`, links of the image followed.
    fn file(&mut self, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
        let real = self.real(path)?;
        self.file_at(&real, bytes)
    }

    /// Makes a file exactly at `path`: a link of the image there is hidden, not followed.
    fn file_at(&mut self, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
        let parent = self.real(path.parent().unwrap_or(Path::new("/")))?;
        self.directories(&parent)?;
        let inside = self.inside(&parent).join(path.file_name().unwrap_or_default());
        if inside.exists() {
            return Ok(());
        }
        File::create(&inside)?.write_all(bytes)?;
        fs::set_permissions(&inside, Permissions::from_mode(0o644))?;
        self.adopt(path, &inside)
    }

    fn directories(&self, real: &Path) -> std::io::Result<()> {
        let mut path = PathBuf::from("/");
        for part in real.components().filter(|part| matches!(part, Component::Normal(_))) {
            path.push(part);
            let inside = self.inside(&path);
            match fs::create_dir(&inside) {
                Ok(()) => {
                    fs::set_permissions(&inside, Permissions::from_mode(0o755))?;
                    self.adopt(&path, &inside)?;
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn inside(&self, path: &Path) -> PathBuf {
        self.dir.join(path.strip_prefix("/").unwrap_or(path))
    }

    fn real(&self, path: &Path) -> std::io::Result<PathBuf> {
        match self.base {
            Some(base) => real_path(base, path),
            None => Ok(path.to_owned()),
        }
    }

    /// Gives what stands for a path of the image the same owner and mode: of merged entries the top-most counts.
    fn adopt(&self, path: &Path, inside: &Path) -> std::io::Result<()> {
        let Some(Ok(found)) = self.base.map(|base| base.metadata(path)) else { return Ok(()) };
        if found.is_dir() == inside.is_dir() {
            chown(inside, Some(found.uid()), Some(found.gid()))?;
            fs::set_permissions(inside, Permissions::from_mode(found.mode() & 0o7777))?;
        }
        Ok(())
    }
}

/// Most links that are followed on the way, as in the kernel (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// Returns where a path leads inside a root: all links resolved, as far as there is anything.
pub(crate) fn real_path(root: &Root, path: &Path) -> std::io::Result<PathBuf> {
    let mut real = PathBuf::from("/");
    let mut rest: Vec<PathBuf> = parts(path);
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
