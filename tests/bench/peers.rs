// SPDX-License-Identifier: Apache-2.0
//! The same work for other builders, where they are installed.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Returns whether a program is installed.
pub(crate) fn has(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).stdout(Stdio::null()).status();
    found.is_ok_and(|status| status.success())
}

/// Debian's buildah, with a store of its own and a base made of a directory.
pub(crate) struct Buildah {
    dir: PathBuf,
}

impl Buildah {
    /// Imports `rootfs`, a tar archive, as the image `bench-base`.
    pub(crate) fn new(dir: &Path, rootfs: &Path) -> Result<Self, String> {
        if !has("buildah") {
            return Err("buildah is not installed".to_owned());
        }
        let this = Self { dir: dir.join("buildah") };
        if this.dir.exists() {
            return Ok(this);
        }
        fs::create_dir_all(&this.dir).map_err(|error| error.to_string())?;
        let context = dir.join("buildah-base");
        fs::create_dir_all(&context).map_err(|error| error.to_string())?;
        fs::copy(rootfs, context.join("rootfs.tar")).map_err(|error| error.to_string())?;
        fs::write(context.join("Dockerfile"), "FROM scratch\nADD rootfs.tar /\n").map_err(|error| error.to_string())?;
        let mut command = this.command(&["build", "-q", "-t", "bench-base"]);
        let output = command.arg(&context).output().map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(this);
        }
        crate::bench::remove(&this.dir.display().to_string())?;
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn options(&self) -> Vec<String> {
        let place = |name: &str| self.dir.join(name).display().to_string();
        vec![
            "--root".into(),
            place("root"),
            "--runroot".into(),
            place("run"),
            "--storage-driver".into(),
            "overlay".into(),
        ]
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("buildah");
        command.args(self.options()).args(args);
        command
    }

    /// The command line of a build with its layers cached.
    pub(crate) fn build(&self, context: &Path, fresh: bool) -> Vec<String> {
        let mut line = vec!["buildah".to_owned()];
        line.extend(self.options());
        // Without a runtime: Debian's buildah and crun do not run on machines with both kinds of control groups.
        let options = ["build", "-q", "--layers", "--isolation", "chroot", "--network", "host", "--pull-never"];
        line.extend(options.map(str::to_owned));
        if fresh {
            line.push("--no-cache".to_owned());
        }
        line.push(context.display().to_string());
        line
    }

    /// Writes a file with a number of steps, each unlike every other one.
    pub(crate) fn steps(context: &Path, count: u32) -> Result<(), String> {
        let mut text = "FROM bench-base\n".to_owned();
        for step in 0..count {
            let _infallible = writeln!(text, "RUN echo {step} > /step-{step}");
        }
        Self::file(context, &text)
    }

    /// Writes a file of instructions.
    pub(crate) fn file(context: &Path, text: &str) -> Result<(), String> {
        fs::create_dir_all(context).map_err(|error| error.to_string())?;
        fs::write(context.join("Dockerfile"), text).map_err(|error| error.to_string())
    }
}
