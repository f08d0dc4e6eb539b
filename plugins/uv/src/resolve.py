"""Asks uv what it would install. Reads a JSON object on standard input, prints one on standard output."""
import importlib.metadata
import json
import re
import subprocess
import sys

sys.path.append("/run/wythe/pip")
from pip._vendor import tomli
from pip._vendor.packaging import tags, utils

asked = json.load(sys.stdin)
answer = "/run/wythe/tmp/pylock.toml"


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def installed():
    """Returns the versions of what the image has, by name."""
    dists = importlib.metadata.distributions(path=[place for place in sys.path if place != "/run/wythe/pip"])
    found = {}
    for dist in dists:
        if dist.metadata["Name"]:
            found.setdefault(normal(dist.metadata["Name"]), dist.version)
    return found


def prefer(versions):
    """Writes a lock that uv keeps to where the requirements allow it."""
    with open(answer, "w") as stream:
        stream.write('lock-version = "1.0"\ncreated-by = "wythe"\n' + ("" if versions else "packages = []\n"))
        for name, version in sorted(versions.items()):
            stream.write(f'[[packages]]\nname = "{name}"\nversion = "{version}"\n')


def best(wheels):
    """Returns the wheel that fits this Python best."""
    ranks = {tag: rank for rank, tag in enumerate(tags.sys_tags())}
    fitting = []
    for wheel in wheels:
        name = (wheel.get("url") or wheel["path"]).rsplit("/", 1)[-1].replace("%2B", "+").replace("%2b", "+")
        _, _, build, supported = utils.parse_wheel_filename(wheel.get("name", name))
        rank = min((ranks[tag] for tag in supported if tag in ranks), default=None)
        if rank is not None:
            fitting.append((rank, tuple(-number for number in build[:1]), name, wheel))
    return min(fitting, key=lambda item: item[:3])[3] if fitting else None


def chosen(package):
    found = {"name": package["name"], "version": package.get("version", "")}
    if "vcs" in package:
        found["vcs"] = {key: package["vcs"].get(key) for key in ("type", "url", "commit-id", "subdirectory")}
        return found
    file = package.get("archive") or best(package.get("wheels", ())) or package.get("sdist")
    found["file"] = file and {
        "url": file.get("url"),
        "path": file.get("path"),
        "size": file.get("size"),
        "sha256": file.get("hashes", {}).get("sha256"),
    }
    return found


present = installed()
prefer({**dict(asked["kept"]), **present})
command = [asked["uv"], "pip", "compile", "--quiet", "--no-progress", "--python", sys.executable]
command += ["--format=pylock.toml", "--output-file=" + answer, "--generate-hashes", *asked["arguments"], *asked["files"], "-"]
lines = "".join(line + "\n" for line in asked["lines"])
ran = subprocess.run(command, input=lines, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
if ran.returncode == 1:
    json.dump({"refused": ran.stderr}, sys.stdout)
elif ran.returncode:
    sys.exit(ran.stderr)
else:
    sys.stderr.write(ran.stderr)
    with open(answer, "rb") as stream:
        packages = tomli.load(stream).get("packages", [])
    missing = (package for package in packages if present.get(package["name"]) != package.get("version", ""))
    json.dump({"packages": [chosen(package) for package in missing]}, sys.stdout)
