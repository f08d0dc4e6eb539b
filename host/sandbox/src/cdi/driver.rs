// SPDX-License-Identifier: Apache-2.0
//! Devices of a driver that nobody has written a specification for: the one whose files are known.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::edits::{Bind, Edits, Node};
use super::{Device, libraries};

/// What such devices are.
pub(super) const KIND: &str = "nvidia.com/gpu=";

/// Nodes that every process of a GPU needs, where there are any.
const COMMON: [&str; 4] = ["nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset"];

/// Where distributions, containers and virtual machines keep the driver's libraries.
const LIBRARIES: [&str; 9] = [
    "usr/lib/x86_64-linux-gnu",
    "usr/lib/aarch64-linux-gnu",
    "usr/lib64",
    "usr/lib",
    "usr/lib/x86_64-linux-gnu/nvidia/current",
    "usr/lib64/nvidia",
    "usr/local/nvidia/lib64",
    "usr/local/nvidia/lib",
    "run/opengl-driver/lib",
];

/// The libraries that belong to the driver and not to a program: they have to be of the kernel module's version.
const OF_THE_DRIVER: [&str; 12] = [
    "libcuda.so",
    "libcudadebugger.so",
    "libnvcuvid.so",
    "libnvidia-allocator.so",
    "libnvidia-cfg.so",
    "libnvidia-encode.so",
    "libnvidia-gpucomp.so",
    "libnvidia-ml.so",
    "libnvidia-nvvm.so",
    "libnvidia-opencl.so",
    "libnvidia-ptxjitcompiler.so",
    "libnvoptix.so",
];

/// Where the driver's tool is. A machine whose driver lies apart may have a script in its place, which leads to what no step has.
const TOOLS: [&str; 2] = ["usr/bin/nvidia-smi", "usr/local/nvidia/bin/nvidia-smi"];

/// Where they appear: images of the vendor look there already.
const TARGET: &str = "/usr/local/nvidia/lib64";

/// Returns the models of GPUs by the minor numbers of their nodes, as the driver says.
pub(super) fn models(root: &Path) -> BTreeMap<u32, String> {
    let entries = std::fs::read_dir(root.join("proc/driver/nvidia/gpus")).into_iter().flatten();
    let one = |entry: std::io::Result<std::fs::DirEntry>| {
        let text = std::fs::read_to_string(entry.ok()?.path().join("information")).ok()?;
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.trim_start_matches([':', ' ', '\t']).trim().to_owned())
        };
        Some((field("Device Minor")?.parse().ok()?, field("Model")?))
    };
    entries.filter_map(one).collect()
}

/// Returns the minor number of the node of a GPU.
pub(super) fn minor(target: &str) -> Option<u32> {
    target.strip_prefix("/dev/nvidia")?.parse().ok()
}

/// Returns the minor numbers of the nodes of GPUs.
fn minors(root: &Path) -> Vec<u32> {
    let names = std::fs::read_dir(root.join("dev")).into_iter().flatten();
    let names = names.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut minors: Vec<u32> = names.filter_map(|name| minor(&format!("/dev/{name}"))).collect();
    minors.sort_unstable();
    minors
}

/// Returns the driver's devices.
pub(super) fn devices(root: &Path, models: &BTreeMap<u32, String>) -> Vec<Device> {
    let node = |name: &str| {
        let (path, target) = (root.join("dev").join(name), format!("/dev/{name}"));
        Node { path, target, is_block: Some(false), number: None }
    };
    let minors = minors(root);
    if minors.is_empty() {
        return Vec::new();
    }
    let common = COMMON.into_iter().map(node).filter(|node| node.path.exists()).collect::<Vec<_>>();
    let binds = binds(root);
    let device = |name: String, model: Option<String>, minors: &[u32]| {
        let own = minors.iter().map(|minor| node(&format!("nvidia{minor}"))).collect();
        let edits = Edits { nodes: [own, common.clone()].concat(), binds: binds.clone(), ..Edits::default() };
        Device { name: format!("{KIND}{name}"), model, class: None, origin: "the driver".to_owned(), edits }
    };
    let each = minors.iter().map(|minor| device(minor.to_string(), models.get(minor).cloned(), &[*minor]));
    each.chain([device("all".to_owned(), None, &minors)]).collect()
}

/// The driver's libraries, each under every name that it has, and its tool. Of a name that is found in several places the first counts, as
/// for a loader.
fn binds(root: &Path) -> Vec<Bind> {
    let mut found: BTreeMap<String, PathBuf> = BTreeMap::new();
    // The usual folders first: the cache of a loader may list copies that belong to programs.
    let listed = libraries::cached_folders(root);
    let listed = listed.iter().filter_map(|folder| folder.strip_prefix("/").ok());
    for directory in LIBRARIES.map(Path::new).into_iter().chain(listed) {
        let entries = std::fs::read_dir(root.join(directory)).into_iter().flatten();
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_file()) {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            let is_ours = |library: &&str| {
                name.strip_prefix(*library).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            if OF_THE_DRIVER.iter().any(is_ours) {
                found.entry(format!("{TARGET}/{name}")).or_insert(path);
            }
        }
    }
    if let Some(tool) = TOOLS.iter().map(|tool| root.join(tool)).find(|tool| libraries::is_program(tool)) {
        found.insert("/usr/bin/nvidia-smi".to_owned(), tool);
    }
    found.into_iter().map(|(target, path)| Bind { path, target }).collect()
}

/// Says what was looked at, and of which GPUs there are nodes.
pub(super) fn looked(root: &Path) -> String {
    let nodes = minors(root).iter().map(|minor| format!("nvidia{minor}")).collect::<Vec<_>>();
    let found =
        if nodes.is_empty() { "no node of a driver (nvidia0, nvidia1, …)".to_owned() } else { nodes.join(", ") };
    format!("{}: {found}", root.join("dev").display())
}
