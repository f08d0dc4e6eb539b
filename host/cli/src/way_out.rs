// SPDX-License-Identifier: Apache-2.0
//! How steps reach what this machine reaches: looked at once, as a value for the rooms below.

use std::path::{Path, PathBuf};

use wythe_sandbox::{NetworkStack, StackDialect};
use wythe_solve::WayOut;

/// The device that a network stack moves packets through.
const TUN: &str = "/dev/net/tun";

/// The kernel's tables of routes.
const ROUTES: [&str; 2] = ["/proc/net/route", "/proc/net/ipv6_route"];

/// Finds out how it is done here. Root shares the machine's network; an ordinary user's steps have one of their own where a
/// program that connects it is installed.
///
/// `has_loopback_proxy` says that a proxy of the machine is on its loopback, `is_shared` that somebody wants it shared.
pub(crate) fn look(directories: &[PathBuf], has_loopback_proxy: bool, is_shared: bool) -> WayOut {
    if is_shared || wythe_sys::userns::is_initial() {
        return WayOut::Shared { for_want_of: None };
    }
    let because = |reason: String| WayOut::Shared { for_want_of: Some(reason) };
    let Some(stack) = NetworkStack::find(directories) else {
        let names = StackDialect::ALL.map(|dialect| format!("`{}`", dialect.program())).join(" nor ");
        return because(format!("neither {names} is installed (package passt)"));
    };
    let name = stack.dialect.program();
    if let Err(error) = std::fs::File::options().read(true).write(true).open(TUN) {
        return because(format!("`{name}` needs {TUN}, which cannot be opened: {error}"));
    }
    if has_loopback_proxy && !stack.dialect.passes_ports_on() {
        return because(format!("the proxy is on it, which `{name}` cannot reach, and `pasta` could (package passt)"));
    }
    if !ROUTES.iter().any(|table| has_default_route(Path::new(table))) {
        return because(format!("`{name}` needs a default route, and there is none"));
    }
    WayOut::Own(stack)
}

/// Whether a table has a route to everywhere that is up and has a gateway or an interface (proc(5)).
fn has_default_route(table: &Path) -> bool {
    std::fs::read_to_string(table).is_ok_and(|text| text.lines().any(is_default_route))
}

fn is_default_route(line: &str) -> bool {
    match line.split_whitespace().collect::<Vec<_>>().as_slice() {
        // Interface, destination, gateway, flags, …, mask at the eighth place.
        [_, "00000000", _, _, _, _, _, "00000000", ..] => true,
        // Destination, length of its prefix, …, the interface last; what leads to nowhere is on the loopback.
        [destination, "00", .., interface] => destination.bytes().all(|byte| byte == b'0') && *interface != "lo",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_default_route;

    #[test]
    fn a_route_to_everywhere_is_known() {
        for (line, expected) in [
            ("Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT", false),
            ("eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0", true),
            ("eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0", false),
            (
                "00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003 eth0",
                true,
            ),
            (
                "00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200 lo",
                false,
            ),
            (
                "fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001 eth0",
                false,
            ),
        ] {
            assert_eq!(is_default_route(line), expected, "{line}");
        }
    }
}
