// SPDX-License-Identifier: Apache-2.0
//! The handles of a plan, recording.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::operation::{absolute, format, git_url, is_hexadecimal, object, tagged, text_or_base64};
use super::world::with;

/// A file on the network, named by its content.
#[derive(Debug)]
pub struct Artifact(Value);

impl Artifact {
    /// Names a file by `url` (`https://` or `http://`), `sha256` (64 lower-case hexadecimal digits) and `size` in bytes,
    /// none where it is not known before the download.
    #[must_use]
    pub fn new(url: &str, sha256: &str, size: Option<u64>) -> Self {
        assert!(url.starts_with("https://") || url.starts_with("http://"), "`{url}` is not an address of a file");
        assert!(sha256.len() == 64 && is_hexadecimal(sha256), "`{sha256}` is not a SHA-256 digest");
        Self(object([
            ("url", url.into()),
            ("sha256", format!("sha256:{sha256}").into()),
            ("size", size.map_or(Value::Null, Value::from)),
        ]))
    }
}

/// The files of a commit of a git repository.
#[derive(Debug)]
pub(crate) struct Checkout(RefCell<Value>);

impl Checkout {
    pub(crate) fn new(url: &str, commit: &str) -> Self {
        let is_id = [40, 64].contains(&commit.len()) && is_hexadecimal(commit);
        assert!(is_id, "`{commit}` is not the id of a commit");
        Self(RefCell::new(json!({ "url": git_url(url), "commit": commit })))
    }

    fn set(&self, field: &str, value: Value, is_said: bool) {
        let mut fields = self.0.borrow_mut();
        let fields = fields.as_object_mut().expect("it was made as an object");
        if is_said {
            fields.insert(field.to_owned(), value);
        } else {
            fields.remove(field);
        }
    }

    pub(crate) fn reference(&self, name: &str) {
        assert!(!name.starts_with('-'), "`{name}` is not the name of a reference");
        self.set("reference", name.into(), true);
    }

    pub(crate) fn subdir(&self, path: &str) {
        let is_part = |part: &str| !["", ".", "..", ".git"].contains(&part);
        assert!(path.split('/').all(is_part), "`{path}` is not a directory of a repository");
        self.set("subdir", path.into(), true);
    }

    pub(crate) fn keep_git_dir(&self, keep: bool) {
        self.set("keep-git-dir", keep.into(), keep);
    }

    pub(crate) fn submodules(&self, follow: bool) {
        self.set("submodules", follow.into(), follow);
    }
}

/// An immutable file system together with an image configuration. Every edit returns a new state.
#[derive(Debug)]
pub struct State(u32);

impl State {
    pub(crate) fn base() -> Self {
        Self(0)
    }

    pub(crate) fn id(&self) -> u32 {
        self.0
    }

    pub(crate) fn add(vertex: Value) -> Self {
        Self(with(|world| world.add(vertex, json!({}))))
    }

    fn configure(&self, edit: &str, value: Value) -> Self {
        Self::add(json!({ "configure": { "on": self.0, "edit": { edit: value } } }))
    }

    /// Nothing: no file, empty configuration.
    #[must_use]
    pub fn scratch() -> Self {
        Self::add("scratch".into())
    }

    /// The image of a reference, such as `docker.io/library/debian:bookworm-slim`.
    ///
    /// # Errors
    ///
    /// Says why there is none.
    pub fn image(reference: &str) -> Result<Self, String> {
        let is_missing = with(|world| {
            world.ask(&format!("image {reference}"), ());
            world.given.missing_images.contains(reference)
        });
        if is_missing {
            return Err(format!("image `{reference}` is not in the store"));
        }
        Ok(Self::add(json!({ "image": { "reference": reference } })))
    }

    /// As [`State::scratch`], for another platform.
    #[must_use]
    pub fn scratch_for(platform: &str) -> Self {
        Self::add(json!({ "scratch-for": { "platform": platform } }))
    }

    /// As [`State::image`], for another platform.
    ///
    /// # Errors
    ///
    /// Says why there is none.
    pub fn image_for(reference: &str, platform: &str) -> Result<Self, String> {
        Self::image(&format!("{reference}@{platform}"))
    }

    fn fact<T>(
        &self,
        question: &str,
        answer: impl FnOnce(&super::world::Given) -> Result<T, String>,
    ) -> Result<T, String> {
        if self.0 != 0 {
            return Err("the state is only described by this plan: its files are not known yet".to_owned());
        }
        with(|world| {
            let answer = answer(&world.given);
            world.ask(question, answer)
        })
    }

    /// The image configuration as OCI JSON.
    ///
    /// # Errors
    ///
    /// Says that the state is not known yet.
    pub fn config(&self) -> Result<String, String> {
        if let Some(reference) = with(|world| world.image(self.0)) {
            let known = with(|world| world.given.image_configs.get(&reference).cloned());
            return with(|world| {
                world.ask(&format!("image-config {reference}"), Ok(known.unwrap_or_else(|| "{}".into())))
            });
        }
        self.fact("base-config", |given| Ok(given.base_config.clone()))
    }

    /// The bytes of a file. Symbolic links are followed inside the state.
    ///
    /// # Errors
    ///
    /// Says why there are none.
    pub fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.fact(&format!("base-read {path}"), |given| {
            given.base_files.get(path).cloned().ok_or_else(|| "no such file".to_owned())
        })
    }

    /// Whether the path names something, links followed inside the state.
    ///
    /// # Errors
    ///
    /// Says that the state is not known yet.
    pub fn exists(&self, path: &str) -> Result<bool, String> {
        let below = format!("{}/", path.trim_end_matches('/'));
        self.fact(&format!("base-exists {path}"), |given| {
            let mut names = given.base_files.keys().chain(given.base_programs.values());
            Ok(names.any(|name| name == path || name.starts_with(&below)))
        })
    }

    /// Where a program is found on the `PATH` of the configuration, or none.
    ///
    /// # Errors
    ///
    /// Says that the state is not known yet.
    pub fn which(&self, program: &str) -> Result<Option<String>, String> {
        self.fact(&format!("base-which {program}"), |given| Ok(given.base_programs.get(program).cloned()))
    }

    /// The absolute names of all that match an absolute pattern (`*`, `?`, `[a-z]`, `**`), sorted.
    ///
    /// # Errors
    ///
    /// Says that the state is not known yet.
    pub fn glob(&self, pattern: &str) -> Result<Vec<String>, String> {
        assert!(pattern.starts_with('/'), "`{pattern}` is not absolute");
        self.fact(&format!("base-glob {pattern}"), |given| {
            let names = given.base_files.keys().chain(given.base_programs.values());
            let found: BTreeSet<&String> = names.filter(|name| super::glob::matches(pattern, name)).collect();
            Ok(found.into_iter().cloned().collect())
        })
    }

    /// Sets an environment variable of the image.
    #[must_use]
    pub fn env(&self, name: &str, value: &str) -> Self {
        self.configure("env", json!([name, value]))
    }

    /// Sets the working directory; a relative path is joined to the present one.
    #[must_use]
    pub fn workdir(&self, path: &str) -> Self {
        self.configure("workdir", path.into())
    }

    /// Sets the user, as `name`, `uid`, `name:group` or `uid:gid`.
    #[must_use]
    pub fn user(&self, user: &str) -> Self {
        self.configure("user", user.into())
    }

    /// Sets the entry point; an empty list clears it. Clears the command.
    #[must_use]
    pub fn entrypoint(&self, argv: &[String]) -> Self {
        self.configure("entrypoint", json!(argv))
    }

    /// Sets the command; an empty list clears it.
    #[must_use]
    pub fn cmd(&self, argv: &[String]) -> Self {
        self.configure("cmd", json!(argv))
    }

    /// Sets the shell that scripts run in, for example `["/bin/sh", "-c"]`.
    #[must_use]
    pub fn shell(&self, argv: &[String]) -> Self {
        self.configure("shell", json!(argv))
    }

    /// Sets a label.
    #[must_use]
    pub fn label(&self, name: &str, value: &str) -> Self {
        self.configure("label", json!([name, value]))
    }

    /// Adds an exposed port, as `80`, `80/tcp` or `53/udp`.
    #[must_use]
    pub fn expose(&self, port: &str) -> Self {
        self.configure("expose", port.into())
    }

    /// Declares a path as a volume of containers made from the image.
    #[must_use]
    pub fn volume(&self, path: &str) -> Self {
        self.configure("volume", path.into())
    }

    /// Sets the stop signal, as `SIGTERM` or a number.
    #[must_use]
    pub fn stop_signal(&self, signal: &str) -> Self {
        self.configure("stop-signal", signal.into())
    }

    /// Sets the health check from its OCI/Docker JSON form; none clears it.
    ///
    /// # Errors
    ///
    /// Says why the text is not a health check.
    pub fn healthcheck(&self, json: Option<&str>) -> Result<Self, String> {
        let value = match json {
            Some(text) => serde_json::from_str(text).map_err(|error| error.to_string())?,
            None => Value::Null,
        };
        Ok(self.configure("healthcheck", value))
    }

    /// Appends an instruction that runs when this image is used as a base of a Dockerfile.
    #[must_use]
    pub fn onbuild(&self, instruction: &str) -> Self {
        self.configure("onbuild", instruction.into())
    }

    /// Drops what `onbuild` has appended here and in the images below.
    #[must_use]
    pub fn without_onbuild(&self) -> Self {
        Self::add(json!({ "configure": { "on": self.0, "edit": "without-onbuild" } }))
    }

    /// Gives the state a name, by which `--target` finds it. Changes nothing else.
    #[must_use]
    pub fn name(&self, name: &str) -> Self {
        self.configure("name", name.into())
    }
}

/// What is said of an operation beside what it does.
#[derive(Debug, Default)]
struct Label {
    text: RefCell<String>,
    part: RefCell<String>,
    at: Cell<Option<(u32, u32)>>,
    in_text: RefCell<String>,
    length: Cell<u32>,
}

impl Label {
    fn to_json(&self) -> Value {
        let (text, part) = (self.text.borrow().clone(), self.part.borrow().clone());
        let at = self.at.get().map_or(Value::Null, |at| json!(at));
        let (in_text, length) = (self.in_text.borrow().clone(), Some(self.length.get()).filter(|length| *length > 0));
        object([
            ("text", text.into()),
            ("at", at),
            ("in-text", in_text.into()),
            ("length", json!(length)),
            ("part", part.into()),
        ])
    }
}

#[derive(Debug, Default, Clone)]
struct Brush {
    owner: String,
    mode: Option<u32>,
    mode_edit: String,
    exclude: Vec<String>,
    follow_links: bool,
    keep_parents: bool,
    optional: bool,
    ignore: Vec<String>,
    unpack: bool,
}

impl Brush {
    fn copying(&self) -> Value {
        object([
            ("owner", self.owner.clone().into()),
            ("mode", self.mode.map_or(Value::Null, Value::from)),
            ("mode-edit", self.mode_edit.clone().into()),
            ("exclude", json!(self.exclude)),
            ("follow-links", self.follow_links.into()),
            ("keep-parents", self.keep_parents.into()),
            ("optional", self.optional.into()),
            ("ignore", json!(self.ignore)),
            ("unpack", self.unpack.into()),
        ])
    }

    fn making(&self) -> Value {
        object([
            ("owner", self.owner.clone().into()),
            ("mode", self.mode.map_or(Value::Null, Value::from)),
            ("mode-edit", self.mode_edit.clone().into()),
        ])
    }
}

/// A batch of file edits.
#[derive(Debug)]
pub(crate) struct Files {
    on: u32,
    brush: RefCell<Brush>,
    actions: RefCell<Vec<Value>>,
    label: Label,
}

impl Files {
    pub(crate) fn new(on: &State) -> Self {
        Self { on: on.0, brush: RefCell::default(), actions: RefCell::default(), label: Label::default() }
    }

    pub(crate) fn owner(&self, owner: &str) {
        owner.clone_into(&mut self.brush.borrow_mut().owner);
    }

    pub(crate) fn mode(&self, mode: Option<u32>) {
        let mut brush = self.brush.borrow_mut();
        (brush.mode, brush.mode_edit) = (mode, String::new());
    }

    pub(crate) fn mode_edit(&self, edit: &str) {
        let mut brush = self.brush.borrow_mut();
        (brush.mode, brush.mode_edit) = (None, edit.to_owned());
    }

    pub(crate) fn part(&self, name: &str) {
        name.clone_into(&mut self.label.part.borrow_mut());
    }

    pub(crate) fn exclude(&self, patterns: &[String]) {
        self.brush.borrow_mut().exclude = patterns.to_vec();
    }

    pub(crate) fn follow_links(&self, follow: bool) {
        self.brush.borrow_mut().follow_links = follow;
    }

    pub(crate) fn keep_parents(&self, keep: bool) {
        self.brush.borrow_mut().keep_parents = keep;
    }

    pub(crate) fn optional(&self, optional: bool) {
        self.brush.borrow_mut().optional = optional;
    }

    pub(crate) fn ignore(&self, patterns: &[String]) {
        self.brush.borrow_mut().ignore = patterns.to_vec();
    }

    pub(crate) fn unpack_archives(&self, unpack: bool) {
        self.brush.borrow_mut().unpack = unpack;
    }

    pub(crate) fn describe(&self, text: &str) {
        text.clone_into(&mut self.label.text.borrow_mut());
    }

    pub(crate) fn at(&self, line: u32, column: u32) {
        self.label.at.set(Some((line, column)));
    }

    pub(crate) fn in_text(&self, source: &str, length: u32) {
        source.clone_into(&mut self.label.in_text.borrow_mut());
        self.label.length.set(length);
    }

    fn push(&self, action: Value) {
        self.actions.borrow_mut().push(action);
    }

    fn copy(&self, source: Value, dest: &str) {
        let brush = self.brush.borrow().copying();
        self.push(tagged("copy", object([("source", source), ("dest", absolute(dest)), ("brush", brush)])));
    }

    pub(crate) fn context(&self, patterns: &[String], dest: &str) {
        self.copy(json!({ "context": { "patterns": patterns } }), dest);
    }

    #[allow(clippy::wrong_self_convention, reason = "the interface's word: a copy from a state")]
    pub(crate) fn from_state(&self, source: &State, path: &str, dest: &str) {
        self.copy(json!({ "state": { "vertex": source.0, "path": absolute(path) } }), dest);
    }

    pub(crate) fn matching(&self, source: &State, patterns: &[String], dest: &str) {
        self.copy(json!({ "matching": { "vertex": source.0, "patterns": patterns } }), dest);
    }

    pub(crate) fn artifact(&self, source: &Artifact, dest: &str) {
        self.copy(json!({ "artifact": source.0 }), dest);
    }

    pub(crate) fn unpack(&self, source: &Artifact, word: &str, dest: &str) {
        self.copy(json!({ "unpacked": { "artifact": source.0, "format": format(word) } }), dest);
    }

    pub(crate) fn unpack_names(&self, source: &Artifact, word: &str, dest: &str) {
        self.copy(json!({ "names": { "artifact": source.0, "format": format(word) } }), dest);
    }

    pub(crate) fn checkout(&self, source: &Checkout, dest: &str) {
        self.copy(json!({ "git": *source.0.borrow() }), dest);
    }

    pub(crate) fn put(&self, path: &str, bytes: &[u8]) {
        let brush = self.brush.borrow().making();
        // The bytes stand even where they are empty: an empty file is a file.
        let mut fields = object([("path", absolute(path)), ("brush", brush)]);
        fields["bytes"] = text_or_base64(bytes);
        self.push(tagged("put", fields));
    }

    pub(crate) fn mkdir(&self, path: &str) {
        let brush = self.brush.borrow().making();
        self.push(tagged("mkdir", object([("path", absolute(path)), ("brush", brush)])));
    }

    pub(crate) fn symlink(&self, target: &str, path: &str) {
        self.push(json!({ "symlink": { "target": target, "path": absolute(path) } }));
    }

    pub(crate) fn remove(&self, path: &str) {
        self.push(json!({ "remove": { "path": absolute(path) } }));
    }

    pub(crate) fn apply(batch: Self) -> State {
        let actions = batch.actions.into_inner();
        // A batch of nothing is no operation.
        if actions.is_empty() {
            return State(batch.on);
        }
        let label = batch.label.to_json();
        State(with(|world| world.add(json!({ "files": { "on": batch.on, "actions": actions } }), label)))
    }
}

#[derive(Debug, Default)]
struct Run {
    env: BTreeMap<String, String>,
    secret_env: BTreeMap<String, (String, bool)>,
    workdir: Option<String>,
    user: Option<String>,
    stdin: Vec<u8>,
    mounts: Vec<Value>,
    host_network: bool,
    hosts: BTreeSet<String>,
    devices: Vec<String>,
    insecure: bool,
    brush: MountBrush,
}

/// How the mounts look that are added to a command.
#[derive(Debug, Default)]
struct MountBrush {
    owner: String,
    mode: Option<u32>,
    is_writable: Option<bool>,
}

/// A command to run in a sandbox on a state.
#[derive(Debug)]
pub(crate) struct Command {
    on: u32,
    command: Value,
    run: RefCell<Run>,
    label: Label,
}

impl Command {
    pub(crate) fn new(on: &State, argv: &[String]) -> Self {
        assert!(argv.first().is_some_and(|program| !program.is_empty()), "a command has a program");
        Self::of(on, json!({ "argv": argv }))
    }

    pub(crate) fn shell(on: &State, script: &str) -> Self {
        Self::of(on, json!({ "shell": script }))
    }

    fn of(on: &State, command: Value) -> Self {
        Self { on: on.0, command, run: RefCell::default(), label: Label::default() }
    }

    pub(crate) fn env(&self, name: &str, value: &str) {
        self.run.borrow_mut().env.insert(name.into(), value.into());
    }

    pub(crate) fn workdir(&self, path: &str) {
        self.run.borrow_mut().workdir = Some(path.into());
    }

    pub(crate) fn user(&self, user: &str) {
        self.run.borrow_mut().user = Some(user.into());
    }

    pub(crate) fn stdin(&self, bytes: &[u8]) {
        self.run.borrow_mut().stdin = bytes.to_vec();
    }

    fn mount(&self, target: &str, source: Value) {
        self.run.borrow_mut().mounts.push(json!({ "target": absolute(target), "source": source }));
    }

    /// Adds a mount that looks as the brush says.
    fn mount_looking(&self, target: &str, source: Value, looks: &[&str], begins_as: Value) {
        let mut run = self.run.borrow_mut();
        let MountBrush { owner, mode, is_writable } = &run.brush;
        let said = |name: &str, value: Value| if looks.contains(&name) { value } else { Value::Null };
        let mount = object([
            ("target", absolute(target)),
            ("source", source),
            ("owner", said("owner", owner.clone().into())),
            ("mode", said("mode", mode.map_or(Value::Null, Value::from))),
            ("is_writable", said("is_writable", json!(is_writable))),
            ("begins_as", begins_as),
        ]);
        run.mounts.push(mount);
    }

    pub(crate) fn mount_owner(&self, owner: &str) {
        owner.clone_into(&mut self.run.borrow_mut().brush.owner);
    }

    pub(crate) fn mount_mode(&self, mode: Option<u32>) {
        self.run.borrow_mut().brush.mode = mode;
    }

    pub(crate) fn mount_writable(&self, writable: Option<bool>) {
        self.run.borrow_mut().brush.is_writable = writable;
    }

    pub(crate) fn cache(&self, id: &str, target: &str, sharing: &str) {
        let cache = json!({ "cache": { "id": id, "sharing": sharing } });
        self.mount_looking(target, cache, &["owner", "mode", "is_writable"], Value::Null);
    }

    pub(crate) fn cache_from(&self, id: &str, target: &str, sharing: &str, source: &State, path: &str) {
        let cache = json!({ "cache": { "id": id, "sharing": sharing } });
        let begins_as = json!([source.0, absolute(path)]);
        self.mount_looking(target, cache, &["owner", "mode", "is_writable"], begins_as);
    }

    pub(crate) fn secret_file(&self, id: &str, target: &str, mode: u32, required: bool) {
        let owner = self.run.borrow().brush.owner.clone();
        let mut secret = json!({ "id": id, "mode": mode, "required": required });
        if !owner.is_empty() {
            secret["owner"] = owner.into();
        }
        self.mount(target, json!({ "secret-file": secret }));
    }

    pub(crate) fn secret_env(&self, id: &str, name: &str, required: bool) {
        self.run.borrow_mut().secret_env.insert(name.into(), (id.into(), required));
    }

    pub(crate) fn ssh(&self, id: &str, target: &str, required: bool) {
        let ssh = json!({ "ssh": { "id": id, "required": required } });
        self.mount_looking(target, ssh, &["owner", "mode"], Value::Null);
    }

    pub(crate) fn bind_context(&self, path: &str, target: &str) {
        self.mount_looking(target, json!({ "context": { "path": path } }), &["is_writable"], Value::Null);
    }

    pub(crate) fn bind_state(&self, source: &State, path: &str, target: &str) {
        let state = json!({ "state": { "vertex": source.0, "path": absolute(path) } });
        self.mount_looking(target, state, &["is_writable"], Value::Null);
    }

    pub(crate) fn bind_artifact(&self, source: &Artifact, target: &str) {
        self.mount(target, json!({ "artifact": source.0 }));
    }

    pub(crate) fn bind_unpacked(&self, source: &Artifact, word: &str, target: &str) {
        self.mount(target, json!({ "unpacked": { "artifact": source.0, "format": format(word) } }));
    }

    pub(crate) fn tmpfs(&self, target: &str, size: Option<u64>) {
        self.mount(target, json!({ "tmpfs": object([("size", size.map_or(Value::Null, Value::from))]) }));
    }

    pub(crate) fn volume(&self, name: &str, target: &str) {
        self.mount(target, json!({ "volume": { "name": name } }));
    }

    pub(crate) fn network(&self, mode: &str) {
        let mut run = self.run.borrow_mut();
        match mode {
            "host" => run.host_network = true,
            "none" => {
                run.host_network = false;
                run.hosts.clear();
            }
            other => panic!("`{other}` is not a network: `host` or `none`"),
        }
    }

    pub(crate) fn allow_host(&self, host: &str) {
        self.run.borrow_mut().hosts.insert(host.into());
    }

    pub(crate) fn device(&self, name: &str) {
        self.run.borrow_mut().devices.push(name.into());
    }

    pub(crate) fn security(&self, mode: &str) {
        self.run.borrow_mut().insecure = mode == "insecure";
    }

    pub(crate) fn describe(&self, text: &str) {
        text.clone_into(&mut self.label.text.borrow_mut());
    }

    pub(crate) fn at(&self, line: u32, column: u32) {
        self.label.at.set(Some((line, column)));
    }

    pub(crate) fn in_text(&self, source: &str, length: u32) {
        source.clone_into(&mut self.label.in_text.borrow_mut());
        self.label.length.set(length);
    }

    pub(crate) fn part(&self, name: &str) {
        name.clone_into(&mut self.label.part.borrow_mut());
    }

    pub(crate) fn into_run(self) -> Value {
        let run = self.run.into_inner();
        let network = match (run.host_network, run.hosts.is_empty()) {
            (true, _) => "host".into(),
            (false, false) => json!({ "hosts": run.hosts }),
            (false, true) => Value::Null,
        };
        let mut fields = object([
            ("command", self.command),
            ("env", json!(run.env)),
            ("secret-env", json!(run.secret_env)),
            ("workdir", json!(run.workdir)),
            ("user", json!(run.user)),
            ("stdin", text_or_base64(&run.stdin)),
            ("mounts", Value::from(run.mounts)),
            ("network", network),
            ("devices", json!(run.devices)),
            ("insecure", run.insecure.into()),
        ]);
        fields["on"] = self.on.into();
        tagged("run", fields)
    }

    pub(crate) fn run(command: Self) -> State {
        let label = command.label.to_json();
        let run = command.into_run();
        State(with(|world| world.add(run, label)))
    }
}
