// SPDX-License-Identifier: Apache-2.0
//! Packages: a minimal system, wheels with bytecode, a compiler.

use crate::bench::{Bench, DEBIAN, line, remove, shell};
use crate::peers::Buildah;
use crate::table::Row;

/// A minimal Debian.
pub(super) fn bootstrap(bench: &Bench) -> Result<Vec<Row>, String> {
    bench.definition("bootstrap", DEBIAN)?;
    let cached = bench.build("bootstrap", &["--rebuild-all"]);
    let dir = bench.path("bootstrap");
    let mut lines = vec![
        line("wythe, packages cached", cached.clone()),
        line("wythe, empty store", bench.wythe_in("cold-store", &["build", "--progress", "quiet", &dir])),
    ];
    let peer = "mmdebstrap --quiet --variant=minbase bookworm /dev/null http://deb.debian.org/debian";
    bench.add_peer(&mut lines, "mmdebstrap minbase", peer.split(' ').map(str::to_owned).collect());
    let cold_store = bench.path("cold-store");
    let before = |name: &str| if name == "wythe, empty store" { remove(&cold_store) } else { Ok(()) };
    let figures = bench.paired(bench.pace.long, &lines, &before)?;
    bench.note_phases("the bootstrap from cached packages", &cached);
    let method = "lock present; targets 4 s cached, 8 s cold";
    Ok(vec![Row { name: "a minimal Debian".into(), method: method.into(), figures }])
}

/// Wheels with bytecode, and one more of them.
pub(super) fn uv(bench: &Bench) -> Result<Vec<Row>, String> {
    const LIST: [&str; 5] = ["numpy", "pandas", "scikit-learn", "requests", "pydantic"];
    let base = "base = { kind = \"debian-slim\", release = \"bookworm\", python = \"3.11\" }\n";
    let step =
        |packages: &[&str]| format!("{base}[[steps]]\nname = \"wheels\"\nkind = \"uv\"\npackages = {packages:?}\n");
    bench.definition("wheels", &step(&LIST))?;
    let build = bench.build("wheels", &["--rebuild", "wheels"]);
    bench.measure(&bench.build("wheels", &[]))?;
    let mut lines = vec![line("wythe, the step, wheels and compiled modules cached", build.clone())];
    let (venv, list) = (bench.path("venv"), LIST.join(" "));
    let with_uv =
        format!("uv venv -q {venv} && uv pip install -q --compile-bytecode --python {venv}/bin/python {list}");
    let with_pip = format!("python3 -m venv {venv} && {venv}/bin/pip install -q --no-cache-dir {list}");
    if crate::peers::has("uv") {
        bench.add_peer(&mut lines, "uv alone, wheels cached", shell(&with_uv));
        remove(&venv)?;
    }
    if crate::peers::has("python3") {
        bench.add_peer(&mut lines, "pip alone, no cache", shell(&with_pip));
    }
    let figures = bench.paired(bench.pace.long, &lines, &|_| remove(&venv))?;
    bench.note_phases("the step of wheels", &build);
    let with_one_more = [&LIST[..], &["humanize"]].concat();
    let more = vec![line("wythe, the step", bench.build("wheels-and-one", &["--rebuild", "wheels"]))];
    bench.definition("wheels-and-one", &step(&with_one_more))?;
    bench.measure(&bench.build("wheels-and-one", &[]))?;
    let one_more = bench.paired(bench.pace.long, &more, &|_| Ok(()))?;
    let row = |method: &str, figures| Row {
        name: "numpy, pandas, scikit-learn, requests, pydantic, with bytecode".into(),
        method: method.into(),
        figures,
    };
    Ok(vec![row("locked; target 1.1 × uv alone", figures), row("and humanize, shared cache; target 2 s", one_more)])
}

/// A compiler and what one needs beside it.
pub(super) fn apt(bench: &Bench) -> Result<Vec<Row>, String> {
    const LIST: [&str; 3] = ["git", "build-essential", "curl"];
    let step = format!("{DEBIAN}[[steps]]\nname = \"tools\"\nkind = \"apt\"\npackages = {LIST:?}\n");
    bench.definition("tools", &step)?;
    let build = bench.build("tools", &["--rebuild", "tools"]);
    bench.measure(&bench.build("tools", &[]))?;
    let mut lines = vec![line("wythe, the step, packages cached", build.clone())];
    if let Some(buildah) = bench.buildah()? {
        let context = bench.dir().join("peer-apt");
        let text = format!(
            "FROM bench-base\nRUN echo deb http://deb.debian.org/debian bookworm main > /etc/apt/sources.list && \
             apt-get update -qq && apt-get install -y -qq --no-install-recommends {}\n",
            LIST.join(" ")
        );
        Buildah::file(&context, &text)?;
        bench.add_peer(&mut lines, "buildah, RUN apt-get install", buildah.build(&context, true));
    }
    let peer = format!(
        "mmdebstrap --quiet --variant=minbase --include={} bookworm /dev/null http://deb.debian.org/debian",
        LIST.join(",")
    );
    bench.add_peer(&mut lines, "mmdebstrap with them, base and all", peer.split(' ').map(str::to_owned).collect());
    let figures = bench.paired(bench.pace.long, &lines, &|_| Ok(()))?;
    bench.note_phases("the step of tools", &build);
    let method = "locked, without recommended packages; target 0.6 × the best peer";
    Ok(vec![Row { name: "git, build-essential, curl".into(), method: method.into(), figures }])
}
