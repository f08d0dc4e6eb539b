// SPDX-License-Identifier: Apache-2.0
//! What is built: definitions whose files, sizes and steps follow from a seed.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use fastrand::Rng;

/// From this length on a copy is noted, so that a later one can stand on it.
const MUCH: usize = 17 << 20;

/// Three definitions: `kept` is built before the fault, `app` shares its first steps, `stale` is collected.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    files: usize,
    bytes: usize,
    steps: usize,
    has_run: bool,
    /// Files that all definitions have, relative to their place in the image.
    common: Vec<String>,
}

impl Scenario {
    /// Writes the definitions below a directory.
    pub(crate) fn write(seed: u64, dir: &Path) -> Result<Self, String> {
        let mut scenario =
            Self { seed, files: 0, bytes: 0, steps: 0, has_run: busybox().is_some(), common: Vec::new() };
        let mut random = Rng::with_seed(seed);
        let common = scenario.common(&mut random, dir)?;
        for name in ["kept", "app", "stale"] {
            let place = dir.join(name);
            fs::create_dir_all(&place).map_err(|error| error.to_string())?;
            copy(&dir.join("common"), &place.join("shared"))?;
            let own = scenario.own(&mut random, &place)?;
            let text = format!("builder = \"2026.11\"\nbase = \"scratch\"\n{common}{own}");
            fs::write(place.join("wythe.toml"), text).map_err(|error| error.to_string())?;
        }
        Ok(scenario)
    }

    pub(crate) fn describe(&self) -> String {
        let run = if self.has_run { "with run steps" } else { "without run steps: no static busybox here" };
        format!("{} steps, {} files, {} bytes, {run}", self.steps, self.files, self.bytes)
    }

    /// The steps that all three have.
    fn common(&mut self, random: &mut Rng, dir: &Path) -> Result<String, String> {
        let root = dir.join("common");
        let bin = root.join("bin");
        fs::create_dir_all(&bin).map_err(|error| error.to_string())?;
        if let Some(program) = busybox() {
            fs::copy(program, bin.join("busybox")).map_err(|error| error.to_string())?;
            symlink("busybox", bin.join("sh")).map_err(|error| error.to_string())?;
        }
        self.common = self.fill(random, &root.join("common"))?;
        self.steps += 3;
        Ok("[[steps]]\nkind = \"files\"\nname = \"common\"\nfrom = \"shared\"\nto = \"/\"\n".to_owned())
    }

    /// The steps of one definition.
    fn own(&mut self, random: &mut Rng, place: &Path) -> Result<String, String> {
        let mut text = String::new();
        if self.seed.is_multiple_of(4) {
            self.much(random, &place.join("much"))?;
            text.push_str("[[steps]]\nkind = \"files\"\nname = \"much\"\nfrom = \"much\"\nto = \"/much\"\n");
            self.steps += 1;
        }
        for number in 0..random.usize(1..=2) {
            self.fill(random, &place.join(format!("data-{number}")))?;
            let _infallible = write!(
                text,
                "[[steps]]\nkind = \"files\"\nname = \"data-{number}\"\nfrom = \"data-{number}\"\nto = \"/data-{number}\"\n"
            );
            self.steps += 1;
        }
        for number in 0..random.usize(1..=2) {
            if !self.has_run {
                break;
            }
            let blocks = random.usize(1..=40);
            // The first of them removes what is common. By name: a pipe has no failure on its left side, and of busybox' programs
            // `find`, `sort` and `cp` take what failed for done.
            let names = if number == 0 { self.common.join(" ") } else { String::new() };
            let command = format!(
                "busybox mkdir -p /made/{number} && cd /common && busybox cat here {names} > /made/{number}/all && cd / \
                 && busybox dd if=/dev/zero of=/made/{number}/zeros bs=4096 count={blocks} 2>/dev/null \
                 && busybox mv /made/{number}/zeros /made/{number}/moved && busybox rm -rf /common && echo {}",
                random.u32(..)
            );
            let _infallible = write!(
                text,
                "[[steps]]\nkind = \"run\"\nname = \"run-{number}\"\ncommands = [\"busybox mkdir -p /common; busybox touch /common/here; {command}\"]\n"
            );
            self.steps += 1;
        }
        Ok(text)
    }

    /// Fills a directory with much that all definitions have, and a little that is otherwise in each: the second layer of such
    /// a copy stands on the first.
    fn much(&mut self, random: &mut Rng, dir: &Path) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("{}: {error}", dir.display());
        fs::create_dir_all(dir).map_err(failed)?;
        fs::write(dir.join("large"), vec![b'l'; MUCH]).map_err(failed)?;
        fs::write(dir.join("small"), random.u64(..).to_string()).map_err(failed)?;
        self.files += 2;
        self.bytes += MUCH;
        Ok(())
    }

    /// Fills a directory, and returns the names of its files.
    fn fill(&mut self, random: &mut Rng, dir: &Path) -> Result<Vec<String>, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", dir.display());
        fs::create_dir_all(dir.join("deep/er")).map_err(failed)?;
        let mut names = vec!["always".to_owned()];
        for number in 0..random.usize(2..=8) {
            let length = *random.choice([0, 1, 100, 5_000, 60_000, 300_000].iter()).unwrap_or(&1);
            let bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(length).collect();
            let name = format!("{}file-{number}", if random.bool() { "" } else { "deep/er/" });
            let path = dir.join(&name);
            fs::write(&path, bytes).map_err(failed)?;
            let mode = *random.choice([0o644, 0o600, 0o755, 0o4755].iter()).unwrap_or(&0o644);
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).map_err(failed)?;
            names.push(name);
            self.files += 1;
            self.bytes += length;
        }
        fs::write(dir.join("always"), [b'x'; 10]).map_err(failed)?;
        symlink("file-0", dir.join("link")).map_err(failed)?;
        Ok(names)
    }
}

/// Returns a static busybox of this machine.
fn busybox() -> Option<PathBuf> {
    let found = ["/bin/busybox", "/usr/bin/busybox"].map(PathBuf::from).into_iter().find(|path| path.exists())?;
    // A dynamic one needs libraries that the image does not have.
    fs::read(&found).is_ok_and(|bytes| is_static(&bytes)).then_some(found)
}

/// Whether a 64-bit ELF program names no interpreter: elf(5), program headers of type `PT_INTERP`.
fn is_static(elf: &[u8]) -> bool {
    let number = |at: usize, length: usize| {
        let bytes = elf.get(at..at + length)?;
        Some(bytes.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
    };
    let headers = || Some((number(32, 8)?, number(54, 2)?, number(56, 2)?));
    let Some((start, size, count)) = headers() else { return false };
    (0..count).all(|header| number(start + header * size, 4) != Some(3))
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    crate::process::must("cp", &[Path::new("-a"), from, to]).map(drop)
}
