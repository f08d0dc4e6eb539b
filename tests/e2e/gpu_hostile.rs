// SPDX-License-Identifier: Apache-2.0
//! Specifications of devices that want more than a device needs, and images that want devices (row K1 of `docs/sandbox.md`). Each is
//! tried as root and, where the machine has the account, as an ordinary user.

use std::os::unix::fs::symlink;

use wythe_tests::{Bench, Ended, can_become_ordinary};

use crate::gpu::{definition, lines, with_devices, with_devices_elsewhere};
use crate::sandbox::BASE;

/// Builds a step with a GPU as root and as an ordinary user, and hands both endings over.
fn both(bench: &Bench, check: impl Fn(&Ended)) {
    check(&with_devices(bench, &["build", "-t", "x"]));
    if can_become_ordinary() {
        check(&with_devices_elsewhere(bench, &["build", "-t", "x"]));
    }
}

/// A specification of one GPU with these members in its edits.
fn spec(edits: &str) -> String {
    format!(
        "cdiVersion: \"1.0.0\"\nkind: x.example/gpu\ndevices:\n- name: a\n  containerEdits:\n    deviceNodes: [{{path: /dev/gpu, hostPath: /dev/null}}]\n    {edits}\n"
    )
}

fn bench(spec: &str) -> Option<Bench> {
    let bench = Bench::with_busybox()?;
    bench.file("cdi/x.yaml", spec);
    Some(bench)
}

/// Nothing runs, and the message says what is wrong with the specification, and where.
fn refused(spec: &str, why: &str) {
    let Some(bench) = bench(spec) else { return };
    definition(&bench, "gpu = \"any\"", "echo ran");
    both(&bench, |ended| {
        assert_eq!((ended.code, lines(ended).len()), (Some(1), 0), "{}", ended.stderr);
        assert!(ended.stderr.contains(why), "{why:?} is missing:\n{}", ended.stderr);
    });
}

macro_rules! refused {
    ($($name:ident: $edits:expr, $why:expr;)*) => {
        $(#[test] fn $name() { refused(&spec($edits), $why); })*
    };
}

refused! {
    k1_01_a_file_of_the_machine_by_a_path_that_goes_up:
        "mounts: [{hostPath: /usr/lib/../../etc/shadow, containerPath: /opt/x}]", "line 7: `/usr/lib/../../etc/shadow` is no absolute path without `..`";
    k1_02_a_file_of_the_machine_by_a_relative_path:
        "mounts: [{hostPath: etc/shadow, containerPath: /opt/x}]", "line 7: `etc/shadow` is no absolute path";
    k1_03_the_whole_machine:
        "mounts: [{hostPath: /, containerPath: /opt/x}]", "line 7: `/` of the machine is more than a device needs";
    k1_04_processes_of_the_machine:
        "mounts: [{hostPath: /proc/1/root, containerPath: /opt/x}]", "line 7: `/proc/1/root` of the machine is more";
    k1_05_a_mount_among_the_devices:
        "mounts: [{hostPath: /usr/lib/os-release, containerPath: /dev/shm/x}]", "nothing may appear at `/dev/shm/x`: it belongs to the sandbox";
    k1_06_a_mount_on_the_root:
        "mounts: [{hostPath: /usr/lib/os-release, containerPath: /}]", "line 7: nothing may appear at `/`: all that is below would be hidden";
    k1_07_a_mount_in_proc:
        "mounts: [{hostPath: /usr/lib/os-release, containerPath: /proc/sys/kernel/core_pattern}]", "it belongs to the sandbox";
    k1_08_a_mount_on_etc:
        "mounts: [{hostPath: /usr/lib/os-release, containerPath: //etc/.}]", "nothing may appear at `/etc`: all that is below";
    k1_09_a_mount_on_the_users:
        "mounts: [{hostPath: /usr/lib/os-release, containerPath: /etc/passwd}]", "nothing may appear at `/etc/passwd`: it belongs to the image";
    k1_10_a_mount_on_the_loaders_preloads:
        "mounts: [{hostPath: /usr/lib/os-release, containerPath: /etc/ld.so.preload}]", "nothing may appear at `/etc/ld.so.preload`";
    k1_11_a_mount_by_a_target_that_goes_up:
        "mounts: [{hostPath: /usr/lib/os-release, containerPath: /opt/../etc/passwd}]", "line 7: `/opt/../etc/passwd` is no place in a sandbox";
    k1_12_a_mount_on_what_the_host_lends:
        "mounts: [{hostPath: /usr/lib/os-release, containerPath: /run/secrets/token}]", "nothing may appear at `/run/secrets/token`";
    k1_13_a_mount_of_another_type:
        "mounts: [{hostPath: /dev/sda1, containerPath: /opt/x, type: ext4}]", "line 7: a mount of the type `ext4`";
    k1_14_a_library_before_all_others:
        "env: [LD_PRELOAD=/opt/x.so]", "line 7: the variable `LD_PRELOAD` would change what programs do";
    k1_15_a_loaders_path_to_elsewhere:
        "mounts: [{hostPath: /usr/lib/os-release, containerPath: /opt/gpu/lib.so}]\n    env: [\"LD_LIBRARY_PATH=/opt/gpu:/tmp\"]", "line 8: `LD_LIBRARY_PATH=/opt/gpu:/tmp` leads to where the device has no libraries";
    k1_16_a_script_for_every_shell:
        "env: [BASH_ENV=/opt/x]", "line 7: the variable `BASH_ENV`";
    k1_17_a_variable_in_a_value:
        "env: [\"A B=1\"]", "line 7: `A B=1` is no variable";
    k1_18_roots_group:
        "additionalGids: [44, 0]", "line 7: the group 0 is root's";
    k1_19_a_link_out_of_its_folder:
        "hooks: [{hookName: createContainer, path: /usr/bin/nvidia-cdi-hook, args: [nvidia-cdi-hook, create-symlinks, --link, \"../../../etc/x.so::/usr/lib/x/liby.so\"]}]", "leads to no place of a library";
    k1_20_a_link_in_place_of_the_preloads:
        "hooks: [{hookName: createContainer, path: /usr/bin/nvidia-cdi-hook, args: [nvidia-cdi-hook, create-symlinks, --link, \"/opt/x.so::/etc/ld.so.preload\"]}]", "nothing may appear at `/etc/ld.so.preload`";
    k1_21_an_interface_of_the_machine:
        "netDevices: [{hostInterfaceName: eth0, name: eth0}]", "steps are not given network interfaces";
    k1_22_an_unknown_member:
        "rootfsPropagation: shared", "line 7: unknown field `rootfsPropagation`";
}

/// A specification of one GPU with this node.
fn node(node: &str) -> String {
    spec("env: []").replace("{path: /dev/gpu, hostPath: /dev/null}", node)
}

#[test]
fn k1_23_a_node_by_a_path_that_goes_up() {
    refused(
        &node("{path: /dev/gpu, hostPath: /dev/../etc/shadow}"),
        "line 6: `/dev/../etc/shadow` is no absolute path",
    );
}

#[test]
fn k1_24_a_node_that_is_a_file() {
    refused(&node("{path: /dev/gpu, hostPath: /etc/passwd}"), "`/etc/passwd` is not a device");
}

#[test]
fn k1_25_a_node_outside_of_dev() {
    refused(&node("{path: /etc/gpu, hostPath: /dev/null}"), "line 6: `/etc/gpu` is no place for a device");
}

#[test]
fn k1_26_a_node_in_the_place_of_one_that_everybody_has() {
    refused(&node("{path: /dev/urandom, hostPath: /dev/zero}"), "line 6: `/dev/urandom` is no place for a device");
}

#[test]
fn k1_27_a_node_that_is_another_device() {
    refused(
        &node("{path: /dev/gpu, hostPath: /dev/null, type: c, major: 195, minor: 0}"),
        "`/dev/null` is not the device 195:0",
    );
}

#[test]
fn k1_28_a_node_that_may_only_be_read() {
    refused(&node("{path: /dev/gpu, hostPath: /dev/null, permissions: r}"), "line 6: permissions `r`");
}

#[test]
fn k1_29_aliases_that_grow_without_end() {
    let bomb =
        (1..40).fold("a0: &a0 [x, x]\n".to_owned(), |text, n| text + &format!("a{n}: &a{n} [*a{0}, *a{0}]\n", n - 1));
    refused(&bomb, "line 2: an alias (`*`) is not read here");
}

#[test]
fn k1_30_values_in_values_without_end() {
    refused(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)), "cannot be used: line 1: ");
}

#[test]
fn k1_31_a_specification_that_everybody_may_write() {
    let Some(bench) = bench(&spec("env: []")) else { return };
    let file = bench.dir().join("cdi/x.yaml");
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    definition(&bench, "gpu = \"any\"", "echo ran");
    let ended = with_devices(&bench, &["build"]);
    assert_eq!((ended.code, lines(&ended).len()), (Some(1), 0), "{}", ended.stderr);
    assert!(ended.stderr.contains("cannot be used: everybody may write `"), "{}", ended.stderr);
}

#[test]
fn k1_32_hooks_are_not_run() {
    let hook = |name: &str| format!("{{hookName: {name}, path: /bin/touch, args: [touch, /tmp/wythe-k1-32-hook-ran]}}");
    let hooks = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"].map(hook);
    let Some(bench) = bench(&spec(&format!("hooks: [{}]", hooks.join(", ")))) else { return };
    definition(&bench, "gpu = \"any\"", "test -c /dev/gpu && echo ran");
    both(&bench, |ended| {
        assert_eq!((ended.code, lines(ended)), (Some(0), vec!["ran"]), "{}", ended.stderr);
        assert!(!std::path::Path::new("/tmp/wythe-k1-32-hook-ran").exists());
        assert!(ended.stderr.contains("`/bin/touch /tmp/wythe-k1-32-hook-ran`"), "{}", ended.stderr);
    });
}

#[test]
fn k1_33_a_target_through_links_of_the_image() {
    let mount = "mounts: [{hostPath: /usr/lib/os-release, containerPath: /opt/driver/lib/file}]";
    for (to, seen) in [("/proc", None), ("/sys", None), ("/dev", None), ("../../../../../../outside", Some("/outside"))]
    {
        let Some(bench) = bench(&spec(mount)) else { return };
        std::fs::create_dir_all(bench.dir().join("root/opt/driver")).unwrap();
        std::fs::create_dir_all(bench.dir().join("root/outside")).unwrap();
        symlink(to, bench.dir().join("root/opt/driver/lib")).unwrap();
        let command = seen.map_or_else(|| "true".to_owned(), |place| format!("ls {place}; ls -d /opt/driver/lib"));
        definition(&bench, "gpu = \"any\"", &command);
        both(&bench, |ended| match seen {
            Some(_) => assert_eq!(
                (ended.code, lines(ended)),
                (Some(0), vec!["file", "/opt/driver/lib"]),
                "{to}: {}",
                ended.stderr
            ),
            None => {
                assert_ne!(ended.code, Some(0), "{to}: {}", ended.stderr);
                assert!(ended.stderr.contains("/opt/driver/lib/file"), "{to}: {}", ended.stderr);
            }
        });
    }
}

#[test]
fn k1_34_an_image_asks_for_nothing() {
    let Some(bench) = bench(&spec("env: [HERE=yes]")) else { return };
    // By its configuration, by files where specifications lie, and by what runtimes look at elsewhere.
    bench.file("root/etc/cdi/y.yaml", &spec("env: [FROM_THE_IMAGE=yes]").replace("x.example", "y.example"));
    let words = ["NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_DRIVER_CAPABILITIES=all", "NVIDIA_REQUIRE_CUDA=none"];
    let env = words.map(|word| word.replacen('=', " = \"", 1) + "\"").join(", ");
    let labels = "[[steps]]\nkind = \"label\"\nset = { \"cdi.k8s.io/gpu\" = \"x.example/gpu=a\", \"com.nvidia.volumes.needed\" = \"nvidia_driver\" }\n";
    let look = "[[steps]]\nkind = \"run\"\nnetwork = \"none\"\ncommands = ['''ls /dev | grep gpu; echo $HERE$FROM_THE_IMAGE none''']\n";
    bench.definition(&format!("{BASE}[[steps]]\nkind = \"env\"\nset = {{ {env} }}\n{labels}{look}"));
    both(&bench, |ended| assert_eq!((ended.code, lines(ended)), (Some(0), vec!["none"]), "{}", ended.stderr));
    definition(&bench, "gpu = \"any:2\"", "true");
    both(&bench, |ended| assert_eq!(ended.code, Some(1), "{}", ended.stderr));
}
