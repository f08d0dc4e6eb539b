// SPDX-License-Identifier: Apache-2.0
//! What a command cannot see and cannot do.

use crate::inside::ESCAPES;
use crate::support::{Sand, status};

crate::tests![
    escapes_are_refused,
    there_are_three_descriptors,
    it_is_process_one_and_alone,
    there_is_no_controlling_terminal,
    no_network_is_a_loopback_of_its_own,
    the_machine_s_network_is_there_on_request,
    abstract_sockets_of_the_machine_are_out_of_reach,
    the_machine_s_files_are_not_there,
    the_kernel_s_secrets_read_as_empty,
    devices_are_the_six_that_everybody_has,
    the_host_name_is_given,
    limits_and_signals_are_fresh,
    the_binary_of_the_caller_cannot_be_changed,
    mounts_of_the_machine_are_not_listed,
];

fn escapes_are_refused() {
    for network in [false, true] {
        let sand = Sand::ask("escapes");
        let sand = if network { sand.host_network() } else { sand };
        let text = sand.prints();
        let allowed: Vec<&str> = text.lines().filter(|line| line.ends_with(": allowed")).collect();
        assert_eq!((allowed, text.lines().count()), (vec![], ESCAPES.len()), "{text}");
    }
}

fn there_are_three_descriptors() {
    // Descriptor 3 is that of the listing.
    assert_eq!(Sand::new(&["ls", "/proc/self/fd"]).prints(), "0\n1\n2\n3\n");
}

fn it_is_process_one_and_alone() {
    assert_eq!(Sand::sh("echo $$; cd /proc; echo [0-9]*").prints(), "1\n1\n");
}

fn there_is_no_controlling_terminal() {
    let text = Sand::ask("terminal").prints();
    assert!(text.starts_with("Err(") && text.ends_with(" false\n"), "{text}");
}

fn no_network_is_a_loopback_of_its_own() {
    assert_eq!(Sand::sh("ls /sys/class/net; cat /proc/net/route | wc -l").prints(), "lo\n1\n");
    let up =
        Sand::sh("ip -o addr show lo | head -n1 | tr -s ' ' | cut -d' ' -f 3,4; nc 127.0.0.1 1 2>&1 | grep -o refused");
    assert_eq!(up.prints(), "inet 127.0.0.1/8\nrefused\n");
    let out = Sand::sh("nc 192.0.2.1 1").run().unwrap();
    assert!(out.stderr.contains("Network is unreachable"), "{out:?}");
}

fn the_machine_s_network_is_there_on_request() {
    let here = std::fs::read_link("/proc/self/ns/net").unwrap();
    let there = Sand::sh("readlink /proc/self/ns/net").host_network().prints();
    assert_eq!(there.trim(), here.to_string_lossy());
    let other = Sand::sh("readlink /proc/self/ns/net").prints();
    assert_ne!(other.trim(), here.to_string_lossy());
}

/// CVE-2020-15257.
fn abstract_sockets_of_the_machine_are_out_of_reach() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixListener};
    let name = format!("wythe-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let ask = || Sand::ask("abstract").with(|inputs| inputs.argv.push(name.clone()));
    let _listener = UnixListener::bind_addr(&address).unwrap();
    let alone = ask().prints();
    assert!(alone.starts_with("Err(Os { code: 111"), "{alone}");
    let shared = ask().host_network().prints();
    // A kernel before 6.12 cannot tell these sockets apart.
    if wythe_sys::kernel::is_at_least(6, 12) {
        assert!(shared.starts_with("Err(Os { code: 1,"), "{shared}");
    }
}

fn the_machine_s_files_are_not_there() {
    let canary = tempfile::NamedTempFile::new().unwrap();
    let path = canary.path().display();
    let script =
        format!("ls {path} /proc/1/root{path} /proc/1/cwd{path} /proc/self/root/../..{path} 2>/dev/null; ls /");
    let ran = Sand::sh(&script).prints();
    let names: Vec<&str> = ran.lines().filter(|name| !name.starts_with("lib")).collect();
    assert_eq!(names, ["bin", "dev", "etc", "home", "inside", "proc", "root", "srv", "sys", "tmp"]);
}

fn the_kernel_s_secrets_read_as_empty() {
    let script = "for f in kcore keys timer_list interrupts sched_debug; do [ -e /proc/$f ] && wc -c < /proc/$f; done
        ls -A /sys/firmware /proc/acpi /proc/scsi /sys/fs/cgroup 2>/dev/null | grep -v : | grep .; true";
    let text = Sand::sh(script).host_network().prints();
    assert!(!text.is_empty() && text.lines().all(|line| line == "0"), "{text}");
    let read_only =
        "for f in /proc/sys/kernel/hostname /proc/sysrq-trigger /proc/bus/x /proc/irq/x /proc/fs/x /sys/x; do
        (echo x > $f) 2>/dev/null && echo $f; done; true";
    assert_eq!(Sand::sh(read_only).prints(), "");
}

fn devices_are_the_six_that_everybody_has() {
    let expected = "fd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n";
    assert_eq!(Sand::sh("ls /dev; echo x > /dev/null").prints(), expected);
    assert_eq!(
        Sand::sh("head -c4 /dev/zero | od -An -tx1; head -c 8 /dev/urandom | wc -c").prints(),
        " 00 00 00 00\n8\n"
    );
    assert_eq!(
        Sand::sh("stat -c %a /dev/shm /dev/pts/ptmx; echo x > /dev/shm/x && cat /dev/shm/x").prints(),
        "1777\n666\nx\n"
    );
}

fn the_host_name_is_given() {
    assert_eq!(Sand::sh("hostname").prints(), "localhost\n");
    assert_eq!(Sand::sh("hostname").with(|inputs| inputs.hostname = "builder-7".into()).prints(), "builder-7\n");
    let long = Sand::sh("hostname").with(|inputs| inputs.hostname = "x".repeat(65)).refusal();
    assert!(long.contains("set the host name `xxx"), "{long}");
}

fn limits_and_signals_are_fresh() {
    let text = Sand::new(&["cat", "/proc/self/status"]).prints();
    assert_eq!(Sand::sh("ulimit -c").prints(), "0\n");
    let none = "0000000000000000";
    assert_eq!(status(&text, "SigBlk"), none);
    let ignored = u64::from_str_radix(status(&text, "SigIgn"), 16).unwrap();
    // The C library ignores two of its own in what it spawns, as runtimes are.
    let own = if crate::support::runtime().is_some() { 1 << 31 | 1 << 32 } else { 0 };
    assert_eq!(ignored & !own, 0, "{ignored:x}");
}

fn the_binary_of_the_caller_cannot_be_changed() {
    let this = std::env::current_exe().unwrap();
    let before = std::fs::metadata(&this).unwrap();
    // The interpreter of this script is whatever executes it: the caller's own binary.
    let sand = Sand::sh("printf '#!/proc/self/exe\n' > /srv/script; chmod 755 /srv/script");
    sand.prints();
    let sand = sand.with(|inputs| inputs.argv = vec!["/srv/script".into(), "x".into()]);
    drop(sand.run());
    let sand = Sand::new(&["/inside", crate::inside::ARGUMENT, "escapes"]);
    sand.prints();
    let after = std::fs::metadata(&this).unwrap();
    assert_eq!((before.modified().unwrap(), before.len()), (after.modified().unwrap(), after.len()));
}

fn mounts_of_the_machine_are_not_listed() {
    let text = Sand::sh("cut -d' ' -f 2 /proc/self/mounts | sort -u").prints();
    let outside = text.lines().find(|line| {
        *line != "/" && !["/proc", "/sys", "/dev"].iter().any(|top| line == top || line.starts_with(&format!("{top}/")))
    });
    assert_eq!(outside, None, "{text}");
    let writable = Sand::sh("grep -v ' ro,' /proc/self/mounts | cut -d' ' -f 2,4 | grep -v nodev").prints();
    let nodes = ["null", "zero", "full", "random", "urandom", "tty", "pts"].map(|name| format!("/dev/{name} "));
    let others: Vec<&str> = writable
        .lines()
        .filter(|line| !nodes.iter().any(|node| line.starts_with(node.as_str())) && !line.starts_with("/proc/"))
        .collect();
    assert_eq!(others, Vec::<&str>::new());
}
