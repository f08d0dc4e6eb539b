// SPDX-License-Identifier: Apache-2.0
//! Steps: found, run, planned, side by side.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::bench::{Bench, DEBIAN, Line, line};
use crate::measure::Figure;
use crate::peers::Buildah;
use crate::table::Row;

/// Steps of the long build; the short one has one.
const STEPS: u32 = 21;

/// Returns a definition with a number of steps that nobody has seen before in this round.
pub(super) fn definition(count: u32, round: u32) -> String {
    let mut text = DEBIAN.to_owned();
    for step in 0..count {
        let command = format!("echo {round} > /step-{step}");
        let _infallible = write!(text, "[[steps]]\nkind = \"run\"\ncommands = [\"{command}\"]\n");
    }
    text
}

/// A rebuild in which nothing has changed.
pub(super) fn no_op(bench: &Bench) -> Result<Vec<Row>, String> {
    bench.definition("noop", &definition(10, 0))?;
    let ours = bench.build("noop", &[]);
    bench.measure(&ours)?;
    let mut lines = vec![line("wythe build", ours)];
    if let Some(buildah) = bench.buildah()? {
        let context = bench.dir().join("peer-noop");
        Buildah::steps(&context, 10)?;
        bench.add_peer(&mut lines, "buildah, chroot isolation", buildah.build(&context, false));
    }
    lines.push(line("limit: start a process", vec!["true".to_owned()]));
    let figures = bench.paired(bench.pace.short * 3, &lines, &|_| Ok(()))?;
    Ok(vec![Row { name: "no-op rebuild of ten steps".into(), method: "all known; target 12 ms".into(), figures }])
}

/// What a `run` step costs beside its command.
pub(super) fn step(bench: &Bench) -> Result<Vec<Row>, String> {
    let round = bench.fresh();
    let write = |name: &str| {
        let fresh = bench.fresh();
        match name {
            "wythe 1" => bench.definition("step-1", &definition(1, fresh)).map(drop),
            "wythe n" => bench.definition("step-n", &definition(STEPS, fresh)).map(drop),
            _ => Ok(()),
        }
    };
    bench.definition("step-n", &definition(STEPS, round))?;
    let mut lines = vec![line("wythe 1", bench.build("step-1", &[])), line("wythe n", bench.build("step-n", &[]))];
    if let Some(buildah) = bench.buildah()? {
        let (one, many) = (bench.dir().join("peer-1"), bench.dir().join("peer-n"));
        Buildah::steps(&one, 1)?;
        Buildah::steps(&many, STEPS)?;
        bench.add_peer(&mut lines, "buildah 1", buildah.build(&one, true));
        bench.add_peer(&mut lines, "buildah n", buildah.build(&many, true));
    }
    let bwrap = ["bwrap", "--bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-pid", "true"];
    bench.add_peer(&mut lines, "limit: bwrap … true", bwrap.map(str::to_owned).to_vec());
    let all = bench.paired(bench.pace.short, &lines, &write)?;
    let mut figures: Vec<(String, Figure)> = Vec::new();
    figures.extend(shared(&all, "wythe").map(|figure| ("wythe, a step".to_owned(), figure)));
    figures.extend(shared(&all, "buildah").map(|figure| ("buildah, chroot isolation".to_owned(), figure)));
    figures.extend(all.into_iter().filter(|(name, _)| name.starts_with("limit")));
    let method = "(21 steps − 1 step) / 20, isolation on; target 10 ms";
    Ok(vec![Row { name: "overhead of a run step, as root".into(), method: method.into(), figures }])
}

/// Returns what each further step of the longer build took.
fn shared(all: &[(String, Figure)], name: &str) -> Option<Figure> {
    let find = |end: &str| all.iter().find(|(known, _)| *known == format!("{name} {end}")).map(|(_, figure)| figure);
    Some(Figure::difference(find("n")?, find("1")?, f64::from(STEPS - 1)))
}

/// The same for an ordinary user, who has to have subordinate ids.
pub(super) fn step_rootless(bench: &Bench) -> Result<Vec<Row>, String> {
    let table = fs::read_to_string("/etc/subuid").unwrap_or_default();
    let user = table
        .lines()
        .filter_map(|line| line.split(':').next())
        .find(|user| Command::new("id").args(["-u", user]).output().is_ok_and(|output| output.status.success()));
    let user = user.ok_or("no user of this machine has subordinate ids")?.to_owned();
    let home = tempfile::Builder::new().prefix("bench-").tempdir_in("/var/tmp").map_err(|error| error.to_string())?;
    let place = |name: &str| home.path().join(name);
    fs::copy(&bench.wythe, place("wythe")).map_err(|error| error.to_string())?;
    let write = |name: &str| {
        let count = if name.ends_with(" 1") { 1 } else { STEPS };
        fs::create_dir_all(place(name)).map_err(|error| error.to_string())?;
        let text = format!("builder = \"2026.11\"\n{}", definition(count, bench.fresh()));
        fs::write(place(name).join("wythe.toml"), text).map_err(|error| error.to_string())?;
        let owned = Command::new("chown").arg("-R").arg(&user).arg(home.path()).status();
        owned.map(drop).map_err(|error| error.to_string())
    };
    let build = |name: &str| -> Line {
        let show = |path: std::path::PathBuf| path.display().to_string();
        let (program, store, dir) = (show(place("wythe")), show(place("store")), show(place(name)));
        let as_user = ["setpriv", "--reuid", &user, "--regid", &user, "--init-groups"];
        let command = [program.as_str(), "--store", &store, "build", "--progress", "quiet", &dir];
        line(name, as_user.into_iter().chain(command).map(str::to_owned).collect())
    };
    let lines = vec![build("wythe 1"), build("wythe n")];
    let all = bench.paired(bench.pace.short, &lines, &write)?;
    let figures: Vec<_> =
        shared(&all, "wythe").map(|figure| ("wythe, a step".to_owned(), figure)).into_iter().collect();
    // What is left belongs to subordinate ids; who made it removes it.
    let shared_store = place("store").display().to_string();
    crate::bench::remove(&shared_store)?;
    let method = "as above, with sub-ids; target 15 ms";
    Ok(vec![Row { name: "overhead of a run step, rootless".into(), method: method.into(), figures }])
}

/// A plan that a plugin makes once it is compiled and its engine runs.
pub(super) fn plan(bench: &Bench) -> Result<Vec<Row>, String> {
    if !bench.plan_time.exists() {
        return Err("the example plan_time of wythe-plugin is not built".to_owned());
    }
    let step = "[[steps]]\nname = \"less\"\nkind = \"apt\"\npackages = [\"less\"]\n";
    let dir = bench.definition("plan", &format!("{DEBIAN}{step}"))?;
    bench.measure(&bench.build("plan", &[]))?;
    let text = fs::read_to_string(dir.join("wythe.lock")).map_err(|error| error.to_string())?;
    let lock: Value = text.parse().map_err(|error: serde_json::Error| error.to_string())?;
    let entry = dir.join("entry.json");
    fs::write(&entry, lock["images"][""]["less"]["entry"].to_string()).map_err(|error| error.to_string())?;
    let program = Command::new(&bench.plan_time)
        .args([
            "--lock",
            &entry.display().to_string(),
            "-",
            "apt",
            "{\"packages\":[\"less\"]}",
            &bench.path("compiled"),
        ])
        .output()
        .map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&program.stdout).into_owned();
    let last: Value = said.lines().last().unwrap_or_default().parse().map_err(|_| said.clone())?;
    let seconds = last["later"].as_f64().ok_or("it measured nothing")?;
    let first = last["first"].as_f64().ok_or("it measured nothing")?;
    let figures = vec![
        ("wythe, a further plan".to_owned(), Figure::of_seconds(seconds)),
        ("wythe, the first of a process".to_owned(), Figure::of_seconds(first)),
    ];
    let method = "a step of one package, median of 2000; target 100 µs";
    Ok(vec![Row { name: "plan of a step by a warm plugin".into(), method: method.into(), figures }])
}

/// Two images that have nothing to do with each other.
pub(super) fn stages(bench: &Bench) -> Result<Vec<Row>, String> {
    let write = |name: &str| {
        if name != "wythe build" {
            return Ok(());
        }
        let round = bench.fresh();
        let image = |name: &str| {
            format!(
                "[images.{name}]\n{DEBIAN}[[images.{name}.steps]]\nkind = \"run\"\ncommands = [\"sleep 3; echo {name} {round} > /x\"]\n"
            )
        };
        bench.definition("stages", &format!("{}{}", image("one"), image("two"))).map(drop)
    };
    let mut lines = vec![line("wythe build", bench.build("stages", &[]))];
    if let Some(buildah) = bench.buildah()? {
        let context = bench.dir().join("peer-stages");
        let text = "FROM bench-base AS one\nRUN sleep 3; echo 1 > /x\nFROM bench-base AS two\nRUN sleep 3; echo 2 > /x\n\
                    FROM bench-base\nCOPY --from=one /x /one\nCOPY --from=two /x /two\n";
        Buildah::file(Path::new(&context), text)?;
        let mut build = buildah.build(&context, true);
        build.splice(build.len() - 1..build.len() - 1, ["--jobs", "2"].map(str::to_owned));
        bench.add_peer(&mut lines, "buildah --jobs 2", build);
    }
    lines.push(line("limit: sleep 3", ["sleep", "3"].map(str::to_owned).to_vec()));
    let figures = bench.paired(bench.pace.long, &lines, &write)?;
    let method = "two images of one definition; target 3.2 s";
    Ok(vec![Row { name: "two independent steps of 3 s".into(), method: method.into(), figures }])
}
