// SPDX-License-Identifier: Apache-2.0
//! Power cuts, played with a loop-mounted ext4 file system and the shutdown ioctl, which loses what was not flushed.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;
use wythe_image::Digest;
use wythe_store::Store;

use crate::support::{NOW, build, key, pack, parts_digest};

/// `EXT4_IOC_SHUTDOWN` without flushing the journal.
const CUT: &str = r"open my $d, '<', $ARGV[0] or die; my $f = pack('L', 2); ioctl($d, 0x8004587d, $f) or die $!";

struct Disk {
    root: TempDir,
}

impl Disk {
    /// Makes and mounts a file system; `None` where the privilege or a program is missing.
    fn new() -> Option<Self> {
        let root = tempfile::tempdir().ok()?;
        fs::File::create(root.path().join("image")).ok()?.set_len(64 << 20).ok()?;
        fs::create_dir(root.path().join("mount")).ok()?;
        let disk = Self { root };
        let is_made = run("mkfs.ext4", &["-q", disk.path("image").to_str()?]);
        (is_made && disk.mount()).then_some(disk)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn mount(&self) -> bool {
        run("mount", &["-o", "loop", self.path("image").to_str().unwrap(), self.path("mount").to_str().unwrap()])
    }

    fn store(&self) -> PathBuf {
        self.path("mount/store")
    }

    fn cut(&self) -> bool {
        run("perl", &["-e", CUT, self.path("mount").to_str().unwrap()])
    }

    fn unmount(&self) -> bool {
        run("umount", &[self.path("mount").to_str().unwrap()])
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.unmount();
    }
}

fn run(program: &str, arguments: &[&str]) -> bool {
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

fn whole(store: &Store) {
    let report = store.verify(false, &mut |_| (), &|parts| Ok(parts_digest(parts))).unwrap();
    assert_eq!(report.findings, []);
}

/// Needs the right to mount, and skips without it. It runs in a mount namespace of its own: a copy of the mount that a
/// process elsewhere has inherited would keep the cut file system alive.
#[test]
fn a_saved_image_survives_a_power_cut_and_the_rest_is_made_again() {
    if !run("unshare", &["--mount", "true"]) {
        return;
    }
    let child = Command::new("unshare")
        .arg("--mount")
        .arg(std::env::current_exe().unwrap())
        .args(["power::power_cuts", "--exact", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    assert!(
        child.status.success(),
        "{}{}",
        String::from_utf8_lossy(&child.stdout),
        String::from_utf8_lossy(&child.stderr)
    );
}

#[test]
#[ignore = "another test runs it in a mount namespace"]
fn power_cuts() {
    let Some(disk) = Disk::new() else { return };
    let mut saved: Vec<(String, Digest)> = Vec::new();
    for round in 0..8 {
        let store = Store::open_in_boot(&disk.store(), NOW, format!("boot {round}")).unwrap();
        for (name, digest) in &saved {
            let image = store.image(name).unwrap().expect("an image that was reported");
            assert_eq!(&image.digest, digest);
        }
        whole(&store);
        let layers: Vec<_> = (0..20).map(|step| build(&store, &format!("{round}-{step}")).1).collect();
        let packed = pack(&layers);
        let name = format!("image-{round}");
        store.save_image(&packed, std::slice::from_ref(&name)).unwrap();
        saved.push((name, packed.digest));
        for step in 0..20 {
            build(&store, &format!("lost-{round}-{step}"));
        }
        store.put_blob(format!("lost artifact {round}").as_bytes()).unwrap();
        if !disk.cut() {
            // This kernel or this file system does not know the ioctl.
            return;
        }
        drop(store);
        assert!(disk.unmount() && disk.mount());
        let store = Store::open_in_boot(&disk.store(), NOW, format!("boot {}", round + 1)).unwrap();
        for step in 0..20 {
            assert!(store.result(&key(&format!("{round}-{step}"))).unwrap().is_some(), "a flushed result");
            assert_eq!(store.result(&key(&format!("lost-{round}-{step}"))).unwrap(), None);
        }
        // What was lost is made again over whatever is left of it.
        for step in 0..20 {
            build(&store, &format!("lost-{round}-{step}"));
        }
        store.sync().unwrap();
    }
}
