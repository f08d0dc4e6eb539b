// SPDX-License-Identifier: Apache-2.0
//! GPUs of steps, without one: specifications of the test's own, whose nodes are harmless. The last test wants a real one.

use std::path::Path;
use std::process::Command;

use wythe_tests::{Bench, Ended, can_become_ordinary, debian, is_installed, is_root};

use crate::sandbox::BASE;

const SPEC: &str = r#"cdiVersion: "0.6.0"
kind: nvidia.com/gpu
containerEdits:
  env: [GPU_HERE=yes]
  deviceNodes:
    - {path: /dev/nvidiactl, hostPath: /dev/null}
  hooks:
    - hookName: createContainer
      path: /usr/bin/nvidia-cdi-hook
      args: [nvidia-cdi-hook, create-symlinks, --link, "libcuda.so.1::/opt/driver/libcuda.so"]
devices:
  - name: 0
    annotations: {model: NVIDIA H100 80GB HBM3}
    containerEdits:
      deviceNodes: [{path: /dev/nvidia0, hostPath: /dev/zero, type: c, major: 1, minor: 5, permissions: rw}]
      mounts: [{hostPath: ./driver/libcuda.so.1, containerPath: /opt/driver/libcuda.so.1, options: [ro, bind]}]
  - name: "1"
    annotations: {model: NVIDIA H100 80GB HBM3}
    containerEdits:
      deviceNodes: [{path: /dev/nvidia1, hostPath: /dev/zero}]
"#;

/// A bench on a machine with two GPUs, as its specification says.
pub(crate) fn bench() -> Option<Bench> {
    let bench = Bench::with_busybox()?;
    bench.file("driver/libcuda.so.1", "the driver's\n");
    specify(&bench, SPEC);
    Some(bench)
}

/// Writes a specification, in which `./` is a directory that ordinary users can read, too.
pub(crate) fn specify(bench: &Bench, spec: &str) {
    let here = format!("{}/", bench.dir().display());
    bench.file("cdi/nvidia.yaml", &spec.replace("./", &here));
}

/// Writes a definition with a step of one command, which has these options.
pub(crate) fn definition(bench: &Bench, options: &str, command: &str) {
    bench.definition(&format!(
        "{BASE}[[steps]]\nkind = \"run\"\nnetwork = \"none\"\n{options}\ncommands = ['''{command}''']\n"
    ));
}

/// The command line on a machine whose specifications and whose driver's files are in these directories of the bench.
fn on_a_machine(bench: &Bench, specs: &str, driver: &str, args: &[&str]) -> Command {
    let mut command = bench.command(args);
    command.env("WYTHE_CDI_DIRS", bench.dir().join(specs)).env("WYTHE_DRIVER_ROOT", bench.dir().join(driver));
    command
}

/// Runs the command line on a machine that has what lies in `cdi`, and no driver.
pub(crate) fn with_devices(bench: &Bench, args: &[&str]) -> Ended {
    on_a_machine(bench, "cdi", "none", args).output().unwrap().into()
}

/// Runs the command line on a machine without devices.
fn without_devices(bench: &Bench, args: &[&str]) -> Ended {
    on_a_machine(bench, "none", "none", args).output().unwrap().into()
}

/// Runs the command line as an ordinary user on a machine that has what lies in `cdi`.
pub(crate) fn with_devices_elsewhere(bench: &Bench, args: &[&str]) -> Ended {
    bench.wythe_elsewhere_with(&[("WYTHE_CDI_DIRS", "cdi"), ("WYTHE_DRIVER_ROOT", "none")], args)
}

pub(crate) fn lines(ended: &Ended) -> Vec<&str> {
    ended.stderr.lines().filter_map(|line| line.split_once("[run] | ")).map(|(_, line)| line).collect()
}

const LOOK: &str = "ls /dev | grep nvidia; cat /opt/driver/libcuda.so.1 /opt/driver/libcuda.so $LD_LIBRARY_PATH/libcuda.so.1; echo $GPU_HERE $LD_LIBRARY_PATH; test -c /dev/nvidia0 && busybox head -c 3 /dev/nvidia0 | busybox wc -c; (echo x > /opt/driver/libcuda.so.1) 2>/dev/null || echo read-only";

const SEEN: [&str; 8] =
    ["nvidia0", "nvidiactl", "the driver's", "the driver's", "the driver's", "yes /run/wythe/lib", "3", "read-only"];

#[test]
fn a_step_has_exactly_what_its_gpu_takes_and_keeps_nothing_of_it() {
    let Some(bench) = bench() else { return };
    definition(&bench, "gpu = \"H100\"", &format!("{LOOK}; touch /made"));
    let built = with_devices(&bench, &["build", "-t", "x"]);
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    assert_eq!(lines(&built), SEEN, "{}", built.stderr);
    let layout = bench.dir().join("layout").display().to_string();
    bench.wythe(&["save", "x", "--format", "oci-dir", "-o", &layout]).stdout();
    let inspected: serde_json::Value = serde_json::from_str(&bench.wythe(&["inspect", "x"]).stdout()).unwrap();
    let layer = inspected["manifest"]["layers"][1]["digest"].as_str().unwrap().replace(':', "/");
    assert_eq!(wythe_tests::run("tar", &["-tf", &format!("{layout}/blobs/{layer}")]).stdout(), "./\nmade\n");
    assert!(!inspected.to_string().contains("GPU_HERE=yes"), "{inspected}");
    // The key has what was asked for, and not what there was.
    assert_eq!(without_devices(&bench, &["build"]).stdout(), built.stdout);
    assert!(bench.wythe(&["plan"]).stdout().contains("\n         gpu H100\n"));
}

#[test]
fn what_a_step_changes_beside_its_driver_is_kept_and_the_driver_is_not() {
    let Some(bench) = bench() else { return };
    // The folder is the image's; a link and a file of the driver appear in it.
    bench.file("root/opt/driver/own", "own\n");
    definition(
        &bench,
        "gpu = \"H100\"",
        "chmod 700 /opt/driver; echo more >> /opt/driver/own; busybox rm /opt/driver/libcuda.so; ls /opt/driver",
    );
    let built = with_devices(&bench, &["build", "-t", "x"]);
    assert_eq!(lines(&built), ["libcuda.so.1", "own"], "{}", built.stderr);
    let after =
        bench.wythe(&["run", "--network", "none", "x", "--", "/bin/sh", "-c", "ls /opt/driver; cat /opt/driver/own"]);
    assert_eq!(after.stdout(), "own\nown\nmore\n");
}

#[test]
fn a_step_without_a_gpu_has_none() {
    let Some(bench) = bench() else { return };
    definition(&bench, "", "ls /dev | grep nvidia; echo $GPU_HERE$LD_LIBRARY_PATH none");
    let built = with_devices(&bench, &["build"]);
    assert_eq!((built.code, lines(&built)), (Some(0), vec!["none"]), "{}", built.stderr);
}

#[test]
fn another_request_is_another_result() {
    let Some(bench) = bench() else { return };
    let made = |gpu: &str| {
        definition(&bench, gpu, "ls /dev | grep -c nvidia > /count || true");
        with_devices(&bench, &["build", "-t", "x"]).stdout();
        bench.wythe(&["run", "--network", "none", "x", "--", "/bin/cat", "/count"]).stdout()
    };
    let counts = ["", "gpu = \"any\"", "gpu = \"any:2\"", "gpu = \"h100-80gb:2\""].map(made);
    assert_eq!(counts, ["0\n", "2\n", "3\n", "3\n"]);
}

#[test]
fn a_machine_that_lacks_what_is_asked_for_says_so_before_anything_runs() {
    let Some(bench) = bench() else { return };
    let early = "[[steps]]\nkind = \"run\"\nnetwork = \"none\"\ncommands = [\"echo ran\"]\n";
    let late = |gpu: &str| {
        bench.definition(&format!("{BASE}{early}[[steps]]\nkind = \"run\"\nname = \"train\"\nnetwork = \"none\"\ngpu = \"{gpu}\"\ncommands = [\"true\"]\n"));
    };
    let refused = |ended: &Ended, words: &[&str]| {
        assert_eq!((ended.code, lines(ended).len()), (Some(1), 0), "{}", ended.stderr);
        for word in words.iter().chain(&["step `train`", "wythe.toml:11:1", "wythe doctor"]) {
            assert!(ended.stderr.contains(word), "{word:?} is missing:\n{}", ended.stderr);
        }
    };
    let has = "this machine has NVIDIA H100 80GB HBM3; NVIDIA H100 80GB HBM3";
    late("A100:2");
    refused(&with_devices(&bench, &["build"]), &["2 GPUs `A100` are asked for", has, "one specification"]);
    late("any:3");
    refused(&with_devices(&bench, &["build"]), &["3 GPUs are asked for", has]);
    late("any");
    let words = ["a GPU is asked for, and this machine has none", "there is no such directory", "no node of a driver"];
    refused(&without_devices(&bench, &["build"]), &words);
    // A specification that cannot be read is named, with the line.
    specify(&bench, &SPEC.replace("major: 1", "major: one"));
    let line = "nvidia.yaml cannot be used: line 15: invalid type: string \"one\", expected u32";
    refused(&with_devices(&bench, &["build"]), &["this machine has none", line]);
}

#[test]
fn a_node_that_is_not_for_this_user_is_named() {
    if !can_become_ordinary() {
        return;
    }
    let Some(bench) = bench() else { return };
    let node = "/dev/loop-control";
    if !Path::new(node).exists() {
        eprintln!("skipped: there is no {node}, which only root may open");
        return;
    }
    specify(&bench, &SPEC.replace("hostPath: /dev/null", &format!("hostPath: {node}")));
    definition(&bench, "gpu = \"any:2\"", "true");
    let ended = with_devices_elsewhere(&bench, &["build"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    for word in [
        "`nvidia.com/gpu=0` cannot be used",
        "`/dev/loop-control` cannot be opened by this user",
        "group of the device",
    ] {
        assert!(ended.stderr.contains(word), "{word:?} is missing:\n{}", ended.stderr);
    }
}

#[test]
fn programs_get_gpus_and_the_doctor_lists_them() {
    let Some(bench) = bench() else { return };
    bench.definition(BASE);
    bench.wythe(&["build", "-t", "x"]).stdout();
    let run = ["run", "--gpu", "any:2", "--network", "none", "x", "--", "/bin/sh", "-c", "ls /dev | grep nvidia"];
    assert_eq!(with_devices(&bench, &run).stdout(), "nvidia0\nnvidia1\nnvidiactl\n");
    let missing = without_devices(&bench, &run);
    assert_eq!(missing.code, Some(1), "{}", missing.stderr);
    let said = "cannot run the program: 2 GPUs are asked for, and this machine has none";
    assert!(missing.stderr.contains(said), "{}", missing.stderr);
    let mut shell = bench.command(&["shell", "--gpu", "H100", "--network", "none", "x"]);
    shell
        .env("WYTHE_CDI_DIRS", bench.dir().join("cdi"))
        .stdin(std::fs::File::open(bench.file("typed", "ls /dev | grep nvidia\n").dir().join("typed")).unwrap());
    assert_eq!(Ended::from(shell.output().unwrap()).stdout(), "nvidia0\nnvidiactl\n");
    let doctor = with_devices(&bench, &["doctor"]);
    assert!(doctor.stdout.contains("nvidia.com/gpu=0 (NVIDIA H100 80GB HBM3), as "), "{}", doctor.stdout);
}

#[test]
fn rootless_a_step_has_what_its_gpu_takes() {
    if !can_become_ordinary() {
        return;
    }
    let Some(bench) = bench() else { return };
    // Where this user may read: the bench's own place is root's.
    let driver = tempfile::tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(driver.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::create_dir(driver.path().join("driver")).unwrap();
    std::fs::write(driver.path().join("driver/libcuda.so.1"), "the driver's\n").unwrap();
    bench.file("cdi/nvidia.yaml", &SPEC.replace("./", &format!("{}/", driver.path().display())));
    definition(&bench, "gpu = \"any\"", LOOK);
    let built = with_devices_elsewhere(&bench, &["build"]);
    assert_eq!((built.code, lines(&built)), (Some(0), SEEN.to_vec()), "{}", built.stderr);
}

#[test]
fn a_runtime_gives_the_same_devices() {
    if !is_root() {
        return;
    }
    let Some(bench) = bench() else { return };
    for runtime in ["crun", "runc"].into_iter().filter(|runtime| is_installed(runtime)) {
        definition(&bench, "gpu = \"H100\"", &format!("{LOOK} # {runtime}"));
        let driver = format!("oci:{runtime}");
        let built = with_devices(&bench, &["--driver", &driver, "--unsafe-driver", "build"]);
        assert_eq!((built.code, lines(&built)), (Some(0), SEEN.to_vec()), "{runtime}: {}", built.stderr);
    }
}

#[test]
fn a_dockerfile_asks_for_devices_by_their_names() {
    let Some(bench) = bench() else { return };
    let build = |devices: &str| {
        bench.file(
            "Dockerfile",
            &format!("FROM scratch\nCOPY root /\nRUN --network=none {devices} ls /dev | grep nvidia; echo\n"),
        );
        with_devices(&bench, &["build", "-f", "Dockerfile", "--progress", "plain", "."])
    };
    let seen = |ended: &Ended| {
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        ended
            .stderr
            .lines()
            .filter_map(|line| line.rsplit_once("| "))
            .map(|(_, line)| line.to_owned())
            .filter(|line| line.starts_with("nvidia"))
            .collect::<Vec<_>>()
    };
    assert_eq!(seen(&build("--device=nvidia.com/gpu=1")), ["nvidia1", "nvidiactl"]);
    assert_eq!(seen(&build("--device=nvidia.com/gpu=*")), ["nvidia0", "nvidia1", "nvidiactl"]);
    assert_eq!(seen(&build("--device=nvidia.com/gpu,required")), ["nvidia0", "nvidiactl"]);
    let both = "--device=name=nvidia.com/gpu=0 --device=nvidia.com/gpu=1,required=true";
    assert_eq!(seen(&build(both)), ["nvidia0", "nvidia1", "nvidiactl"]);
    assert_eq!(seen(&build("")), Vec::<String>::new());
    let missing = build("--device=nvidia.com/gpu=7");
    assert_eq!(missing.code, Some(1), "{}", missing.stderr);
    assert!(missing.stderr.contains("this machine has no device `nvidia.com/gpu=7`"), "{}", missing.stderr);
    let wrong = build("--device=gpu");
    assert!(wrong.stderr.contains("`gpu` is not a device"), "{}", wrong.stderr);
}

#[test]
fn hooks_run_only_by_a_runtime_that_is_told_to() {
    if !is_root() || !is_installed("crun") {
        return;
    }
    let Some(bench) = bench() else { return };
    bench.file("hook", "#!/bin/sh\ncat > /dev/null\necho ran >> \"$1\"\n");
    std::fs::set_permissions(bench.dir().join("hook"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let hook = "    - {hookName: createRuntime, path: ./hook, args: [hook, ./ran]}\ndevices:";
    specify(&bench, &SPEC.replacen("devices:", hook, 1));
    let ran = || std::fs::read_to_string(bench.dir().join("ran")).unwrap_or_default();
    definition(&bench, "gpu = \"any\"", "true");
    let built = with_devices(&bench, &["build"]);
    assert_eq!((built.code, ran().as_str()), (Some(0), ""), "{}", built.stderr);
    assert!(built.stderr.contains("left out of what the device's specification asks for: `"), "{}", built.stderr);
    let alone = with_devices(&bench, &["--allow-device-hooks", "build"]);
    assert_eq!((alone.code, ran().as_str()), (Some(2), ""), "{}", alone.stderr);
    assert!(alone.stderr.contains("`--allow-device-hooks` needs an OCI runtime"), "{}", alone.stderr);
    // What a hook did may be in the result, which is another one therefore.
    let runtime = ["--driver", "oci:crun", "--unsafe-driver", "--allow-device-hooks", "build"];
    let built = with_devices(&bench, &runtime);
    assert_eq!((built.code, ran().as_str()), (Some(0), "ran\n"), "{}", built.stderr);
    assert!(!built.stderr.contains("left out"), "{}", built.stderr);
}

#[test]
fn the_drivers_files_do_where_nobody_wrote_a_specification() {
    if !is_root() {
        return;
    }
    let Some(bench) = Bench::with_busybox() else { return };
    let library = Path::new("/lib/x86_64-linux-gnu/libm.so.6");
    if !library.exists() {
        eprintln!("skipped: there is no {}, whose soname is known", library.display());
        return;
    }
    // A program, whichever: what a script leads to is not in a step.
    bench.file("machine/usr/local/nvidia/bin/nvidia-smi", "");
    std::fs::copy("/proc/self/exe", bench.dir().join("machine/usr/local/nvidia/bin/nvidia-smi")).unwrap();
    bench.file("machine/usr/bin/nvidia-smi", "#!/bin/sh\nexec /usr/local/nvidia/bin/nvidia-smi \"$@\"\n");
    bench.file(
        "machine/proc/driver/nvidia/gpus/0000:05:00.0/information",
        "Model: \t\t NVIDIA A100-SXM4-40GB\nDevice Minor: \t 0\n",
    );
    std::fs::create_dir_all(bench.dir().join("machine/usr/lib/x86_64-linux-gnu")).unwrap();
    std::fs::copy(library, bench.dir().join("machine/usr/lib/x86_64-linux-gnu/libcuda.so.550.54")).unwrap();
    std::fs::create_dir_all(bench.dir().join("machine/dev")).unwrap();
    for (node, minor) in [("nvidia0", "5"), ("nvidiactl", "3")] {
        let path = bench.dir().join("machine/dev").join(node).display().to_string();
        wythe_tests::run("mknod", &["-m", "666", &path, "c", "1", minor]).stdout();
    }
    definition(
        &bench,
        "gpu = \"A100\"",
        "ls /dev | grep nvidia; head -c 4 /usr/bin/nvidia-smi | tail -c 3; echo; ls $LD_LIBRARY_PATH; ls /usr/local/nvidia/lib64; busybox cmp $LD_LIBRARY_PATH/libm.so.6 /usr/local/nvidia/lib64/libcuda.so.550.54 && echo same",
    );
    let built = Ended::from(on_a_machine(&bench, "none", "machine", &["build"]).output().unwrap());
    let expected =
        ["nvidia0", "nvidiactl", "ELF", "libcuda.so.550.54", "libm.so.6", "libcuda.so.550.54", "libm.so.6", "same"];
    assert_eq!((built.code, lines(&built)), (Some(0), expected.to_vec()), "{}", built.stderr);
}

/// Asks the driver as any CUDA program does.
const ASK: &str = r#"import ctypes
cuda = ctypes.CDLL("libcuda.so.1")
def call(name, *arguments):
    status = getattr(cuda, name)(*arguments)
    assert status == 0, f"{name}: {status}"
count = ctypes.c_int()
call("cuInit", 0)
call("cuDeviceGetCount", ctypes.byref(count))
print("count", count.value)
for device in range(count.value):
    name = ctypes.create_string_buffer(256)
    call("cuDeviceGetName", name, len(name), device)
    print("name", name.value.decode())
"#;

#[test]
fn a_real_gpu_answers_in_a_step() {
    if !Path::new("/dev/nvidiactl").exists() {
        eprintln!("skipped: this machine has no GPU (/dev/nvidiactl)");
        return;
    }
    let bench = Bench::shared();
    bench.file("ask.py", ASK);
    bench.definition(&format!("{}[[steps]]\nkind = \"apt\"\npackages = [\"python3\"]\n[[steps]]\nkind = \"files\"\nfrom = \"ask.py\"\nto = \"/ask.py\"\n[[steps]]\nkind = \"run\"\nnetwork = \"none\"\ngpu = \"any\"\nforce = true\ncommands = [\"python3 /ask.py\"]\n", debian("")));
    let built = bench.wythe(&["build"]);
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    let answers = lines(&built);
    assert_eq!(answers.first(), Some(&"count 1"), "{}", built.stderr);
    let models: Vec<String> = std::fs::read_dir("/proc/driver/nvidia/gpus")
        .unwrap()
        .filter_map(|gpu| std::fs::read_to_string(gpu.unwrap().path().join("information")).ok())
        .collect();
    let name = answers[1].strip_prefix("name ").unwrap();
    assert!(models.iter().any(|model| model.contains(name)), "{name}: {models:?}");
}
