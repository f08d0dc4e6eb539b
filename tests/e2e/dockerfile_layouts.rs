// SPDX-License-Identifier: Apache-2.0
//! Images of OCI layouts in the place of names: those that wythe, skopeo and umoci write.

use std::fs;

use wythe_tests::{Bench, is_installed, run};

use crate::dockerfile::{busybox, inspect};

/// Makes an image in whose upper layers files of the lower ones are gone, and saves it as a layout.
fn saved(bench: &Bench) -> String {
    bench.file(
        "below/Dockerfile",
        "FROM busybox:test\nENV FROM_BELOW=yes\nRUN mkdir /x && echo a > /x/a && ln /x/a /x/b && chown 1000:1001 /x/b\n\
         RUN rm /etc/group && rm -r /x && mkdir -m 700 /x && echo c > /x/c && ln -s c /x/d\n",
    );
    bench.wythe(&["build", "below", "-t", "below:1"]).stdout();
    let layout = bench.dir().join("layout").display().to_string();
    bench.wythe(&["save", "below:1", "--format", "oci-dir", "-o", &layout]).stdout();
    layout
}

/// What a build on the image of a layout sees of it.
fn seen(bench: &Bench, context: &str) -> String {
    let ended = bench.wythe(&["build", "-t", "made", "-o", "out", "--build-context", &format!("base={context}")]);
    ended.stdout();
    assert_eq!(inspect(bench, "made")["config"]["config"]["Env"][1], "FROM_BELOW=yes");
    fs::read_to_string(bench.dir().join("out/seen")).unwrap() + &fs::read_to_string(bench.dir().join("out/c")).unwrap()
}

#[test]
fn layouts_of_several_tools_are_built_on() {
    let bench = Bench::new();
    if !busybox(&bench) || !is_installed("skopeo") {
        return;
    }
    let layout = saved(&bench);
    bench.file(
        "Dockerfile",
        "FROM base\nRUN find /x /etc -exec stat -c '%n %a %u:%g %F' {} + | sort > /seen\nCOPY --from=base /x/c /c\n",
    );
    let expected = seen(&bench, "docker-image://below:1");
    assert!(expected.contains("/x/d 777 0:0 symbolic link") && !expected.contains("/etc/group"), "{expected}");
    // A layout of ours has our layers, whatever became of the store meanwhile.
    let own = seen(&bench, &format!("oci-layout://{layout}:1"));
    assert_eq!(own, expected);
    let zipped = bench.dir().join("zipped").display().to_string();
    run("skopeo", &["copy", "--quiet", &format!("oci:{layout}:1"), &format!("oci:{zipped}:latest")]).stdout();
    let elsewhere = Bench::new();
    elsewhere.file("Dockerfile", &fs::read_to_string(bench.dir().join("Dockerfile")).unwrap());
    assert_eq!(seen(&elsewhere, &format!("oci-layout://{zipped}")), expected, "skopeo, in a store that has nothing");
    let again =
        elsewhere.wythe(&["build", "--progress", "plain", "--build-context", &format!("base=oci-layout://{zipped}")]);
    assert!(!again.stderr.contains("done RUN"), "what was taken in is another image: {}", again.stderr);
    if !is_installed("umoci") {
        return;
    }
    // A layer in the form of another program: not ours, with whiteouts of its own.
    let (bundle, image) = (bench.dir().join("bundle").display().to_string(), format!("{zipped}:latest"));
    run("umoci", &["unpack", "--rootless", "--image", &image, &bundle]).stdout();
    run("sh", &["-c", &format!("cd {bundle}/rootfs && rm x/d && echo more > x/e && rm -r tmp && touch -d @1 x/e")])
        .stdout();
    run("umoci", &["repack", "--image", &format!("{zipped}:more"), &bundle]).stdout();
    let more = seen(&elsewhere, &format!("oci-layout://{zipped}:more"));
    let expected = expected.replace("/x/d 777 0:0 symbolic link\n", "/x/e 644 0:0 regular file\n");
    assert_eq!(more, expected);
}

#[test]
fn layouts_that_cannot_be_used_say_why() {
    let bench = Bench::new();
    bench
        .file("Dockerfile", "FROM base\n")
        .file("a", "a\n")
        .file("below/Dockerfile", "FROM scratch\nCOPY Dockerfile /a\n");
    bench.wythe(&["build", "below", "-t", "below:1"]).stdout();
    let layout = bench.dir().join("layout").display().to_string();
    bench.wythe(&["save", "below:1", "--format", "oci-dir", "-o", &layout]).stdout();
    // A store that does not have the layer has to read it.
    let elsewhere = Bench::new();
    elsewhere.file("Dockerfile", "FROM base\n");
    let refused = |context: &str| {
        let ended = elsewhere.wythe(&["build", "--build-context", &format!("base={context}")]);
        (ended.code, ended.stderr)
    };
    let expect = |context: &str, code: i32, expected: &str| {
        let (found, stderr) = refused(context);
        assert_eq!(found, Some(code), "{stderr}");
        assert!(stderr.contains(expected), "{expected}:\n{stderr}");
    };
    expect(&format!("oci-layout://{layout}:2"), 1, "has no image `2`; there is: :1");
    expect("oci-layout://nowhere", 1, "`nowhere` is not an OCI image layout: it has no file `oci-layout`");
    expect(&format!("oci-layout://{layout}@sha256:12"), 2, "is not a digest of the form");
    expect("target:other", 2, "targets of other files");
    expect("ftp://example.org/x", 2, "`ftp://` is not available in this version");
    expect(
        "https://somebody:word@127.0.0.1:1/r.git",
        2,
        "the named context `base`: the address of a git repository has a user",
    );
    expect("https://127.0.0.1:1/r.git#a..b", 1, "the context `base`: `a..b` is no reference of a repository");
    let blobs = fs::read_dir(bench.dir().join("layout/blobs/sha256")).unwrap();
    let layer =
        blobs.map(|entry| entry.unwrap().path()).find(|path| !fs::read(path).unwrap().starts_with(b"{")).unwrap();
    let bytes = fs::read(&layer).unwrap();
    fs::write(&layer, [&bytes[..700], b"x", &bytes[701..]].concat()).unwrap();
    let name = layer.file_name().unwrap().to_string_lossy().into_owned();
    expect(&format!("oci-layout://{layout}"), 1, &format!("the layer sha256:{name} is damaged: expected "));
    fs::remove_file(&layer).unwrap();
    expect(&format!("oci-layout://{layout}"), 1, &format!("the layer sha256:{name} is missing"));
    fs::write(&layer, bytes).unwrap();
    elsewhere.wythe(&["build", "--build-context", &format!("base=oci-layout://{layout}")]).stdout();
    fs::remove_file(bench.dir().join("layout/index.json")).unwrap();
    expect(&format!("oci-layout://{layout}"), 1, "layout/index.json`\n  No such file or directory");
}
