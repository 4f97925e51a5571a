"""A real PostgreSQL for the tests: in a folder of its own, as an unprivileged user, behind a Unix socket."""

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

#: Where Debian keeps what is not for everybody's PATH.
_DEBIAN = Path("/usr/lib/postgresql")
_UNPRIVILEGED = ("postgres", "nobody")
#: Seconds until it must answer, or have stopped.
PATIENCE = 60.0
#: Nobody pulls the plug in a test; a killed process loses nothing by this.
_SETTINGS = {"listen_addresses": "", "fsync": "off", "max_connections": "60", "logging_collector": "off"}
PASSWORD = "hunter2 with a / and an @"


def binaries() -> Path | None:
    """Return the folder with PostgreSQL's programs, the newest there is."""
    found = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(os.path.realpath(on_path)).parent if on_path else None


def why_not() -> str | None:
    """Return what is missing for a PostgreSQL of the tests' own."""
    if binaries() is None:
        return "install PostgreSQL: apt-get install postgresql"
    return None if shutil.which("setpriv") else "install setpriv: apt-get install util-linux"


def _as_somebody() -> Sequence[str]:
    """Return what runs a program as somebody whom PostgreSQL does not refuse; it ends with this process."""
    end = ("setpriv", "--pdeathsig=KILL")
    if os.getuid() != 0:
        return end
    user = next(one for name in _UNPRIVILEGED for one in pwd.getpwall() if one.pw_name == name)
    return (*end, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")


class Postgres:
    """A server with the role `opsbot`, which has a password and owns each database; the superuser needs none."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self._programs = programs
        self._data = folder / "data"
        self._server: subprocess.Popen[bytes] | None = None
        self._names = itertools.count(1)

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Self]:
        """Make a server and start it; remove all of it afterwards."""
        programs = binaries()
        assert programs is not None
        with tempfile.TemporaryDirectory(prefix="opsbot-pg-") as name:
            made = cls(Path(name), programs)
            made.prepare()
            made.start()
            try:
                made.ask("postgres", f"CREATE ROLE opsbot LOGIN PASSWORD '{PASSWORD}'")
                yield made
            finally:
                made.stop()

    def prepare(self) -> None:
        """Make the data and the settings."""
        if os.getuid() == 0:
            user = next(one for name in _UNPRIVILEGED for one in pwd.getpwall() if one.pw_name == name)
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        self.folder.chmod(0o711)
        self._run("initdb", "--pgdata", str(self._data), "--username=postgres", "--encoding=UTF8", "--locale=C")
        lines = [f"{name} = '{value}'" for name, value in _SETTINGS.items()]
        lines += [f"unix_socket_directories = '{self.folder}'"]
        with (self._data / "postgresql.conf").open("a") as file:
            file.write("\n".join(lines) + "\n")
        (self._data / "pg_hba.conf").write_text("local all postgres trust\nlocal all all scram-sha-256\n")

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [*_as_somebody(), str(self._programs / program), *arguments],
            cwd=self.folder,
            check=True,
            capture_output=True,
            timeout=PATIENCE,
        )

    def start(self) -> None:
        """Start the server and wait until it answers."""
        with (self.folder / "log").open("ab") as output:
            self._server = subprocess.Popen(
                [*_as_somebody(), str(self._programs / "postgres"), "-D", str(self._data)],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            if time.monotonic() > deadline or self._server.poll() is not None:
                raise TimeoutError((self.folder / "log").read_text())
            time.sleep(0.05)

    def _answers(self) -> bool:
        command = [str(self._programs / "pg_isready"), "--quiet", "--host", str(self.folder)]
        return subprocess.run(command, check=False, timeout=PATIENCE).returncode == 0

    @property
    def runs(self) -> bool:
        """Whether the server was started and not stopped since."""
        return self._server is not None

    def stop(self) -> None:
        """Stop the server, throwing everybody out."""
        server, self._server = self._server, None
        if server is not None:
            server.send_signal(signal.SIGINT)
            server.wait(PATIENCE)

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs as the superuser."""
        place = ["--host", str(self.folder), "--username=postgres"]
        command = [str(self._programs / program), *place, *arguments]
        subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)

    def ask(self, database: str, statement: str) -> str:
        """Run one statement as the superuser; return what it gives."""
        command = [str(self._programs / "psql"), "--no-psqlrc", "--quiet", "--tuples-only", "--no-align"]
        place = ["--host", str(self.folder), "--username=postgres", "--dbname", database, "--command", statement]
        done = subprocess.run([*command, *place], check=True, capture_output=True, text=True, timeout=PATIENCE)
        return done.stdout.strip()

    def database(self, *, encoding: str = "UTF8") -> str:
        """Make an empty database; return its URL, which holds no password."""
        name = f"bot{next(self._names)}"
        options = f"OWNER opsbot ENCODING '{encoding}' TEMPLATE template0"
        self.ask("postgres", f"CREATE DATABASE {name} {options}")
        return f"postgresql://opsbot@/{name}?host={self.folder}"
