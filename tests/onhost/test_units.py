from pathlib import Path

import pytest

from opsbot.onhost import units
from opsbot.onhost.trees import UNITS
from opsbot.onhost.units import Difference, parse_unit

BASE = "[Unit]\nDescription=x\n[Service]\nExecStart=/nix/store/a/bin/x\n"


def _changed(extra: str, section: str = "Service") -> tuple[units.Unit, units.Unit]:
    more = f"[{section}]\n{extra}\n"
    return parse_unit(BASE + more), parse_unit(BASE.replace("/a/", "/b/") + more)


@pytest.mark.parametrize(
    ("extra", "section", "fate"),
    [
        ("", "Service", "restart"),
        ("X-StopIfChanged=false", "Service", "restart"),
        ("X-ReloadIfChanged=true", "Service", "reload"),
        ("X-RestartIfChanged=false", "Service", None),
        ("RefuseManualStop=true", "Unit", None),
        ("X-OnlyManualStart=true", "Unit", None),
    ],
)
def test_a_changed_unit_meets_the_fate_that_it_asks_for(extra: str, section: str, fate: str | None) -> None:
    """A unit that runs and has changed restarts, reloads or is left alone, as its file says."""
    old, new = _changed(extra, section)
    found = units.changes({"x.service": old}, {"x.service": new}, ((), ()), {"x.service"})
    assert {name for name in ("stop", "start", "restart", "reload") if getattr(found, name)} == (
        {fate} if fate else set()
    )
    assert found.changed == ("x.service",)


def test_a_unit_that_does_not_run_is_left_alone() -> None:
    """A changed unit that does not run is named, and nothing is done to it."""
    old, new = _changed("")
    found = units.changes({"x.service": old}, {"x.service": new}, ((), ()), set())
    assert (found.touched(), found.changed) == (frozenset(), ("x.service",))


def test_a_removed_unit_stops_unless_it_says_otherwise() -> None:
    """A unit that is no longer there stops, but for X-StopOnRemoval=false."""
    stays = parse_unit("[Unit]\nX-StopOnRemoval=false\n" + BASE)
    old = {"gone.service": parse_unit(BASE), "stays.service": stays}
    assert units.changes(old, {}, ((), ()), set(old)).stop == ("gone.service",)


def test_a_new_unit_starts_when_something_active_wants_it() -> None:
    """A new unit starts when a target that is active pulls it in."""
    wants = {("multi-user.target", "new.service"), ("other.target", "idle.service")}
    new = {"new.service": parse_unit(BASE), "idle.service": parse_unit(BASE)}
    found = units.changes({}, new, ((), wants), {"multi-user.target"})
    assert found.start == ("new.service",)
    assert found.changed == ("idle.service", "new.service")


def test_a_socket_goes_with_its_service() -> None:
    """A service that is started by a socket takes its socket with it."""
    old, new = _changed("")
    socket = parse_unit("[Socket]\nListenStream=80\n")
    found = units.changes(
        {"x.service": old, "x.socket": socket},
        {"x.service": new, "x.socket": socket},
        ((), ()),
        {"x.service", "x.socket"},
    )
    assert found.restart == ("x.service", "x.socket")


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        ("Description=a", "Description=b", Difference.NONE),
        ("X-Reload-Triggers=a", "X-Reload-Triggers=b", Difference.RELOAD),
        ("After=a", "After=b", Difference.RESTART),
        ("After=a", "After=a\nAfter=b", Difference.RESTART),
        ("", "After=b", Difference.RESTART),
        ("After=b", "", Difference.RESTART),
    ],
)
def test_some_changes_restart_nothing(old: str, new: str, difference: Difference) -> None:
    """A new description restarts nothing, a reload trigger only reloads, anything else restarts."""
    assert units.compare(parse_unit(f"[Unit]\n{old}\n"), parse_unit(f"[Unit]\n{new}\n")) is difference


@pytest.mark.parametrize("target", ["network-pre.target", "network.target", "network-online.target"])
def test_a_unit_of_the_network_is_known_by_its_place(target: str) -> None:
    """What its file puts before the network is the network's own; what comes after it, or needs it, is not."""
    known = {
        "firewall.service": parse_unit(f"[Unit]\nBefore={target} shutdown.target\n"),
        "web.service": parse_unit(f"[Unit]\nAfter={target}\nWants={target}\n"),
    }
    assert units.of_network(known, ["firewall.service", "gone.service"])
    assert not units.of_network(known, ["web.service"])


def test_what_requires_a_changed_unit_is_touched_as_well() -> None:
    """A unit that requires one that restarts, or is part of it, counts as touched."""
    known = {
        "db.service": parse_unit(BASE),
        "app.service": parse_unit("[Unit]\nRequires=db.service other.service\n"),
        "web.service": parse_unit("[Unit]\nPartOf=app.service\n"),
        "ssh.service": parse_unit("[Unit]\nAfter=db.service\n"),
    }
    assert units.depending(known, ["db.service"]) == {"db.service", "app.service", "web.service"}


def test_what_requires_a_unit_by_a_link_is_touched_as_well() -> None:
    """A unit that requires another by a link in its folder, as `requiredBy` makes one, falls with it."""
    known = {"db.service": parse_unit(BASE), "app.service": parse_unit(BASE), "ssh.service": parse_unit(BASE)}
    links = {("app.service", "db.service"), ("multi-user.target", "ssh.service")}
    assert units.depending(known, ["db.service"], links) == {"db.service", "app.service"}


def test_drop_ins_and_continued_lines_are_part_of_a_unit(tmp_path: Path) -> None:
    """Drop-ins add to a unit, an empty assignment takes back, and a backslash continues a line."""
    folder = tmp_path / UNITS
    (folder / "x.service.d").mkdir(parents=True)
    (folder / "multi-user.target.wants").mkdir()
    (folder / "x.service").write_text("# why\n[Service]\nExecStart=/a \\\n  b\nEnvironment=A=1\nEnvironment=\n")
    (folder / "x.service.d/overrides.conf").write_text("[Service]\nUser=x\n")
    (folder / "multi-user.target.wants/x.service").symlink_to("../x.service")
    (unit,) = units.read_units(tmp_path).values()
    assert unit == {"Service": {"ExecStart": ["/a    b"], "Environment": [], "User": ["x"]}}
    assert units.read_wants(tmp_path) == {("multi-user.target", "x.service")}
