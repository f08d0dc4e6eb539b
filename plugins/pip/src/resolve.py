"""Asks pip what it would install. Reads a JSON object on standard input, prints one on standard output."""
import json
import subprocess
import sys

asked = json.load(sys.stdin)
scratch = "/run/wythe/tmp/"


def write(name, lines):
    with open(scratch + name, "w") as stream:
        stream.writelines(line + "\n" for line in lines)
    return scratch + name


def ask(constraints):
    """Returns pip's report, or what it says instead."""
    command = [sys.executable, "-c", asked["pip"], "--no-input", "--disable-pip-version-check", "install", "--dry-run"]
    command += ["--quiet", "--progress-bar=off", "--break-system-packages", "--root-user-action=ignore"]
    command += ["--report=" + scratch + "report.json", *constraints, *asked["arguments"]]
    if asked["lines"]:
        command.append("--requirement=" + write("packages.txt", asked["lines"]))
    ran = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, stderr=subprocess.PIPE, text=True)
    if ran.returncode:
        return {"refused": ran.stderr}
    sys.stderr.write(ran.stderr)
    with open(scratch + "report.json") as stream:
        report = json.load(stream)
    # Of each distribution only what is asked for: descriptions are long.
    for item in report["install"]:
        item["metadata"] = {key: item["metadata"][key] for key in ("name", "version")}
    return {"install": report["install"]}


# Versions of an earlier lock are kept where the options allow it: all of them, or none.
answer = ask(["--constraint=" + write("kept.txt", asked["kept"])]) if asked["kept"] else {"refused": ""}
if "refused" in answer:
    answer = ask([])
json.dump(answer, sys.stdout)
