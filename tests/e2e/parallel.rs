// SPDX-License-Identifier: Apache-2.0
//! What goes on side by side. Shown by who waits for whom, not by time: where one came after the other, nobody would ever go on.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

use wythe_tests::Bench;

/// Answers nobody before so many have asked.
fn meeting_point(guests: usize) -> (u16, thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let host = thread::spawn(move || {
        let here: Vec<TcpStream> = (0..guests).map(|_| listener.accept().unwrap().0).collect();
        for mut guest in here {
            let mut request = [0; 1024];
            assert!(guest.read(&mut request).unwrap() > 0);
            guest.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nmet").unwrap();
        }
    });
    (port, host)
}

#[test]
fn images_of_one_definition_are_built_side_by_side() {
    let Some(bench) = Bench::with_busybox() else { return };
    std::os::unix::fs::symlink("busybox", bench.dir().join("root/bin/wget")).unwrap();
    let (port, host) = meeting_point(2);
    let image = |name: &str| {
        format!(
            "[images.{name}]\nbase = \"scratch\"\n[[images.{name}.steps]]\nkind = \"files\"\nfrom = \"root\"\nto = \"/\"\n\
             [[images.{name}.steps]]\nkind = \"run\"\nnetwork = \"host\"\ntimeout = \"60s\"\n\
             commands = [\"wget -q -O /met http://127.0.0.1:{port}/{name}\"]\n"
        )
    };
    bench.definition(&format!("{}{}", image("one"), image("other")));
    let ended = bench.wythe(&["build"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    host.join().unwrap();
}
