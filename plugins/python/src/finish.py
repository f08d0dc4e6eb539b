"""Finishes an installation, so that its bytes depend on nothing but what was installed.

Arguments: whether modules are compiled (1 or 0), then the names of the distributions.
"""
import importlib.metadata
import os
import py_compile
import sys


NOTES = "uv_cache.json", "uv_build.json"


def drop_notes(dist):
    """Removes what uv notes of a file's age and of a build, and the lines of RECORD that list it."""
    for file in dist.files or ():
        if file.name in NOTES and file.parent.suffix == ".dist-info":
            os.unlink(dist.locate_file(file))
            record = dist.locate_file(file.parent / "RECORD")
            with open(record, "rb") as stream:
                lines = stream.read().splitlines(keepends=True)
            with open(record, "wb") as stream:
                stream.writelines(line for line in lines if not line.startswith(str(file).encode() + b","))


def compile_module(path):
    """Compiles a module so that its source is never looked at again: a time stamp would differ in every build."""
    try:
        py_compile.compile(path, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    except (py_compile.PyCompileError, OSError):
        pass  # a template, or the syntax of another Python


def share(paths):
    """Compiles modules with as many processes as there are processors."""
    workers = min(len(os.sched_getaffinity(0)), len(paths) // 16 + 1)
    children = []
    for worker in range(workers):
        child = os.fork()
        if child == 0:
            for path in paths[worker::workers]:
                compile_module(path)
            os._exit(0)
        children.append(child)
    if any([os.waitpid(child, 0)[1] for child in children]):
        sys.exit("compiling modules to bytecode did not finish")


sys.pycache_prefix = None  # what is compiled here is for the image
dists = [importlib.metadata.distribution(name) for name in sys.argv[2:]]
for dist in dists:
    drop_notes(dist)
if sys.argv[1] == "1":
    files = (file for dist in dists for file in dist.files or ())
    share(sorted(str(file.locate()) for file in files if file.suffix == ".py" and ".." not in file.parts))
