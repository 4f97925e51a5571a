"""The floors of docs/architecture.md, read from the imports."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

TOP = Path(__file__).parent.parent

#: From the ground up. A part imports from its own floor and from those that stand before it.
FLOORS = {
    "values": (
        "model",
        "locks",
        "testimony",
        "errors",
        "ports",
        "words",
        "letters",
        "snapshot",
        "happened",
        "footprint",
        "bridged",
    ),
    "pure": (
        "commands",
        "parsing",
        "typed",
        "addressed",
        "policy",
        "rules",
        "rulebook",
        "hours",
        "periods",
        "limits",
        "consent",
        "line",
        "people",
        "render",
        "config",
        "answers",
        "masks",
        "receipts",
        "ailments",
        "triggers",
    ),
    "logic": (
        "bot",
        "turn",
        "floodgate",
        "intake",
        "witness",
        "context",
        "site",
        "status",
        "plugins",
        "jobs",
        "health",
        "watched",
        "slackwatch",
        "slacktest",
        "unconfirmed",
        "timetable",
        "hooks",
        "watchdog",
        "console",
    ),
    "edges": ("matrix", "ssh", "store", "forge", "web", "durable", "credentials", "notify", "logs", "bridge"),
    "top": (
        "app",
        "check",
        "cli",
        "connect",
        "expected",
        "slack",
        "slackcheck",
        "slacklink",
        "guards",
        "history",
        "oversight",
        "new",
        "standby",
        "backups",
        "__main__",
    ),
}
#: What stands beside the floors, and the parts that each may import.
BESIDE = {
    "onhost": (),
    "standin": (),
    "workspace": (),
    "mautrix": ("workspace",),
    "demo": (*FLOORS["values"], "standin"),
    "templates": ("testing",),
    "testing": tuple(part for floor in ("values", "pure", "logic", "edges") for part in FLOORS[floor]),
}
#: Of what stands beside, only the top may use anything: the demo is a command, and `check` knows the host's protocol.
FROM_THE_TOP = ("demo", "onhost")
#: Each library is known in its own edge and nowhere else.
LIBRARIES = {
    "aiohttp": ("matrix", "web", "forge", "bridge", "demo", "workspace", "mautrix"),
    "asyncssh": ("ssh", "standin"),
    "croniter": ("triggers",),
    "cryptography": ("web", "workspace"),
    "dbos": ("durable",),
    "prometheus_client": ("web",),
    "prompt_toolkit": ("demo",),
    "pydantic": ("config",),
    "pydantic_core": ("config",),
    "pytest": ("templates",),
    "sqlalchemy": ("store",),
    "yaml": ("config", "mautrix"),
    "yarl": ("web", "forge"),
}


@dataclass(frozen=True)
class Import:
    """One line that imports MODULE, in a file of ours."""

    path: Path
    line: int
    module: str

    @property
    def ours(self) -> bool:
        """Whether the module is one of ours."""
        return self.module.split(".")[0] == "opsbot"

    def __str__(self) -> str:
        return f"{self.path}:{self.line} imports {self.module}"


def part_of(module: str) -> str:
    """Return the part of opsbot that a module belongs to: its first name below `opsbot`, empty for opsbot itself."""
    return module.split(".")[1] if "." in module else ""


def module_of(path: Path) -> str:
    """Return the dotted name of a file."""
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def imports_of(path: Path) -> Iterator[Import]:
    """Yield what a file imports, wherever in it."""
    for node in ast.walk(ast.parse((TOP / path).read_text())):
        match node:
            case ast.Import(names=names):
                yield from (Import(path, node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=str(module), names=names):
                for alias in names:
                    below = TOP / module.replace(".", "/") / alias.name
                    is_module = below.is_dir() or below.with_suffix(".py").is_file()
                    yield Import(path, node.lineno, f"{module}.{alias.name}" if is_module else module)
            case _:
                pass


FILES = sorted(path.relative_to(TOP) for path in (TOP / "opsbot").rglob("*.py"))
PARTS = {path: part_of(module_of(path)) for path in FILES}
IMPORTS = [one for path in FILES if PARTS[path] for one in imports_of(path)]


def floor_of(part: str) -> int | None:
    """Return the height of a part's floor; None if it stands beside them."""
    return next((height for height, parts in enumerate(FLOORS.values()) if part in parts), None)


def allowed(importer: str, imported: str) -> bool:
    """Say whether one part may import from another."""
    if importer == imported or (not imported and importer != "onhost"):
        return True
    if importer in BESIDE:
        return imported in BESIDE[importer]
    mine, theirs = floor_of(importer), floor_of(imported)
    if theirs is None:
        return importer in FLOORS["top"] and imported in FROM_THE_TOP
    if importer in FLOORS["edges"] and imported in FLOORS["edges"]:
        return False
    return mine is not None and theirs <= mine


def test_every_file_stands_on_a_floor() -> None:
    """Every file of opsbot belongs to a floor, or to a part that stands beside them."""
    known = {part for parts in FLOORS.values() for part in parts} | BESIDE.keys() | {""}
    homeless = [str(path) for path, part in PARTS.items() if part not in known]
    assert not homeless, f"Put these on a floor, in this file and in docs/architecture.md: {homeless}"


def test_imports_only_go_down() -> None:
    """A file imports from its own floor and those below; an edge imports no other edge."""
    wrong = [str(one) for one in IMPORTS if one.ours and not allowed(PARTS[one.path], part_of(one.module))]
    assert not wrong, "These imports leave their floor:\n" + "\n".join(wrong)


def test_imports_make_no_circle() -> None:
    """The imports have no circle, so that each file can be read with only those before it in mind."""
    graph: dict[str, set[str]] = {}
    for one in IMPORTS:
        if one.ours and part_of(one.module) and one.module != module_of(one.path):
            graph.setdefault(module_of(one.path), set()).add(one.module)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError("These import each other: " + " -> ".join(error.args[1])) from None


def test_each_library_is_known_in_its_edge_only() -> None:
    """What a library is called stands in one part of opsbot, so that it can be replaced there."""
    foreign = [one for one in IMPORTS if not one.ours and one.module.split(".")[0] not in sys.stdlib_module_names]
    wrong = [str(one) for one in foreign if PARTS[one.path] not in LIBRARIES.get(one.module.split(".")[0], ())]
    assert not wrong, "These libraries have no business there:\n" + "\n".join(wrong)


def test_the_host_needs_nothing_but_python() -> None:
    """What runs on a managed host imports the standard library and itself."""
    onhost = [one for one in IMPORTS if PARTS[one.path] == "onhost"]
    inside = (*sys.stdlib_module_names, "opsbot")
    wrong = [
        str(one)
        for one in onhost
        if one.module.split(".")[0] not in inside or (one.ours and part_of(one.module) != "onhost")
    ]
    assert not wrong, "A host has none of these:\n" + "\n".join(wrong)


def test_the_table_names_nothing_that_is_not_there() -> None:
    """Every part and every library of these tables exists, so that the tables stay true."""
    named = {part for parts in FLOORS.values() for part in parts} | BESIDE.keys()
    assert named - set(PARTS.values()) == set()
    assert LIBRARIES.keys() - {one.module.split(".")[0] for one in IMPORTS} == set()
