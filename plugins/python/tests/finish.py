"""Tests of src/finish.py, whose directory is the first argument."""
import importlib.util
import os
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.pycache_prefix = None
sys.path.insert(0, sys.argv.pop(1))
import finish  # noqa: E402: its place is an argument


def files(top):
    """Returns the mode and the bytes of each file."""
    found = {}
    for directory, _, names in os.walk(top):
        for name in names:
            path = os.path.join(directory, name)
            with open(path, "rb") as stream:
                found[os.path.relpath(path, top)] = (os.stat(path).st_mode, stream.read())
    return found


class Modules(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.image, finish.KEPT = os.path.join(place.name, "image"), os.path.join(place.name, "kept")
        os.mkdir(self.image)
        self.source = os.path.join(self.image, "a.py")
        with open(self.source, "w") as stream:
            stream.write("x = {1, 2, 'a'}\n")
        os.chmod(self.source, 0o555)
        self.target = importlib.util.cache_from_source(self.source)
        self.compiled = 0
        compile = finish.py_compile.compile
        self.addCleanup(setattr, finish.py_compile, "compile", compile)

        def count(*args, **options):
            self.compiled += 1
            return compile(*args, **options)

        finish.py_compile.compile = count

    def again(self):
        """Compiles in a fresh image, and returns what is in it."""
        if os.path.exists(self.target):
            os.unlink(self.target)
            os.rmdir(os.path.dirname(self.target))
        finish.compile_module(self.source)
        return files(self.image)

    def test_what_is_kept_is_what_is_compiled(self):
        first = self.again()
        self.assertEqual(sorted(first), sorted(["a.py", os.path.relpath(self.target, self.image)]))
        self.assertEqual((self.again(), self.compiled), (first, 1))

    def test_another_source_is_compiled(self):
        first = self.again()
        os.chmod(self.source, 0o755)
        with open(self.source, "a") as stream:
            stream.write("y = 1\n")
        self.assertNotEqual(self.again(), first)
        self.assertEqual(self.compiled, 2)

    def test_an_entry_that_was_cut_off_or_changed_is_none(self):
        first = self.again()
        (name, (_, whole)), = files(finish.KEPT).items()
        for broken in [b"", whole[:20], whole[:40], whole[:-1] + bytes([whole[-1] ^ 1])]:
            with open(os.path.join(finish.KEPT, name), "wb") as stream:
                stream.write(broken)
            self.assertEqual(self.again(), first)
            self.assertEqual(files(finish.KEPT)[name][1], whole)
        self.assertEqual(self.compiled, 5)

    def test_a_cache_that_cannot_be_written_changes_nothing(self):
        first = self.again()
        finish.KEPT = os.path.join(self.source, "no-directory")
        self.assertEqual((self.again(), self.compiled), (first, 2))

    def test_nothing_is_left_where_the_place_is_taken(self):
        self.again()
        os.unlink(self.target)
        os.mkdir(self.target)
        before = files(self.image)
        finish.compile_module(self.source)
        self.assertEqual((files(self.image), self.compiled), (before, 1))

    def test_what_is_no_python_is_left_alone(self):
        os.chmod(self.source, 0o755)
        with open(self.source, "w") as stream:
            stream.write("{% template %}\n")
        self.assertEqual(list(self.again()), ["a.py"])


unittest.main()
