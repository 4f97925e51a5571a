import pytest

from opsbot.standin.changes import compare
from opsbot.standin.units import UnitFile, parse, seconds, template

_SERVICE = "[Unit]\nDescription=One\n[Service]\nExecStart=/bin/a\n"


@pytest.mark.parametrize(
    ("text", "expected"), [("90", 90), ("500ms", 0.5), ("1min 30s", 90), ("2h", 7200), ("infinity", 365 * 86400)]
)
def test_time_spans_are_read_as_systemd_reads_them(text: str, expected: float) -> None:
    """A number alone is seconds; units may be joined."""
    assert seconds(text) == expected


def test_an_instance_knows_its_name() -> None:
    """`%i` is what stands between the @ and the dot; `%%` is a percent sign."""
    unit = parse("opsbot-activate@j1234.service", "[Service]\nExecStart=/bin/a unit activate %i 50%%\n")
    assert unit.commands == (("/bin/a", "unit", "activate", "j1234", "50%"),)
    assert template("opsbot-activate@j1234.service") == "opsbot-activate@.service"
    assert template("nginx.service") == "nginx.service"


def test_an_empty_value_takes_the_earlier_ones_back() -> None:
    """The way in which a drop-in replaces a command."""
    unit = parse("a.service", "[Service]\nType=oneshot\nExecStart=/bin/a\nExecStart=\nExecStart=-/bin/b 'c d'\n")
    assert unit.commands == (("/bin/b", "c d"),)


def test_everything_that_a_unit_may_say() -> None:
    """Environment, folder, output, ways to stop: what the unit files of a host use."""
    text = """
# a remark
[Service]
Type=oneshot
ExecStart=/bin/a \\
  b
Environment=A=1 "B=2 3"
Environment=C=4
StandardOutput=append:/log
WorkingDirectory=/srv
TimeoutStopSec=5
KillMode=mixed
CollectMode=inactive-or-failed
RemainAfterExit=yes
"""
    assert parse("a.service", text) == UnitFile(
        name="a.service",
        description="a.service",
        type="oneshot",
        commands=(("/bin/a", "b"),),
        environment={"A": "1", "B": "2 3", "C": "4"},
        directory="/srv",
        output="/log",
        remains=True,
        stop_within=5,
        kill_mode="mixed",
        collect=True,
        switches={"reload": False, "keep": False, "stop": True, "stay": False},
    )


def test_a_changed_service_is_stopped_before_and_started_after() -> None:
    """The usual way of a NixOS service."""
    changes = compare({"a.service": _SERVICE}, {"a.service": _SERVICE + "Nice=1\n"}, ["a.service"])
    assert (changes.stop, changes.start, changes.restart) == ({"a.service"}, {"a.service"}, set())


@pytest.mark.parametrize(
    ("line", "where"),
    [
        ("X-ReloadIfChanged=true", "reload"),
        ("X-RestartIfChanged=false", "left"),
        ("RefuseManualStop=true", "left"),
        ("X-StopIfChanged=false", "restart"),
    ],
)
def test_a_unit_may_ask_for_another_way(line: str, where: str) -> None:
    """Each switch of NixOS sends a changed unit to its own list, and to no other."""
    changes = compare({"a.service": _SERVICE}, {"a.service": f"{_SERVICE}{line}\n"}, ["a.service"])
    named = {name: getattr(changes, name) for name in ("stop", "start", "restart", "reload", "left")}
    assert {name for name, units in named.items() if units} == {where}


def test_what_did_not_change_is_left_alone() -> None:
    """Neither an equal file nor another description restarts anything."""
    new = {"a.service": _SERVICE.replace("One", "Two")}
    assert compare({"a.service": _SERVICE}, new, ["a.service"]) == compare({}, {}, [])


def test_a_unit_that_does_not_run_is_not_stopped() -> None:
    """Only active units are compared."""
    assert not compare({"a.service": _SERVICE}, {}, []).stop


def test_a_removed_unit_is_stopped_unless_it_asks_to_stay() -> None:
    """X-StopOnRemoval=false keeps the last run of a unit that the new system no longer has."""
    old = {"a@.service": _SERVICE, "b@.service": _SERVICE + "X-StopOnRemoval=false\n"}
    assert compare(old, {}, ["a@1.service", "b@1.service"]).stop == {"a@1.service"}


def test_a_unit_of_no_file_is_never_touched() -> None:
    """A transient unit survives every switch: the dead man's timer depends on it."""
    assert not compare({}, {}, ["opsbot-deadman-j1234-1.service"]).stop
