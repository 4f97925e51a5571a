import json
from pathlib import Path

import pytest

from opsbot.standin import samples
from opsbot.standin.machine import Machine
from tests.standin.console import Console

pytestmark = pytest.mark.asyncio(loop_scope="module")


def hello(machine: Machine, version: str, behaviour: str = "well") -> str:
    """Commit a hello-bot that behaves in some way."""
    files = samples.project("hello-bot", version, behaviour=behaviour, tested=behaviour == "does-not-build")
    repository = machine.repositories.projects["hello-bot"]
    return repository.commit(f"hello-bot {version}", files)


async def built(console: Console, folder: Path, commit: str) -> Path:
    """Build a platform's commit and return the system."""
    done = await console.build(commit, folder)
    assert done.code == 0, done.err
    return (folder / "result").readlink()


async def test_an_input_is_locked_to_a_commit(machine: Machine, console: Console, tmp_path: Path) -> None:
    """`flake lock --override-input` moves one input of flake.lock, and tells from where to where."""
    team = machine.repositories
    before = team.platform.read("flake.lock")
    for file in ("flake.nix", "flake.lock"):
        (tmp_path / file).write_text(team.platform.read(file))
    newest = team.projects["hello-bot"].head()
    lock = ["nix", "--extra-experimental-features", "nix-command flakes", "flake", "lock", "--override-input"]
    done = await console.run(
        *lock, "hello-bot", f"git+{team.projects['hello-bot'].url}?ref=main&rev={newest}", cwd=tmp_path
    )
    assert done.code == 0
    assert "• Updated input 'hello-bot':" in done.err
    old, new = json.loads(before), json.loads((tmp_path / "flake.lock").read_text())
    assert new["nodes"]["hello-bot"]["locked"]["rev"] == newest
    assert new["nodes"]["hello-bot"]["original"] == old["nodes"]["hello-bot"]["original"]
    old["nodes"].pop("hello-bot")
    new["nodes"].pop("hello-bot")
    assert old == new


@pytest.mark.parametrize(
    ("name", "ref", "rev", "code", "words"),
    [
        ("hello-bot", "main", "0" * 40, 1, "error: Cannot find Git revision"),
        ("hello-bot", "nowhere", None, 1, "error: program 'git' failed with exit code 128"),
        ("nothing", "main", None, 0, "warning: the flag '--override-input nothing "),
    ],
)
async def test_an_input_that_cannot_be_locked_leaves_the_lock_alone(
    machine: Machine, console: Console, tmp_path: Path, name: str, ref: str, rev: str | None, code: int, words: str
) -> None:
    """An unknown commit or branch is an error, an unknown input only a warning, as with Nix 2.8."""
    team = machine.repositories
    for file in ("flake.nix", "flake.lock"):
        (tmp_path / file).write_text(team.platform.read(file))
    url = f"git+{team.projects['hello-bot'].url}?ref={ref}" + (f"&rev={rev}" if rev else "")
    done = await console.run("nix", "flake", "lock", "--override-input", name, url, cwd=tmp_path)
    assert done.code == code
    assert words in done.err
    assert (tmp_path / "flake.lock").read_text() == team.platform.read("flake.lock")


async def test_a_commit_becomes_a_system(machine: Machine, console: Console, tmp_path: Path) -> None:
    """A build leaves `result`, says what it does; the system knows its commit and differs where the project does."""
    commit = console.pin("hello-bot", hello(machine, "3.0"))
    done = await console.build(commit, tmp_path)
    assert done.code == 0
    assert done.err.startswith("building the system configuration...\nbuilding '/")
    assert "hello-bot> building\n" in done.err
    system = (tmp_path / "result").readlink()
    facts = json.loads((await console.run(system / "sw/bin/nixos-version", "--json")).out)
    assert facts == {"configurationRevision": commit, "nixosVersion": (system / "nixos-version").read_text()}
    differ = await console.run("nix", "store", "diff-closures", machine.running(), system)
    assert differ.out == "hello-bot: 1.0 → 3.0\n"
    units = [(path / "etc/systemd/system/hello-bot.service").read_text() for path in (machine.running(), system)]
    assert units[0] != units[1]
    needed = "bin/switch-to-configuration activate init initrd kernel kernel-params nixos-version sw/bin/opsbot-host"
    assert all((system / name).exists() for name in needed.split())


async def test_the_same_commit_is_the_same_system(machine: Machine, console: Console, tmp_path: Path) -> None:
    """What was built is not built again."""
    commit = machine.repositories.deployed[-1][0]
    assert await built(console, tmp_path, commit) == machine.layout.profile.with_name("system-31-link").readlink()
    assert (await console.build(commit, tmp_path)).err == "building the system configuration...\n"


async def test_a_project_that_does_not_build(machine: Machine, console: Console, tmp_path: Path) -> None:
    """The log ends with what the project's tests said, the derivation that failed and the one that needed it."""
    done = await console.build(console.pin("hello-bot", hello(machine, "3.1", "does-not-build")), tmp_path)
    assert done.code == 1
    *_, result, failed, above = done.err.splitlines()
    assert result == "hello-bot> FAILED (failures=1)"
    assert failed.startswith("error: builder for '")
    assert failed.endswith("-hello-bot-3.1.drv' failed with exit code 1")
    assert above.endswith(".drv' failed to build")
    assert not (tmp_path / "result").exists()


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("flake.nix", "{ outputs = {", "error: syntax error, unexpected end of file"),
        ("platform.json", "{", "error: [json.exception.parse_error.101] parse error"),
        ("platform.json", '{"services": {}, "what": 1}', "error: The option in"),
        ("flake.lock", "<<<<<<< ours", "error: parse error in"),
        ("flake.nix", '{\n  inputs.more.url = "git+file:///x";\n}', "error: input 'more' is not in the lock file"),
    ],
)
async def test_a_platform_that_makes_no_sense(
    machine: Machine, console: Console, tmp_path: Path, file: str, text: str, words: str
) -> None:
    """An evaluation that fails says why, and builds nothing."""
    branch = f"nonsense-{tmp_path.name}"
    commit = machine.repositories.platform.commit("Nonsense", {file: text}, branch=branch, onto="main")
    done = await console.build(commit, tmp_path)
    assert (done.code, done.err.splitlines()[1][: len(words)]) == (1, words)


async def test_a_host_that_the_flake_does_not_have(machine: Machine, console: Console, tmp_path: Path) -> None:
    """The name after the # must be the host's."""
    done = await console.build(machine.repositories.platform.head(), tmp_path, host="other")
    assert done.err.endswith("error: flake does not provide attribute 'nixosConfigurations.\"other\"'\n")


async def test_nix_env_moves_the_profile(machine: Machine, console: Console) -> None:
    """`--set` and `--switch-generation` move the profile alone; what is not in the store is refused."""
    profile = machine.layout.profile
    before = profile.readlink()
    assert (await console.run("nix-env", "--profile", profile, "--switch-generation", "29")).err == (
        "switching profile from version 31 to 29\n"
    )
    assert profile.readlink() == Path("system-29-link")
    assert (await console.run("nix-env", "--profile", profile, "--set", machine.running())).code == 0
    assert profile.readlink() == before
    done = await console.run("nix-env", "--profile", profile, "--set", machine.root / "nix/store/none")
    assert (done.code, done.err[-8:]) == (1, " failed\n")
    assert "  31   " in (await console.run("nix-env", "--profile", profile, "--list-generations")).out


async def test_a_root_is_a_link(machine: Machine, console: Console, tmp_path: Path) -> None:
    """`nix-store --add-root` makes the link that keeps a path; it resolves what leads to one."""
    root = tmp_path / "root"
    done = await console.run("nix-store", "--realise", machine.layout.running, "--add-root", root)
    assert (done.code, done.out) == (0, f"{root}\n")
    assert root.readlink() == machine.running()


async def test_what_is_not_imitated_says_so(console: Console) -> None:
    """A call that the stand-in does not know fails loudly instead of pretending."""
    assert (await console.run("nix", "flake", "update")).code == 1
    assert (await console.run("nixos-rebuild", "switch", "--flake", "x")).code == 2
    assert (await console.run("systemctl", "isolate", "rescue.target")).code == 1
