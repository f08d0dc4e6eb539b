"""Finds what source archives need to be built. Reads a JSON object on standard input, prints one on standard output.

That is what each of them declares, what its build backend asks for beside that, and what all these need: wheels only, so
that what builds need not be built itself.
"""
import json
import os
import shutil
import subprocess
import sys

asked = json.load(sys.stdin)
sys.path.append("/run/wythe/pip")
from pip._vendor import pyproject_hooks, tomli

SCRATCH = "/run/wythe/tmp/"
# What stands for a project that says nothing, or only a part.
REQUIRES = ["setuptools>=40.8.0"]
BACKEND = "setuptools.build_meta:__legacy__"


class Refused(Exception):
    pass


def pip(*arguments):
    command = [sys.executable, "-c", asked["pip"], "--no-input", "--disable-pip-version-check", "install", "--quiet"]
    command += ["--progress-bar=off", "--root-user-action=ignore", "--break-system-packages", "--ignore-installed"]
    command += ["--only-binary=:all:", *asked["arguments"], *arguments]
    ran = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, stderr=subprocess.PIPE, text=True)
    if ran.returncode:
        raise Refused(ran.stderr)


def choose(requirements):
    """Returns pip's choice of wheels, of earlier versions where the requirements allow it."""
    report = SCRATCH + "report.json"
    with open(SCRATCH + "kept.txt", "w") as stream:
        stream.writelines(line + "\n" for line in asked["kept"])
    try:
        pip("--dry-run", "--report=" + report, "--constraint=" + SCRATCH + "kept.txt", *requirements)
    except Refused:
        pip("--dry-run", "--report=" + report, *requirements)
    with open(report) as stream:
        items = json.load(stream)["install"]
    for item in items:
        item["metadata"] = {key: item["metadata"][key] for key in ("name", "version")}
    return items


def unpack(archive):
    """Returns the directory that a source archive consists of."""
    place = SCRATCH + "source"
    shutil.rmtree(place, ignore_errors=True)
    shutil.unpack_archive(archive, place)
    (name,) = os.listdir(place)
    return os.path.join(place, name)


def declared(source):
    """Returns what a project says of its build: what it requires, the backend, and where that one lies."""
    try:
        with open(os.path.join(source, "pyproject.toml"), "rb") as stream:
            system = tomli.load(stream).get("build-system", {})
    except FileNotFoundError:
        system = {}
    return system.get("requires", REQUIRES), system.get("build-backend", BACKEND), system.get("backend-path")


def asks(source, requires, backend, backend_path):
    """Returns what the backend asks for, running in a directory with what the project declares."""
    place = SCRATCH + "declared"
    shutil.rmtree(place, ignore_errors=True)
    if requires:
        pip("--no-compile", "--target=" + place, *requires)

    def run(command, cwd=None, extra_environ=None):
        environment = {**os.environ, **(extra_environ or {}), "PYTHONPATH": place}
        environment["PATH"] = place + "/bin:" + environment.get("PATH", os.defpath)
        # What a backend says of a project that it can build helps nobody.
        ran = subprocess.run(command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if ran.returncode:
            sys.exit(ran.stdout + ran.stderr)

    hooks = pyproject_hooks.BuildBackendHookCaller(source, backend, backend_path, runner=run)
    return hooks.get_requires_for_build_wheel()


def needs(archive):
    source = unpack(archive)
    requires, backend, backend_path = declared(source)
    requirements = [*requires, *asks(source, requires, backend, backend_path)]
    return choose(requirements) if requirements else []


found = {}
for name, archive in asked["archives"]:
    try:
        found.update((item["download_info"]["url"], item) for item in needs(archive))
    except Refused as error:
        json.dump({"project": name, "refused": str(error)}, sys.stdout)
        break
else:
    json.dump({"install": list(found.values())}, sys.stdout)
