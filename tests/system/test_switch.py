import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system import platform
from tests.system.debian import Debian, until
from tests.system.world import FETCHING, World

pytestmark = pytest.mark.system

_FAILS = "[Service]\nType=oneshot\nExecStart=/bin/false\n"
_WANTED = json.loads(platform.settings()["settings.json"])["wants"]


@pytest.fixture(scope="module", name="world")
def console(layers: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One booted host, at whose console a person switches by hand."""
    place = tmp_path_factory.mktemp("host")
    with Debian(place, layers, place / "upper") as debian:
        debian.boot()
        until(lambda: debian.state("hello-bot.service") == "active", "hello-bot is up")
        yield World(debian)
        debian.forget()


def build(world: World, subject: str, files: dict[str, str]) -> str:
    """Build the system of a platform that is changed so; main stays."""
    commit = world.change(subject, files)
    flake = f"git+{platform.url('platform')}?ref=main&rev={commit}"
    wanted = f"{flake}#nixosConfigurations.{platform.HOST}.config.system.build.toplevel"
    return world.debian.run(*FETCHING, "nix", "build", wanted, "--no-link", "--print-out-paths").stdout.strip()


def switch(world: World, system: str, action: str = "test") -> subprocess.CompletedProcess[str]:
    """Run a system's own switch-to-configuration."""
    return world.debian.run(f"{system}/bin/switch-to-configuration", action, check=False)


def fault(world: World, name: str, status: int) -> None:
    """Let one step of the next switch go wrong."""
    folder = world.debian.root / "etc/standin/faults"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps({"status": status, "says": "", "argument": None, "after": 0}))


def test_the_real_systemd_is_switched_like_a_nixos(world: World) -> None:
    """Order, words, exit codes and lists are those of NixOS, with the real systemd: what all stories stand on."""
    debian, old = world.debian, world.running()
    louder = {"etc/systemd/system/hello-bot.service": world.unit("hello-bot.service") + "Environment=LOUD=1\n"}
    new = build(world, "Louder", louder)

    debian.run("systemd-run", "--unit=bystander", "sleep", "1000")
    done = switch(world, new)
    assert (done.returncode, done.stderr.splitlines()) == (
        0,
        [
            "stopping the following units: hello-bot.service",
            "activating the configuration...",
            "starting the following units: hello-bot.service",
        ],
    )
    assert debian.state("bystander.service") == "active"
    assert "LOUD=1" in debian.said("systemctl", "show", "--property=Environment", "hello-bot.service")
    assert f"finished switching to system configuration {new}" in debian.said("journalctl", "-t", "nixos", "-o", "cat")
    assert (world.running(), world.boots()) == (new, old)

    held = ["flock", "/run/nixos/switch-to-configuration.lock", f"{old}/bin/switch-to-configuration", "test"]
    done = debian.run(*held, check=False)
    assert (done.returncode, done.stderr) == (11, "Could not acquire lock\n")

    fault(world, "activate", 1)
    done = switch(world, old)
    assert done.returncode == 2
    assert "Failed to run activate script" in done.stderr

    fault(world, "switch-stopped", 101)
    assert switch(world, new).returncode == 101
    assert debian.state("hello-bot.service") == "inactive"
    assert switch(world, new).returncode == 0
    assert debian.state("hello-bot.service") == "active"


def test_a_unit_that_fails_is_code_4_and_a_new_init_is_code_100(world: World) -> None:
    """With a unit that fails the new system runs all the same; another init changes nothing before a reboot."""
    debian, old = world.debian, world.running()
    wants = {**_WANTED, "multi-user.target": [*_WANTED["multi-user.target"], "bad.service"]}
    bad = {"etc/systemd/system/bad.service": _FAILS, **platform.settings(wants=wants)}
    worse = build(world, "One that fails", bad)

    done = switch(world, worse)
    assert done.returncode == 4
    assert "warning: the following units failed: bad.service" in done.stderr
    assert world.running() == worse
    assert switch(world, old).returncode == 0
    assert debian.said("systemctl", "list-units", "--failed", "--no-legend") == ""

    other = build(world, "Another init", platform.settings(init="systemd 3"))
    done = switch(world, other)
    assert done.returncode == 100
    assert world.running() == old
