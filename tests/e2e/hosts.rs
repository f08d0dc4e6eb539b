// SPDX-License-Identifier: Apache-2.0
//! A network of named hosts, with a server of the test's own behind it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;

use wythe_tests::{ACCOUNT, Bench, can_become_ordinary, is_installed};

use crate::sandbox::BASE;

/// Serves `hello` to whoever asks, as long as the test's process lives. Returns the port.
pub(crate) fn serve() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let request = BufReader::new(stream.try_clone().unwrap());
            let _head: Vec<String> =
                request.lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            let _broken = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n");
        }
    });
    port
}

fn definition(bench: &Bench, network: &str, commands: &[String]) {
    let commands: Vec<String> = commands.iter().map(|command| format!("'''{command}'''")).collect();
    let commands = commands.join(", ");
    bench.definition(&format!("{BASE}[[steps]]\nkind = \"run\"\nnetwork = {network}\ncommands = [{commands}]\n"));
}

#[test]
fn a_step_reaches_the_hosts_it_names_and_that_is_recorded() {
    let Some(bench) = Bench::with_busybox() else { return };
    let port = serve();
    definition(
        &bench,
        &format!("[\"localhost:{port}\"]"),
        &[format!("busybox wget -q -O /got http://localhost:{port}/file")],
    );
    let built = bench.wythe(&["build", "-t", "x"]);
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    assert_eq!(bench.wythe(&["run", "--entrypoint", "/bin/cat", "x", "--", "/got"]).stdout(), "hello\n");
    let history: serde_json::Value = serde_json::from_str(&bench.wythe(&["history", "x", "--json"]).stdout()).unwrap();
    let expected = serde_json::json!({
        "hosts": { format!("localhost:{port}"): { "connections": 1, "sent": 0, "received": 6 } },
        "requests": [{ "method": "GET", "url": format!("http://localhost:{port}/file"), "status": 200 }],
    });
    assert_eq!(history.as_array().unwrap().last().unwrap()["network"], expected, "{history}");
    // The proxy is the host's plumbing: nothing of it is in the image.
    let config = bench.wythe(&["inspect", "x"]).stdout();
    assert!(!config.contains("61080"), "{config}");
}

#[test]
fn c19_what_a_step_does_not_name_it_does_not_reach() {
    let Some(bench) = Bench::with_busybox() else { return };
    let port = serve();
    // By its address, by its name, past the proxy, and by the machine's own resolver.
    let commands = [
        format!("! busybox wget -q -O- http://127.0.0.1:{port}/"),
        format!("! busybox wget -q -O- http://localhost:{port}/"),
        format!("! env -u http_proxy busybox wget -q -O- http://127.0.0.1:{port}/"),
        "test \"$(ls /sys/class/net)\" = lo".to_owned(),
        "test ! -s /etc/resolv.conf".to_owned(),
        "test \"$(cat /proc/net/unix | wc -l)\" = 1".to_owned(),
        "false".to_owned(),
    ];
    definition(&bench, "[\"pypi.org\", \"*.example.com\"]", &[commands.join(" && ")]);
    let ended = bench.wythe(&["build"]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    for host in [format!("127.0.0.1:{port}"), format!("localhost:{port}")] {
        let line = format!(
            "| wythe: `{host}` is not among the hosts that may be reached; add it: \
             network = [\"*.example.com\", \"pypi.org\", \"{host}\"]"
        );
        assert!(ended.stderr.contains(&line), "{line:?} is missing:\n{}", ended.stderr);
    }
    // All before the last one ended well.
    assert!(ended.stderr.contains("exited with code 1") && !ended.stderr.contains("hello"), "{}", ended.stderr);
}

#[test]
fn rootless_a_step_reaches_the_hosts_it_names() {
    if !can_become_ordinary() {
        return;
    }
    let Some(bench) = Bench::with_busybox() else { return };
    let port = serve();
    let command =
        format!("busybox wget -q -O /got http://localhost:{port}/file; ! busybox wget -q -O- http://127.0.0.1:{port}/");
    definition(&bench, &format!("[\"localhost:{port}\"]"), &[command]);
    let elsewhere = bench.wythe_elsewhere(&["build"]);
    assert_eq!(elsewhere.code, Some(0), "as {ACCOUNT}: {}", elsewhere.stderr);
    assert_eq!(bench.wythe(&["build"]).stdout(), elsewhere.stdout);
}

#[test]
fn a_program_reaches_the_hosts_it_was_given() {
    let Some(bench) = Bench::with_busybox() else { return };
    let port = serve();
    bench.definition(BASE);
    bench.wythe(&["build", "-t", "x"]).stdout();
    let host = format!("localhost:{port}");
    let run = |network: &str, url: &str| {
        bench.wythe(&["run", "--network", network, "--entrypoint", "/bin/busybox", "x", "--", "wget", "-q", "-O-", url])
    };
    assert_eq!(run(&host, &format!("http://{host}/")).stdout(), "hello\n");
    let refused = run("pypi.org", &format!("http://{host}/"));
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains(&format!("wythe: `{host}` is not among the hosts")), "{}", refused.stderr);
    let wrong = run("http://a/", "http://a/");
    assert_eq!(wrong.code, Some(2), "{}", wrong.stderr);
}

#[test]
fn oci_runtimes_keep_to_the_hosts_that_are_named() {
    for runtime in ["crun", "runc"] {
        if !is_installed(runtime) {
            continue;
        }
        let Some(bench) = Bench::with_busybox() else { return };
        let port = serve();
        let command = format!(
            "busybox wget -q -O /got http://localhost:{port}/file && ! busybox wget -q -O- http://127.0.0.1:{port}/ \
             && ! env -u http_proxy busybox wget -q -O- http://127.0.0.1:{port}/ && test \"$(ls /sys/class/net)\" = lo"
        );
        definition(&bench, &format!("[\"localhost:{port}\"]"), &[command]);
        let driver = format!("oci:{runtime}");
        let ended = bench.wythe(&["--driver", &driver, "--unsafe-driver", "build"]);
        assert_eq!(ended.code, Some(0), "{runtime}: {}", ended.stderr);
        // The same image, whoever runs it.
        let native = Bench::with_busybox().unwrap();
        native.file("wythe.toml", &std::fs::read_to_string(bench.dir().join("wythe.toml")).unwrap());
        assert_eq!(native.wythe(&["build"]).stdout(), ended.stdout, "{runtime}");
    }
}

#[test]
fn a_network_is_part_of_the_key_whatever_the_order_of_its_hosts() {
    let Some(bench) = Bench::with_busybox() else { return };
    let how = |network: &str| {
        definition(&bench, network, &["touch /x".to_owned()]);
        let built = bench.wythe(&["build", "--progress", "json"]);
        assert_eq!(built.code, Some(0), "{}", built.stderr);
        built.stderr.lines().any(|line| {
            line.contains("\"operation-done\"") && line.contains("touch") && line.contains("\"how\":\"run\"")
        })
    };
    assert!(how("[\"a.example\", \"b.example\"]"));
    assert!(!how("[\"b.example\", \"a.example\"]"));
    assert!(how("[\"b.example\"]"));
    assert!(how("\"none\""));
}
