"""Builds packages into the store, with a log like Nix's."""

import hashlib
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from opsbot.standin.errors import NixError
from opsbot.standin.nixstore import Store
from opsbot.standin.sources import Project, check_syntax, read_project


class BuildError(NixError):
    """A builder failed."""

    def __init__(self, derivation: Path) -> None:
        super().__init__(f"builder for '{derivation}' failed with exit code 1")


@dataclass(frozen=True)
class Builder:
    """Realises derivations in a store; LOG gets each line of what they say."""

    store: Store
    log: Callable[[str], None]

    def make(
        self, name: str, made_of: Iterable[str], build: Callable[[Path], None], references: Iterable[Path] = ()
    ) -> Path:
        """Build the path called NAME unless the store has it."""
        needed = list(references)
        path = self.store.path(name, *made_of, *map(str, needed))
        if not self.store.valid(path):
            self.log(f"building '{self.derivation(path)}'...")
        return self.store.realise(path, build, needed)

    def derivation(self, path: Path) -> Path:
        """Return the path of the derivation that PATH comes from."""
        name = path.name[33:] + ".drv"
        return self.store.path(name, str(path))

    def text(self, name: str, file: str, content: str, references: Iterable[Path] = (), mode: int = 0o644) -> Path:
        """Build a folder with one file in it."""

        def build(folder: Path) -> None:
            target = folder / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content)
            target.chmod(mode)

        return self.make(name, [file, content], build, references)

    def project(self, source: Path, name: str) -> tuple[Project, Path]:
        """Build a project from its tree; return what it is and its path. Raises BuildError."""
        check_syntax(source)
        project = read_project(source)
        package = f"{project.name}-{project.version}"
        path = self.store.path(package, source.name, _digest(source))

        def say(line: str) -> None:
            self.log(f"{name}> {line}")

        def build(folder: Path) -> None:
            for line in _phases(project, source, folder, path):
                say(line)

        if not self.store.valid(path):
            self.log(f"building '{self.derivation(path)}'...")
        try:
            return project, self.store.realise(path, build)
        except subprocess.CalledProcessError as error:
            for line in error.output.splitlines():
                say(line)
            raise BuildError(self.derivation(path)) from error


def _digest(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()


def _run(folder: Path, *arguments: str) -> Iterator[str]:
    command = [sys.executable, "-E", "-S", *arguments]
    done = subprocess.run(
        command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True, env={}
    )
    yield from done.stdout.splitlines()


def _phases(project: Project, source: Path, folder: Path, path: Path) -> Iterator[str]:
    yield "unpacking sources"
    yield f"unpacking source archive {source}"
    library = folder / "lib"
    shutil.copytree(source, library)
    yield "patching sources"
    yield "configuring"
    yield "no configure script, doing nothing"
    yield "building"
    yield from _compile(project, library)
    yield from _wait(project.build_seconds)
    if project.tests:
        yield "running tests"
        yield from _run(library, "-m", "unittest", *project.tests)
    yield "installing"
    main = folder / "bin" / project.name
    main.parent.mkdir()
    command = shlex.join([sys.executable, "-E", "-S", "-u", f"{path}/lib/{project.main}"])
    main.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    main.chmod(0o755)
    for compiled in [*library.rglob("__pycache__")]:
        shutil.rmtree(compiled)
    yield "post-installation fixup"
    yield f"checking for references to /build/ in {path}..."


def _compile(project: Project, library: Path) -> Iterator[str]:
    try:
        compile((library / project.main).read_text(), project.main, "exec")
    except (SyntaxError, OSError) as error:
        raise subprocess.CalledProcessError(1, "compile", output=f"{type(error).__name__}: {error}\n") from error
    yield f"compiling {project.main}"


def _wait(seconds: float) -> Iterator[str]:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        yield f"compiling native extensions, {left:.0f} s left"
        time.sleep(min(left, 1.0))
