// SPDX-License-Identifier: Apache-2.0
//! The same Dockerfile for both: one that is known, a large context, two stages.

use std::fmt::Write as _;
use std::fs;

use crate::bench::{Bench, DEBIAN, line, remove, shell};
use crate::peers::Buildah;
use crate::rows::context::write_files;
use crate::table::Row;

/// Puts the base where `FROM bench-base` finds it.
fn base(bench: &Bench) -> Result<(), String> {
    bench.definition("base", DEBIAN)?;
    bench.measure(&bench.build("base", &["-t", "bench-base"])).map(drop)
}

/// Twenty instructions of all sorts, none of which has changed.
pub(super) fn no_op(bench: &Bench) -> Result<Vec<Row>, String> {
    base(bench)?;
    let context = bench.dir().join("dockerfile-noop");
    let mut text = "FROM bench-base\n".to_owned();
    for step in 0..5 {
        let _infallible = write!(
            text,
            "ENV STEP_{step}={step}\nWORKDIR /work-{step}\nCOPY Dockerfile copied\nRUN echo $STEP_{step} > made\n"
        );
    }
    Buildah::file(&context, &text)?;
    let ours = bench.build("dockerfile-noop", &[]);
    bench.measure(&ours)?;
    let mut lines = vec![line("wythe build", ours)];
    if let Some(buildah) = bench.buildah()? {
        bench.add_peer(&mut lines, "buildah, chroot isolation", buildah.build(&context, false));
    }
    let figures = bench.paired(bench.pace.short * 3, &lines, &|_| Ok(()))?;
    let method = "a Dockerfile, all known; target 15 ms";
    Ok(vec![Row { name: "no-op rebuild of twenty instructions".into(), method: method.into(), figures }])
}

/// `COPY` of 50,000 files, 200 MB.
pub(super) fn copy(bench: &Bench) -> Result<Vec<Row>, String> {
    let context = bench.dir().join("dockerfile-copy");
    Buildah::file(&context, "FROM scratch\nCOPY files /files\n")?;
    write_files(&context, 50_000)?;
    let ours = |more: &[&str]| line("wythe", bench.build("dockerfile-copy", more));
    let (mut cold, mut known) = (vec![ours(&["--no-cache"])], vec![ours(&[])]);
    let (files, copy) = (bench.path("dockerfile-copy/files"), bench.path("copy"));
    cold.push(line("limit: cp -a", ["cp", "-a", &files, &copy].map(str::to_owned).to_vec()));
    if let Some(buildah) = bench.buildah()? {
        bench.add_peer(&mut cold, "buildah", buildah.build(&context, true));
        bench.add_peer(&mut known, "buildah", buildah.build(&context, false));
    }
    let cold = bench.paired(bench.pace.long, &cold, &|_| remove(&copy))?;
    let same = bench.paired(bench.pace.short, &known, &|_| Ok(()))?;
    let touch = |_: &str| {
        let text = format!("{}\n", bench.fresh());
        fs::write(context.join("files/007/700.txt"), text).map_err(|error| error.to_string())
    };
    let changed = bench.paired(bench.pace.long, &known, &touch)?;
    let row =
        |method: &str, figures| Row { name: "COPY of 50,000 files, 200 MB".into(), method: method.into(), figures };
    Ok(vec![
        row("a Dockerfile, cold; target 4 s", cold),
        row("unchanged; target 0.25 s", same),
        row("one changed; target 0.4 s", changed),
    ])
}

/// Two stages that have nothing to do with each other.
pub(super) fn stages(bench: &Bench) -> Result<Vec<Row>, String> {
    base(bench)?;
    let context = bench.dir().join("dockerfile-stages");
    let text = "FROM bench-base AS one\nRUN sleep 3; echo 1 > /x\nFROM bench-base AS two\nRUN sleep 3; echo 2 > /x\n\
                FROM bench-base\nCOPY --from=one /x /one\nCOPY --from=two /x /two\n";
    Buildah::file(&context, text)?;
    let mut lines = vec![line("wythe build", bench.build("dockerfile-stages", &["--no-cache"]))];
    if let Some(buildah) = bench.buildah()? {
        let mut build = buildah.build(&context, true);
        build.splice(build.len() - 1..build.len() - 1, ["--jobs", "2"].map(str::to_owned));
        bench.add_peer(&mut lines, "buildah --jobs 2", build);
    }
    lines.push(line("limit: sleep 3", shell("sleep 3")));
    let figures = bench.paired(bench.pace.long, &lines, &|_| Ok(()))?;
    let method = "a Dockerfile; target 3.2 s";
    Ok(vec![Row { name: "two independent stages of 3 s".into(), method: method.into(), figures }])
}
