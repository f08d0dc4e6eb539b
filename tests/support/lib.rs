// SPDX-License-Identifier: Apache-2.0
//! What end-to-end tests share: the real binary, stores, definitions in temporary directories, other tools.
//!
//! The Debian mirror is the product's default; `WYTHE_TEST_MIRROR` names another one.

#![allow(clippy::print_stderr, reason = "a test that cannot run says why")]

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

/// Returns the checkout.
#[must_use]
pub fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the checkout").to_owned()
}

/// Returns the binary under test: the one that was built with the tests. It is built where it is missing.
#[must_use]
pub fn binary() -> PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(build_binary).clone()
}

/// The directory of cargo's outputs that this test was built into: `target/debug`, say.
fn output_dir() -> PathBuf {
    let test = std::env::current_exe().expect("a process has a program");
    test.parent().and_then(Path::parent).expect("tests are built into deps/").to_owned()
}

fn build_binary() -> PathBuf {
    let binary = output_dir().join("wythe");
    if !binary.exists() {
        let built = Command::new(env!("CARGO")).args(["build", "--package", "wythe-cli"]).current_dir(top()).status();
        assert!(built.expect("cargo can be started").success(), "the binary cannot be built");
    }
    binary
}

/// How a program ended and what it wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Exit status; none where a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Ended {
    /// Returns standard output of a program that ended well.
    ///
    /// # Panics
    ///
    /// Panics where it did not.
    #[track_caller]
    pub fn stdout(self) -> String {
        assert_eq!(self.code, Some(0), "standard error:\n{}\nstandard output:\n{}", self.stderr, self.stdout);
        self.stdout
    }
}

/// Runs another program, which must be there.
///
/// # Panics
///
/// Panics where it cannot be started.
#[track_caller]
pub fn run<S: AsRef<OsStr>>(program: &str, args: &[S]) -> Ended {
    let output = Command::new(program).args(args).output();
    output.unwrap_or_else(|error| panic!("{program} cannot be started: {error}")).into()
}

/// Returns whether another program is installed. A test that needs one that is not says so and is counted as passed
/// by the runner, so the reason is printed.
#[must_use]
pub fn is_installed(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).stdout(Stdio::null()).status();
    let is_there = found.is_ok_and(|status| status.success());
    if !is_there {
        eprintln!("skipped: {program} is not installed");
    }
    is_there
}

fn is_static(program: &Path) -> bool {
    let output = Command::new("ldd").arg(program).output();
    program.exists() && output.is_ok_and(|output| !output.status.success())
}

/// The account by which tests are an ordinary user, made by whoever prepares the machine (`.ci/run` does).
pub const ACCOUNT: &str = "wythe-test";

/// Returns whether this process is root, and says that the test needs that where it is not.
///
/// # Panics
///
/// Panics where `id` cannot be started.
#[must_use]
pub fn is_root() -> bool {
    let is = run("id", &["-u"]).stdout == "0\n";
    if !is {
        eprintln!("skipped: needs root");
    }
    is
}

/// Returns whether tests can be an ordinary user with sub-ids, and says why not.
///
/// # Panics
///
/// Panics where `id` cannot be started.
#[must_use]
pub fn can_become_ordinary() -> bool {
    if !is_root() {
        return false;
    }
    let is_there = run("id", &[ACCOUNT]).code == Some(0);
    if !is_there {
        eprintln!("skipped: needs an account `{ACCOUNT}` with sub-ids (useradd {ACCOUNT})");
    }
    is_there
}

/// Returns whether programs of an architecture, by Go's name, can be run here, and says that the test needs that where they
/// cannot.
///
/// # Panics
///
/// Panics where `wythe doctor` does not print JSON.
#[must_use]
pub fn runs_programs_of(architecture: &str) -> bool {
    let told = Bench::new().wythe(&["doctor", "--json"]).stdout;
    let found: serde_json::Value = serde_json::from_str(&told).expect("the findings are JSON");
    let platforms = found.as_array().into_iter().flatten().find(|one| one["what"] == "platforms");
    let found = platforms.and_then(|one| one["found"].as_str()).unwrap_or_default();
    let wanted = format!("linux/{architecture}");
    let runs = found.split([' ', ',', ';']).any(|word| word == wanted) && !found.contains(&format!("not {wanted}"));
    if !runs {
        eprintln!("skipped: no emulator for {wanted} is registered (packages qemu-user-static, binfmt-support)");
    }
    runs
}

/// A directory to work in and a store to build into.
#[derive(Debug)]
pub struct Bench {
    dir: TempDir,
    store: PathBuf,
}

impl Bench {
    /// A bench with a store of its own.
    ///
    /// # Panics
    ///
    /// Panics where the machine lets no directory be made.
    #[must_use]
    pub fn new() -> Self {
        let dir = TempDir::new_in(scratch()).expect("a directory can be made");
        let store = dir.path().join("store");
        Self { dir, store }
    }

    /// A bench whose store is shared by all tests, so that a base is bootstrapped once. Builds of other tests go on in
    /// it at the same time: that is what a store promises.
    #[must_use]
    pub fn shared() -> Self {
        Self { store: scratch().join("shared-store"), ..Self::new() }
    }

    /// A bench with a store of its own and, in the directory `root`, the files of an image with a shell: the host's busybox.
    /// None where the machine has no static one, which is said.
    ///
    /// # Panics
    ///
    /// Panics where the directory cannot be written to.
    #[must_use]
    pub fn with_busybox() -> Option<Self> {
        const APPLETS: &str = "cat chmod chown date echo env find grep hostname id ln ls mkdir mkfifo ps rm sh sleep sort stat test touch";
        let found = ["/bin/busybox", "/usr/bin/busybox"].into_iter().map(Path::new).find(|path| is_static(path));
        let Some(busybox) = found else {
            eprintln!("skipped: there is no static busybox (package busybox-static)");
            return None;
        };
        let bench = Self::new();
        let bin = bench.dir().join("root/bin");
        fs::create_dir_all(&bin).expect("directories can be made");
        fs::copy(busybox, bin.join("busybox")).expect("a program can be copied");
        for applet in APPLETS.split(' ') {
            std::os::unix::fs::symlink("busybox", bin.join(applet)).expect("a link can be made");
        }
        Some(bench)
    }

    /// Returns the directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Returns the store.
    #[must_use]
    pub fn store(&self) -> &Path {
        &self.store
    }

    /// Writes a file, and the directories it lies in.
    ///
    /// # Panics
    ///
    /// Panics where it cannot be written.
    pub fn file(&self, path: &str, text: &str) -> &Self {
        let path = self.dir().join(path);
        fs::create_dir_all(path.parent().expect("a file lies in a directory")).expect("directories can be made");
        fs::write(path, text).expect("a file can be written");
        self
    }

    /// Writes the definition of an image.
    pub fn definition(&self, text: &str) -> &Self {
        self.file("wythe.toml", &format!("builder = \"2026.11\"\n{text}"))
    }

    /// Returns the command line with this store, to be run in this directory.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.at_home(binary().as_ref());
        command.args(args);
        command
    }

    fn at_home(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.dir()).env("WYTHE_HOME", &self.store).env_remove("SOURCE_DATE_EPOCH");
        command
    }

    /// Runs the command line under strace, which has these options and leaves what it saw in the file `strace` here.
    ///
    /// # Panics
    ///
    /// Panics where strace cannot be started: see [`is_installed`].
    #[must_use]
    pub fn traced(&self, options: &[&str], args: &[&str]) -> Ended {
        let mut command = self.at_home("strace".as_ref());
        command.args(["-f", "-qq", "-o", "strace"]).args(options).arg(binary()).args(args);
        command.output().expect("strace can be started").into()
    }

    /// Runs buildah here, with a store below this directory. Its driver `vfs` works on every file system, and has the files of
    /// an image in a directory.
    ///
    /// # Panics
    ///
    /// Panics where it cannot be started.
    #[track_caller]
    pub fn buildah(&self, args: &[&str]) -> Ended {
        let storage = self.dir().join("buildah");
        let mut command = Command::new("buildah");
        command.args(["--storage-driver", "vfs", "--root"]).arg(storage.join("root"));
        command.arg("--runroot").arg(storage.join("run")).args(args).current_dir(self.dir());
        command.output().expect("buildah can be started").into()
    }

    /// Runs the command line as an ordinary user, in a copy of this directory that belongs to that user, with a store
    /// below it, and whatever else may differ between two machines: another mask for new files, times of files, language,
    /// zone and host name.
    ///
    /// # Panics
    ///
    /// Panics where the machine does not let it.
    #[track_caller]
    pub fn wythe_elsewhere(&self, args: &[&str]) -> Ended {
        self.wythe_elsewhere_with(&[], args)
    }

    /// The same with further variables.
    ///
    /// # Panics
    ///
    /// Panics where the machine does not let it.
    #[track_caller]
    pub fn wythe_elsewhere_with(&self, variables: &[(&str, &str)], args: &[&str]) -> Ended {
        let (mut command, _home) = self.elsewhere(variables, args, false);
        command.output().expect("a shell can be started").into()
    }

    /// Returns the command of [`Bench::wythe_elsewhere_with`], and the directory that has to outlive it. With `has_tun`,
    /// everybody may use the device of network stacks, as is usual.
    ///
    /// # Panics
    ///
    /// Panics where the machine does not let it.
    #[must_use]
    pub fn elsewhere(&self, variables: &[(&str, &str)], args: &[&str], has_tun: bool) -> (Command, TempDir) {
        // `/tmp` and not the target directory: checkouts often lie where other users may not look.
        let home = TempDir::new_in("/tmp").expect("a directory can be made");
        let at = home.path().display();
        let prepare = format!(
            "cp -R {}/. {at}/ && rm -rf {at}/store && cp {} {at}/wythe-binary
            find {at} -exec touch -h -d 2001-02-03 {{}} + && chown -R {ACCOUNT} {at} && chmod 755 {at}",
            self.dir().display(),
            binary().display(),
        );
        let environment = format!(
            "HOME={at} XDG_DATA_HOME={at}/data TZ=Asia/Tokyo LC_ALL=tr_TR.UTF-8 LANG=tr_TR.UTF-8 HOSTNAME=elsewhere"
        );
        let variables: String = variables.iter().map(|(name, value)| format!("{name}='{value}' ")).collect();
        let tun = format!("mknod -m 666 {at}/tun c 10 200 && mount --bind {at}/tun /dev/net/tun");
        let tun = if has_tun { &*tun } else { "true" };
        let script = format!(
            "{prepare} && {tun}
            hostname elsewhere; cd {at}; umask 0077
            exec setpriv --reuid {ACCOUNT} --regid {ACCOUNT} --init-groups \\
                env -u WYTHE_HOME -u SOURCE_DATE_EPOCH {environment} {variables} ./wythe-binary \"$@\""
        );
        let mut command = Command::new("unshare");
        command.args(["--uts", "--mount", "sh", "-ec", &script, "sh"]).args(args);
        (command, home)
    }

    /// Runs the command line.
    ///
    /// # Panics
    ///
    /// Panics where it cannot be started.
    #[track_caller]
    pub fn wythe(&self, args: &[&str]) -> Ended {
        self.command(args).output().expect("the binary can be started").into()
    }

    /// Starts the command line and returns while it runs.
    ///
    /// # Panics
    ///
    /// Panics where it cannot be started.
    #[must_use]
    pub fn start(&self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the binary can be started")
    }
}

impl Default for Bench {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns where tests may write. It lies in the target directory, on a file system that overlay can use.
///
/// # Panics
///
/// Panics where it cannot be made.
#[must_use]
pub fn scratch() -> PathBuf {
    let dir = output_dir().parent().expect("a profile lies in the target directory").join("tmp/e2e");
    fs::create_dir_all(&dir).expect("the target directory can be written to");
    dir
}

/// Returns the `base` line of a small Debian, from the mirror that the tests are told of.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "tests take the mirror from the environment")]
pub fn debian(options: &str) -> String {
    let mirror =
        std::env::var("WYTHE_TEST_MIRROR").map(|mirror| format!(", mirror = \"{mirror}\"")).unwrap_or_default();
    format!("base = {{ kind = \"debian-slim\", release = \"bookworm\"{options}{mirror} }}\n")
}
