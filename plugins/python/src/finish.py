"""Finishes an installation, so that its bytes depend on nothing but what was installed.

Arguments: whether modules are compiled (1 or 0), then the names of the distributions.

A compiled module follows from its source, its path and the Python, so what was compiled once is kept under a digest of
these, in a cache that outlives the build. An entry begins with the digest of the rest: one that was cut off is none.
"""
import hashlib
import importlib.metadata
import importlib.util
import os
import py_compile
import sys


KEPT = "/run/wythe/cache/modules"
PYTHON = repr((sys.implementation.cache_tag, sys.version, importlib.util.MAGIC_NUMBER, sys.flags.optimize)).encode()
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


def kept(path):
    """Returns what was compiled before; none where nothing was, or it cannot be read."""
    try:
        with open(path, "rb") as stream:
            digest, compiled = stream.read(32), stream.read()
    except OSError:
        return None
    return compiled if hashlib.sha256(compiled).digest() == digest else None


def write(path, mode, *parts):
    """Writes a file at once or not at all."""
    partial = f"{path}.{os.urandom(8).hex()}"
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with open(descriptor, "wb") as stream:
            stream.writelines(parts)
        os.replace(partial, path)
    except OSError:
        os.unlink(partial)
        raise


def keep(path, compiled):
    """Keeps a compiled module for later builds, which do without where that fails."""
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write(path, 0o644, hashlib.sha256(compiled).digest(), compiled)
    except OSError:
        pass


def compile_module(path):
    """Compiles a module so that its source is never looked at again: a time stamp would differ in every build."""
    try:
        with open(path, "rb") as stream:
            source, mode = stream.read(), os.fstat(stream.fileno()).st_mode
        key = hashlib.sha256(b"\0".join((PYTHON, os.fsencode(path), source))).hexdigest()
        entry, target = os.path.join(KEPT, key[:2], key), importlib.util.cache_from_source(path)
        compiled = kept(entry)
        if compiled is not None:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            write(target, (mode | 0o200) & 0o666, compiled)  # as py_compile does
            return
        py_compile.compile(path, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
        with open(target, "rb") as stream:
            keep(entry, stream.read())
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


def main(compiles, *names):
    sys.pycache_prefix = None  # what is compiled here is for the image
    dists = [importlib.metadata.distribution(name) for name in names]
    for dist in dists:
        drop_notes(dist)
    if compiles == "1":
        files = (file for dist in dists for file in dist.files or ())
        share(sorted(str(file.locate()) for file in files if file.suffix == ".py" and ".." not in file.parts))


if __name__ == "__main__":
    main(*sys.argv[1:])
