"""What a kind makes: files in a folder, and one command to run on them."""
import os
import shutil

import values


class Case:
    """One hostile input. Paths of a command are relative to its folder, in which it runs."""

    def __init__(self, folder, rng, fixtures):
        self.folder, self.rng, self.fixtures = folder, rng, fixtures
        self.program, self.arguments, self.stdin = None, [], b""
        self.what = []          # what is wrong with it
        self.names = None       # one of them must be in the error's line; None: those of the files written
        self.more_names = []    # further ones
        self.any_name = False   # the error may be of the command line, and need not name a file
        self.codes = {0, 2, 3}  # exit codes that may be
        self.written = set()

    def path(self, name):
        return os.path.join(self.folder, name)

    def note(self, what):
        self.what.append(what)

    def write(self, name, data):
        """A file of the input."""
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data if isinstance(data, bytes) else values.encode(data))
        self.written.add(name)

    def take(self, fixture, name, without=()):
        """A fixture's file or folder under a name of its own; what is in a folder can be written again."""
        source, path = self.fixtures.path(fixture), self.path(name)
        if os.path.isdir(source):
            shutil.copytree(source, path, symlinks=True, ignore=lambda folder, names: [n for n in names if n in without], dirs_exist_ok=True)
        else:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            shutil.copyfile(source, path)
        self.written.add(name)

    def run(self, program, *arguments):
        self.program, self.arguments = program, [str(argument) for argument in arguments]

    def kept(self):
        """Nothing outside of the folders that a program was given has been removed or changed."""
        path = self.path("outside/kept")
        if "outside/kept" not in self.written:
            return True
        try:
            with open(path, "rb") as file:
                return file.read() == b"kept"
        except OSError:
            return False

    def numbers_may_fail(self):
        """Its numbers may be no numbers, or too large: exit code 5 is then the answer of what computes with them."""
        self.codes = self.codes | {5}
