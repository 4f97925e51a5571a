import ast
import re
import subprocess
from pathlib import Path

from opsbot.config import load
from opsbot.onhost.config import load as load_host
from tests.nix.evaluator import TOP, Evaluator

_FOLDER = TOP / "nix/test"
_TEST = "outputs.checks.x86_64-linux.vm.test"
NODE = f'(nixosSystem {{ modules = [ {_TEST}.nodes.machine {{ networking.hostName = "machine"; }} ]; }}).config'


def test_the_machine_of_the_vm_test_is_a_system(nix: Evaluator) -> None:
    """What the VM test boots has a configuration that its bot and its helper take, and they speak of the same host."""
    system = nix.build(f"{NODE}.system.build.toplevel")
    bot, host = load(system / "etc/opsbot/config.yaml", {}), load_host(system / "etc/opsbot/host.json")
    assert list(bot.hosts) == [host.host] == ["machine"]
    assert list(bot.projects) == list(host.projects) == ["hello-bot"]
    [key] = (system / "etc/opsbot/authorized_keys").read_text().splitlines()
    # One pair of keys opens the host, and is the host's.
    assert key.startswith(bot.hosts["machine"].host_key)


def test_every_version_of_the_story_is_built_beforehand(nix: Evaluator) -> None:
    """Each version of hello-bot that the story commits is a specialisation of the machine, or what it boots with."""
    committed = re.findall(r'commit\("([^"]+)"\)', (_FOLDER / "story.py").read_text())
    assert sorted(committed) == nix.value(f"builtins.attrNames {NODE}.specialisation")
    program = nix.value(f"{NODE}.systemd.services.hello-bot.serviceConfig.ExecStart").split()[1]
    assert program.endswith("hello-bot-1.0.py")
    assert 'greets("1.0")' in (_FOLDER / "story.py").read_text()


def test_the_script_of_the_vm_test_is_python(nix: Evaluator) -> None:
    """What the driver of the VM test runs is Python: the story, what comes before it, and the call."""
    script = nix.value(f"{_TEST}.testScript")
    calls = [node.func for node in ast.walk(ast.parse(script)) if isinstance(node, ast.Call)]
    assert [name.id for name in calls if isinstance(name, ast.Name)].count("story") == 1


def test_the_bot_has_its_token_before_the_first_switch(nix: Evaluator) -> None:
    """A bot without its token is started again and again, and a switch that finds such a unit ends as a failure."""
    script = nix.value(f"{_TEST}.testScript")
    assert script.index("room found") < script.index("switch-to-configuration")


def test_the_story_needs_the_end_of_a_pipe_alone(nix: Evaluator) -> None:
    """The driver counts every program of a pipe, so none ends before it has read all that it is given."""
    script = nix.value(f"{_TEST}.testScript")
    assert "| grep " in script
    assert not re.search(r"\|\s*(grep -\w*[qm]|head)", script)


def test_a_copied_system_names_itself(tmp_path: Path) -> None:
    """The system that the machine builds for a commit is the prepared one under its own path, and says the commit."""
    store, names = tmp_path / "store", ("a" * 32 + "-system", "b" * 32 + "-system")
    base, out = (store / name for name in names)
    for folder in ("bin", "sw/bin", "etc"):
        (base / folder).mkdir(parents=True)
    (base / "sw").rename(store / "path")
    (base / "sw").symlink_to(store / "path")
    (base / "activate").write_text(f"#!/bin/sh\necho {base}\n")
    (base / "activate").chmod(0o555)
    (base / "bin/switch").write_bytes(b"\0" + str(base).encode() + b"\0")
    (store / "nixos-version").write_text("the old one")
    (store / "path/bin/nixos-version").symlink_to(store / "nixos-version")
    (store / "path/bin/git").symlink_to("/usr/bin/git")
    environment = {"PATH": "/usr/bin:/bin", "base": str(base), "out": str(out), "revision": "c" * 40}
    subprocess.run(["sh", _FOLDER / "copy.sh"], env=environment, check=True)
    assert subprocess.run([out / "activate"], capture_output=True, text=True, check=True).stdout == f"{out}\n"
    assert (out / "bin/switch").read_bytes() == b"\0" + str(out).encode() + b"\0"
    said = subprocess.run([out / "sw/bin/nixos-version", "--json"], capture_output=True, text=True, check=True).stdout
    assert said == f'{{"configurationRevision": "{"c" * 40}"}}\n'
    assert (out / "sw/bin/git").readlink() == Path("/usr/bin/git")
    # What it was copied from is as it was.
    assert str(base) in (base / "activate").read_text()
    assert (store / "nixos-version").read_text() == "the old one"


def test_the_publisher_of_the_vm_test_can_write_where_it_pushes_to(nix: Evaluator) -> None:
    """The platform's repository lies in a folder that the unit which pushes may write, and the unit keeps its PATH."""
    units = nix.build(f"{NODE}.system.build.toplevel") / "etc/systemd/system"
    lines = (units / "opsbot-publish@.service.d/overrides.conf").read_text().splitlines()
    writable = [line.partition("=")[2] for line in lines if line.startswith("ReadWritePaths=")]
    url = nix.value(f"{NODE}.services.opsbot-host.settings.platform.url")
    assert any(url.startswith(f"file://{folder}/") for folder in writable)
    # git is there, and not in the PATH that NixOS gives to services.
    assert not any(line.startswith("Environment=PATH=") for line in lines)
    assert "\nEnvironment=PATH=/run/current-system/sw/bin" in (units / "opsbot-publish@.service").read_text()
