// SPDX-License-Identifier: Apache-2.0
//! Build contexts: many small files, one large one, and what it costs to find that nothing has changed.

use std::fs;
use std::path::Path;

use crate::bench::{Bench, line, remove, shell};
use crate::measure::Figure;
use crate::peers::Buildah;
use crate::table::Row;

const FILES: &str = "base = \"scratch\"\n[[steps]]\nkind = \"files\"\nfrom = \"files\"\nto = \"/files\"\n";

/// Makes a context of `count` files of about 4 KiB.
pub(super) fn write_files(dir: &Path, count: u32) -> Result<(), String> {
    for file in 0..count {
        let place = dir.join(format!("files/{:03}", file / 100));
        if file % 100 == 0 {
            fs::create_dir_all(&place).map_err(|error| error.to_string())?;
        }
        let text = format!("{file:07}\n").repeat(512);
        fs::write(place.join(format!("{file}.txt")), text).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// 50,000 files, 200 MB.
pub(super) fn small_files(bench: &Bench) -> Result<Vec<Row>, String> {
    let dir = bench.definition("context", FILES)?;
    write_files(&dir, 50_000)?;
    let (files, copy) = (bench.path("context/files"), bench.path("copy"));
    let mut cold = vec![
        line("wythe, cold", bench.build("context", &["--rebuild-all"])),
        line("limit: tar | tar", shell(&format!("mkdir {copy} && tar -C {files} -cf - . | tar -C {copy} -xf -"))),
        line("limit: cp -a", ["cp", "-a", &files, &copy].map(str::to_owned).to_vec()),
    ];
    if let Some(buildah) = bench.buildah()? {
        Buildah::file(&dir, "FROM scratch\nCOPY files /files\n")?;
        bench.add_peer(&mut cold, "buildah", buildah.build(&dir, true));
    }
    // Removing the copy frees what the next one takes, for everybody alike, and outside of what is measured.
    let cold = bench.paired(bench.pace.long, &cold, &|_| remove(&copy))?;
    let same = vec![
        line("wythe, nothing changed", bench.build("context", &[])),
        line("limit: find, stat of all", ["find", &files, "-newer", "/"].map(str::to_owned).to_vec()),
    ];
    let same = bench.paired(bench.pace.short, &same, &|_| Ok(()))?;
    let changed = vec![line("wythe, one file changed", bench.build("context", &[]))];
    let touch = |_: &str| {
        let text = format!("{}\n", bench.fresh());
        fs::write(dir.join("files/007/700.txt"), text).map_err(|error| error.to_string())
    };
    let changed = bench.paired(bench.pace.long, &changed, &touch)?;
    let row = |method: &str, figures| Row { name: "50,000 files, 200 MB".into(), method: method.into(), figures };
    Ok(vec![
        row("cold; target 4 s, as tar | tar", cold),
        row("unchanged; target 0.25 s", same),
        row("one changed; target 0.4 s", changed),
    ])
}

/// One file of 1 GiB.
pub(super) fn large_file(bench: &Bench) -> Result<Vec<Row>, String> {
    let dir = bench.definition("large", FILES)?;
    fs::create_dir_all(dir.join("files")).map_err(|error| error.to_string())?;
    let (file, copy) = (bench.path("large/files/blob"), bench.path("copy"));
    bench.measure(&shell(&format!("head -c 1G /dev/urandom > {file}")))?;
    let mut lines = vec![
        line("wythe, cold", bench.build("large", &["--rebuild-all"])),
        line("limit: cp", ["cp", &file, &copy].map(str::to_owned).to_vec()),
        line("limit: sha256sum", ["sha256sum", &file].map(str::to_owned).to_vec()),
    ];
    if let Some(buildah) = bench.buildah()? {
        Buildah::file(&dir, "FROM scratch\nCOPY files /files\n")?;
        bench.add_peer(&mut lines, "buildah", buildah.build(&dir, true));
    }
    let figures = bench.paired(bench.pace.long, &lines, &|_| remove(&copy))?;
    remove(&copy)?;
    Ok(vec![Row { name: "one file of 1 GiB".into(), method: "cold; target 1.5 s".into(), figures }])
}

/// What each further file of a context costs in which nothing has changed.
pub(super) fn slope(bench: &Bench) -> Result<Vec<Row>, String> {
    const COUNTS: [u32; 3] = [1_000, 10_000, 100_000];
    let mut lines = Vec::new();
    for count in COUNTS {
        let name = format!("slope-{count}");
        write_files(&bench.definition(&name, FILES)?, count)?;
        let ours = bench.build(&name, &[]);
        bench.measure(&ours)?;
        let files = bench.path(&format!("{name}/files"));
        lines.push(line(&format!("wythe, {count} files"), ours));
        let find = ["find", &files, "-newer", "/"].map(str::to_owned).to_vec();
        lines.push(line(&format!("limit: find, {count} files"), find));
    }
    let mut figures = bench.paired(bench.pace.short, &lines, &|_| Ok(()))?;
    let find = |name: &str| figures.iter().find(|(known, _)| known == name).map(|(_, figure)| figure.clone());
    let slope = |name: &str| {
        let (most, least) = (find(&format!("{name}, 100000 files"))?, find(&format!("{name}, 1000 files"))?);
        Some(Figure::difference(&most, &least, 99_000.0))
    };
    let (ours, theirs) = (slope("wythe"), slope("limit: find"));
    let mut slopes = Vec::new();
    slopes.extend(ours.map(|figure| ("wythe, a further file".to_owned(), figure)));
    slopes.extend(theirs.map(|figure| ("limit: find, a further file".to_owned(), figure)));
    // Ours first, whatever the size.
    figures.sort_by_key(|(name, _)| !name.starts_with("wythe"));
    let row =
        |method: &str, figures| Row { name: "no-op by size of the context".into(), method: method.into(), figures };
    Ok(vec![row("nothing changed", figures), row("(100,000 − 1,000 files) / 99,000; target 1.5 × find", slopes)])
}
