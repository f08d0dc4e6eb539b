// SPDX-License-Identifier: Apache-2.0
//! Explanations against the truth: a definition is changed in one small way after the other, and what `wythe explain`
//! says of each build is compared as a whole.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::{Duration, SystemTime};

use wythe_tests::{Bench, Ended};

const NOTHING: &str = "nothing ran: everything was as before\n";

/// A definition under change.
struct Subject {
    bench: Bench,
    text: String,
    wrong: Vec<String>,
}

impl Subject {
    /// `root` gives a shell, `conf` and `src` files, `one` and `two` run commands.
    fn new() -> Option<Self> {
        let bench = Bench::with_busybox()?;
        bench.file("conf/a.txt", "first\nsecond\nthird\n").file("conf/b.txt", "b\n").file("src/main.txt", "main\n");
        bench.file("src/deep/x.txt", "x\n");
        let text = "\
base = \"scratch\"
[[steps]]
kind = \"files\"
name = \"root\"
from = \"root\"
to = \"/\"
[[steps]]
kind = \"files\"
name = \"conf\"
from = \"conf\"
to = \"/conf\"
[[steps]]
kind = \"run\"
name = \"one\"
commands = [\"cat /conf/a.txt > /one\", \"echo one >> /one\"]
[[steps]]
kind = \"files\"
name = \"src\"
from = \"src\"
to = \"/src\"
[[steps]]
kind = \"run\"
name = \"two\"
commands = [\"cat /src/main.txt > /two\"]
";
        let subject = Self { bench, text: text.to_owned(), wrong: Vec::new() };
        subject.bench.definition(text);
        subject.build(&[]).stdout();
        Some(subject)
    }

    fn build(&self, args: &[&str]) -> Ended {
        self.bench.wythe(&[&["build", "--progress", "quiet"], args].concat())
    }

    fn file(&self, path: &str, text: &str) -> &Self {
        self.bench.file(path, text);
        self
    }

    fn edit(&mut self, from: &str, to: &str) -> &mut Self {
        assert_eq!(self.text.matches(from).count(), 1, "{from:?} in:\n{}", self.text);
        self.text = self.text.replace(from, to);
        self.bench.definition(&self.text);
        self
    }

    fn told(&self) -> String {
        self.bench.wythe(&["explain"]).stdout()
    }

    /// Builds and compares what is explained with the truth.
    fn expect(&mut self, what: &str, expected: &str) {
        self.expect_with(what, &[], expected);
    }

    fn expect_with(&mut self, what: &str, args: &[&str], expected: &str) {
        let built = self.build(args);
        if built.code != Some(0) {
            self.wrong.push(format!("## {what}\nthe build failed:\n{}", built.stderr));
        }
        self.compare(what, expected);
    }

    fn compare(&mut self, what: &str, expected: &str) {
        let told = self.told();
        if told != expected {
            self.wrong.push(format!("## {what}\nexpected:\n{expected}told:\n{told}"));
        }
    }

    fn finish(self) {
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
    }
}

#[test]
fn files_and_options() {
    let Some(mut it) = Subject::new() else { return };
    it.compare(
        "the first build",
        "`root` ran because no earlier build of this definition is remembered\n\
         `conf` ran because no earlier build of this definition is remembered\n\
         `one` ran because no earlier build of this definition is remembered\n\
         `src` ran because no earlier build of this definition is remembered\n\
         `two` ran because no earlier build of this definition is remembered\n",
    );
    it.expect("no change", NOTHING);
    it.edit("to = \"/conf\"\n", "to   =   \"/conf\"   # where it goes\n\n");
    it.expect("whitespace and comments in the definition", NOTHING);
    let file = std::fs::File::options().write(true).open(it.bench.dir().join("conf/a.txt")).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
    it.expect("a touched file", NOTHING);

    it.file("conf/a.txt", "first\n2nd\nthird\n");
    it.expect(
        "one line of one file",
        "`conf` ran because `conf/a.txt` changed (line 2: `second` → `2nd`)\n\
         `one` ran because step `conf` below it changed: `conf/a.txt` changed (line 2: `second` → `2nd`)\n\
         `src` ran because step `conf` below it changed: `conf/a.txt` changed (line 2: `second` → `2nd`); \
         it made the same bytes as before\n\
         `two` ran because step `conf` below it changed: `conf/a.txt` changed (line 2: `second` → `2nd`); \
         it made the same bytes as before\n\
         1 step was a hit\n",
    );
    it.file("conf/a.txt", "first\nsecond\nthird\n");
    it.expect("the change taken back", NOTHING);
    it.file("src/main.txt", "changed\n").file("src/new.txt", "new\n");
    std::fs::remove_file(it.bench.dir().join("src/deep/x.txt")).unwrap();
    it.expect(
        "one file changed, one added, one removed",
        "`src` ran because `src/deep/x.txt` was removed, `src/main.txt` changed (line 1: `main` → `changed`) and \
         `src/new.txt` was added\n\
         `two` ran because step `src` below it changed: `src/deep/x.txt` was removed, `src/main.txt` changed (line 1: \
         `main` → `changed`) and `src/new.txt` was added\n\
         3 steps were hits\n",
    );
    let path = it.bench.dir().join("src/new.txt");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    it.expect(
        "a mode",
        "`src` ran because the mode of `src/new.txt` changed from 0644 to 0755\n\
         `two` ran because step `src` below it changed: the mode of `src/new.txt` changed from 0644 to 0755; it made the same bytes as before\n\
         3 steps were hits\n",
    );
    std::fs::remove_file(&path).unwrap();
    symlink("main.txt", &path).unwrap();
    it.edit("commands = [\"cat /src/main.txt > /two\"]", "commands = [\"true\"]");
    it.expect(
        "a link in place of a file, and a command that then changes nothing",
        "`src` ran because `src/new.txt` was a file and is a link now\n\
         `two` ran because option `commands[0]` changed from `cat /src/main.txt > /two` to `true` and step `src` below \
         it changed: `src/new.txt` was a file and is a link now\n\
         3 steps were hits\n",
    );
    std::fs::remove_file(&path).unwrap();
    symlink("other", &path).unwrap();
    it.edit("to = \"/src\"", "to = \"/source\"");
    it.expect(
        "an option and a link",
        "`src` ran because option `to` changed from `/src` to `/source` and the link `src/new.txt` pointed to \
         `main.txt` and points to `other` now\n\
         `two` ran because step `src` below it changed: option `to` changed from `/src` to `/source` and the link \
         `src/new.txt` pointed to `main.txt` and points to `other` now; it changed nothing, as before\n\
         3 steps were hits\n",
    );
    it.edit("to = \"/source\"", "to = \"/source\"\nexclude = [\"deep\"]\nmode = \"0600\"");
    it.file("src/main.txt", "changed\nagain\n");
    it.expect(
        "what is left out, a mode for all, and a line added",
        "`src` ran because option `exclude` was set to `[\"deep\"]`, option `mode` was set to `0600` and \
         `src/main.txt` changed (line 2: `again` was added)\n\
         `two` ran because step `src` below it changed: option `exclude` was set to `[\"deep\"]`, option `mode` was set \
         to `0600` and `src/main.txt` changed (line 2: `again` was added); it changed nothing, as before\n\
         3 steps were hits\n",
    );
    std::fs::write(it.bench.dir().join("src/main.txt"), b"\0\x01\xff").unwrap();
    it.expect(
        "a text that is none any more",
        "`src` ran because `src/main.txt` changed (14 → 3 bytes)\n\
         `two` ran because step `src` below it changed: `src/main.txt` changed (14 → 3 bytes); it changed nothing, as before\n\
         3 steps were hits\n",
    );
    for index in 0..9 {
        it.file(&format!("src/many/{index}"), "");
    }
    it.expect(
        "many files",
        "`src` ran because `src/many/0` was added, `src/many/1` was added, `src/many/2` was added, `src/many/3` was \
         added and 5 more files differ\n\
         `two` ran because step `src` below it changed: `src/many/0` was added, `src/many/1` was added, `src/many/2` was \
         added, `src/many/3` was added and 5 more files differ; it changed nothing, as before\n\
         3 steps were hits\n",
    );
    it.finish();
}

#[test]
fn commands_variables_and_the_configuration() {
    let Some(mut it) = Subject::new() else { return };
    it.edit("commands = [\"cat /src/main.txt > /two\"]", "commands = [\"cat /src/main.txt > /two\", \"true\"]");
    it.expect(
        "a command more",
        "`two` ran because option `commands` gained `true`; it made the same bytes as before\n4 steps were hits\n",
    );
    it.edit("\"true\"]", "\"echo second >> /two\"]");
    it.expect(
        "the last command",
        "`two` ran because option `commands[1]` changed from `true` to `echo second >> /two`\n4 steps were hits\n",
    );
    it.edit("name = \"two\"\n", "name = \"two\"\nenv = { LEVEL = \"1\" }\n");
    it.expect(
        "a variable of the step",
        "`two` ran because option `env.LEVEL` was set to `1`; it made the same bytes as before\n4 steps were hits\n",
    );
    it.edit("LEVEL = \"1\"", "LEVEL = \"2\"");
    it.expect("its value", "`two` ran because option `env.LEVEL` changed from `1` to `2`; it made the same bytes as before\n4 steps were hits\n");
    it.edit("env = { LEVEL = \"2\" }\n", "timeout = \"1h\"\n");
    it.expect("the variable taken away: that result is still known", NOTHING);
    it.edit("timeout = \"1h\"\n", "network = \"none\"\n");
    it.expect(
        "a network",
        "`two` ran because option `network` was set to `none`; it made the same bytes as before\n4 steps were hits\n",
    );
    it.edit(
        "[[steps]]\nkind = \"files\"\nname = \"src\"",
        "[[steps]]\nkind = \"env\"\nset = { LANG = \"C\" }\n[[steps]]\nkind = \"files\"\nname = \"src\"",
    );
    it.expect(
        "a variable of the image",
        "`two` ran because variable `LANG` of the image was set to `C` (set by step `env`); it made the same bytes as before\n4 steps were hits\n",
    );
    it.edit("LANG = \"C\"", "LANG = \"C.UTF-8\"");
    it.expect(
        "its value",
        "`two` ran because variable `LANG` of the image changed from `C` to `C.UTF-8` (set by step `env`); it made the same bytes as before\n4 steps were hits\n",
    );
    it.edit("kind = \"env\"\nset = { LANG = \"C.UTF-8\" }", "kind = \"workdir\"\npath = \"/work\"");
    it.expect(
        "a working directory in place of the variable",
        "`two` ran because variable `LANG` of the image was taken away (it was `C.UTF-8`) (set by step `env`) and the working directory of the image changed from `/` to `/work` (set by step `workdir`)\n4 steps were hits\n",
    );
    it.edit("kind = \"workdir\"\npath = \"/work\"", "kind = \"user\"\nuser = \"0:0\"");
    it.expect(
        "a user in place of it",
        "`two` ran because the user of the image changed from `` to `0:0` (set by step `user`) and the working directory of the image changed from `/work` to `/` (set by step `workdir`)\n4 steps were hits\n",
    );
    it.edit("kind = \"user\"\nuser = \"0:0\"", "kind = \"shell\"\nargv = [\"/bin/sh\", \"-e\", \"-c\"]");
    it.expect(
        "a shell in place of it",
        "`two` ran because the shell of the image changed from `/bin/sh -c` to `/bin/sh -e -c` (set by step `shell`) and the user of the image changed from `0:0` to `` (set by step `user`); it made the same bytes as before\n4 steps were hits\n",
    );
    it.edit("kind = \"shell\"\nargv = [\"/bin/sh\", \"-e\", \"-c\"]", "kind = \"label\"\nset = { a = \"b\" }");
    it.expect("a label changes nothing that runs", NOTHING);
    let built: Ended = it.bench.command(&["build"]).env("SOURCE_DATE_EPOCH", "1700000000").output().unwrap().into();
    built.stdout();
    let told = it.told();
    assert!(told.starts_with("`root` ran because SOURCE_DATE_EPOCH changed from 1793491200 to 1700000000\n`conf` ran because SOURCE_DATE_EPOCH changed"), "{told}");
    it.finish();
}

#[test]
fn steps_that_come_go_and_move() {
    let Some(mut it) = Subject::new() else { return };
    it.edit("name = \"two\"\n", "name = \"second\"\n");
    it.expect("a step renamed", NOTHING);
    it.edit("name = \"second\"\ncommands = [\"cat /src/main.txt", "name = \"third\"\ncommands = [\"cat  /src/main.txt");
    it.expect(
        "renamed and changed",
        "`third` (which was `second`) ran because option `commands[0]` changed from `cat /src/main.txt > /two` to `cat  /src/main.txt > /two`; it made the same bytes as before\n4 steps were hits\n",
    );
    it.edit(
        "kind = \"run\"\nname = \"third\"\n",
        "kind = \"run\"\ncommands = [\"echo new > /new\"]\n[[steps]]\nkind = \"run\"\n",
    );
    it.expect(
        "a step before it; neither has a name",
        "`run` ran because the step is new\n\
         `run-2` (which was `third`) ran because step `run` was added below it; it made the same bytes as before\n\
         4 steps were hits\n",
    );
    it.edit("[[steps]]\nkind = \"run\"\ncommands = [\"echo new > /new\"]\n", "");
    it.expect("that step gone again", NOTHING);
    it.edit("[[steps]]\nkind = \"files\"\nname = \"src\"\nfrom = \"src\"\nto = \"/src\"\n", "");
    let failed = it.build(&[]);
    assert_eq!(failed.code, Some(3), "{}", failed.stderr);
    it.compare(
        "a step removed that was needed",
        "`run` ran because step `src` below it was removed; it failed (`wythe logs run`)\n3 steps were hits\n",
    );
    it.edit("commands = [\"cat  /src/main.txt > /two\"]", "commands = [\"echo two > /two\"]");
    it.expect(
        "the command that needed it changed too",
        "`run` ran because option `commands[0]` changed from `cat  /src/main.txt > /two` to `echo two > /two` and step `src` below it was removed\n3 steps were hits\n",
    );
    it.edit("[[steps]]\nkind = \"run\"\ncommands = [\"echo two > /two\"]\n", "[[steps]]\nkind = \"run\"\nname = \"a\"\ncommands = [\"echo a > /a\"]\n[[steps]]\nkind = \"run\"\nname = \"b\"\ncommands = [\"echo b > /b\"]\n");
    it.expect(
        "two steps in place of one",
        "`a` (which was `run`) ran because option `commands[0]` changed from `echo two > /two` to `echo a > /a`\n\
         `b` ran because the step is new\n3 steps were hits\n",
    );
    it.edit("name = \"a\"\ncommands = [\"echo a > /a\"]", "name = \"x\"\ncommands = [\"echo x > /x\"]");
    it.edit("name = \"b\"\ncommands = [\"echo b > /b\"]", "name = \"a\"\ncommands = [\"echo a > /a\"]");
    it.edit("name = \"x\"\ncommands = [\"echo x > /x\"]", "name = \"b\"\ncommands = [\"echo b > /b\"]");
    it.expect(
        "the two swapped",
        "`b` ran because step `a` no longer stands below it; it made the same bytes as before\n\
         `a` ran because step `b` was moved below it; it made the same bytes as before\n\
         3 steps were hits\n",
    );
    it.edit("name = \"root\"\nfrom", "name = \"shell\"\nfrom");
    it.expect("the lowest step renamed", NOTHING);
    it.edit(
        "kind = \"files\"\nname = \"conf\"\nfrom = \"conf\"\nto = \"/conf\"",
        "kind = \"run\"\nname = \"conf\"\nscript = '''\nmkdir /conf\necho x > /conf/a.txt\n'''",
    );
    it.expect(
        "another kind under the same name",
        "`conf` ran because its kind changed from `files` to `run`\n\
         `one` ran because step `conf` below it changed: its kind changed from `files` to `run`\n\
         `b` ran because step `conf` below it changed: its kind changed from `files` to `run`; it made the same bytes as before\n\
         `a` ran because step `conf` below it changed: its kind changed from `files` to `run`; it made the same bytes as before\n\
         1 step was a hit\n",
    );
    it.edit("echo x > /conf/a.txt", "echo y > /conf/a.txt");
    it.expect(
        "a line of a script",
        "`conf` ran because `script` changed (line 2: `echo x > /conf/a.txt` → `echo y > /conf/a.txt`)\n\
         `one` ran because step `conf` below it changed: `script` changed (line 2: `echo x > /conf/a.txt` → `echo y > /conf/a.txt`)\n\
         `b` ran because step `conf` below it changed: `script` changed (line 2: `echo x > /conf/a.txt` → `echo y > /conf/a.txt`); it made the same bytes as before\n\
         `a` ran because step `conf` below it changed: `script` changed (line 2: `echo x > /conf/a.txt` → `echo y > /conf/a.txt`); it made the same bytes as before\n\
         1 step was a hit\n",
    );
    it.finish();
}

#[test]
fn force_and_lost_results() {
    let Some(mut it) = Subject::new() else { return };
    it.expect_with(
        "one step forced",
        &["--rebuild", "one"],
        "`one` ran because `--rebuild` asked for it; it made the same bytes as before\n4 steps were hits; `src` and `two` because what ran below made the same bytes as before\n",
    );
    it.expect_with(
        "steps of a kind forced",
        &["--rebuild", "run"],
        "`one` ran because `--rebuild` asked for it; it made the same bytes as before\n\
         `two` ran because `--rebuild` asked for it; it made the same bytes as before\n3 steps were hits; `src` because what ran below made the same bytes as before\n",
    );
    let all = |why: &str| {
        ["root", "conf", "one", "src", "two"]
            .map(|step| format!("`{step}` ran because {why}; it made the same bytes as before\n"))
            .concat()
    };
    it.expect_with("all forced", &["--rebuild-all"], &all("`--rebuild-all` asked for it"));
    let force = |value: &str| -> Ended {
        it.bench.command(&["build"]).env("WYTHE_FORCE_BUILD", value).output().unwrap().into()
    };
    force("1").stdout();
    let told = it.told();
    force("0").stdout();
    assert_eq!((told, it.told().as_str()), (all("WYTHE_FORCE_BUILD asked for it"), NOTHING));
    it.edit("name = \"two\"\n", "name = \"two\"\nforce = true\n");
    it.expect(
        "forced by the definition",
        "`two` ran because the definition says `force = true`; it made the same bytes as before\n4 steps were hits\n",
    );
    it.edit("commands = [\"cat /src/main.txt > /two\"]", "commands = [\"cat /src/main.txt > /2\"]");
    it.expect(
        "forced and changed",
        "`two` ran because the definition says `force = true` and option `commands[0]` changed from `cat /src/main.txt > /two` to `cat /src/main.txt > /2`\n4 steps were hits\n",
    );
    it.edit("name = \"two\"\nforce = true\n", "name = \"two\"\n");
    it.expect("not forced any more", NOTHING);
    it.edit("echo one >> /one", "date > /one; cat /proc/sys/kernel/random/uuid >> /one");
    it.build(&[]).stdout();
    it.expect_with(
        "a forced step that makes other bytes each time",
        &["--rebuild", "one"],
        "`one` ran because `--rebuild` asked for it\n\
         `src` ran because step `one` below it changed: `--rebuild` asked for it; it made the same bytes as before\n\
         `two` ran because step `one` below it changed: `--rebuild` asked for it; it made the same bytes as before\n\
         2 steps were hits\n",
    );
    let unknown = it.build(&["--rebuild", "onee"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.stderr.contains("did you mean `one`?"), "{}", unknown.stderr);

    it.edit("date > /one; cat /proc/sys/kernel/random/uuid >> /one", "echo one >> /one");
    it.build(&[]).stdout();
    let layers = it.bench.wythe(&["build", "--json", "--progress", "quiet"]).stdout();
    let layers: serde_json::Value = serde_json::from_str(&layers).unwrap();
    let conf = layers[0]["layers"][1]["diff_id"].as_str().unwrap().trim_start_matches("sha256:").to_owned();
    std::fs::remove_dir_all(it.bench.store().join("layers").join(conf)).unwrap();
    it.expect(
        "a layer lost",
        "`conf` ran because the layer of its result was gone from the store; it made the same bytes as before\n4 steps were hits; `one`, `src` and `two` because what ran below made the same bytes as before\n",
    );
    it.bench.wythe(&["store", "gc", "--older-than", "0"]).stdout();
    it.expect("everything collected", &all("its result was no longer in the store (it was collected)"));
    it.bench.wythe(&["store", "gc", "--older-than", "0"]).stdout();
    it.file("conf/b.txt", "changed\n");
    let built = it.build(&[]);
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    let told = it.told();
    assert!(
        told.contains("`conf` ran because files of `conf` changed (which ones is not remembered any more)\n"),
        "{told}"
    );
    it.finish();
}

#[test]
fn what_would_run_is_foreseen() {
    let Some(mut it) = Subject::new() else { return };
    let foreseen = |it: &Subject| it.bench.wythe(&["explain", "--now"]).stdout();
    assert_eq!(foreseen(&it), "nothing would run: everything is as before\n");
    it.file("conf/a.txt", "first\n2nd\nthird\n");
    it.edit("commands = [\"cat /src/main.txt > /two\"]", "commands = [\"true\"]");
    let expected = "\
`conf` would run because `conf/a.txt` changed (line 2: `second` → `2nd`)
`one` would run if what stands below it comes out as other bytes
`src` would run if what stands below it comes out as other bytes
`two` would run if what stands below it comes out as other bytes
1 step would be found
";
    assert_eq!(foreseen(&it), expected);
    assert_eq!(foreseen(&it), expected, "looking changed something");
    assert!(it.told().starts_with("`root` ran because no earlier build"), "looking was told as a build");
    it.file("conf/a.txt", "first\nsecond\nthird\n");
    assert_eq!(
        foreseen(&it),
        "`two` would run because option `commands[0]` changed from `cat /src/main.txt > /two` to `true`\n\
         4 steps would be found\n"
    );
}

#[test]
fn a_failed_build_hides_no_cause() {
    let Some(mut it) = Subject::new() else { return };
    it.file("conf/a.txt", "other\n");
    it.edit("echo one >> /one", "false");
    assert_eq!(it.build(&[]).code, Some(3));
    it.compare(
        "the build that fails",
        "`conf` ran because `conf/a.txt` changed (line 1: `first` → `other`; 2 more lines)\n\
         `one` ran because option `commands[1]` changed from `echo one >> /one` to `false` and step `conf` below it \
         changed: `conf/a.txt` changed (line 1: `first` → `other`; 2 more lines); it failed (`wythe logs one`)\n\
         1 step was a hit\n",
    );
    it.edit("\"false\"", "\"echo 1 >> /one\"");
    it.expect(
        "the next build",
        "`one` ran because option `commands[1]` changed from `echo one >> /one` to `echo 1 >> /one` and step `conf` \
         below it changed: `conf/a.txt` changed (line 1: `first` → `other`; 2 more lines)\n\
         `src` ran because step `conf` below it changed: `conf/a.txt` changed (line 1: `first` → `other`; 2 more lines) \
         and step `one` below it changed: option `commands[1]` changed from `echo one >> /one` to `echo 1 >> /one`; it made the same bytes as before\n\
         `two` ran because step `conf` below it changed: `conf/a.txt` changed (line 1: `first` → `other`; 2 more lines) \
         and step `one` below it changed: option `commands[1]` changed from `echo one >> /one` to `echo 1 >> /one`; it made the same bytes as before\n\
         2 steps were hits\n",
    );
    it.expect("the one after", NOTHING);
    it.finish();
}

#[test]
fn the_same_as_json_and_while_it_happens() {
    let Some(mut it) = Subject::new() else { return };
    it.edit("commands = [\"cat /src/main.txt > /two\"]", "commands = [\"true\", \"true # https://me:secret@host/\"]");
    let built = it.bench.wythe(&["build", "--progress", "json"]);
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    let events = built.stderr.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let explained: Vec<_> = events.filter(|event| event["event"] == "explained").collect();
    let reasons = serde_json::json!([
        {"cause": "option", "name": "commands[0]", "old": "cat /src/main.txt > /two", "new": "true"},
        {"cause": "option", "name": "commands[]", "new": "true # https://***@host/"},
    ]);
    assert_eq!(explained.len(), 1, "{explained:?}");
    assert_eq!((&explained[0]["step"]["step"], &explained[0]["reasons"]), (&"two".into(), &reasons));
    let told: serde_json::Value =
        serde_json::from_str(&it.bench.wythe(&["explain", "two", "--json"]).stdout()).unwrap();
    assert_eq!(told[0]["steps"][0]["reasons"], reasons);
    assert_eq!(told[0]["steps"][0]["how"], "run");
    assert!(!told.to_string().contains("secret"), "{told}");
    it.edit("\"true # https://me:secret@host/\"", "\"false\"");
    let plain = it.bench.wythe(&["build"]);
    assert!(
        plain.stderr.contains("[two] `two` ran because option `commands[1]`") || plain.code == Some(3),
        "{}",
        plain.stderr
    );
    let hit = it.bench.wythe(&["explain", "conf"]).stdout();
    assert_eq!(hit, "`conf` was a hit: nothing that its result depends on differs\n");
    let unknown = it.bench.wythe(&["explain", "cnof"]);
    assert_eq!(unknown.code, Some(2), "{}", unknown.stderr);
    assert!(unknown.stderr.contains("did you mean `conf`?"), "{}", unknown.stderr);
    let other = Bench::new();
    other.definition("base = \"scratch\"\n");
    let none = other.wythe(&["explain"]);
    assert_eq!(none.code, Some(1), "{}", none.stderr);
    assert!(none.stderr.contains("no build of `wythe.toml` is remembered"), "{}", none.stderr);
}
