// SPDX-License-Identifier: Apache-2.0
//! The guests of `tests/guests`, compiled on demand, and a world that is always the same.

#[path = "../../guests.rs"]
mod guests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use wythe_plan::{
    Fact, FactAnswer, Finding, Fragment, GitUrl, Offer, PlanError, Severity, StepCall, StepPlanner as _, Vertex,
    VertexId, World,
};
use wythe_plugin::{ExtraPlugin, Limits, PluginOptions, Plugins};

/// The folder of the guests' sources.
pub(crate) fn guests_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests")
}

/// The component of a guest. All are compiled when the first is wanted.
pub(crate) fn guest(name: &str) -> Vec<u8> {
    static BUILT: OnceLock<BTreeMap<String, PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a target directory").join("guests");
        let build = guests::GuestBuild {
            manifest: &guests_folder().join("Cargo.toml"),
            target_dir: &target,
            checkout: Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("a checkout"),
            selection: &["--examples"],
        };
        let components = build.run().expect("the guests compile");
        components.into_iter().map(|(_, file)| (stem(&file), file)).collect()
    });
    std::fs::read(&built[name]).expect("a component")
}

/// The name of a source or component, as in `loops`.
pub(crate) fn stem(file: &Path) -> String {
    file.file_stem().expect("a name").to_string_lossy().into_owned()
}

/// Limits that a misbehaving guest reaches at once.
pub(crate) fn low() -> Limits {
    let mut limits = Limits::default();
    for (name, value) in [
        ("memory", "24MiB"),
        ("cpu-time", "0.2"),
        ("call-bytes", "1MiB"),
        ("answer-bytes", "4MiB"),
        ("handles", "1000"),
        ("vertices", "500"),
        ("log-bytes", "64KiB"),
    ] {
        limits.set(name, value).expect("a limit");
    }
    limits
}

/// Loads guests, and nothing else.
pub(crate) fn load(guests: &[&str], limits: Limits) -> Plugins {
    let extra = guests.iter().map(|name| ExtraPlugin::from(guest(name))).collect();
    let compiled_cache = Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled"));
    Plugins::load(PluginOptions { limits, extra, no_bundled: true, compiled_cache }).expect("good plugins")
}

/// Plans a step of the guest's kind with a text as its options.
pub(crate) fn plan(plugins: &Plugins, kind: &str, options: &str, world: &dyn World) -> Result<Fragment, PlanError> {
    plugins.plan(StepCall { kind, options: &options.into(), lock: None }, world)
}

/// The variables that a plan sets, in their order.
pub(crate) fn variables(fragment: &Fragment) -> Vec<(String, String)> {
    let edits = fragment.vertices().iter().filter_map(|vertex| match vertex {
        Vertex::Configure { edit: wythe_plan::ConfigEdit::Env(name, value), .. } => Some((name.clone(), value.clone())),
        _ => None,
    });
    edits.collect()
}

/// A world that always answers the same, and remembers what it was asked and told.
#[derive(Debug, Default)]
pub(crate) struct Still {
    /// Questions and lines, in their order.
    pub(crate) heard: Mutex<Vec<String>>,
    /// Whether the state below is not built yet.
    pub(crate) is_too_early: bool,
    /// What the file `/fault` of the state below says.
    pub(crate) fault: String,
}

impl Still {
    fn hear(&self, words: String) {
        self.heard.lock().expect("no panic").push(words);
    }

    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("no panic").clone()
    }
}

impl World for Still {
    fn fact(&self, fact: &Fact) -> Result<FactAnswer, PlanError> {
        self.hear(format!("{fact:?}"));
        if self.is_too_early && *fact == Fact::BaseConfig {
            return Err(PlanError::NotYet);
        }
        let text = match fact {
            Fact::Platform | Fact::MachinePlatform => "linux/amd64",
            Fact::BuilderVersion => "2026.11",
            Fact::SourceDateEpoch => "1700000000",
            Fact::Arg(name) if name == "given" => "value",
            Fact::Arg(_) => "",
            Fact::ContextRead(path) if path == "large" => return Ok(Ok(vec![0; 1 << 20])),
            Fact::ContextRead(path) if path == "present" => "bytes",
            Fact::ContextRead(path) => return Ok(Err(format!("`{path}` is missing"))),
            Fact::ContextExists(path) if path == "present" => "true",
            Fact::ContextExists(_) => "false",
            Fact::ContextGlob(_) => "a\nb/c",
            Fact::BaseConfig | Fact::ImageConfig(_) => "{}",
            Fact::BaseRead(path) if path == "/fault" => &self.fault,
            Fact::BaseRead(_) => "ID=debian",
            Fact::BaseExists(path) if path == "/etc" => "true",
            Fact::BaseExists(_) => "false",
            Fact::BaseWhich(program) if program == "python3" => "/usr/bin/python3",
            Fact::BaseWhich(_) => "",
            Fact::BaseGlob(_) => "/etc/a\n/etc/b",
            Fact::Image(reference) if reference.starts_with("missing") => return Ok(Err("no such image".to_owned())),
            Fact::Image(_) => "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        };
        Ok(Ok(text.into()))
    }

    fn fetch(&self, url: &str) -> Result<FactAnswer, PlanError> {
        self.hear(format!("fetch {url}"));
        Ok(Ok(b"1.2.3".to_vec()))
    }

    fn git_commit(&self, url: &GitUrl, reference: Option<&str>) -> Result<FactAnswer, PlanError> {
        self.hear(format!("git {url} {}", reference.unwrap_or("-")));
        Ok(Ok(format!("{} refs/heads/main", "a1".repeat(20)).into_bytes()))
    }

    fn probe(&self, plan: &Fragment, command: VertexId) -> Result<FactAnswer, PlanError> {
        self.hear(format!("probe {:?}", plan.vertex(command)));
        Ok(Ok(b"would install tool 1.2.3".to_vec()))
    }

    fn log(&self, severity: Severity, message: &str) {
        self.hear(format!("{severity:?}: {message}"));
    }

    fn found(&self, _finding: &Finding) {}

    fn offers(&self, _offer: &Offer) {}

    fn progress(&self, label: &str, done: u64, total: u64) {
        self.hear(format!("{label} {done}/{total}"));
    }
}
