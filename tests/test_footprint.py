import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsbot.footprint import Deferred, deferred


def run(*lines: str) -> str:
    """Run lines in a Python of their own; return what they print."""
    command = [sys.executable, "-c", "\n".join(lines)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package with a submodule, and a module that imports both at its top."""
    package = tmp_path / "heavylibrary"
    package.mkdir()
    (package / "__init__.py").write_text("class Trouble(Exception): ...\n")
    (package / "errors.py").write_text("from heavylibrary import Trouble\nclass Worse(Trouble): ...\n")
    (tmp_path / "heavyuser.py").write_text(
        "import heavylibrary\nfrom heavylibrary import errors\n"
        "def which(error): return isinstance(error, errors.Worse), isinstance(error, heavylibrary.Trouble)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield "heavylibrary"
    for name in ("heavyuser", "heavylibrary", "heavylibrary.errors"):
        sys.modules.pop(name, None)


def test_the_driver_of_another_database_is_not_imported() -> None:
    """A bot with SQLite does not import PostgreSQL's driver; one that wants it has it, and DBOS knows its errors."""
    said = run(
        "import sys, opsbot.app, dbos._utils, dbos._sys_db",
        "print('psycopg' in sys.modules)",
        "import psycopg",
        "print(dbos._utils.psycopg.OperationalError is psycopg.OperationalError)",
        "print(dbos._sys_db.pg_errors.LockNotAvailable is psycopg.errors.LockNotAvailable)",
    )
    assert said.split() == ["False", "True", "True"]


def test_a_deferred_module_is_imported_when_it_is_used(library: str) -> None:
    """Who imported a deferred module has the module itself as soon as something of it is wanted."""
    with deferred(library, f"{library}.errors"):
        import heavyuser  # type: ignore[import-not-found] # noqa: PLC0415 - made above
    assert library not in sys.modules
    assert heavyuser.which(ValueError()) == (False, False)
    import heavylibrary.errors  # type: ignore[import-not-found] # noqa: PLC0415 - made above

    assert not isinstance(heavylibrary, Deferred)
    assert heavyuser.which(heavylibrary.errors.Worse()) == (True, True)


def test_a_module_that_is_there_is_not_deferred(library: str) -> None:
    """A module that was imported before stays what it is, within and afterwards."""
    import heavylibrary  # noqa: PLC0415 - made above

    with deferred(library):
        assert sys.modules[library] is heavylibrary
    assert sys.modules[library] is heavylibrary


def test_a_deferred_module_may_be_looked_over(library: str) -> None:
    """Looking through all modules, as inspect does, imports nothing."""
    with deferred(library):
        assert not hasattr(sys.modules[library], "__file__")
        assert isinstance(sys.modules[library], Deferred)


def test_what_was_loaded_is_not_looked_at_again() -> None:
    """The garbage collector is at work after loading, and leaves what was there before alone."""
    said = run(
        "import gc",
        "from opsbot.footprint import loading",
        "with loading():",
        "    print(gc.isenabled())",
        "print(gc.isenabled(), gc.get_freeze_count() > 1000)",
    )
    assert said.split() == ["False", "True", "True"]


def test_the_collector_is_at_work_after_a_failed_import() -> None:
    """An import that fails leaves the garbage collector at work."""
    said = run(
        "import gc",
        "from opsbot.footprint import loading",
        "try:",
        "    with loading():",
        "        import there_is_no_such_module",
        "except ImportError:",
        "    print(gc.isenabled())",
    )
    assert said == "True"


def test_memory_that_was_freed_goes_back_to_the_system() -> None:
    """After a start, memory that was freed between blocks that stay is the system's again."""
    said = run(
        "from pathlib import Path",
        "from opsbot.footprint import give_back",
        "def resident(): return int(Path('/proc/self/statm').read_text().split()[1])",
        "blocks = [b'x' * 5000 for _ in range(8000)]",
        "kept = blocks[::8]",
        "del blocks",
        "before = resident()",
        "give_back()",
        "print(before - resident() > 4000)",
    )
    assert said == "True"
