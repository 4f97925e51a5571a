"""What a switch does to the units of a host, read from the unit files the way switch-to-configuration reads them."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path

from opsbot.onhost.trees import ENDINGS, UNITS

#: A unit file: section -> key -> its values in order.
Unit = Mapping[str, Mapping[str, list[str]]]

#: Keys of [Unit] whose change restarts nothing.
_IGNORED = frozenset({
    "X-Reload-Triggers", "Description", "Documentation", "OnFailure", "OnSuccess", "OnFailureJobMode",
    "IgnoreOnIsolate", "StopWhenUnneeded", "RefuseManualStart", "RefuseManualStop", "AllowIsolate", "CollectMode",
    "SourcePath",
})  # fmt: skip
_BLANK = " \t\r"
_NEVER = frozenset({"sysinit.target", "basic.target", "multi-user.target", "graphical.target"})
_HARD = ("Requires", "Requisite", "BindsTo")
_PULLS = (*_HARD, "PartOf", "Upholds")
#: What comes before these sets the network up, or says who gets through: addresses, routes, firewalls.
_NETWORK = {"network-pre.target", "network.target", "network-online.target"}


class Difference(Enum):
    """How much two versions of a unit differ."""

    NONE = auto()
    RELOAD = auto()
    RESTART = auto()


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What a switch does: to those that go, those that come, and those that stop and start again or reload."""

    stop: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    reload: tuple[str, ...] = ()
    #: Every unit whose file differs, whether it runs or not.
    changed: tuple[str, ...] = ()

    def touched(self) -> frozenset[str]:
        """Return every unit that the switch does something to."""
        return frozenset((*self.stop, *self.start, *self.restart, *self.reload))


@dataclass
class _Parser:
    sections: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    section: dict[str, list[str]] | None = None

    def feed(self, text: str) -> None:
        # As systemd does: what else Python takes for an end of a line, or for a space, is part of the value.
        for raw in text.replace("\\\n", " ").split("\n"):
            line = raw.strip(_BLANK)
            if line.startswith("[") and line.endswith("]"):
                self.section = self.sections.setdefault(line[1:-1], {})
            elif line and line[0] not in "#;" and "=" in line and self.section is not None:
                key, _, value = line.partition("=")
                values = self.section.setdefault(key.strip(_BLANK), [])
                # An empty assignment takes back what was said before.
                self.section[key.strip(_BLANK)] = [*values, value.strip(_BLANK)] if value.strip(_BLANK) else []


def parse_unit(*texts: str) -> Unit:
    """Read a unit file and its drop-ins, in this order."""
    parser = _Parser()
    for text in texts:
        parser.feed(text)
    return parser.sections


def read_units(system: Path) -> dict[str, Unit]:
    """Return the units that a system declares, drop-ins included; masked ones are empty."""
    folder = system / UNITS
    found: dict[str, Unit] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name.endswith(ENDINGS) and not path.is_dir():
            extra = sorted((folder / f"{path.name}.d").glob("*.conf"))
            found[path.name] = parse_unit(*(_text(file) for file in (path, *extra)))
    return found


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def read_wants(system: Path) -> frozenset[tuple[str, str]]:
    """Return who pulls in whom by the links in a system's `.wants` and `.requires` folders: (target, unit)."""
    return read_links(system, "wants", "requires")


def read_links(system: Path, *kinds: str) -> frozenset[tuple[str, str]]:
    """Return who pulls in whom by the links in a system's folders of some KINDS: (unit, the one it pulls in)."""
    folder = system / UNITS
    pairs = set()
    for kind in kinds:
        for link in folder.glob(f"*.{kind}/*"):
            pairs.add((link.parent.name.removesuffix(f".{kind}"), link.name))
    return frozenset(pairs)


def truth(unit: Unit, section: str, key: str, *, default: bool) -> bool:
    """Return a yes-or-no value of a unit."""
    values = unit.get(section, {}).get(key)
    return values[-1] in ("1", "yes", "true", "on") if values else default


def compare(old: Unit, new: Unit) -> Difference:
    """Say how much two versions of a unit differ."""
    result = Difference.NONE
    for section in old.keys() | new.keys():
        before, after = old.get(section, {}), new.get(section, {})
        for key in before.keys() | after.keys():
            if before.get(key) == after.get(key):
                continue
            gentle = (section, key) in (("Unit", "X-Reload-Triggers"), ("Mount", "Options"))
            if section == "Unit" and key in _IGNORED and not gentle:
                continue
            if not gentle:
                return Difference.RESTART
            result = Difference.RELOAD
    return result


def _fate(name: str, old: Unit, new: Unit) -> str:
    difference = compare(old, new)
    if difference is Difference.NONE or name in _NEVER or name.endswith((".slice", ".socket")):
        return "none"
    if difference is Difference.RELOAD or truth(new, "Service", "X-ReloadIfChanged", default=False):
        return "reload"
    if (
        not truth(new, "Service", "X-RestartIfChanged", default=True)
        or truth(new, "Unit", "RefuseManualStop", default=False)
        or truth(new, "Unit", "X-OnlyManualStart", default=False)
    ):
        return "none"
    return "reload" if name in ("-.mount", "nix.mount") else "restart"


def changes(
    old: Mapping[str, Unit],
    new: Mapping[str, Unit],
    wants: tuple[Collection[tuple[str, str]], Collection[tuple[str, str]]],
    active: Collection[str],
) -> Changes:
    """Say what a switch from the OLD units to the NEW does, when ACTIVE run; WANTS are those of old and new."""
    differ = {
        name
        for name in old.keys() | new.keys()
        if name not in old or name not in new or compare(old[name], new[name]) is not Difference.NONE
    }
    fates: dict[str, set[str]] = {"stop": set(), "start": set(), "restart": set(), "reload": set(), "none": set()}
    for name in old.keys() & active:
        if name in new:
            fates[_fate(name, old[name], new[name])].add(name)
        elif truth(old[name], "Unit", "X-StopOnRemoval", default=True):
            fates["stop"].add(name)
    for target, name in set(wants[1]) - set(wants[0]):
        if target in active and name in new and name not in active:
            fates["start"].add(name)
    # A service that is started by its socket stops and starts together with it.
    sockets = {name.removesuffix(".service") + ".socket" for name in fates["restart"] if name.endswith(".service")}
    fates["restart"] |= sockets & set(active) & new.keys()
    del fates["none"]
    differ |= {name for _, name in set(wants[0]) ^ set(wants[1])}
    return Changes(changed=tuple(sorted(differ)), **{fate: tuple(sorted(names)) for fate, names in fates.items()})


def depending(units: Mapping[str, Unit], on: Iterable[str], links: Collection[tuple[str, str]] = ()) -> frozenset[str]:
    """Return the units ON and all that fall with them, by what the unit files and the LINKS require."""
    reached = set(on)
    while True:
        more = {name for name, unit in units.items() if name not in reached and _needs(unit) & reached}
        more |= {name for name, needed in links if needed in reached and name not in reached}
        if not more:
            return frozenset(reached)
        reached |= more


def of_network(units: Mapping[str, Unit], names: Iterable[str]) -> bool:
    """Say whether one of the units NAMES is the network's own: by its file it comes before the network is up."""
    return any(_needs(units[name], ("Before",)) & _NETWORK for name in names if name in units)


def required(units: Mapping[str, Unit], links: Collection[tuple[str, str]], by: Iterable[str]) -> frozenset[str]:
    """Return the units that those named BY cannot start without, by their files and by LINKS to what they require."""
    reached, new = set(by), set(by)
    while new:
        needs = {name for one in new if one in units for name in _needs(units[one], _HARD)}
        new = (needs | {name for one, name in links if one in new}) - reached
        reached |= new
    return frozenset(reached - set(by))


def _needs(unit: Unit, keys: Iterable[str] = _PULLS) -> set[str]:
    section = unit.get("Unit", {})
    return {word for key in keys for value in section.get(key, []) for word in value.split()}
