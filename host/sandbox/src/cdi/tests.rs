// SPDX-License-Identifier: Apache-2.0
use std::path::Path;

use super::spec::parse;
use super::{Bind, Device, DeviceError, Devices, LIBRARIES, Link, Node, Places, Unusable};

struct Machine(tempfile::TempDir);

impl Machine {
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self(dir)
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.0.path().join(path)
    }

    fn look(&self) -> Devices {
        let specs = ["etc/cdi", "run/cdi"].map(|directory| self.path(directory)).into();
        Devices::look(&Places { specs, root: self.0.path().to_owned() })
    }
}

const YAML: &str = "\
cdiVersion: \"0.6.0\"
kind: nvidia.com/gpu
annotations: {made: by hand}
containerEdits:
  env: [NVIDIA_VISIBLE_DEVICES=void]
  deviceNodes:
    - path: /dev/nvidiactl
      hostPath: /dev/null
      permissions: rw
  mounts:
    - {hostPath: /usr/lib/os-release, containerPath: /opt/driver/libcuda.so.1, options: [ro, nosuid, nodev, bind]}
  hooks:
    - {hookName: createContainer, path: /usr/bin/nvidia-cdi-hook, args: [nvidia-cdi-hook, update-ldcache, --folder, /opt/driver]}
    - {hookName: createContainer, path: /usr/bin/nvidia-ctk, args: [nvidia-ctk, hook, create-symlinks, --link, \"libcuda.so.1::/opt/driver/libcuda.so\"]}
    - {hookName: createContainer, path: /usr/bin/nvidia-cdi-hook, args: [nvidia-cdi-hook, chmod, --mode, \"755\"]}
devices:
  - name: \"0\"
    containerEdits: {deviceNodes: [{path: /dev/nvidia0, hostPath: /dev/zero, major: 1, minor: 5}]}
  - name: \"1\"
    annotations: {example.com/model: Other A100, org.mobyproject.buildkit.device.class: fast}
    containerEdits: {deviceNodes: [{path: /dev/nvidia1, hostPath: /dev/full}], additionalGids: [44]}
  - name: GPU-2f1c
    containerEdits: {deviceNodes: [{path: /dev/nvidia0, hostPath: /dev/zero}]}
  - name: all
    containerEdits: {deviceNodes: [{path: /dev/nvidia0, hostPath: /dev/zero}, {path: /dev/nvidia1, hostPath: /dev/full}]}
";

const INFORMATION: &str = "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 20\nDevice Minor: \t 0\n";

fn node(path: &str, target: &str) -> Node {
    Node { path: path.into(), target: target.into(), is_block: None, number: None }
}

fn targets(nodes: &[Node]) -> Vec<&str> {
    nodes.iter().map(|node| node.target.as_str()).collect()
}

#[test]
fn a_specification_is_read_with_what_its_devices_share() {
    let information = "proc/driver/nvidia/gpus/0000:05:00.0/information";
    let machine = Machine::new(&[("etc/cdi/nvidia.yaml", YAML), (information, INFORMATION)]);
    let devices = machine.look();
    assert_eq!(devices.broken, []);
    let gpus: Vec<(&str, Option<&str>)> =
        devices.gpus().iter().map(|gpu| (gpu.name.as_str(), gpu.model.as_deref())).collect();
    let expected = [("nvidia.com/gpu=0", Some("NVIDIA H100 80GB HBM3")), ("nvidia.com/gpu=1", Some("Other A100"))];
    assert_eq!(gpus, expected);

    let edits = devices.choose("1 A100", 1, |model| model.is_some_and(|model| model.contains("A100"))).unwrap();
    assert_eq!(edits.nodes, [node("/dev/null", "/dev/nvidiactl"), node("/dev/full", "/dev/nvidia1")]);
    let bind = Bind { path: "/usr/lib/os-release".into(), target: "/opt/driver/libcuda.so.1".into() };
    assert_eq!((edits.binds.as_slice(), edits.groups.as_slice()), ([bind].as_slice(), [44].as_slice()));
    let hooks: Vec<&[String]> = edits.hooks.iter().map(|hook| hook.args.as_slice()).collect();
    assert_eq!(hooks, [["nvidia-cdi-hook", "chmod", "--mode", "755"].map(str::to_owned).as_slice()]);
    let link = |path: &str, to: &str| Link { path: path.to_owned(), to: to.to_owned() };
    let named = format!("{LIBRARIES}/libcuda.so.1");
    let links = [link("/opt/driver/libcuda.so", "libcuda.so.1"), link(&named, "/opt/driver/libcuda.so.1")];
    assert_eq!(edits.all_links(), links);
    let mut env = [("LD_LIBRARY_PATH".to_owned(), "/own".to_owned())].into();
    edits.dress(&mut env);
    let expected = [("LD_LIBRARY_PATH", "/run/wythe/lib:/own"), ("NVIDIA_VISIBLE_DEVICES", "void")];
    assert_eq!(env, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());

    let both = devices.choose("2 GPUs", 2, |_| true).unwrap();
    assert_eq!(both.nodes.len(), 3);
    let Err(DeviceError::TooFew { found, .. }) = devices.choose("3 GPUs", 3, |_| true) else { panic!("there are two") };
    assert_eq!(found, "NVIDIA H100 80GB HBM3; Other A100");
}

#[test]
fn devices_are_named_alone_by_kind_and_by_class() {
    let machine = Machine::new(&[("etc/cdi/nvidia.yaml", YAML)]);
    let devices = machine.look();
    let named = |name: &str| devices.named(&[name.to_owned()]).map(|edits| edits.nodes);
    let all = ["/dev/nvidiactl", "/dev/nvidia0", "/dev/nvidia1"];
    assert_eq!(targets(&named("nvidia.com/gpu=GPU-2f1c").unwrap()), ["/dev/nvidiactl", "/dev/nvidia0"]);
    assert_eq!(targets(&named("nvidia.com/gpu").unwrap()), ["/dev/nvidiactl", "/dev/nvidia0"]);
    assert_eq!(targets(&named("nvidia.com/gpu=*").unwrap()), all);
    assert_eq!(targets(&named("nvidia.com/gpu=all").unwrap()), all);
    assert_eq!(targets(&named("nvidia.com/gpu=fast").unwrap()), ["/dev/nvidiactl", "/dev/nvidia1"]);
    for missing in ["nvidia.com/gpu=2", "nvidia.com/nic", "nvidia.com/nic=*", "other.com/gpu"] {
        let Err(DeviceError::Unknown { name, .. }) = named(missing) else { panic!("{missing} was found") };
        assert_eq!(name, missing);
    }
}

fn json(kind: &str, path: &str) -> String {
    format!(
        r#"{{"cdiVersion":"1.0.0","kind":"{kind}","devices":[{{"name":"a","containerEdits":{{"deviceNodes":[{{"path":"{path}","hostPath":"/dev/null"}}]}}}}]}}"#
    )
}

#[test]
fn a_later_directory_holds_and_a_dispute_makes_unusable() {
    let machine = Machine::new(&[
        ("etc/cdi/a.json", &json("x.example/gpu", "/dev/one")),
        ("etc/cdi/a2.yml", &json("x.example/gpu", "/dev/other")),
        ("run/cdi/a.json", &json("x.example/gpu", "/dev/two")),
        ("etc/cdi/b.json", &json("y.example/gpu", "/dev/one")),
        ("etc/cdi/c.json", &json("y.example/gpu", "/dev/two")),
        ("etc/cdi/ignored.txt", "not a specification"),
    ]);
    let devices = machine.look();
    let names: Vec<&Device> = devices.all().collect();
    assert_eq!((names.len(), targets(&names[0].edits.nodes)), (1, vec!["/dev/two"]));
    for name in ["y.example/gpu=a", "y.example/gpu=*", "y.example/gpu"] {
        let error = devices.named(&[name.to_owned()]).unwrap_err().to_string();
        assert!(error.contains("described twice") && error.contains("b.json") && error.contains("c.json"), "{error}");
    }
    assert_eq!(devices.disputed().count(), 1);
}

#[test]
fn what_is_no_specification_is_said_with_its_line_and_others_are_used() {
    let good = json("x.example/gpu", "/dev/a");
    let cases = [
        ("version", good.replace("1.0.0", "9.9.9"), "line 1: its version `9.9.9` is not known"),
        ("kind", json("x.example", "/dev/a"), "line 1: `x.example` is no kind of device"),
        ("syntax", "{\n".to_owned(), "line 2: while parsing a node"),
        ("empty", String::new(), "it is empty"),
        ("two", "a: 1\n---\nb: 2\n".to_owned(), "line 2: a second document begins here"),
        ("type", "kind: !!python/object x\n".to_owned(), "line 1: a type (`!`) is not read here"),
        ("twice", "kind: a\nkind: b\n".to_owned(), "line 2: `kind` is there twice"),
        ("devices", "cdiVersion: 1.0.0\nkind: a.b/c\ndevices: []\n".to_owned(), "line 3: it describes no devices"),
        ("no edits", "cdiVersion: 1.0.0\nkind: a.b/c\ndevices:\n- name: x\n".to_owned(), "line 4: the device `x` has no `containerEdits`"),
        ("same", "cdiVersion: 1.0.0\nkind: a.b/c\ndevices:\n- {name: x, containerEdits: {}}\n- {name: x, containerEdits: {}}\n".to_owned(), "line 5: the device `x` is there twice"),
        ("name", good.replace(r#""name":"a""#, r#""name":"-a""#), "line 1: `-a` is no name of a device"),
    ];
    for (name, text, why) in cases {
        let machine =
            Machine::new(&[("etc/cdi/bad.json", &text), ("etc/cdi/good.json", &json("z.example/gpu", "/dev/a"))]);
        let devices = machine.look();
        assert_eq!(devices.all().count(), 1, "{name}");
        assert!(devices.broken[0].1.starts_with(why), "{name}: {:?}", devices.broken);
        let Err(DeviceError::Unknown { looked, .. }) = devices.named(&["x.example/gpu=a".to_owned()]) else {
            panic!("{name}")
        };
        assert!(looked.iter().any(|line| line.contains(why)), "{looked:?}");
    }
}

#[test]
fn numbers_and_texts_are_read_as_other_readers_of_specifications_do() {
    let text = "cdiVersion: 0.5.0\nkind: a.b/c\ndevices:\n- name: 0\n  containerEdits:\n    env: [\"A=1\", B=yes, 'C=#x']\n    deviceNodes: [{path: /dev/x, fileMode: 0666, uid: 0x10, major: 195, minor: 0o7}]\n    intelRdt: {closID: a}\n";
    let described = parse(text).unwrap();
    assert_eq!((described.len(), described[0].name.as_str()), (1, "a.b/c=0"));
    let edits = &described[0].edits;
    let expected = [("A", "1"), ("B", "yes"), ("C", "#x")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(edits.env, expected.into());
    assert_eq!(edits.nodes[0].number, Some((195, 7)));
    assert_eq!(edits.ignored, ["`intelRdt`"]);
}

#[test]
fn what_is_described_and_is_not_there_is_no_device() {
    let machine =
        Machine::new(&[("etc/cdi/a.json", &json("x.example/gpu", "/dev/a").replace("/dev/null", "/dev/no-such-gpu"))]);
    let Err(DeviceError::Unusable { name, why, .. }) = machine.look().choose("a GPU is", 1, |_| true) else {
        panic!("it is not there")
    };
    let Unusable::Absent { path, .. } = why else { panic!("{why}") };
    assert_eq!((name.as_str(), path), ("x.example/gpu=a", std::path::PathBuf::from("/dev/no-such-gpu")));
}

#[test]
fn a_driver_without_a_specification_is_found_by_its_files() {
    let machine = Machine::new(&[
        ("dev/nvidia0", ""),
        ("dev/nvidia1", ""),
        ("dev/nvidiactl", ""),
        ("dev/nvidia-uvm", ""),
        ("dev/nvidiaX", ""),
        ("proc/driver/nvidia/gpus/0000:05:00.0/information", INFORMATION),
        ("usr/lib/x86_64-linux-gnu/libcuda.so.550.54", ""),
        ("usr/lib/x86_64-linux-gnu/libcudart.so.12", ""),
        ("usr/lib64/libcuda.so.550.54", ""),
        ("usr/bin/nvidia-smi", "#!/bin/sh\nexec /usr/local/nvidia/bin/nvidia-smi \"$@\"\n"),
        ("usr/local/nvidia/bin/nvidia-smi", ""),
    ]);
    let tool = machine.path("usr/local/nvidia/bin/nvidia-smi");
    std::fs::copy("/proc/self/exe", &tool).unwrap();
    std::os::unix::fs::symlink("libcuda.so.550.54", machine.path("usr/lib/x86_64-linux-gnu/libcuda.so.1")).unwrap();
    let devices = machine.look();
    let models: Vec<Option<&str>> = devices.gpus().iter().map(|gpu| gpu.model.as_deref()).collect();
    assert_eq!(models, [Some("NVIDIA H100 80GB HBM3"), None]);
    let names: Vec<&str> = devices.all().map(|device| device.name.as_str()).collect();
    assert_eq!(names, ["nvidia.com/gpu=0", "nvidia.com/gpu=1", "nvidia.com/gpu=all"]);
    // Files stand for nodes here, which nobody is given.
    let edits = &devices.gpus()[0].edits;
    assert!(matches!(edits.check(), Err(Unusable::Other { .. })));
    assert_eq!(targets(&edits.nodes), ["/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm"]);
    let bound: Vec<(&str, &Path)> =
        edits.binds.iter().map(|bind| (bind.target.as_str(), bind.path.as_path())).collect();
    let library = |name: &str| machine.path("usr/lib/x86_64-linux-gnu").join(name);
    let (first, second) = (library("libcuda.so.1"), library("libcuda.so.550.54"));
    assert_eq!(
        bound,
        [
            ("/usr/bin/nvidia-smi", tool.as_path()),
            ("/usr/local/nvidia/lib64/libcuda.so.1", first.as_path()),
            ("/usr/local/nvidia/lib64/libcuda.so.550.54", second.as_path()),
        ]
    );
    let looked = |machine: &Machine| {
        let Err(DeviceError::TooFew { found, looked, .. }) = machine.look().choose("3 GPUs are", 3, |_| true) else {
            panic!("there are no three")
        };
        let shown = looked.iter().map(|line| line.replace(machine.0.path().to_str().unwrap(), "")).collect::<Vec<_>>();
        (found, shown)
    };
    let no_specification = ["/etc/cdi", "/run/cdi"].map(|directory| format!("{directory}: there is no such directory"));
    let with = |nodes: &str| [no_specification.to_vec(), vec![format!("/dev: {nodes}")]].concat();
    let found = "NVIDIA H100 80GB HBM3; nvidia.com/gpu=1, of an unknown model".to_owned();
    assert_eq!(looked(&machine), (found, with("nvidia0, nvidia1")));
    let nothing = Machine::new(&[]);
    assert_eq!(looked(&nothing), ("none".to_owned(), with("no node of a driver (nvidia0, nvidia1, …)")));
}

#[test]
fn a_device_that_has_gone_since_it_was_chosen_is_named() {
    let devices = "devices:\n  - {name: card, containerEdits: {deviceNodes: [{path: /dev/a, hostPath: A}]}}\n  \
                   - {name: other, containerEdits: {deviceNodes: [{path: /dev/b, hostPath: B}]}}\n";
    let machine = Machine::new(&[("a", ""), ("b", "")]);
    let (a, b) = (machine.path("dev-a"), machine.path("dev-b"));
    let text =
        devices.replace(": A}", &format!(": {}}}", a.display())).replace(": B}", &format!(": {}}}", b.display()));
    let file = machine.path("etc/cdi/x.yaml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, format!("cdiVersion: \"0.6.0\"\nkind: acme.example/gpu\n{text}")).unwrap();
    for link in [&a, &b] {
        std::os::unix::fs::symlink("/dev/null", link).unwrap();
    }
    let found = machine.look();
    let edits = found.named(&["acme.example/gpu=card".to_owned()]).unwrap();
    let edits = found.choose("a GPU is", 2, |_| true).unwrap().and(&edits);
    assert_eq!(edits.mounts().unwrap().len(), 2);
    std::fs::remove_file(&b).unwrap();
    let error = edits.mounts().unwrap_err().to_string();
    let expected = format!(
        "the device `acme.example/gpu=other` cannot be used: `{}` cannot be looked at: No such file or directory (os error 2)",
        b.display()
    );
    assert_eq!(error, expected);
}
