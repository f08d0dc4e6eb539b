// SPDX-License-Identifier: Apache-2.0
//! Disks that can be filled and cut: ext4 in a file, or memory. Mounted until dropped.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::process::must;

/// The shutdown ioctl of ext4 (and XFS), without flushing the journal: what was not flushed is lost, as by a power cut.
/// Perl's `ioctl` is the safe way to a number that no library wraps; every Debian has perl.
const CUT: &str = r"open my $d, '<', $ARGV[0] or die $!; my $f = pack('L', 2); ioctl($d, 0x8004587d, $f) or die $!";

/// How long processes of a sandbox may hold on to a disk whose owner is gone.
const GRACE: Duration = Duration::from_secs(5);

pub(crate) struct Disk {
    image: Option<PathBuf>,
    mount: PathBuf,
    is_mounted: bool,
}

impl Disk {
    /// An ext4 file system of a size, with a number of inodes.
    pub(crate) fn ext4(dir: &Path, mebibytes: u64, inodes: Option<u64>) -> Result<Self, String> {
        let image = image(dir)?;
        let file = File::create(&image).and_then(|file| file.set_len(mebibytes << 20));
        file.map_err(|error| format!("{}: {error}", image.display()))?;
        let inodes = inodes.map_or_else(Vec::new, |count| vec!["-N".to_owned(), count.to_string()]);
        let mut args = ["-q", "-F", "-m", "0", "-E", "lazy_itable_init=1"].map(str::to_owned).to_vec();
        args.extend(inodes);
        args.push(image.display().to_string());
        must("mkfs.ext4", &args)?;
        let mut disk = Self { image: Some(image), mount: dir.join("mount"), is_mounted: false };
        disk.mount()?;
        Ok(disk)
    }

    /// A copy of an unmounted disk.
    pub(crate) fn copy_of(other: &Self, dir: &Path) -> Result<Self, String> {
        let to = image(dir)?;
        let from = other.image.as_ref().ok_or("memory cannot be copied")?;
        must("cp", &[Path::new("--sparse=always"), from, &to])?;
        let mut disk = Self { image: Some(to), mount: dir.join("mount"), is_mounted: false };
        disk.mount()?;
        Ok(disk)
    }

    /// A file system in memory.
    pub(crate) fn memory(dir: &Path, size: &str, inodes: Option<u64>) -> Result<Self, String> {
        fs::create_dir_all(dir).map_err(|error| error.to_string())?;
        let options = inodes.map_or_else(|| format!("size={size}"), |count| format!("size={size},nr_inodes={count}"));
        must("mount", &["-t", "tmpfs", "-o", &options, "tmpfs", &dir.display().to_string()])?;
        Ok(Self { image: None, mount: dir.to_owned(), is_mounted: true })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.mount
    }

    pub(crate) fn mount(&mut self) -> Result<(), String> {
        let image = self.image.as_ref().ok_or("memory is gone when it is unmounted")?;
        must("mount", &[Path::new("-o"), Path::new("loop"), image, &self.mount])?;
        self.is_mounted = true;
        Ok(())
    }

    /// Cuts the power: what is not on the disk is lost, and nothing works any more until it is mounted again.
    pub(crate) fn cut(&self) -> Result<(), String> {
        must("perl", &[Path::new("-e"), Path::new(CUT), &self.mount]).map(drop)
    }

    pub(crate) fn unmount(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        while self.is_mounted {
            match must("umount", &[&self.mount]) {
                Ok(_) => self.is_mounted = false,
                Err(error) if begun.elapsed() > GRACE => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
        Ok(())
    }

    /// Returns bytes and inodes that are free.
    pub(crate) fn free(&self) -> Result<(u64, u64), String> {
        let found = nix::sys::statvfs::statvfs(&self.mount).map_err(|error| error.to_string())?;
        Ok((found.blocks_available() * found.fragment_size(), found.files_available()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Err(error) = self.unmount() {
            eprintln!("{error}");
        }
    }
}

fn image(dir: &Path) -> Result<PathBuf, String> {
    fs::create_dir_all(dir.join("mount")).map_err(|error| format!("{}: {error}", dir.display()))?;
    Ok(dir.join("image"))
}
