// SPDX-License-Identifier: Apache-2.0
//! A root file system made of this machine's busybox, and short ways to run commands in it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock, Weak};

use tempfile::TempDir;
use wythe_sandbox::{
    Ending, Limits, Mount, MountSource, Native, Network, Oci, RunError, RunInputs, RunOutcome, RunRequest, RunTuning,
    Runtime, Sandbox, Stdio, Stream,
};
use wythe_sys::cancel::Cancel;
use wythe_sys::overlay::Overlay;

use crate::inside;

/// A lower directory with busybox, users, and this binary as `/inside`: one for all runs that there are at the same time, and removed with
/// the last of them (nothing is dropped that a static owns).
fn base() -> Arc<TempDir> {
    static BASE: Mutex<Weak<TempDir>> = Mutex::new(Weak::new());
    let mut base = BASE.lock().unwrap();
    base.upgrade().unwrap_or_else(|| {
        let made = Arc::new(make_base());
        *base = Arc::downgrade(&made);
        made
    })
}

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:100:App:/home/app:/bin/sh\n";
const GROUP: &str = "root:x:0:\nusers:x:100:\naudio:x:29:app,other\nvideo:x:44:other,app\n";

fn make_base() -> TempDir {
    let base = tempfile::tempdir().unwrap();
    let path = base.path();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    for directory in ["bin", "etc", "home/app", "root", "srv"] {
        fs::create_dir_all(path.join(directory)).unwrap();
    }
    fs::create_dir(path.join("tmp")).unwrap();
    fs::set_permissions(path.join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
    fs::write(path.join("etc/passwd"), PASSWD).unwrap();
    fs::write(path.join("etc/group"), GROUP).unwrap();
    let busybox = ["/usr/bin/busybox", "/bin/busybox"].into_iter().find(|path| Path::new(path).is_file());
    let busybox = busybox.expect("the suite needs a static busybox (Debian: busybox-static)");
    fs::copy(busybox, path.join("bin/busybox")).unwrap();
    let applets = Command::new(busybox).arg("--list").output().unwrap().stdout;
    for applet in String::from_utf8(applets).unwrap().lines().filter(|applet| *applet != "busybox") {
        symlink("busybox", path.join("bin").join(applet)).unwrap();
    }
    copy_self(path);
    base
}

/// Copies this binary and the libraries it is linked to.
fn copy_self(root: &Path) {
    let this = std::env::current_exe().unwrap();
    fs::copy(&this, root.join("inside")).unwrap();
    let listed = Command::new("ldd").arg(&this).output().unwrap().stdout;
    for word in String::from_utf8(listed).unwrap().split_whitespace().filter(|word| word.starts_with('/')) {
        let library = root.join(word.trim_start_matches('/'));
        fs::create_dir_all(library.parent().unwrap()).unwrap();
        fs::copy(word, library).unwrap();
    }
}

/// Directories of one run, and the request for it.
pub(crate) struct Sand {
    pub(crate) directory: TempDir,
    pub(crate) request: RunRequest,
    _base: Arc<TempDir>,
}

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) ending: Ending,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) outcome: RunOutcome,
}

impl Sand {
    /// A run of `argv` on a writable root with an empty plumbing layer on top.
    pub(crate) fn new(argv: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let [plumbing, upper, work] = ["plumbing", "upper", "work"].map(|name| directory.path().join(name));
        for path in [&plumbing, &upper, &work] {
            fs::create_dir(path).unwrap();
        }
        for name in ["proc", "sys", "dev"] {
            fs::create_dir(plumbing.join(name)).unwrap();
        }
        let base = base();
        let root = Overlay { lowers: vec![base.path().to_owned(), plumbing], upper: Some(upper), work: Some(work) };
        let inputs = RunInputs {
            root,
            argv: argv.iter().map(|argument| (*argument).to_owned()).collect(),
            env: BTreeMap::from([("PATH".into(), "/bin".into())]),
            workdir: "/".into(),
            ..RunInputs::default()
        };
        Self { directory, request: RunRequest { inputs, tuning: RunTuning::default() }, _base: base }
    }

    /// A run of a shell script.
    pub(crate) fn sh(script: &str) -> Self {
        Self::new(&["sh", "-c", script])
    }

    /// A run of one of the questions of [`inside`].
    pub(crate) fn ask(question: &str) -> Self {
        Self::new(&["/inside", inside::ARGUMENT, question])
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut RunInputs)) -> Self {
        change(&mut self.request.inputs);
        self
    }

    pub(crate) fn with_limits(mut self, limits: Limits) -> Self {
        self.request.tuning.limits = limits;
        self
    }

    pub(crate) fn user(self, user: &str) -> Self {
        self.with(|inputs| inputs.user = user.into())
    }

    pub(crate) fn host_network(self) -> Self {
        self.with(|inputs| inputs.network = Network::Host)
    }

    pub(crate) fn mount(self, target: &str, source: MountSource) -> Self {
        // Targets have to exist; a directory for what is none is the business of the test.
        if !target.starts_with("/dev") && !target.contains("..") {
            fs::create_dir_all(self.path("plumbing").join(target.trim_start_matches('/'))).unwrap();
        }
        self.with(|inputs| inputs.mounts.push(Mount { target: target.into(), source }))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A fresh directory of the machine.
    pub(crate) fn host_directory(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir(&path).unwrap();
        path
    }

    pub(crate) fn run(&self) -> Result<Ran, RunError> {
        self.run_until(&Cancel::new().unwrap(), &mut |_, _| ())
    }

    pub(crate) fn run_until(&self, cancel: &Cancel, watch: &mut dyn FnMut(Stream, &[u8])) -> Result<Ran, RunError> {
        let (mut stdout, mut stderr) = (vec![], vec![]);
        let mut sink = |stream, bytes: &[u8]| {
            match stream {
                Stream::Stdout => stdout.extend_from_slice(bytes),
                Stream::Stderr => stderr.extend_from_slice(bytes),
            }
            watch(stream, bytes);
        };
        let outcome = driver().run(&self.request, Stdio::Captured(&mut sink), cancel)?;
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ok(Ran { ending: outcome.ending, stdout: text(stdout), stderr: text(stderr), outcome })
    }

    /// What a command that ends well and silently on the other stream prints.
    #[track_caller]
    pub(crate) fn prints(&self) -> String {
        let ran = self.run().unwrap_or_else(|error| panic!("{}", chain(&error)));
        assert_eq!((ran.ending, ran.stderr.as_str()), (Ending::Exited(0), ""), "{}", ran.stdout);
        ran.stdout
    }

    /// Why a command was not executed, with the causes.
    #[track_caller]
    pub(crate) fn refusal(&self) -> String {
        chain(&self.run().expect_err("the run was refused"))
    }
}

/// Names the runtime of the suite, if it is not that of the native driver.
pub(crate) const RUNTIME: &str = "WYTHE_TEST_RUNTIME";

/// The driver of the suite.
pub(crate) fn driver() -> &'static dyn Sandbox {
    static DRIVER: OnceLock<Box<dyn Sandbox>> = OnceLock::new();
    DRIVER.get_or_init(new_driver).as_ref()
}

/// Another one of the same kind.
pub(crate) fn new_driver() -> Box<dyn Sandbox> {
    let native = Native::new("/proc/self/exe".into());
    match runtime() {
        Some(runtime) => Box::new(Oci::new(native, runtime)),
        None => Box::new(native),
    }
}

/// The runtime of the suite; none for the native driver.
pub(crate) fn runtime() -> Option<Runtime> {
    let name = std::env::var(RUNTIME).ok()?;
    Some(installed(&name).expect("the runtime is installed"))
}

/// A runtime of this machine.
pub(crate) fn installed(name: &str) -> Option<Runtime> {
    Runtime::find(name, &["/usr/bin", "/usr/sbin", "/usr/local/bin"].map(PathBuf::from)).ok()
}

pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// The value of a line of `/proc/self/status`.
pub(crate) fn status<'a>(text: &'a str, name: &str) -> &'a str {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("{name} in {text}")).trim()
}
